/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the log asks of the store, request by request, and what it does when the store
 * misbehaves in one particular way.
 */
#include "store/store.h"
#include "support/main.h"
#include "support/meta_client.h"

#include <stdio.h>

struct broker {
    struct ks_fault_store *faults;
    struct ks_store *store;
    struct kafscale_meta log;
    struct meta_client client;
};

struct fixture {
    struct virtual_env v;
    struct ks_memory_bucket *bucket;
    struct ks_meta_log_options options;
    struct broker a;
    struct broker b;
};

static struct fixture fixture;

static void
open_broker(struct fixture *f, struct broker *broker)
{
    struct ks_env *env = &f->v.env;
    struct kafscale_store memory = ks_memory_store_new(env, f->bucket);

    f->options.incarnation.bytes[0]++;
    broker->store = ks_store_new(env, ks_fault_store_new(env, memory, &broker->faults));
    broker->log = ks_meta_log_new(env, broker->store, &f->options);
    broker->client.v = &f->v;
    broker->client.meta = ks_meta_new(env, broker->log);
}

static struct fixture *
begin_steps(uint32_t chunk_entries, uint32_t step_entries)
{
    struct fixture *f = &fixture;

    *f = (struct fixture){
        .options = { .ns = "ns", .chunk_entries = chunk_entries, .step_entries = step_entries }
    };
    virtual_env_init(&f->v, 3);
    f->bucket = ks_memory_bucket_new();
    open_broker(f, &f->a);
    open_broker(f, &f->b);
    return f;
}

static struct fixture *
begin(uint32_t chunk_entries)
{
    return begin_steps(chunk_entries, 0);
}

static void
on_closed(void *arg)
{
    (void) arg;
}

static void
close_broker(struct fixture *f, struct broker *broker)
{
    meta_client_close(&broker->client);
    ks_store_close(broker->store, on_closed, NULL);
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
}

static void
end(struct fixture *f)
{
    close_broker(f, &f->a);
    close_broker(f, &f->b);
    ks_memory_bucket_unref(f->bucket);
}

static void
crash(struct broker *broker)
{
    ks_fault_store_crash(broker->faults);
    ks_meta_abandon(broker->client.meta);
    ks_store_abandon(broker->store);
}

static uint64_t
requests(const struct broker *broker, enum ks_store_operation operation)
{
    return ks_store_counters(broker->store)->requests[operation];
}

static uint64_t
all_requests(const struct broker *broker)
{
    uint64_t count = 0;

    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        count += requests(broker, (enum ks_store_operation) i);
    }
    return count;
}

static void
fate_of_next(struct broker *broker, enum ks_store_operation operation, const char *key,
             enum ks_fault fault, uint32_t count)
{
    ks_fault_store_next(broker->faults, operation, key, (struct ks_fate){ .fault = fault }, count);
}

/* A whole object, overwritten: a bucket that somebody tampered with. */
static void
on_overwritten(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
    *(bool *) arg = true;
}

static void
overwrite(struct fixture *f, const char *key, const char *text)
{
    struct kafscale_part part = { .bytes = ks_slice_of_text(text) };
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1 };
    bool is_done = false;

    ks_store_put(f->a.store, &put, on_overwritten, &is_done);
    virtual_env_run_until(&f->v, &is_done, META_CLIENT_LIMIT_MS);
}

static void
on_got(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
       const struct kafscale_error *error)
{
    (void) body;
    (void) object_bytes;
    (void) error;
    *(enum kafscale_status *) arg = status;
}

static bool
exists(struct fixture *f, const char *key)
{
    struct kafscale_get get = { .key = key, .size_max = SIZE_MAX };
    enum kafscale_status status = KAFSCALE_UNKNOWN;

    ks_store_get(f->b.store, &get, on_got, &status);
    virtual_env_run_for(&f->v, 10);
    return status == KAFSCALE_OK;
}

/* --- What it costs --------------------------------------------------------------------------- */

START_TEST(nothing_is_sent_before_the_first_request)
{
    struct fixture *f = begin(512);

    virtual_env_run_for(&f->v, 100000);
    ck_assert_uint_eq(all_requests(&f->a), 0);
    end(f);
}
END_TEST

