/* SPDX-License-Identifier: Apache-2.0 */
/* Write-ahead objects: what is written is read back, and damage of any byte is noticed. */
#include "log/format/wal_format.h"
#include "support/main.h"

static const struct ks_wal_entry some_entry = { .attributes = 3,
                                                .record_count = 7,
                                                .base_offset = 1000,
                                                .last_offset = 1006,
                                                .producer_id = 4,
                                                .producer_epoch = 2,
                                                .first_sequence = 70,
                                                .last_sequence = 76,
                                                .max_timestamp_ms = 1700000000123,
                                                .position = 99,
                                                .size_bytes = 300,
                                                .crc = 0xdeadbeef,
                                                .control_type = -1,
                                                .coordinator_epoch = -1 };

/* Two entries are the same when they are written the same; their structs have padding. */
static void
expect_same(const struct ks_wal_entry *a, const struct ks_wal_entry *b)
{
    struct ks_buffer written[2];

    for (int i = 0; i < 2; i++) {
        ks_buffer_init(&written[i], 1000);
        ks_wal_append_entry(&written[i], i == 0 ? a : b);
    }
    ck_assert(ks_slice_equals(ks_buffer_slice(&written[0]), ks_buffer_slice(&written[1])));
    ks_buffer_deinit(&written[0]);
    ks_buffer_deinit(&written[1]);
}

static void
write_object(struct ks_buffer *head)
{
    struct ks_buffer directory;
    struct ks_wal_section section = { .topic = { { 1, 2, 3 } },
                                      .partition = 5,
                                      .leader_epoch = 9,
                                      .topic_name = ks_slice_of_text("orders"),
                                      .entry_count = 2 };
    struct ks_wal_header header = { .flags = KS_WAL_DATA,
                                    .sequence = 42,
                                    .chain = 77,
                                    .created_ms = 5,
                                    .section_count = 1,
                                    .body_bytes = 600 };

    ks_buffer_init(&directory, 1 << 20);
    ks_wal_append_section(&directory, &section);
    ks_wal_append_entry(&directory, &some_entry);
    ks_wal_append_entry(&directory, &some_entry);
    ks_buffer_init(head, 1 << 20);
    ks_wal_write_head(head, &header, ks_buffer_slice(&directory));
    ck_assert(!ks_buffer_failed(head));
    ks_buffer_deinit(&directory);
}

START_TEST(an_object_is_read_as_it_was_written)
{
    struct kafscale_error error = { 0 };
    struct kafscale_slice directory;
    struct ks_wal_section section;
    struct ks_wal_header header;
    struct ks_wal_entry entry;
    struct ks_cursor sections;
    struct ks_cursor entries;
    struct ks_buffer head;
    size_t size;

    write_object(&head);
    ck_assert_int_eq(ks_wal_head_bytes(ks_buffer_slice(&head), &size, &error), KAFSCALE_OK);
    ck_assert_uint_eq(size, head.size);
    ck_assert_int_eq(ks_wal_read_head(ks_buffer_slice(&head), &header, &directory, &error),
                     KAFSCALE_OK);
    ck_assert_uint_eq(header.sequence, 42);
    ck_assert_uint_eq(header.chain, 77);
    ck_assert_uint_eq(header.body_bytes, 600);
    sections = ks_cursor(directory);
    ck_assert(ks_wal_next_section(&sections, &section));
    ck_assert_int_eq(section.partition, 5);
    ck_assert_int_eq(section.leader_epoch, 9);
    ck_assert(ks_slice_equals(section.topic_name, ks_slice_of_text("orders")));
    entries = ks_cursor(section.entries);
    for (int i = 0; i < 2; i++) {
        ck_assert(ks_wal_next_entry(&entries, &entry));
        expect_same(&entry, &some_entry);
    }
    ck_assert(!ks_wal_next_entry(&entries, &entry));
    ck_assert(!ks_wal_next_section(&sections, &section));
    ck_assert(!sections.failed);
    ks_buffer_deinit(&head);
}
END_TEST

