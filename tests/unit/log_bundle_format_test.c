/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bundles: what is written is read back, damage is noticed, sections can't point outside their
 * areas, and the bytes of version 1 stay what they are (tests/data/log; LOG_WRITE_GOLDEN=1 writes
 * them anew, for a new version only).
 */
#include "log/format/bundle_format.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

#define STATES "state-1state-2"
#define BODY_BYTES 400

static const struct ks_wal_entry some_batch = { .attributes = 1,
                                                .record_count = 3,
                                                .base_offset = 70,
                                                .last_offset = 72,
                                                .producer_id = 9,
                                                .producer_epoch = 1,
                                                .first_sequence = 5,
                                                .last_sequence = 7,
                                                .max_timestamp_ms = 1700000000000,
                                                .size_bytes = 100,
                                                .crc = 0xabcdef01,
                                                .control_type = -1,
                                                .coordinator_epoch = -1 };

struct object {
    struct ks_bundle_header header;
    struct ks_bundle_section sections[2];
    struct ks_buffer head;
    struct ks_buffer rest; /* states, entries, body, trailer */
};

static void
write_entries(struct ks_buffer *entries, uint64_t body_position)
{
    for (int i = 0; i < 4; i++) {
        struct ks_bundle_entry entry = { .slot = 11 + (uint64_t) i % 2,
                                         .created_ms = 1700000000001,
                                         .batch = some_batch };

        entry.batch.base_offset += 3 * (i % 2);
        entry.batch.last_offset += 3 * (i % 2);
        entry.batch.position = body_position + (uint64_t) i * 100;
        ks_bundle_append_entry(entries, &entry);
    }
}

static struct ks_bundle_section
section_of(int32_t partition, const char *name)
{
    return (struct ks_bundle_section){ .topic = { { 1, 2, 3, 4, 5, 6, 7, 8 } },
                                       .partition = partition,
                                       .leader_epoch = 4,
                                       .base_offset = 70,
                                       .end_offset = 76,
                                       .max_timestamp_ms = 1700000000000,
                                       .entry_count = 2,
                                       .batch_bytes_max = 100,
                                       .topic_name = ks_slice_of_text(name) };
}

static void
write_directory(struct object *o, struct ks_buffer *directory)
{
    ks_buffer_clear(directory);
    for (int i = 0; i < 2; i++) {
        ks_bundle_append_section(directory, &o->sections[i]);
    }
}

static void
place_sections(struct object *o, uint64_t head_bytes, const struct ks_buffer *entries)
{
    uint64_t entries_position = head_bytes + o->header.states_bytes;
    uint64_t body_position = entries_position + o->header.entries_bytes;

    for (int i = 0; i < 2; i++) {
        struct ks_bundle_section *section = &o->sections[i];

        section->state_position = head_bytes + (uint64_t) i * 7;
        section->state_bytes = 7;
        section->entries_bytes = 2 * KS_BUNDLE_ENTRY_BYTES;
        section->entries_position = entries_position + (uint64_t) i * section->entries_bytes;
        section->entries_crc = ks_crc32c(0, entries->data + (size_t) i * section->entries_bytes,
                                         section->entries_bytes);
        section->body_bytes = BODY_BYTES / 2;
        section->body_position = body_position + (uint64_t) i * BODY_BYTES / 2;
    }
}