START_TEST(write_costs_a_put_and_a_get)
{
    struct fixture *f = begin(512);
    uint64_t gets;

    meta_client_put(&f->a.client, "k", "1");
    gets = requests(&f->a, KS_STORE_GET);
    meta_client_put(&f->a.client, "k", "2");
    ck_assert_uint_eq(requests(&f->a, KS_STORE_PUT), 2);
    ck_assert_uint_eq(requests(&f->a, KS_STORE_GET), gets + 1);
    end(f);
}
END_TEST

START_TEST(fresh_read_costs_two_gets_and_a_stale_one_nothing)
{
    struct fixture *f = begin(512);
    uint64_t before;

    meta_client_put(&f->a.client, "k", "1");
    before = all_requests(&f->a);
    ck_assert_str_eq(meta_client_get(&f->a.client, "k", false).text, "1");
    ck_assert_uint_eq(all_requests(&f->a), before);
    ck_assert_str_eq(meta_client_get(&f->a.client, "k", true).text, "1");
    ck_assert_uint_eq(all_requests(&f->a), before + 2);
    ck_assert_uint_eq(requests(&f->a, KS_STORE_LIST), 1); /* of the start */
    end(f);
}
END_TEST

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    (void) entries;
    (void) entry_count;
    (void) revision;
    (void) error;
    *(int *) arg += status == KAFSCALE_OK;
}

START_TEST(fresh_reads_at_once_share_one_look)
{
    struct fixture *f = begin(512);
    struct kafscale_meta_read read = { .key = "k", .is_fresh = true };
    uint64_t before;
    int ok_count = 0;

    meta_client_put(&f->a.client, "k", "1");
    before = all_requests(&f->a);
    for (int i = 0; i < 100; i++) {
        ks_meta_read(f->a.client.meta, &read, on_read, &ok_count);
    }
    virtual_env_run_until_idle(&f->v, 10000);
    ck_assert_int_eq(ok_count, 100);
    ck_assert_uint_eq(all_requests(&f->a), before + 2);
    end(f);
}
END_TEST

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    (void) revision;
    (void) error;
    *(int *) arg += status == KAFSCALE_OK;
}

START_TEST(transactions_that_come_while_an_entry_is_under_way_share_the_next)
{
    struct fixture *f = begin(512);
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("v") };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    int ok_count = 0;

    meta_client_put(&f->a.client, "k", "1");
    ks_meta_txn(f->a.client.meta, &txn, on_txn, &ok_count);
    virtual_env_step(&f->v);
    ck_assert_uint_eq(requests(&f->a, KS_STORE_PUT), 2);
    for (int i = 0; i < 50; i++) {
        ks_meta_txn(f->a.client.meta, &txn, on_txn, &ok_count);
    }
    virtual_env_run_until_idle(&f->v, 10000);
    ck_assert_int_eq(ok_count, 51);
    ck_assert_uint_eq(requests(&f->a, KS_STORE_PUT), 3);
    end(f);
}
END_TEST

START_TEST(idle_log_sends_nothing)
{
    struct fixture *f = begin(2);
    uint64_t before;

    for (int i = 0; i < 9; i++) {
        meta_client_put(&f->a.client, "k", "v");
    }
    ck_assert(virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS));
    before = all_requests(&f->a);
    virtual_env_run_for(&f->v, 10 * META_CLIENT_LIMIT_MS);
    ck_assert_uint_eq(all_requests(&f->a), before);
    end(f);
}
END_TEST

START_TEST(start_on_a_long_log_takes_few_round_trips)
{
    struct fixture *f = begin(2);

    for (int i = 0; i < 200; i++) {
        meta_client_put(&f->a.client, "k", "v");
    }
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    meta_client_get(&f->b.client, "k", false);
    ck_assert_uint_lt(requests(&f->b, KS_STORE_GET), 20);
    end(f);
}
END_TEST

/* --- Trimming -------------------------------------------------------------------------------- */

START_TEST(trimmed_chunks_leave_marks_and_the_newest_snapshot)
{
    struct fixture *f = begin(2);

    for (int i = 0; i < 7; i++) {
        meta_client_put(&f->a.client, "k", "v");
    }
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert(exists(f, "ns/__kafscale/meta/trim/0"));
    ck_assert(exists(f, "ns/__kafscale/meta/trim/2"));
    ck_assert(!exists(f, "ns/__kafscale/meta/trim/3"));
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/2"));
    ck_assert(!exists(f, "ns/__kafscale/meta/snapshot/1"));
    ck_assert(!exists(f, "ns/__kafscale/meta/log/00000000000000000006"));
    ck_assert(exists(f, "ns/__kafscale/meta/log/00000000000000000007"));
    ck_assert_uint_eq(ks_memory_bucket_object_count(f->bucket), 5);
    end(f);
}
END_TEST

