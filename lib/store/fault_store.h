/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store around any store that does what networks and object stores do on bad days. For tests
 * and simulation.
 *
 * What a broker must survive, and all that is injected here:
 * - a request fails without effect, and the caller may (UNAVAILABLE) or may not (UNKNOWN) be
 *   told so for certain;
 * - a request has its effect and the caller is told UNKNOWN: the time-out of a PUT that was
 *   stored;
 * - a request acts long after its caller was told UNKNOWN, also after the caller's death;
 * - a request acts twice: at once, so that a put-if-absent answers EXISTS for its own bytes,
 *   or again much later;
 * - effects and answers are late by any time and therefore change their order;
 * - a GET is cut short or has a flipped bit; a LIST page is cut short or misses keys.
 * Never injected, because no store is usable that does it: an object seen in part under its
 * whole size, two winners of a put-if-absent, a GET that misses a finished PUT, an answer OK
 * for what did not happen.
 *
 * Everything belongs to the loop thread. The same seed and the same requests give the same
 * faults.
 */
#ifndef KS_STORE_FAULT_STORE_H
#define KS_STORE_FAULT_STORE_H

#include "base/base.h"
#include "kafscale/store.h"
#include "store/operation.h"

/*
 * What happens to one request. `effect` and `answer` are the delays of struct ks_fate. The
 * last two are as NONE for PUT and DELETE.
 */
enum ks_fault {
    KS_FAULT_NONE,         /* acts after `effect`, answers `answer` later */
    KS_FAULT_ERROR_BEFORE, /* never acts; answers UNKNOWN */
    KS_FAULT_ERROR_AFTER,  /* acts after `effect`; answers UNKNOWN `answer` later */
    KS_FAULT_UNAVAILABLE,  /* never acts; answers UNAVAILABLE */
    KS_FAULT_LATE,         /* answers UNKNOWN after `answer`; acts after `effect` */
    KS_FAULT_TWICE,        /* acts, acts again at once, answers what the second time gave */
    KS_FAULT_ECHO,         /* acts and answers; acts again `effect` later */
    KS_FAULT_SHORT,        /* GET: half of the bytes; LIST: half of the keys, truncated */
    KS_FAULT_DAMAGE,       /* GET: one bit flipped; LIST: one key missing */
    KS_FAULT_COUNT
};

struct ks_fate {
    enum ks_fault fault;
    int64_t effect_ms;
    int64_t answer_ms;
    const char *why; /* UNAVAILABLE; a constant text, or NULL */
};

/*
 * Rates in millionths, drawn for each request that no script line is for. `slow` adds delays
 * up to `slow_ms_max` to effect and answer; KS_FAULT_LATE and KS_FAULT_ECHO act within
 * `late_ms_max`, which is also the longest time after a crash at which requests under way may
 * act.
 */
struct ks_fault_rates {
    uint32_t faults[KS_FAULT_COUNT];
    uint32_t slow;
    int64_t slow_ms_max;
    int64_t late_ms_max;
};

struct ks_fault_store;
struct ks_fault_script;

/*
 * Takes `inner`. `control_out` steers the store until it is closed. Without rates and script
 * every request passes unharmed. `ops` is NULL, with `inner` left to the caller, when memory
 * is short.
 */
struct kafscale_store ks_fault_store_new(struct ks_env *env, struct kafscale_store inner,
                                         struct ks_fault_store **control_out);

/*
 * Adds a script line: the next `count` requests of this operation (KS_STORE_OPERATION_COUNT:
 * of any) whose key or prefix contains `key_part` (NULL: any) meet this fate; UINT32_MAX means
 * all that come. Older lines go first.
 */
void ks_fault_store_next(struct ks_fault_store *control, enum ks_store_operation operation,
                         const char *key_part, struct ks_fate fate, uint32_t count);

/*
 * A script that outlives the stores that follow it. NULL when memory is short. Freed after them;
 * accepts NULL.
 */
struct ks_fault_script *ks_fault_script_new(void);
void ks_fault_script_free(struct ks_fault_script *script);

/* As ks_fault_store_next; false: no memory. */
KAFSCALE_MUST_CHECK bool ks_fault_script_next(struct ks_fault_script *script,
                                              enum ks_store_operation operation,
                                              const char *key_part, struct ks_fate fate,
                                              uint32_t count);

/* Forgets its lines and rates. */
void ks_fault_script_clear(struct ks_fault_script *script);

size_t ks_fault_script_line_count(const struct ks_fault_script *script);

/* Follows this one from now on, instead of its own. Borrows it. */
void ks_fault_store_follow(struct ks_fault_store *control, struct ks_fault_script *script);

/*
 * The machine of the store's caller goes down, but not the caller, who has to end in order: what
 * was asked for and not done is done or not, and answered UNKNOWN; whatever comes is answered
 * UNAVAILABLE and not done.
 */
void ks_fault_store_cut(struct ks_fault_store *control);

/* What it says when it is asked whether fewer requests would suit it. */
void ks_fault_store_slow_down(struct ks_fault_store *control, bool is_slowed);

/* Forgets the script and the rates. Requests under way meet the fate they have. */
void ks_fault_store_clear(struct ks_fault_store *control);

void ks_fault_store_set_rates(struct ks_fault_store *control, const struct ks_fault_rates *rates,
                              uint64_t seed);

/*
 * The caller of the store dies: no completion comes any more, and requests not yet sent are
 * dropped or act at a random time within `late_ms_max`. Everything a request pointed to may be
 * freed at once. The store is still to be closed, for example by ks_store_abandon(); later
 * requests are swallowed.
 */
void ks_fault_store_crash(struct ks_fault_store *control);

/* How often a fault was dealt out, so that a test can demand that it met each. */
uint64_t ks_fault_store_count(const struct ks_fault_store *control, enum ks_fault fault);

/* Requests that have not been answered, or may still act. */
size_t ks_fault_store_in_flight(const struct ks_fault_store *control);

#endif