static void
object_init(struct object *o)
{
    uint8_t trailer[KS_BUNDLE_TRAILER_BYTES];
    struct ks_buffer directory;
    struct ks_buffer entries;
    uint64_t head_bytes;

    *o = (struct object){ .header = { .cluster = { { 8, 8, 8 } },
                                      .incarnation = { { 7, 7, 7 } },
                                      .first = 11,
                                      .last = 12,
                                      .chain_before = 0x11111111,
                                      .chain_after = 0x22222222,
                                      .created_ms = 1700000000002,
                                      .section_count = 2,
                                      .states_bytes = strlen(STATES),
                                      .entries_bytes = (uint64_t) 4 * KS_BUNDLE_ENTRY_BYTES,
                                      .body_bytes = BODY_BYTES },
                          .sections = { section_of(0, "orders"), section_of(5, "orders") } };
    ks_buffer_init(&directory, 1 << 20);
    ks_buffer_init(&entries, 1 << 20);
    ks_buffer_init(&o->head, 1 << 20);
    ks_buffer_init(&o->rest, 1 << 20);
    write_directory(o, &directory);
    head_bytes = KS_BUNDLE_HEADER_BYTES + directory.size;
    write_entries(&entries, head_bytes + o->header.states_bytes + o->header.entries_bytes);
    place_sections(o, head_bytes, &entries);
    write_directory(o, &directory);
    ks_bundle_write_head(&o->head, &o->header, ks_buffer_slice(&directory));
    ks_buffer_append(&o->rest, STATES, strlen(STATES));
    ks_buffer_append(&o->rest, entries.data, entries.size);
    for (int i = 0; i < BODY_BYTES; i++) {
        ks_buffer_append_u8(&o->rest, (uint8_t) i);
    }
    ks_bundle_write_trailer(
        trailer, ks_bundle_total_bytes(&o->header),
        ks_crc32c(ks_crc32c(0, o->head.data, o->head.size), o->rest.data, o->rest.size));
    ks_buffer_append(&o->rest, trailer, sizeof trailer);
    ck_assert(!ks_buffer_failed(&o->head));
    ck_assert(!ks_buffer_failed(&o->rest));
    ks_buffer_deinit(&entries);
    ks_buffer_deinit(&directory);
}

static void
object_deinit(struct object *o)
{
    ks_buffer_deinit(&o->head);
    ks_buffer_deinit(&o->rest);
}

static void
expect_same_section(const struct ks_bundle_section *a, const struct ks_bundle_section *b)
{
    struct ks_buffer written[2];

    for (int i = 0; i < 2; i++) {
        ks_buffer_init(&written[i], 1000);
        ks_bundle_append_section(&written[i], i == 0 ? a : b);
    }
    ck_assert(ks_slice_equals(ks_buffer_slice(&written[0]), ks_buffer_slice(&written[1])));
    ks_buffer_deinit(&written[0]);
    ks_buffer_deinit(&written[1]);
}