START_TEST(chunk_of_a_dead_broker_is_trimmed_by_another)
{
    struct fixture *f = begin(2);

    meta_client_get(&f->b.client, "k", true);
    meta_client_put(&f->a.client, "k", "1");
    fate_of_next(&f->a, KS_STORE_PUT, "snapshot", KS_FAULT_UNAVAILABLE, UINT32_MAX);
    meta_client_put(&f->a.client, "k", "2");
    crash(&f->a);
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "2");
    ck_assert(!exists(f, "ns/__kafscale/meta/trim/0"));
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert(exists(f, "ns/__kafscale/meta/trim/0"));
    ck_assert(!exists(f, "ns/__kafscale/meta/log/00000000000000000002"));
    open_broker(f, &f->a);
    end(f);
}
END_TEST

START_TEST(entries_that_a_dead_trimmer_left_are_removed_by_the_next_start)
{
    struct fixture *f = begin(2);

    fate_of_next(&f->a, KS_STORE_REMOVE, NULL, KS_FAULT_UNAVAILABLE, UINT32_MAX);
    meta_client_put(&f->a.client, "k", "1");
    meta_client_put(&f->a.client, "k", "2");
    virtual_env_run_for(&f->v, 1000);
    crash(&f->a);
    ck_assert(exists(f, "ns/__kafscale/meta/trim/0"));
    ck_assert(exists(f, "ns/__kafscale/meta/log/00000000000000000002"));
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "2");
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert(!exists(f, "ns/__kafscale/meta/log/00000000000000000001"));
    ck_assert(!exists(f, "ns/__kafscale/meta/log/00000000000000000002"));
    open_broker(f, &f->a);
    end(f);
}
END_TEST

/* --- Snapshots within a chunk ----------------------------------------------------------------- */

static void
put_many(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        meta_client_put(&f->a.client, "k", i + 1 < count ? "v" : "last");
    }
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
}

static void
expect_last_is_read(struct fixture *f)
{
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "last");
}

/* The mark before the chunk, the snapshot, what may have been written since, and the mark. */
START_TEST(start_within_a_chunk_reads_what_came_since_the_early_snapshot)
{
    struct fixture *f = begin(64);
    uint64_t before;

    put_many(f, 100);
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/1.80"));
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/1.96"));
    ck_assert(!exists(f, "ns/__kafscale/meta/snapshot/1.95"));
    before = requests(&f->b, KS_STORE_GET);
    expect_last_is_read(f);
    ck_assert_uint_eq(requests(&f->b, KS_STORE_GET), before + 1 + 1 + 16 + 1);
    ck_assert_uint_eq(requests(&f->b, KS_STORE_LIST), 1);
    ck_assert_uint_eq(ks_meta_log_counts(&f->b.log)[KS_META_LOG_EARLY_LOADS], 1);
    end(f);
}
END_TEST

/* LIST, then the snapshot, if there is one, and what may lie behind it, then the mark. */
START_TEST(start_takes_three_round_trips)
{
    static const int counts[] = { 10, 63, 64, 70, 90, 111 };
    struct fixture *f = begin(64);
    struct ks_fate far = { .effect_ms = 10, .answer_ms = 10 };
    int64_t begun_ms;

    put_many(f, counts[_i]);
    begun_ms = f->v.now_ms;
    ks_fault_store_next(f->b.faults, KS_STORE_OPERATION_COUNT, NULL, far, UINT32_MAX);
    expect_last_is_read(f);
    ck_assert_int_eq(f->v.now_ms - begun_ms, 3 * 20);
    end(f);
}
END_TEST

START_TEST(stale_read_is_answered_by_the_start_under_way)
{
    struct fixture *f = begin(64);
    struct kafscale_meta_read read = { .key = "k" };
    struct ks_fate far = { .effect_ms = 10, .answer_ms = 10 };
    int ok_count = 0;

    ks_fault_store_next(f->b.faults, KS_STORE_OPERATION_COUNT, NULL, far, UINT32_MAX);
    for (int i = 0; i < 2; i++) {
        ks_meta_read(f->b.client.meta, &read, on_read, &ok_count);
        virtual_env_run_for(&f->v, 35);
    }
    ck_assert_int_eq(ok_count, 2);
    ck_assert_uint_eq(ks_meta_log_counts(&f->b.log)[KS_META_LOG_LOOKS], 1);
    end(f);
}
END_TEST

