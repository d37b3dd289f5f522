/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of store: object stores as the rest of the library uses them.
 *
 * A struct ks_store stands between the library and an implementation of kafscale/store.h and
 * is its only caller. It asserts that our own requests have the form the interface demands,
 * checks that the implementation keeps the contract, and counts. What an implementation
 * answers against its contract reaches the caller as KAFSCALE_FAILED, with one line in the
 * log, not as damaged memory.
 *
 * Everything here belongs to the loop thread.
 */
#ifndef KS_STORE_STORE_H
#define KS_STORE_STORE_H

#include "base/base.h"
#include "kafscale/store.h"
#include "store/contract.h"
#include "store/directory_store.h"
#include "store/fault_store.h"
#include "store/health.h"
#include "store/key.h"
#include "store/memory_store.h"
#include "store/operation.h"
#include "store/probe.h"

/* So many requests can be refused for want of memory within one turn of the loop. */
#define KS_STORE_RESERVE_COUNT 64

/* `errors` counts failures, not the ordinary answers KAFSCALE_EXISTS and KAFSCALE_NOT_FOUND. */
struct ks_store_counters {
    uint64_t requests[KS_STORE_OPERATION_COUNT];
    uint64_t errors[KS_STORE_OPERATION_COUNT];
    uint64_t bytes[KS_STORE_OPERATION_COUNT]; /* sent by PUTs when submitted, received by GETs */
    struct ks_histogram durations[KS_STORE_OPERATION_COUNT]; /* from a request to its answer */
    size_t in_flight;
    uint64_t breaches; /* of its contract */
};

/* "PUT", "GET", "LIST", "DELETE". */
const char *ks_store_operation_name(enum ks_store_operation operation);

struct ks_store;

/*
 * Takes `inner`, which must have name, window and all operations. NULL when memory is short;
 * `inner` then stays with the caller.
 */
struct ks_store *ks_store_new(struct ks_env *env, struct kafscale_store inner);

/*
 * The operations. The request, its key and its parts are borrowed until the completion has
 * returned. The completion comes exactly once and never before this call has returned; `error`
 * is NULL with KAFSCALE_OK and filled in otherwise.
 *
 * A PUT answers OK, EXISTS (only with if_absent), UNKNOWN (may have happened, or may still:
 * send the same bytes again), UNAVAILABLE or NO_MEMORY (neither did nor will), or FAILED (the
 * store itself can't be trusted any more: stop). A status beyond these is answered as UNKNOWN.
 *
 * A GET answers OK, NOT_FOUND, CORRUPT (damaged on the way: read again), FAILED, or another
 * status that says nothing about the object. LIST and DELETE answer OK, FAILED, or another
 * status after which the same may be asked again.
 */
void ks_store_put(struct ks_store *store, const struct kafscale_put *put, kafscale_put_done *done,
                  void *arg);
void ks_store_get(struct ks_store *store, const struct kafscale_get *get, kafscale_get_done *done,
                  void *arg);
void ks_store_list(struct ks_store *store, const struct kafscale_list *list,
                   kafscale_list_done *done, void *arg);
void ks_store_remove(struct ks_store *store, const struct kafscale_remove *remove,
                     kafscale_remove_done *done, void *arg);

/*
 * Whether the store takes objects under a prefix away by itself, as kafscale_expiry_done tells; OK
 * of a store that has no such question. The prefix is borrowed until the completion has returned,
 * which comes once, not before this call has, and not after the store was abandoned. One at a time.
 */
void ks_store_find_expiry(struct ks_store *store, const char *prefix, kafscale_expiry_done *done,
                          void *arg);

/*
 * Closes the implementation, which waits for what is in flight; then frees the store and calls
 * `done`.
 */
void ks_store_close(struct ks_store *store, kafscale_close_done *done, void *arg);

/*
 * Frees the store at once, without completions, and closes the implementation behind it. For
 * the death of a simulated broker: the implementation must have promised to complete nothing
 * more (ks_fault_store_crash).
 */
void ks_store_abandon(struct ks_store *store);

/* Valid as long as the store. */
const char *ks_store_name(const struct ks_store *store);
uint32_t ks_store_window(const struct ks_store *store);
uint32_t ks_store_flush_interval_ms(const struct ks_store *store);

/* Where it is and by what it is served; NULL: it needs no probe. Valid until the next call. */
const char *ks_store_place(const struct ks_store *store);

/* Whether it asks for fewer requests than there are. */
bool ks_store_is_slowed(const struct ks_store *store);

/* Whether it was told to close: nothing more may be asked of it. */
bool ks_store_is_closing(const struct ks_store *store);

/*
 * How well it answers, by the limits of KafScale's defaults unless others are set. Setting them
 * forgets what was known.
 */
void ks_store_set_health(struct ks_store *store, const struct ks_health_options *options);

/* The same without forgetting what was measured; the window stays as long as it is. */
void ks_store_set_health_limits(struct ks_store *store, const struct ks_health_options *options);
void ks_store_read_health(struct ks_store *store, struct ks_health_reading *reading_out);

const struct ks_store_counters *ks_store_counters(const struct ks_store *store);

/* The newest failure, as the counter `errors` has it, and when it was; NULL: there was none. */
const struct kafscale_error *ks_store_last_error(const struct ks_store *store, int64_t *at_ms_out);

#endif
