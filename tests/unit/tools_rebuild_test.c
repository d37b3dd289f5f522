/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of objects that say too much: two lives of a topic, and nothing tells the later. */
#include "broker/formats.h"
#include "support/main.h"
#include "support/virtual_session.h"
#include "tools/rebuild.h"
#include "unit/log_fixture.h"

#include <stdlib.h>

struct world {
    struct log_fixture *f;
    struct ks_meta_bucket *lost; /* in the place of the metadata that was */
    struct ks_session session;
    struct ks_id lives[2];
    size_t rebuilt;
    char log[1000];
};

static void
write_line(void *arg, const struct kafscale_log_event *event)
{
    struct world *w = arg;

    ck_assert_int_eq(event->level, KAFSCALE_LOG_WARN);
    ck_assert_uint_lt(strlen(event->line), sizeof w->log);
    memcpy(w->log, event->line, strlen(event->line) + 1);
}

static void
put_cluster(struct world *w)
{
    struct ks_identity_record record = { .format_level = KS_FORMAT_LEVEL, .cluster = { { 1 } } };
    uint8_t bytes[KS_IDENTITY_RECORD_BYTES_MAX];
    struct kafscale_error error = { 0 };
    size_t size = ks_identity_encode(&record, bytes);

    ck_assert_int_eq(
        ks_session_create(&w->session, "unit/__kafscale/cluster", ks_slice(bytes, size), &error),
        KAFSCALE_OK);
}

/* Both have a record in the same object. */
static struct world *
world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    struct log_fixture *f = log_fixture_new();
    struct ks_partition *first = log_fixture_open(f);

    w->f = f;
    w->lives[0] = f->topic;
    ks_env_random(&f->v.env, f->topic.bytes, KS_ID_BYTES);
    w->lives[1] = f->topic;
    log_fixture_change_topic(f, false);
    ck_assert_ptr_nonnull(log_fixture_open(f));
    log_fixture_append(f, first, 0);
    log_fixture_append(f, log_fixture_partition(f), 0);
    virtual_env_run_for(&f->v, 10000);
    ck_assert_uint_eq(f->acknowledged, 2);
    ck_assert_uint_eq(log_fixture_count_objects(f, "wal"), 1);

    w->lost = ks_meta_bucket_new();
    w->session = virtual_session(
        &f->v, f->store, ks_meta_new(&f->v.env, ks_meta_memory_new(&f->v.env, w->lost, 0)), "unit");
    f->v.env.logger =
        (struct ks_logger){ .write = write_line, .arg = w, .level = KAFSCALE_LOG_WARN };
    put_cluster(w);
    return w;
}

static void
ignore(void *arg)
{
    (void) arg;
}

static void
world_free(struct world *w)
{
    w->f->v.env.logger = (struct ks_logger){ 0 };
    ks_meta_close(w->session.meta, ignore, NULL);
    log_fixture_free(w->f);
    ks_meta_bucket_free(w->lost);
    free(w);
}

static void
on_rebuilt(void *arg, const struct kafscale_rebuilt *rebuilt)
{
    struct world *w = arg;

    ck_assert_str_eq(rebuilt->topic, "t");
    w->rebuilt++;
}

static void
expect_registers(struct world *w, const char *prefix, const struct ks_id *id)
{
    struct ks_session_entries entries;
    struct kafscale_error error = { 0 };
    char hex[KS_ID_HEX_BYTES];

    ck_assert_int_eq(ks_session_read(&w->session, prefix, &entries, &error), KAFSCALE_OK);
    ck_assert_uint_eq(entries.count, 1);
    ks_id_to_hex(id, hex);
    ck_assert_ptr_nonnull(strstr(entries.entries[0].key, hex));
    ks_session_entries_free(&entries);
}

/* The one with the greater id; no trace of the other, but the operator is told of it. */
START_TEST(of_two_lives_that_ended_at_once_one_is_made_anew)
{
    struct kafscale_error error = { 0 };
    struct world *w = world_new();
    bool is_first = memcmp(w->lives[0].bytes, w->lives[1].bytes, KS_ID_BYTES) > 0;
    const struct ks_id *last = &w->lives[is_first ? 0 : 1];
    const struct ks_id *left_out = &w->lives[is_first ? 1 : 0];
    char hex[KS_ID_HEX_BYTES];

    ck_assert_int_eq(ks_tools_rebuild(&w->session, false, on_rebuilt, w, &error), KAFSCALE_OK);
    ck_assert_uint_eq(w->rebuilt, 1);
    expect_registers(w, "topic/", last);
    expect_registers(w, "part/", last);
    ks_id_to_hex(left_out, hex);
    ck_assert_ptr_nonnull(strstr(w->log, hex));
    ck_assert_ptr_nonnull(strstr(w->log, "at the same time"));
    world_free(w);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("tools rebuild");
    TCase *tests = tcase_create("rebuild");

    tcase_add_test(tests, of_two_lives_that_ended_at_once_one_is_made_anew);
    suite_add_tcase(suite, tests);
    return suite;
}