START_TEST(early_snapshots_go_with_their_chunk)
{
    struct fixture *f = begin_steps(8, 2);

    put_many(f, 11);
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/0"));
    for (int i = 1; i < 8; i++) {
        char key[64];

        snprintf(key, sizeof key, "ns/__kafscale/meta/snapshot/0.%d", i);
        ck_assert(!exists(f, key));
    }
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/1.10"));
    /* Besides the snapshots the mark and three entries. */
    ck_assert_uint_eq(ks_memory_bucket_object_count(f->bucket), 2 + 1 + 3);
    end(f);
}
END_TEST

START_TEST(early_snapshots_that_a_dead_trimmer_left_are_removed_by_the_next_start)
{
    struct fixture *f = begin_steps(8, 2);

    fate_of_next(&f->a, KS_STORE_REMOVE, NULL, KS_FAULT_UNAVAILABLE, UINT32_MAX);
    for (int i = 0; i < 11; i++) {
        meta_client_put(&f->a.client, "k", "last");
    }
    virtual_env_run_for(&f->v, 1000);
    crash(&f->a);
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/0.6"));
    expect_last_is_read(f);
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert(!exists(f, "ns/__kafscale/meta/snapshot/0.6"));
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/1.10"));
    open_broker(f, &f->a);
    end(f);
}
END_TEST

/* Without LIST, with less than all of it, or with what can't be read, the marks are looked for. */
START_TEST(start_needs_no_list_and_no_early_snapshot)
{
    static const enum ks_fault faults[] = { KS_FAULT_UNAVAILABLE, KS_FAULT_DAMAGE, KS_FAULT_SHORT,
                                            KS_FAULT_NONE };
    struct fixture *f = begin_steps(8, 2);

    put_many(f, 29);
    if (faults[_i] == KS_FAULT_NONE) {
        overwrite(f, "ns/__kafscale/meta/snapshot/3.28", "rubbish");
    } else {
        fate_of_next(&f->b, KS_STORE_LIST, NULL, faults[_i], UINT32_MAX);
    }
    expect_last_is_read(f);
    end(f);
}
END_TEST

/* The state is trimmed far beyond what LIST shows. */
START_TEST(start_is_not_misled_by_an_old_early_snapshot)
{
    struct fixture *f = begin_steps(4, 2);

    put_many(f, 16);
    overwrite(f, "ns/__kafscale/meta/snapshot/1.6", "rubbish");
    overwrite(f, "ns/__kafscale/meta/snapshot/7.30", "rubbish");
    overwrite(f, "ns/__kafscale/meta/snapshot/7.99", "rubbish");
    overwrite(f, "ns/__kafscale/meta/snapshot/99999999999999999999.1", "rubbish");
    overwrite(f, "ns/__kafscale/meta/snapshot/x", "rubbish");
    expect_last_is_read(f);
    ck_assert_uint_eq(ks_meta_log_counts(&f->b.log)[KS_META_LOG_LISTED_IN_VAIN], 1);
    end(f);
}
END_TEST

START_TEST(large_state_has_fewer_early_snapshots)
{
    struct fixture *f = begin(512);
    char *value = ks_alloc_zero(1, 40001);
    char key[16];

    memset(value, 'v', 40000);
    for (int i = 0; i < 8; i++) {
        snprintf(key, sizeof key, "k%d", i);
        meta_client_put(&f->a.client, key, value);
    }
    put_many(f, 24);
    ck_assert(!exists(f, "ns/__kafscale/meta/snapshot/0.16"));
    ck_assert(exists(f, "ns/__kafscale/meta/snapshot/0.32"));
    ks_free(value);
    end(f);
}
END_TEST

/* --- Outcomes -------------------------------------------------------------------------------- */

START_TEST(lost_answer_of_a_put_is_resolved_by_its_nonce)
{
    struct fixture *f = begin(512);

    meta_client_put(&f->a.client, "k", "1");
    fate_of_next(&f->a, KS_STORE_PUT, "log", KS_FAULT_ERROR_AFTER, 1);
    ck_assert_int_eq(meta_client_put(&f->a.client, "k", "2").status, KAFSCALE_OK);
    ck_assert_uint_eq(ks_meta_log_counts(&f->a.log)[KS_META_LOG_ENTRIES_FOUND], 1);
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "2");
    end(f);
}
END_TEST

