/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stored bytes of the metadata log: they come back as they went in, any damage is noticed,
 * and the bytes of version 1 stay what they are (tests/data/meta; META_WRITE_GOLDEN=1 writes
 * them anew, for a new version only).
 */
#include "meta/entry.h"
#include "meta/snapshot.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

static const struct ks_id writer = { .bytes = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
                                                16 } };

static const struct kafscale_meta_compare compares[] = {
    { .key = "topic/1", .any_version = true },
    { .key = "part/1/0", .version = 41 },
};

static const struct kafscale_meta_operation operations[] = {
    { .key = "part/1/0", .value = { (const uint8_t *) "register", 8 } },
    { .key = "live/1", .is_delete = true },
    { .key = "empty" },
};

static const struct kafscale_meta_txn txns[] = {
    { .compares = compares, .compare_count = 2, .operations = operations, .operation_count = 3 },
    { .operations = operations, .operation_count = 1 },
    { .compares = compares, .compare_count = 1 },
};

static void
encode_entry(struct ks_buffer *buffer)
{
    ks_buffer_init(buffer, KS_META_ENTRY_BYTES_MAX);
    ks_meta_entry_begin(buffer, 9, &writer, 5);
    for (int i = 0; i < 3; i++) {
        ks_meta_entry_add(buffer, &txns[i]);
    }
    ks_meta_entry_end(buffer, 3);
    ck_assert(!ks_buffer_failed(buffer));
}

static void
fill_state(struct ks_meta_state *state)
{
    struct ks_meta_writer record = {
        .id = writer,
        .number = 5,
        .seq = 1024,
        .revision_before = 900,
        .txn_count = 9,
        .outcome = { 0xa5, 1 },
    };

    state->seq = 1024;
    state->revision = 905;
    state->forgotten = 3;
    ck_assert_int_eq(ks_meta_state_append_writer(state, &record), KAFSCALE_OK);
    ck_assert_int_eq(ks_meta_state_append_item(state, "a", ks_slice_of_text("one"), 7),
                     KAFSCALE_OK);
    ck_assert_int_eq(ks_meta_state_append_item(state, "b", ks_slice(NULL, 0), 905), KAFSCALE_OK);
}

static void
encode_snapshot(struct ks_buffer *buffer)
{
    struct ks_meta_state state = { 0 };

    fill_state(&state);
    ks_buffer_init(buffer, SIZE_MAX);
    ks_meta_snapshot_encode(buffer, &state, 1);
    ck_assert(!ks_buffer_failed(buffer));
    ks_meta_state_deinit(&state);
}

static void
check_txn(const struct kafscale_meta_txn *txn, const struct kafscale_meta_txn *expected)
{
    ck_assert_uint_eq(txn->compare_count, expected->compare_count);
    ck_assert_uint_eq(txn->operation_count, expected->operation_count);
    for (size_t i = 0; i < txn->compare_count; i++) {
        ck_assert_str_eq(txn->compares[i].key, expected->compares[i].key);
        ck_assert_uint_eq(txn->compares[i].version, expected->compares[i].version);
        ck_assert_int_eq(txn->compares[i].any_version, expected->compares[i].any_version);
    }
    for (size_t i = 0; i < txn->operation_count; i++) {
        ck_assert_str_eq(txn->operations[i].key, expected->operations[i].key);
        ck_assert_int_eq(txn->operations[i].is_delete, expected->operations[i].is_delete);
        ck_assert(ks_slice_equals(txn->operations[i].value, expected->operations[i].value));
    }
}

static void
check_entry(struct kafscale_slice bytes)
{
    struct ks_meta_decoded decoded;
    struct kafscale_error error = { 0 };

    ck_assert_int_eq(ks_meta_entry_decode(bytes, 9, &decoded, &error), KAFSCALE_OK);
    ck_assert_uint_eq(decoded.batch.number, 5);
    ck_assert_uint_eq(decoded.batch.txn_count, 3);
    ck_assert(ks_id_equals(&decoded.batch.writer, &writer));
    for (int i = 0; i < 3; i++) {
        check_txn(&decoded.batch.txns[i], &txns[i]);
    }
    ks_meta_decoded_deinit(&decoded);
}