START_TEST(every_flipped_bit_and_every_cut_is_noticed)
{
    struct kafscale_slice directory;
    struct ks_wal_header header;
    struct ks_buffer head;

    write_object(&head);
    for (size_t i = 0; i < head.size * 8; i++) {
        struct kafscale_error error = { 0 };

        head.data[i / 8] ^= (uint8_t) (1u << i % 8);
        ck_assert_int_ne(ks_wal_read_head(ks_buffer_slice(&head), &header, &directory, &error),
                         KAFSCALE_OK);
        head.data[i / 8] ^= (uint8_t) (1u << i % 8);
    }
    for (size_t size = 0; size < head.size; size++) {
        struct kafscale_error error = { 0 };

        ck_assert_int_ne(ks_wal_read_head(ks_slice(head.data, size), &header, &directory, &error),
                         KAFSCALE_OK);
    }
    ks_buffer_deinit(&head);
}
END_TEST

/* Damage that a checksum happens to miss must still not lead outside the bytes. */
START_TEST(a_damaged_directory_ends_in_a_failed_cursor)
{
    struct ks_buffer head;

    write_object(&head);
    for (size_t i = KS_WAL_HEADER_BYTES; i < head.size; i++) {
        for (unsigned value = 0; value < 256; value += 51) {
            uint8_t kept = head.data[i];
            struct ks_wal_section section;
            struct ks_cursor sections;

            head.data[i] = (uint8_t) value;
            sections = ks_cursor(
                ks_slice(head.data + KS_WAL_HEADER_BYTES, head.size - KS_WAL_HEADER_BYTES));
            while (ks_wal_next_section(&sections, &section)) {
                struct ks_cursor entries = ks_cursor(section.entries);
                struct ks_wal_entry entry;

                while (ks_wal_next_entry(&entries, &entry)) {
                    ck_assert_int_le(entry.base_offset, entry.last_offset);
                }
            }
            head.data[i] = kept;
        }
    }
    ks_buffer_deinit(&head);
}
END_TEST

START_TEST(keys_sort_by_sequence)
{
    struct ks_id incarnation = { { 0xab } };
    char nine[KS_WAL_KEY_BYTES];
    char ten[KS_WAL_KEY_BYTES];

    ks_wal_key("default", &incarnation, 9, nine);
    ks_wal_key("default", &incarnation, 10, ten);
    ck_assert_str_eq(nine, "default/__kafscale/wal/ab000000000000000000000000000000/"
                           "00000000000000000009");
    ck_assert_int_lt(strcmp(nine, ten), 0);
}
END_TEST

/* What lies in a bucket may have any name. */
START_TEST(a_slot_is_known_by_its_name_and_nothing_else_is)
{
    static const char *const others[] = {
        "",
        "42",
        "0000000000000000004x",
        "000000000000000000042",
        "00000000000000000042.tmp",
        "18446744073709551615", /* no slot could follow it */
        "99999999999999999999",
    };
    struct ks_id incarnation = { { 1 } };
    char key[KS_WAL_KEY_BYTES];
    uint64_t sequence = 7;

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert_msg(!ks_wal_slot_parse(others[i], &sequence), "%s", others[i]);
        ck_assert_uint_eq(sequence, 7);
    }
    ks_wal_key("ns", &incarnation, UINT64_MAX - 1, key);
    ck_assert(ks_wal_slot_parse(strrchr(key, '/') + 1, &sequence));
    ck_assert_uint_eq(sequence, UINT64_MAX - 1);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("log_wal_format");
    TCase *tests = tcase_create("all");

    tcase_add_test(tests, an_object_is_read_as_it_was_written);
    tcase_add_test(tests, every_flipped_bit_and_every_cut_is_noticed);
    tcase_add_test(tests, a_damaged_directory_ends_in_a_failed_cursor);
    tcase_add_test(tests, keys_sort_by_sequence);
    tcase_add_test(tests, a_slot_is_known_by_its_name_and_nothing_else_is);
    suite_add_tcase(suite, tests);
    return suite;
}