START_TEST(put_that_did_not_happen_is_sent_again)
{
    struct fixture *f = begin(512);

    meta_client_put(&f->a.client, "k", "1");
    fate_of_next(&f->a, KS_STORE_PUT, "log", KS_FAULT_ERROR_BEFORE, 3);
    ck_assert_int_eq(meta_client_put(&f->a.client, "k", "2").status, KAFSCALE_OK);
    ck_assert_uint_eq(ks_meta_log_counts(&f->a.log)[KS_META_LOG_ENTRIES_SENT_AGAIN], 3);
    end(f);
}
END_TEST

START_TEST(put_that_acts_after_its_slot_was_trimmed_is_resolved_by_the_snapshot)
{
    struct fixture *f = begin(2);
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("a") };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    struct ks_fate late = { .fault = KS_FAULT_NONE, .effect_ms = 5000 };
    int ok_count = 0;

    meta_client_put(&f->a.client, "k", "0");
    ks_fault_store_next(f->a.faults, KS_STORE_PUT, "log", late, 1);
    ks_meta_txn(f->a.client.meta, &txn, on_txn, &ok_count);
    virtual_env_run_for(&f->v, 100);
    for (int i = 0; i < 5; i++) {
        meta_client_put(&f->b.client, "other", "b");
    }
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert_int_eq(ok_count, 1);
    ck_assert_uint_eq(ks_meta_log_counts(&f->a.log)[KS_META_LOG_CREATES_VOID], 1);
    ck_assert_uint_eq(ks_meta_log_counts(&f->a.log)[KS_META_LOG_VOID_NOTHING], 1);
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "a");
    end(f);
}
END_TEST

START_TEST(writer_whose_register_is_gone_stops_when_its_outcome_is_lost)
{
    struct fixture *f = begin(2);
    char key[4 + KS_ID_HEX_BYTES] = "inc/";
    struct ks_fate lost = { .fault = KS_FAULT_ERROR_AFTER, .answer_ms = 9000 };
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("a") };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    int ok_count = 0;
    struct ks_id id = { .bytes = { 1 } };

    ks_id_to_hex(&id, key + 4);
    meta_client_put(&f->a.client, key, "here");
    ks_fault_store_next(f->a.faults, KS_STORE_PUT, "log", lost, 1);
    ks_meta_txn(f->a.client.meta, &txn, on_txn, &ok_count);
    virtual_env_run_for(&f->v, 100);
    meta_client_remove(&f->b.client, key);
    for (int i = 0; i < 5; i++) {
        meta_client_put(&f->b.client, "other", "b");
    }
    virtual_env_run_until_idle(&f->v, META_CLIENT_LIMIT_MS);
    ck_assert_int_eq(ok_count, 0);
    ck_assert_uint_eq(ks_meta_log_counts(&f->a.log)[KS_META_LOG_VOID_UNKNOWN], 1);
    ck_assert_int_eq(meta_client_put(&f->a.client, "k", "z").status, KAFSCALE_FENCED);
    ck_assert_int_eq(meta_client_get(&f->a.client, "k", false).status, KAFSCALE_FENCED);
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "a");
    end(f);
}
END_TEST

START_TEST(own_unregistration_is_told_as_committed)
{
    struct fixture *f = begin(2);
    char key[4 + KS_ID_HEX_BYTES] = "inc/";
    struct ks_id id = { .bytes = { 1 } };

    ks_id_to_hex(&id, key + 4);
    meta_client_put(&f->a.client, key, "here");
    ck_assert_int_eq(meta_client_remove(&f->a.client, key).status, KAFSCALE_OK);
    end(f);
}
END_TEST

/* --- A store that is away, damaged or full --------------------------------------------------- */

