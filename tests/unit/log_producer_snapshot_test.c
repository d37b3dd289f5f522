/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stored producer states: what is read back behaves as what was stored, a state computed from the
 * one before it is the same as one computed from the beginning, and damage is noticed.
 */
#include "log/format/producer_snapshot.h"
#include "support/main.h"

#define EXPIRATION_MS 86400000
#define PRODUCERS_MAX 4

static const struct ks_partition_name partition_name = { .topic = { { 0xaa, 0xbb } }, .index = 3 };

static void
table_init(struct ks_producer_table *producers)
{
    ks_producer_table_init(producers, 1, PRODUCERS_MAX, EXPIRATION_MS);
}

/* The n-th batch of a log in which three producers take turns, three records a batch. */
static void
note(struct ks_producer_table *producers, int n, int64_t now_ms)
{
    struct ks_wal_entry entry = { .base_offset = 3 * n,
                                  .last_offset = 3 * n + 2,
                                  .producer_id = 100 + n % 3,
                                  .producer_epoch = 2,
                                  .first_sequence = n / 3 * 3,
                                  .last_sequence = n / 3 * 3 + 2 };

    ck_assert_int_eq(ks_producer_note_entry(producers, &entry, now_ms), KAFSCALE_OK);
}

static void
encode(struct ks_producer_table *producers, int64_t offset, struct ks_buffer *out)
{
    struct ks_producer_snapshot snapshot = { .name = partition_name, .offset = offset };

    ks_buffer_init(out, 1 << 20);
    ks_producer_snapshot_encode(producers, &snapshot, out);
    ck_assert(!ks_buffer_failed(out));
}

static enum kafscale_status
decode(struct kafscale_slice bytes, struct ks_producer_table *producers,
       struct ks_producer_snapshot *snapshot_out)
{
    struct kafscale_error error = { 0 };

    table_init(producers);
    return ks_producer_snapshot_decode(bytes, producers, snapshot_out, &error);
}

/* The state after the first `count` batches, as bytes. */
static void
state_after(int count, struct ks_buffer *out)
{
    struct ks_producer_table producers;

    table_init(&producers);
    for (int i = 0; i < count; i++) {
        note(&producers, i, 1000 + i);
    }
    encode(&producers, 3 * count, out);
    ks_producer_table_deinit(&producers);
}

START_TEST(a_state_read_back_knows_what_the_stored_one_knew)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_batch original;
    struct ks_producer_table producers;
    struct ks_buffer stored;

    state_after(30, &stored);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot), KAFSCALE_OK);
    ck_assert_int_eq(snapshot.offset, 90);
    ck_assert_int_eq(snapshot.name.index, 3);
    ck_assert(ks_id_equals(&snapshot.name.topic, &partition_name.topic));
    for (int32_t i = 5; i < 10; i++) {
        ck_assert_int_eq(ks_producer_check(&producers, 101, 2, 3 * i, 3 * i + 2, 2000, &original),
                         KS_SEQUENCE_DUPLICATE);
        ck_assert_int_eq(original.base_offset, 3 * (3 * i + 1));
        ck_assert_int_eq(original.last_offset, 3 * (3 * i + 1) + 2);
    }
    ck_assert_int_eq(ks_producer_check(&producers, 101, 2, 12, 14, 2000, &original),
                     KS_SEQUENCE_OUT_OF_ORDER);
    ck_assert_int_eq(ks_producer_check(&producers, 101, 2, 30, 30, 2000, &original),
                     KS_SEQUENCE_NEXT);
    ck_assert_int_eq(ks_producer_check(&producers, 101, 1, 30, 30, 2000, &original),
                     KS_SEQUENCE_OLD_EPOCH);
    ks_producer_table_deinit(&producers);
    ks_buffer_deinit(&stored);
}
END_TEST

