/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log on a virtual clock, over a store with faults on demand, with one topic, its appends and
 * what was answered to them.
 */
#ifndef KS_TESTS_UNIT_LOG_FIXTURE_H
#define KS_TESTS_UNIT_LOG_FIXTURE_H

#include "log/log.h"
#include "support/flaky_meta.h"
#include "support/virtual_env.h"

#define APPENDS_MAX 64

struct log_fixture {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
    struct ks_fault_store *faults;
    struct ks_store *store;
    struct ks_meta_bucket *meta_bucket;
    struct ks_meta *meta;
    struct flaky_meta_control flaky;
    struct ks_id topic;
    struct ks_log *log;
    struct ks_log_options options;
    int32_t batch_records; /* of each batch made from now on; 1 at first */
    int64_t batch_time_ms; /* of these */
    size_t value_bytes;    /* of their records, which begin with the sequence; 4 at least */
    struct ks_append appends[APPENDS_MAX];
    size_t append_count;
    size_t answered;
    size_t acknowledged;
    size_t answered_when_stopped;
    bool is_stopped;
    bool is_opened;
    enum kafscale_status open_status;
    enum kafscale_status result;
    bool is_looked;
    enum kafscale_status look_status;
};

struct log_fixture *log_fixture_new(void);
void log_fixture_free(struct log_fixture *f);

/* Another incarnation, in `log`; what becomes of the one before is the caller's. */
bool log_fixture_new_log(struct log_fixture *f);

/* The log is freed, or its broker dies; another incarnation opens the partition. */
void log_fixture_restart(struct log_fixture *f);
void log_fixture_succeed(struct log_fixture *f);

/*
 * The broker dies: log, store and metadata store are gone in one moment. Store and metadata store
 * come back, the log does not.
 */
void log_fixture_crash(struct log_fixture *f);

/* Creates or deletes the topic; it exists at first. */
void log_fixture_change_topic(struct log_fixture *f, bool is_delete);

/* The first partition of the topic, if it is open. */
struct ks_partition *log_fixture_partition(struct log_fixture *f);

/* Begins to open it, filling in what must stay until `is_opened`; false without memory. */
bool log_fixture_begin_open(struct log_fixture *f, struct ks_log_open *open,
                            struct ks_partition_name *name, const char **topic_name);

/* For ks_log_open with the fixture as `arg`: sets `open_status` and `is_opened`. */
void log_fixture_on_opened(void *arg, enum kafscale_status status,
                           const struct kafscale_error *error);

/* Opens it; NULL when that did not happen. */
struct ks_partition *log_fixture_open(struct log_fixture *f);

/* A batch of records whose value is the sequence of the first; not under a shortage of memory. */
struct ks_append *log_fixture_make_append(struct log_fixture *f, int32_t sequence);
void log_fixture_append(struct log_fixture *f, struct ks_partition *partition, int32_t sequence);

/* Batches with the next sequences, in objects of their own; so much time goes by after each. */
void log_fixture_append_apart(struct log_fixture *f, int count, int64_t apart_ms);

/* --- What there is --- */

struct ks_log_counters log_fixture_counters(const struct log_fixture *f);
uint64_t log_fixture_requests(const struct log_fixture *f);
int64_t log_fixture_log_start(struct log_fixture *f);

/* Of one kind, the word after `__kafscale`. */
size_t log_fixture_count_objects(struct log_fixture *f, const char *kind);

/*
 * The offsets [first, end), which are all from `first` on, hold one record each, of the sequence
 * that is their offset.
 */
void log_fixture_expect_records(struct log_fixture *f, int64_t first, int64_t end,
                                size_t bytes_max);

/* --- What goes --- */

void log_fixture_limit(struct log_fixture *f, int64_t ms, int64_t bytes);
void log_fixture_raise_start(struct log_fixture *f, int64_t offset);

/* For ks_log_raise_start with a bool as `arg`, which it sets; it must have succeeded. */
void log_fixture_on_raised(void *arg, enum kafscale_status status);

#endif