START_TEST(store_that_is_away_is_answered_in_time_and_waited_for)
{
    struct fixture *f = begin(512);
    int64_t before_ms;

    meta_client_put(&f->a.client, "k", "1");
    fate_of_next(&f->a, KS_STORE_OPERATION_COUNT, NULL, KS_FAULT_UNAVAILABLE, UINT32_MAX);
    before_ms = f->v.now_ms;
    ck_assert_int_eq(meta_client_get(&f->a.client, "k", true).status, KAFSCALE_UNAVAILABLE);
    ck_assert_int_eq(f->v.now_ms - before_ms, 30000);
    ck_assert_str_eq(meta_client_get(&f->a.client, "k", false).text, "1");
    ck_assert_int_eq(meta_client_put(&f->a.client, "k", "2").status, KAFSCALE_UNAVAILABLE);
    ks_fault_store_clear(f->a.faults);
    ck_assert_int_eq(meta_client_put(&f->a.client, "k", "3").status, KAFSCALE_OK);
    end(f);
}
END_TEST

START_TEST(retries_become_slow)
{
    struct fixture *f = begin(512);

    fate_of_next(&f->a, KS_STORE_OPERATION_COUNT, NULL, KS_FAULT_UNAVAILABLE, UINT32_MAX);
    meta_client_get(&f->a.client, "k", true);
    ck_assert_uint_lt(all_requests(&f->a), 30);
    ks_fault_store_clear(f->a.faults);
    end(f);
}
END_TEST

static void
on_error(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
         size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    (void) entries;
    (void) entry_count;
    (void) revision;
    *(struct kafscale_error *) arg = *error;
    ck_assert_int_eq(status, error->status);
}

START_TEST(damaged_entry_is_named_and_never_skipped)
{
    struct fixture *f = begin(512);
    struct kafscale_meta_read read = { .key = "k", .is_fresh = true };
    struct kafscale_error error = { 0 };

    meta_client_put(&f->a.client, "k", "1");
    meta_client_put(&f->a.client, "k", "2");
    overwrite(f, "ns/__kafscale/meta/log/00000000000000000001", "rubbish");
    ks_meta_read(f->b.client.meta, &read, on_error, &error);
    virtual_env_run_until_idle(&f->v, 20000);
    ck_assert_int_eq(error.status, KAFSCALE_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "ns/__kafscale/meta/log/00000000000000000001"));
    ck_assert_int_eq(meta_client_put(&f->b.client, "k", "3").status, KAFSCALE_UNKNOWN);
    ck_assert_int_eq(meta_client_get(&f->b.client, "k", true).status, KAFSCALE_CORRUPT);
    end(f);
}
END_TEST

START_TEST(damaged_snapshot_is_named)
{
    struct fixture *f = begin(1);
    struct kafscale_meta_read read = { .key = "k", .is_fresh = true };
    struct kafscale_error error = { 0 };

    meta_client_put(&f->a.client, "k", "1");
    virtual_env_run_until_idle(&f->v, 20000);
    overwrite(f, "ns/__kafscale/meta/snapshot/0", "rubbish");
    ks_meta_read(f->b.client.meta, &read, on_error, &error);
    virtual_env_run_until_idle(&f->v, 20000);
    ck_assert_int_eq(error.status, KAFSCALE_CORRUPT);
    ck_assert_ptr_nonnull(strstr(error.text, "ns/__kafscale/meta/snapshot/0"));
    end(f);
}
END_TEST

START_TEST(bytes_damaged_on_the_way_are_read_again)
{
    struct fixture *f = begin(512);

    meta_client_put(&f->a.client, "k", "1");
    fate_of_next(&f->b, KS_STORE_GET, "log/00000000000000000001", KS_FAULT_DAMAGE, 2);
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "1");
    end(f);
}
END_TEST

START_TEST(log_of_another_chunk_size_is_refused)
{
    struct fixture *f = begin(2);

    meta_client_put(&f->a.client, "k", "1");
    meta_client_put(&f->a.client, "k", "2");
    virtual_env_run_until_idle(&f->v, 20000);
    close_broker(f, &f->b);
    f->options.chunk_entries = 3;
    open_broker(f, &f->b);
    ck_assert_int_eq(meta_client_get(&f->b.client, "k", true).status, KAFSCALE_INVALID);
    end(f);
}
END_TEST

START_TEST(limits_refuse_and_change_nothing)
{
    struct fixture *f = begin(512);
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("v") };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    int ok_count = 0;

    close_broker(f, &f->a);
    f->options.pending_count_max = 3;
    f->options.state_bytes_max = 20;
    open_broker(f, &f->a);
    for (int i = 0; i < 10; i++) {
        ks_meta_txn(f->a.client.meta, &txn, on_txn, &ok_count);
    }
    virtual_env_run_until_idle(&f->v, 10000);
    ck_assert_int_eq(ok_count, 3);
    ck_assert_int_eq(meta_client_put(&f->a.client, "key", "a value of some length").status,
                     KAFSCALE_FULL);
    ck_assert_uint_eq(meta_client_get(&f->a.client, "key", true).version, 0);
    ck_assert_int_eq(meta_client_remove(&f->a.client, "k").status, KAFSCALE_OK);
    end(f);
}
END_TEST