/* Wherever a state is stored and gone on from, the bytes are those of an unbroken replay. */
START_TEST(a_state_goes_on_from_the_one_before_it)
{
    struct ks_buffer whole;

    state_after(30, &whole);
    for (int cut = 0; cut <= 30; cut++) {
        struct ks_producer_snapshot snapshot;
        struct ks_producer_table producers;
        struct ks_buffer first;
        struct ks_buffer second;

        state_after(cut, &first);
        ck_assert_int_eq(decode(ks_buffer_slice(&first), &producers, &snapshot), KAFSCALE_OK);
        for (int i = cut; i < 30; i++) {
            note(&producers, i, 1000 + i);
        }
        encode(&producers, 90, &second);
        ck_assert(ks_slice_equals(ks_buffer_slice(&whole), ks_buffer_slice(&second)));
        ks_producer_table_deinit(&producers);
        ks_buffer_deinit(&first);
        ks_buffer_deinit(&second);
    }
    ks_buffer_deinit(&whole);
}
END_TEST

/* The n-th batch of a log that six producers write to, some seldom: they expire, or others need the
 * room, and then they come again. */
static void
note_seldom(struct ks_producer_table *producers, int n)
{
    static const int64_t ids[] = { 1, 2, 1, 3, 4, 1, 5, 6, 2, 1, 3, 1, 1 };
    struct ks_producer_batch batch = {
        .first_sequence = n, .last_sequence = n, .base_offset = n, .last_offset = n
    };
    int64_t hour = n + n / 17 * 24;

    ck_assert_int_eq(ks_producer_note(producers, ids[n % 13], 0, &batch, 3600000 * hour),
                     KAFSCALE_OK);
}

/* The same of producers that were forgotten meanwhile. */
START_TEST(a_state_is_the_same_whether_others_were_stored_before_it)
{
    struct ks_producer_table unbroken;
    struct ks_producer_table stored;
    struct ks_producer_snapshot snapshot;
    struct ks_buffer expected;
    struct ks_buffer found;

    table_init(&unbroken);
    table_init(&stored);
    for (int n = 0; n < 100; n++) {
        note_seldom(&unbroken, n);
        note_seldom(&stored, n);
        encode(&stored, n + 1, &found);
        ks_producer_table_deinit(&stored);
        ck_assert_int_eq(decode(ks_buffer_slice(&found), &stored, &snapshot), KAFSCALE_OK);
        ks_buffer_deinit(&found);
    }
    encode(&unbroken, 100, &expected);
    encode(&stored, 100, &found);
    ck_assert(ks_slice_equals(ks_buffer_slice(&expected), ks_buffer_slice(&found)));
    ks_buffer_deinit(&expected);
    ks_buffer_deinit(&found);
    ks_producer_table_deinit(&unbroken);
    ks_producer_table_deinit(&stored);
}
END_TEST

START_TEST(batches_without_producer_and_control_batches_leave_nothing)
{
    struct ks_producer_table producers;
    struct ks_wal_entry plain = { .producer_id = -1, .last_offset = 2 };
    struct ks_wal_entry marker = { .attributes = KS_BATCH_CONTROL, .producer_id = 7 };

    table_init(&producers);
    ck_assert_int_eq(ks_producer_note_entry(&producers, &plain, 0), KAFSCALE_OK);
    ck_assert_int_eq(ks_producer_note_entry(&producers, &marker, 0), KAFSCALE_OK);
    ck_assert_uint_eq(producers.table.count, 0);
    ks_producer_table_deinit(&producers);
}
END_TEST

/* A producer whose batch was refused is known to the live table only: no batch of it is stored. */
START_TEST(refused_producers_are_not_stored)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct ks_buffer stored;

    table_init(&producers);
    note(&producers, 0, 1000);
    ks_producer_note_refused(&producers, 900, 0, 5, 1000);
    encode(&producers, 3, &stored);
    ks_producer_table_deinit(&producers);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot), KAFSCALE_OK);
    ck_assert_uint_eq(producers.table.count, 1);
    ks_producer_table_deinit(&producers);
    ks_buffer_deinit(&stored);
}
END_TEST

START_TEST(expired_producers_and_idle_ones_beyond_the_limit_are_not_stored)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct ks_producer_batch batch = { .last_sequence = 0 };
    struct ks_buffer stored;

    table_init(&producers);
    for (int64_t id = 0; id < 10; id++) {
        int64_t now_ms = id < 2 ? 0 : EXPIRATION_MS + (id < 5 ? 0 : 3600000 * id);

        batch.base_offset = batch.last_offset = id;
        ck_assert_int_eq(ks_producer_note(&producers, id, 0, &batch, now_ms), KAFSCALE_OK);
    }
    encode(&producers, 10, &stored);
    ks_producer_table_deinit(&producers);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot), KAFSCALE_OK);
    ck_assert_uint_eq(producers.table.count, PRODUCERS_MAX);
    ck_assert_ptr_null(ks_table_find(&producers.table, ks_slice(&(int64_t){ 5 }, 8)));
    ck_assert_ptr_nonnull(ks_table_find(&producers.table, ks_slice(&(int64_t){ 6 }, 8)));
    ks_producer_table_deinit(&producers);
    ks_buffer_deinit(&stored);
}
END_TEST