START_TEST(what_is_written_is_read_back)
{
    struct ks_bundle_section section;
    struct ks_bundle_header header;
    struct kafscale_slice directory;
    struct kafscale_error error = { 0 };
    struct ks_cursor cursor;
    struct object o;
    size_t head_bytes;

    object_init(&o);
    ck_assert_int_eq(ks_bundle_head_bytes(ks_buffer_slice(&o.head), &head_bytes, &error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(head_bytes, o.head.size);
    ck_assert_int_eq(ks_bundle_read_head(ks_buffer_slice(&o.head), &header, &directory, &error),
                     KAFSCALE_OK);
    ck_assert_mem_eq(&header.incarnation, &o.header.incarnation, sizeof header.incarnation);
    ck_assert_uint_eq(header.first, 11);
    ck_assert_uint_eq(header.last, 12);
    ck_assert_uint_eq(header.chain_before, 0x11111111);
    ck_assert_uint_eq(header.chain_after, 0x22222222);
    ck_assert_uint_eq(header.crc, o.header.crc);
    ck_assert_uint_eq(ks_bundle_total_bytes(&header), o.head.size + o.rest.size);
    cursor = ks_cursor(directory);
    for (int i = 0; i < 2; i++) {
        ck_assert(ks_bundle_next_section(&cursor, &header, &section));
        expect_same_section(&section, &o.sections[i]);
    }
    ck_assert(!ks_bundle_next_section(&cursor, &header, &section));
    ck_assert(!ks_cursor_failed(&cursor));
    object_deinit(&o);
}
END_TEST

START_TEST(entries_are_read_back)
{
    struct ks_bundle_entry entry;
    struct ks_cursor cursor;
    struct object o;

    object_init(&o);
    cursor = ks_cursor(ks_slice(o.rest.data + (o.sections[1].entries_position - o.head.size),
                                o.sections[1].entries_bytes));
    for (int i = 0; i < 2; i++) {
        ck_assert(ks_bundle_next_entry(&cursor, &entry));
        ck_assert_uint_eq(entry.slot, 11 + (uint64_t) i);
        ck_assert_int_eq(entry.created_ms, 1700000000001);
        ck_assert_int_eq(entry.batch.base_offset, 70 + i * 3);
        ck_assert_uint_eq(entry.batch.position, o.sections[1].body_position + (uint64_t) i * 100);
        ck_assert_int_eq(entry.batch.producer_id, 9);
        ck_assert_uint_eq(entry.batch.crc, 0xabcdef01);
    }
    ck_assert(!ks_bundle_next_entry(&cursor, &entry));
    ck_assert(!ks_cursor_failed(&cursor));
    object_deinit(&o);
}
END_TEST

START_TEST(each_damaged_byte_of_the_head_is_noticed)
{
    struct ks_bundle_header header;
    struct kafscale_slice directory;
    struct object o;

    object_init(&o);
    for (size_t i = 0; i < o.head.size; i++) {
        struct kafscale_error error = { 0 };

        o.head.data[i] ^= 0x40;
        ck_assert_int_ne(ks_bundle_read_head(ks_buffer_slice(&o.head), &header, &directory, &error),
                         KAFSCALE_OK);
        ck_assert(error.text[0] != '\0');
        o.head.data[i] ^= 0x40;
    }
    for (size_t size = 0; size < o.head.size; size++) {
        struct kafscale_error error = { 0 };

        ck_assert_int_eq(
            ks_bundle_read_head(ks_slice(o.head.data, size), &header, &directory, &error),
            KAFSCALE_CORRUPT);
    }
    object_deinit(&o);
}
END_TEST

static void
spoil_ranges(struct ks_bundle_section *section, int which)
{
    struct ks_bundle_section good = *section;
    struct ks_bundle_section bad[] = { good, good, good, good, good, good, good, good };

    bad[0].state_position = UINT64_MAX;
    bad[1].state_position -= 1;
    bad[2].state_bytes = 1000;
    bad[3].entries_position = UINT64_MAX - 10;
    bad[4].entries_position -= 1;
    bad[5].body_bytes = BODY_BYTES + 1;
    bad[6].body_bytes = UINT64_MAX;
    bad[7].body_position += BODY_BYTES;
    *section = bad[which];
}

static void
spoil_values(struct ks_bundle_section *section, int which)
{
    struct ks_bundle_section good = *section;
    struct ks_bundle_section bad[] = { good, good, good, good, good, good, good };

    bad[0].entry_count = 3;
    bad[1].entry_count = 0;
    bad[2].end_offset = good.base_offset;
    bad[3].partition = -1;
    bad[4].batch_bytes_max = 201;
    bad[5].batch_bytes_max = 0;
    bad[6].state_bytes = 0;
    *section = bad[which];
}

/* The checksum may be right: whoever writes to a bucket can see to that. */
START_TEST(a_section_points_into_its_areas_only)
{
    struct object o;
    struct ks_bundle_section section;
    struct ks_buffer directory;
    struct ks_cursor cursor;

    object_init(&o);
    section = o.sections[0];
    if (_i < 8) {
        spoil_ranges(&section, _i);
    } else {
        spoil_values(&section, _i - 8);
    }
    ks_buffer_init(&directory, 1 << 20);
    ks_bundle_append_section(&directory, &section);
    cursor = ks_cursor(ks_buffer_slice(&directory));
    ck_assert(!ks_bundle_next_section(&cursor, &o.header, &section));
    ck_assert(ks_cursor_failed(&cursor));
    ks_buffer_deinit(&directory);
    object_deinit(&o);
}
END_TEST

START_TEST(the_bytes_of_version_1_stay_what_they_are)
{
    static uint8_t golden[10000];
    struct object o;
    FILE *file;
    size_t size;

    object_init(&o);
    if (getenv("LOG_WRITE_GOLDEN") != NULL) {
        file = fopen(LOG_DATA "/bundle-1.bin", "wb");
        ck_assert_ptr_nonnull(file);
        ck_assert_uint_eq(fwrite(o.head.data, 1, o.head.size, file), o.head.size);
        ck_assert_uint_eq(fwrite(o.rest.data, 1, o.rest.size, file), o.rest.size);
        ck_assert_int_eq(fclose(file), 0);
    }
    file = fopen(LOG_DATA "/bundle-1.bin", "rb");
    ck_assert_ptr_nonnull(file);
    size = fread(golden, 1, sizeof golden, file);
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_uint_eq(size, o.head.size + o.rest.size);
    ck_assert_mem_eq(golden, o.head.data, o.head.size);
    ck_assert_mem_eq(golden + o.head.size, o.rest.data, o.rest.size);
    object_deinit(&o);
}
END_TEST

START_TEST(a_register_is_read_back_and_its_damage_noticed)
{
    struct ks_bundle_register reg = { .last = 63,
                                      .size = { .object_bytes = 5000, .head_bytes = 300 } };
    struct ks_bundle_register back;
    struct kafscale_error error = { 0 };
    struct ks_id incarnation = { { 1 } };
    char prefix[KS_BUNDLE_REGISTER_KEY_BYTES];
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    uint8_t value[KS_BUNDLE_REGISTER_BYTES];
    uint64_t first = 0;

    ks_bundle_register_key(&incarnation, 7, key);
    ks_bundle_register_prefix(&incarnation, prefix);
    ck_assert_int_eq(strncmp(key, prefix, strlen(prefix)), 0);
    ks_bundle_register_encode(&reg, value);
    ck_assert_int_eq(
        ks_bundle_register_decode(key, ks_slice(value, sizeof value), &first, &back, &error),
        KAFSCALE_OK);
    ck_assert_uint_eq(first, 7);
    ck_assert_uint_eq(back.last, 63);
    ck_assert_uint_eq(back.attempt, 0);
    ck_assert_uint_eq(back.part_count, 1);
    ck_assert_uint_eq(back.size.object_bytes, 5000);
    ck_assert_uint_eq(back.size.head_bytes, 300);
    for (size_t size = 0; size < sizeof value; size++) {
        ck_assert_int_eq(
            ks_bundle_register_decode(key, ks_slice(value, size), &first, &back, &error),
            KAFSCALE_CORRUPT);
    }
    key[strlen(key) - 1] = 'x';
    ck_assert_int_eq(
        ks_bundle_register_decode(key, ks_slice(value, sizeof value), &first, &back, &error),
        KAFSCALE_CORRUPT);
    ks_bundle_register_key(&incarnation, 64, key);
    ck_assert_int_eq(
        ks_bundle_register_decode(key, ks_slice(value, sizeof value), &first, &back, &error),
        KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(names_of_bundles_are_read_back_and_nothing_else)
{
    static const struct ks_bundle_name names[] = {
        { .first = 0, .last = 63 },
        { .first = 64, .last = 1023, .attempt = 1 },
        { .first = 5, .last = 6, .attempt = 4294967295u, .part = 17, .is_last = true },
    };
    static const char *const others[] = {
        "",
        "00000000000000000001",
        "00000000000000000002-00000000000000000001",
        "00000000000000000001-00000000000000000002.",
        "00000000000000000001-00000000000000000002.0000000000.00000",
        "00000000000000000001-00000000000000000002.0000000001.99999",
        "00000000000000000001-00000000000000000002.0000000001.00001-lost",
        "00000000000000000001-00000000000000000002.0000000001.00001-last ",
        "00000000000000000001x00000000000000000002",
    };
    struct ks_id incarnation = { { 1 } };
    struct ks_bundle_name back;
    char key[KS_BUNDLE_KEY_BYTES];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ks_bundle_key("ns", &incarnation, &names[i], key);
        ck_assert(ks_bundle_name_parse(strrchr(key, '/') + 1, &back));
        ck_assert(ks_bundle_name_is_same(&back, &names[i]));
        ck_assert_uint_eq(back.part, names[i].part);
        ck_assert_int_eq(back.is_last, names[i].is_last);
        ck_assert(!ks_bundle_name_is_same(&back, &names[(i + 1) % 3]));
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        back = names[1];
        ck_assert(!ks_bundle_name_parse(others[i], &back));
        ck_assert(ks_bundle_name_is_same(&back, &names[1]));
    }
}
END_TEST

static const struct ks_bundle_size merged_sizes[] = {
    { .object_bytes = 33554432, .head_bytes = 120000 },
    { .object_bytes = 5000, .head_bytes = 300 },
};

static void
encode_merged(struct ks_buffer *value)
{
    struct ks_bundle_register reg = { .last = 127, .attempt = 7, .level = 2, .part_count = 2 };

    ks_buffer_init(value, 1000);
    ks_merged_register_append(&reg, value);
    for (size_t i = 0; i < 2; i++) {
        ks_merged_register_append_size(&merged_sizes[i], value);
    }
}

START_TEST(the_register_of_a_merged_bundle_is_read_back_and_its_damage_noticed)
{
    struct ks_id incarnation = { { 1 } };
    struct kafscale_error error = { 0 };
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct ks_bundle_register back;
    struct ks_buffer value;
    uint64_t first = 0;

    ks_bundle_register_key(&incarnation, 7, key);
    encode_merged(&value);
    ck_assert_int_eq(ks_bundle_register_decode(key, ks_buffer_slice(&value), &first, &back, &error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(first, 7);
    ck_assert_uint_eq(back.last, 127);
    ck_assert_uint_eq(back.attempt, 7);
    ck_assert_uint_eq(back.level, 2);
    ck_assert_uint_eq(back.part_count, 2);
    for (uint32_t part = 0; part < 2; part++) {
        struct ks_bundle_size size = ks_bundle_register_size(&back, part);
        struct ks_bundle_name name = ks_bundle_register_name(first, &back, part);

        ck_assert_uint_eq(size.object_bytes, merged_sizes[part].object_bytes);
        ck_assert_uint_eq(size.head_bytes, merged_sizes[part].head_bytes);
        ck_assert_uint_eq(name.part, part);
        ck_assert_int_eq(name.is_last, part == 1);
    }
    for (size_t size = 0; size < value.size; size++) {
        ck_assert_int_eq(
            ks_bundle_register_decode(key, ks_slice(value.data, size), &first, &back, &error),
            KAFSCALE_CORRUPT);
    }
    ks_put_u16(value.data, 3);
    ck_assert_int_eq(ks_bundle_register_decode(key, ks_buffer_slice(&value), &first, &back, &error),
                     KAFSCALE_UNSUPPORTED);
    ks_buffer_deinit(&value);
}
END_TEST

START_TEST(the_golden_register_of_a_merged_bundle_is_what_is_written_today)
{
    static uint8_t golden[1000];
    struct ks_buffer value;
    FILE *file;
    size_t size;

    file = fopen(LOG_DATA "/../registers/merged-bundle-2.bin", "rb");
    ck_assert_ptr_nonnull(file);
    size = fread(golden, 1, sizeof golden, file);
    ck_assert_int_eq(fclose(file), 0);
    encode_merged(&value);
    ck_assert_uint_eq(size, value.size);
    ck_assert_mem_eq(golden, value.data, size);
    ks_buffer_deinit(&value);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_bundle_format");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, what_is_written_is_read_back);
    tcase_add_test(tests, entries_are_read_back);
    tcase_add_test(tests, each_damaged_byte_of_the_head_is_noticed);
    tcase_add_loop_test(tests, a_section_points_into_its_areas_only, 0, 15);
    tcase_add_test(tests, the_bytes_of_version_1_stay_what_they_are);
    tcase_add_test(tests, a_register_is_read_back_and_its_damage_noticed);
    tcase_add_test(tests, names_of_bundles_are_read_back_and_nothing_else);
    tcase_add_test(tests, the_register_of_a_merged_bundle_is_read_back_and_its_damage_noticed);
    tcase_add_test(tests, the_golden_register_of_a_merged_bundle_is_what_is_written_today);
    suite_add_tcase(suite, tests);
    return suite;
}