START_TEST(close_waits_for_the_store_and_tells_unknown_what_was_sent)
{
    struct fixture *f = begin(512);
    struct kafscale_meta_operation operation = { .key = "k", .value = ks_slice_of_text("v") };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    struct ks_fate slow = { .effect_ms = 4000 };
    int ok_count = 0;
    int64_t before_ms;

    meta_client_put(&f->a.client, "k", "1");
    ks_fault_store_next(f->a.faults, KS_STORE_PUT, NULL, slow, 1);
    ks_meta_txn(f->a.client.meta, &txn, on_txn, &ok_count);
    virtual_env_run_for(&f->v, 10);
    before_ms = f->v.now_ms;
    meta_client_close(&f->a.client);
    ck_assert_int_eq(f->v.now_ms - before_ms, 3990);
    ck_assert_int_eq(ok_count, 0);
    ck_assert_str_eq(meta_client_get(&f->b.client, "k", true).text, "v");
    ks_store_close(f->a.store, on_closed, NULL);
    open_broker(f, &f->a);
    end(f);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("meta object log");
    TCase *tcase = tcase_create("log");

    tcase_add_test(tcase, nothing_is_sent_before_the_first_request);
    tcase_add_test(tcase, write_costs_a_put_and_a_get);
    tcase_add_test(tcase, fresh_read_costs_two_gets_and_a_stale_one_nothing);
    tcase_add_test(tcase, fresh_reads_at_once_share_one_look);
    tcase_add_test(tcase, transactions_that_come_while_an_entry_is_under_way_share_the_next);
    tcase_add_test(tcase, idle_log_sends_nothing);
    tcase_add_test(tcase, start_on_a_long_log_takes_few_round_trips);
    tcase_add_test(tcase, trimmed_chunks_leave_marks_and_the_newest_snapshot);
    tcase_add_test(tcase, chunk_of_a_dead_broker_is_trimmed_by_another);
    tcase_add_test(tcase, entries_that_a_dead_trimmer_left_are_removed_by_the_next_start);
    tcase_add_test(tcase, start_within_a_chunk_reads_what_came_since_the_early_snapshot);
    tcase_add_loop_test(tcase, start_takes_three_round_trips, 0, 6);
    tcase_add_test(tcase, stale_read_is_answered_by_the_start_under_way);
    tcase_add_test(tcase, early_snapshots_go_with_their_chunk);
    tcase_add_test(tcase, early_snapshots_that_a_dead_trimmer_left_are_removed_by_the_next_start);
    tcase_add_loop_test(tcase, start_needs_no_list_and_no_early_snapshot, 0, 4);
    tcase_add_test(tcase, start_is_not_misled_by_an_old_early_snapshot);
    tcase_add_test(tcase, large_state_has_fewer_early_snapshots);
    tcase_add_test(tcase, lost_answer_of_a_put_is_resolved_by_its_nonce);
    tcase_add_test(tcase, put_that_did_not_happen_is_sent_again);
    tcase_add_test(tcase, put_that_acts_after_its_slot_was_trimmed_is_resolved_by_the_snapshot);
    tcase_add_test(tcase, writer_whose_register_is_gone_stops_when_its_outcome_is_lost);
    tcase_add_test(tcase, own_unregistration_is_told_as_committed);
    tcase_add_test(tcase, store_that_is_away_is_answered_in_time_and_waited_for);
    tcase_add_test(tcase, retries_become_slow);
    tcase_add_test(tcase, damaged_entry_is_named_and_never_skipped);
    tcase_add_test(tcase, damaged_snapshot_is_named);
    tcase_add_test(tcase, bytes_damaged_on_the_way_are_read_again);
    tcase_add_test(tcase, log_of_another_chunk_size_is_refused);
    tcase_add_test(tcase, limits_refuse_and_change_nothing);
    tcase_add_test(tcase, close_waits_for_the_store_and_tells_unknown_what_was_sent);
    suite_add_tcase(suite, tcase);
    return suite;
}