static void
check_snapshot(struct kafscale_slice bytes)
{
    struct ks_meta_state state = { 0 };
    struct kafscale_error error = { 0 };
    struct ks_buffer again;
    const struct ks_meta_writer *record;

    ck_assert_int_eq(ks_meta_snapshot_decode(bytes, 1, &state, &error), KAFSCALE_OK);
    ck_assert_uint_eq(state.seq, 1024);
    ck_assert_uint_eq(state.revision, 905);
    ck_assert_uint_eq(state.forgotten, 3);
    ck_assert_uint_eq(state.item_count, 2);
    ck_assert_uint_eq(ks_meta_state_find(&state, "a")->version, 7);
    record = ks_meta_state_find_writer(&state, &writer);
    ck_assert_ptr_nonnull(record);
    ck_assert_uint_eq(record->number, 5);
    ck_assert_uint_eq(record->outcome[0], 0xa5);
    ck_assert_uint_eq(record->outcome[1], 1);
    ks_buffer_init(&again, SIZE_MAX);
    ks_meta_snapshot_encode(&again, &state, 1);
    ck_assert(ks_slice_equals(ks_buffer_slice(&again), bytes));
    ks_buffer_deinit(&again);
    ks_meta_state_deinit(&state);
}

START_TEST(entry_and_snapshot_come_back_as_they_went_in)
{
    struct ks_buffer entry;
    struct ks_buffer snapshot;

    encode_entry(&entry);
    encode_snapshot(&snapshot);
    check_entry(ks_buffer_slice(&entry));
    check_snapshot(ks_buffer_slice(&snapshot));
    ks_buffer_deinit(&entry);
    ks_buffer_deinit(&snapshot);
}
END_TEST

START_TEST(size_of_a_transaction_is_known_beforehand)
{
    struct ks_buffer entry;
    size_t bytes = KS_META_ENTRY_FRAME_BYTES;

    encode_entry(&entry);
    for (int i = 0; i < 3; i++) {
        bytes += ks_meta_entry_txn_bytes(&txns[i]);
    }
    ck_assert_uint_eq(entry.size, bytes);
    ks_buffer_deinit(&entry);
}
END_TEST

/*
 * Calls `decode` for every single-bit change and every shorter length of the bytes: each is
 * damage, never a newer version.
 */
static void
check_damage(struct ks_buffer *buffer, enum kafscale_status (*decode)(struct kafscale_slice bytes))
{
    for (size_t bit = 0; bit < buffer->size * 8; bit++) {
        buffer->data[bit / 8] ^= (uint8_t) (1u << bit % 8);
        ck_assert_int_eq(decode(ks_buffer_slice(buffer)), KAFSCALE_CORRUPT);
        buffer->data[bit / 8] ^= (uint8_t) (1u << bit % 8);
    }
    for (size_t size = 0; size < buffer->size; size++) {
        uint8_t *copy = malloc(size + 1);

        memcpy(copy, buffer->data, size);
        ck_assert_int_eq(decode(ks_slice(copy, size)), KAFSCALE_CORRUPT);
        free(copy);
    }
}

static enum kafscale_status
decode_entry(struct kafscale_slice bytes)
{
    struct ks_meta_decoded decoded;
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_meta_entry_decode(bytes, 9, &decoded, &error);

    ks_meta_decoded_deinit(&decoded);
    ck_assert_int_eq(error.status, status);
    return status;
}

static enum kafscale_status
decode_snapshot(struct kafscale_slice bytes)
{
    struct ks_meta_state state = { 0 };
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_meta_snapshot_decode(bytes, 1, &state, &error);

    ks_meta_state_deinit(&state);
    ck_assert_int_eq(error.status, status);
    return status;
}

START_TEST(any_damage_is_noticed)
{
    struct ks_buffer entry;
    struct ks_buffer snapshot;

    encode_entry(&entry);
    encode_snapshot(&snapshot);
    check_damage(&entry, decode_entry);
    check_damage(&snapshot, decode_snapshot);
    ks_buffer_deinit(&entry);
    ks_buffer_deinit(&snapshot);
}
END_TEST