/* One used in the last ten minutes is never dropped, however many there are. */
START_TEST(producers_in_use_are_stored_beyond_the_limit)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct ks_producer_batch batch = { .last_sequence = 0 };
    struct ks_buffer stored;

    table_init(&producers);
    for (int64_t id = 0; id < 10; id++) {
        batch.base_offset = batch.last_offset = id;
        ck_assert_int_eq(ks_producer_note(&producers, id, 0, &batch, 1000 * id), KAFSCALE_OK);
    }
    encode(&producers, 10, &stored);
    ks_producer_table_deinit(&producers);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot), KAFSCALE_OK);
    ck_assert_uint_eq(producers.table.count, 10);
    ks_producer_table_deinit(&producers);
    ks_buffer_deinit(&stored);
}
END_TEST

START_TEST(damage_of_any_byte_and_any_cut_is_noticed)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct ks_buffer stored;

    state_after(30, &stored);
    for (size_t i = 0; i < stored.size; i++) {
        stored.data[i] ^= 0x10;
        ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot), KAFSCALE_CORRUPT);
        ks_producer_table_deinit(&producers);
        stored.data[i] ^= 0x10;
        ck_assert_int_eq(decode(ks_slice(stored.data, i), &producers, &snapshot), KAFSCALE_CORRUPT);
        ks_producer_table_deinit(&producers);
    }
    ks_buffer_deinit(&stored);
}
END_TEST

/* Writes a 32-bit number and makes the checksum right again. */
static void
forge(struct ks_buffer *stored, size_t position, uint32_t value)
{
    ks_put_u32(stored->data + position, value);
    ks_put_u32(stored->data + stored->size - 4, ks_crc32c(0, stored->data, stored->size - 4));
}

/* Whoever can write the bucket can make checksums: what can't be is refused all the same. */
START_TEST(impossible_states_are_refused)
{
    static const struct {
        size_t position;
        uint32_t value;
        enum kafscale_status status;
    } forgeries[] = {
        { 4, 0x0002002c, KAFSCALE_UNSUPPORTED }, /* version */
        { 4, 0x0001002b, KAFSCALE_CORRUPT },     /* header too short */
        { 4, 0x0001ffff, KAFSCALE_CORRUPT },     /* header beyond the end */
        { 28, 0x80000000, KAFSCALE_CORRUPT },    /* partition */
        { 36, 2, KAFSCALE_CORRUPT },             /* offset below a batch */
        { 40, 2, KAFSCALE_CORRUPT },             /* fewer producers than there are */
        { 40, 0xffffffff, KAFSCALE_CORRUPT },    /* more */
        { 44, 0x00010000, KAFSCALE_CORRUPT },    /* a producer shorter than its length */
        { 46, 0x80000000, KAFSCALE_CORRUPT },    /* producer id */
        { 54, 0x80000000, KAFSCALE_CORRUPT },    /* producer epoch */
        { 61, 0x00000300, KAFSCALE_CORRUPT },    /* no batch */
        { 61, 0x0000e806, KAFSCALE_CORRUPT },    /* six batches */
        { 65, 0x80000000, KAFSCALE_CORRUPT },    /* sequence */
    };

    for (size_t i = 0; i < sizeof forgeries / sizeof forgeries[0]; i++) {
        struct ks_producer_snapshot snapshot;
        struct ks_producer_table producers;
        struct ks_buffer stored;

        state_after(3, &stored);
        forge(&stored, forgeries[i].position, forgeries[i].value);
        ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot),
                         forgeries[i].status);
        ks_producer_table_deinit(&producers);
        ks_buffer_deinit(&stored);
    }
}
END_TEST