static void
fix_checksum(struct ks_buffer *buffer)
{
    ks_put_u32(buffer->data + buffer->size - 4, ks_crc32c(0, buffer->data, buffer->size - 4));
}

/* Whoever can write to the bucket can also compute a checksum. */
START_TEST(hostile_bytes_with_a_right_checksum_are_safe)
{
    struct ks_buffer buffers[2];
    enum kafscale_status (*const decode[])(struct kafscale_slice bytes) = { decode_entry,
                                                                            decode_snapshot };

    encode_entry(&buffers[0]);
    encode_snapshot(&buffers[1]);
    for (int i = 0; i < 2; i++) {
        struct ks_buffer *buffer = &buffers[i];

        for (size_t place = 0; place < buffer->size - 4; place++) {
            for (unsigned value = 0; value < 256; value += 51) {
                uint8_t before = buffer->data[place];

                buffer->data[place] = (uint8_t) value;
                fix_checksum(buffer);
                (void) !decode[i](ks_buffer_slice(buffer));
                buffer->data[place] = before;
            }
        }
        ks_buffer_deinit(buffer);
    }
}
END_TEST

START_TEST(newer_version_and_other_slot_are_told_apart)
{
    struct ks_buffer entry;
    struct ks_meta_decoded decoded;
    struct kafscale_error error = { 0 };

    encode_entry(&entry);
    ck_assert_int_eq(ks_meta_entry_decode(ks_buffer_slice(&entry), 10, &decoded, &error),
                     KAFSCALE_CORRUPT);
    ks_meta_decoded_deinit(&decoded);
    entry.data[5] = 2;
    fix_checksum(&entry);
    ck_assert_int_eq(decode_entry(ks_buffer_slice(&entry)), KAFSCALE_UNSUPPORTED);
    ks_buffer_deinit(&entry);
}
END_TEST

START_TEST(keys_of_a_snapshot_must_ascend)
{
    struct ks_meta_state state = { 0 };

    fill_state(&state);
    ck_assert_int_eq(ks_meta_state_append_item(&state, "b", ks_slice(NULL, 0), 1),
                     KAFSCALE_CORRUPT);
    ck_assert_int_eq(ks_meta_state_append_item(&state, "a", ks_slice(NULL, 0), 1),
                     KAFSCALE_CORRUPT);
    ks_meta_state_deinit(&state);
}
END_TEST

static void
check_golden(const char *name, const struct ks_buffer *buffer,
             void (*check)(struct kafscale_slice bytes))
{
    char path[400];
    uint8_t bytes[1024];
    size_t size;
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", META_DATA, name);
    if (getenv("META_WRITE_GOLDEN") != NULL) {
        file = fopen(path, "wb");
        ck_assert_ptr_nonnull(file);
        fwrite(buffer->data, 1, buffer->size, file);
        fclose(file);
    }
    file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    check(ks_slice(bytes, size));
    ck_assert(ks_slice_equals(ks_slice(bytes, size), ks_buffer_slice(buffer)));
}

START_TEST(bytes_of_version_1_stay_what_they_are)
{
    struct ks_buffer entry;
    struct ks_buffer snapshot;

    encode_entry(&entry);
    encode_snapshot(&snapshot);
    check_golden("entry-1.bin", &entry, check_entry);
    check_golden("snapshot-1.bin", &snapshot, check_snapshot);
    ks_buffer_deinit(&entry);
    ks_buffer_deinit(&snapshot);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("meta format");
    TCase *tcase = tcase_create("format");

    tcase_add_test(tcase, entry_and_snapshot_come_back_as_they_went_in);
    tcase_add_test(tcase, size_of_a_transaction_is_known_beforehand);
    tcase_add_test(tcase, any_damage_is_noticed);
    tcase_add_test(tcase, hostile_bytes_with_a_right_checksum_are_safe);
    tcase_add_test(tcase, newer_version_and_other_slot_are_told_apart);
    tcase_add_test(tcase, keys_of_a_snapshot_must_ascend);
    tcase_add_test(tcase, bytes_of_version_1_stay_what_they_are);
    suite_add_tcase(suite, tcase);
    return suite;
}