START_TEST(a_producer_is_not_stored_twice)
{
    struct ks_producer_snapshot snapshot;
    struct ks_producer_table producers;
    struct ks_buffer stored;

    state_after(2, &stored);
    memcpy(stored.data + 44 + 45 + 2, stored.data + 44 + 2, 8);
    forge(&stored, 40, 2);
    ck_assert_int_eq(decode(ks_buffer_slice(&stored), &producers, &snapshot), KAFSCALE_CORRUPT);
    ks_producer_table_deinit(&producers);
    ks_buffer_deinit(&stored);
}
END_TEST

/* Version 1, to the byte: what was stored once must be readable for ever. */
START_TEST(the_format_is_frozen)
{
    static const uint8_t golden[] = {
        0x4b, 0x53, 0x50, 0x53, 0, 1, 0, 44,   0, 0,   0, 93, /* magic, version, lengths */
        0xaa, 0xbb, 0,    0,    0, 0, 0, 0,    0, 0,   0, 0,  0, 0, 0, 0, /* topic id */
        0,    0,    0,    3,    0, 0, 0, 0,    0, 0,   0, 3,  0, 0, 0, 1, /* partition, offset */
        0,    45,   0,    0,    0, 0, 0, 0,    0, 100, 0, 2,              /* length, id, epoch */
        0,    0,    0,    0,    0, 0, 3, 0xe8, 1,                         /* used, batches */
        0,    0,    0,    0,    0, 0, 0, 2,                               /* sequences */
        0,    0,    0,    0,    0, 0, 0, 0,    0, 0,   0, 0,  0, 0, 0, 2, /* offsets */
    };
    struct ks_buffer stored;

    state_after(1, &stored);
    ck_assert_uint_eq(stored.size, sizeof golden + 4);
    ck_assert_mem_eq(stored.data, golden, sizeof golden);
    ck_assert_uint_eq(ks_get_u32(stored.data + sizeof golden), ks_crc32c(0, golden, sizeof golden));
    ks_buffer_deinit(&stored);
}
END_TEST

START_TEST(the_key_names_topic_partition_and_offset)
{
    struct ks_producer_snapshot snapshot = { .name = partition_name, .offset = 1234 };
    char key[KS_PRODUCER_SNAPSHOT_KEY_BYTES];

    ks_producer_snapshot_key("default", &snapshot, key);
    ck_assert_str_eq(key, "default/__kafscale/producers/aabb0000000000000000000000000000/3/"
                          "00000000000000001234");
}
END_TEST

START_TEST(short_memory_is_a_status)
{
    struct ks_buffer stored;

    state_after(30, &stored);
    for (uint64_t allowed = 0; allowed < 4; allowed++) {
        struct ks_producer_snapshot snapshot;
        struct ks_producer_table producers;
        enum kafscale_status status;

        table_init(&producers);
        (void) ks_alloc_fail_after(allowed);
        status = ks_producer_snapshot_decode(ks_buffer_slice(&stored), &producers, &snapshot,
                                             &(struct kafscale_error){ 0 });
        (void) ks_alloc_fail_after(UINT64_MAX);
        ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
        ks_producer_table_deinit(&producers);
    }
    ks_buffer_deinit(&stored);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("stored producer states");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, a_state_read_back_knows_what_the_stored_one_knew);
    tcase_add_test(tests, a_state_goes_on_from_the_one_before_it);
    tcase_add_test(tests, a_state_is_the_same_whether_others_were_stored_before_it);
    tcase_add_test(tests, batches_without_producer_and_control_batches_leave_nothing);
    tcase_add_test(tests, refused_producers_are_not_stored);
    tcase_add_test(tests, expired_producers_and_idle_ones_beyond_the_limit_are_not_stored);
    tcase_add_test(tests, producers_in_use_are_stored_beyond_the_limit);
    tcase_add_test(tests, damage_of_any_byte_and_any_cut_is_noticed);
    tcase_add_test(tests, impossible_states_are_refused);
    tcase_add_test(tests, a_producer_is_not_stored_twice);
    tcase_add_test(tests, the_format_is_frozen);
    tcase_add_test(tests, the_key_names_topic_partition_and_offset);
    tcase_add_test(tests, short_memory_is_a_status);
    suite_add_tcase(suite, tests);
    return suite;
}
