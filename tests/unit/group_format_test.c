/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Kafka's own code wrote is read (tests/data/group-records), what we write is read back, and
 * what is damaged is refused.
 */
#include "group/group_format.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES_MAX 4096
#define ARENA_BYTES (1u << 20)
#define MUTATIONS 600 /* of each record */

struct line {
    char kind[16];
    char name[32];
    struct kafscale_slice bytes;
};

/* --- Reading the file ------------------------------------------------------------------------- */

static uint8_t
nibble(char digit)
{
    return (uint8_t) (digit >= 'a' ? digit - 'a' + 10 : digit - '0');
}

/* False for a comment; the bytes take the place of their digits in `text`. */
static bool
parse_line(char *text, struct line *out)
{
    int start = 0;
    size_t size = 0;

    if (text[0] == '#') {
        return false;
    }
    ck_assert_int_eq(sscanf(text, "%15s %31s%n", out->kind, out->name, &start), 2);
    for (const char *p = text + start + 1; p[0] != '\n' && p[0] != '\0'; p += 2) {
        text[size++] = (char) (nibble(p[0]) << 4 | nibble(p[1]));
    }
    out->bytes = ks_slice(text, size);
    return true;
}

/* Calls `check` for each line of a kind; how many there are. */
static size_t
each_line(const char *kind, void (*check)(const struct line *line))
{
    FILE *file = fopen(GROUP_RECORDS, "r");
    char *text = malloc(LINE_BYTES_MAX);
    struct line line;
    size_t count = 0;

    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(text);
    while (fgets(text, LINE_BYTES_MAX, file) != NULL) {
        if (parse_line(text, &line) && strcmp(line.kind, kind) == 0) {
            check(&line);
            count++;
        }
    }
    free(text);
    fclose(file);
    return count;
}

static bool
is_named(const struct line *line, const char *start)
{
    return strncmp(line->name, start, strlen(start)) == 0;
}

/* The version that a name ends with. */
static int
version_of(const struct line *line)
{
    return line->name[strlen(line->name) - 1] - '0';
}

/* --- Decoding in memory of exactly its size --------------------------------------------------- */

/* A copy, so that a read behind its end is noticed. */
static uint8_t *
exact_copy(struct kafscale_slice bytes)
{
    uint8_t *copy = malloc(bytes.size > 0 ? bytes.size : 1);

    ck_assert_ptr_nonnull(copy);
    if (bytes.size > 0) {
        memcpy(copy, bytes.data, bytes.size);
    }
    return copy;
}

static void
check_text(struct kafscale_slice text, const char *expected)
{
    ck_assert_ptr_nonnull(text.data);
    ck_assert_uint_eq(text.size, strlen(expected));
    ck_assert(ks_slice_equals(text, ks_slice_of_text(expected)));
}

static bool
same_nullable(struct kafscale_slice a, struct kafscale_slice b)
{
    return (a.data == NULL) == (b.data == NULL) && ks_slice_equals(a, b);
}

static enum kafscale_status
decode_key(struct kafscale_slice bytes)
{
    struct ks_group_key key;
    struct kafscale_error error = { 0 };

    return ks_group_key_decode(bytes, &key, &error);
}

static enum kafscale_status
decode_offset(struct kafscale_slice bytes)
{
    struct ks_offset_value value;
    struct kafscale_error error = { 0 };

    return ks_offset_value_decode(bytes, &value, &error);
}

static enum kafscale_status
decode_group(struct kafscale_slice bytes)
{
    struct ks_group_value value;
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    enum kafscale_status status;

    ks_arena_init(&arena, ARENA_BYTES);
    status = ks_group_value_decode(bytes, &arena, &value, &error);
    ks_arena_deinit(&arena);
    return status;
}

static void
check_no_prefix(struct kafscale_slice bytes,
                enum kafscale_status (*decode)(struct kafscale_slice bytes))
{
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *copy = exact_copy(ks_slice(bytes.data, size));

        ck_assert_int_eq(decode(ks_slice(copy, size)), KAFSCALE_CORRUPT);
        free(copy);
    }
}

static void
check_nothing_behind(struct kafscale_slice bytes,
                     enum kafscale_status (*decode)(struct kafscale_slice bytes))
{
    uint8_t longer[LINE_BYTES_MAX];

    memcpy(longer, bytes.data, bytes.size);
    longer[bytes.size] = 0;
    ck_assert_int_eq(decode(ks_slice(longer, bytes.size + 1)), KAFSCALE_CORRUPT);
}

/* --- Keys ------------------------------------------------------------------------------------- */

static void
check_offset_key(const struct line *line, const struct ks_group_key *key)
{
    struct ks_buffer again;

    ck_assert_int_eq(key->kind, KS_GROUP_KEY_OFFSET);
    check_text(key->group, "billing");
    check_text(key->topic, "orders");
    ck_assert_int_eq(key->partition, 258);
    if (strcmp(line->name, "offset") == 0) {
        ks_buffer_init(&again, SIZE_MAX);
        ks_group_key_encode_offset(&again, key->group, key->topic, key->partition);
        ck_assert(ks_slice_equals(ks_buffer_slice(&again), line->bytes));
        ks_buffer_deinit(&again);
    }
}

static void
check_group_key(const struct line *line, const struct ks_group_key *key)
{
    struct ks_buffer again;

    ck_assert_int_eq(key->kind, KS_GROUP_KEY_GROUP);
    check_text(key->group, strcmp(line->name, "group") == 0 ? "billing"
                                                            : "gr\xc3\xbc\xc3\x9f"
                                                              "e \xe2\x82\xac \xf0\x9f\x9a\x80");
    ks_buffer_init(&again, SIZE_MAX);
    ks_group_key_encode_group(&again, key->group);
    ck_assert(ks_slice_equals(ks_buffer_slice(&again), line->bytes));
    ks_buffer_deinit(&again);
}

static void
check_key(const struct line *line)
{
    struct ks_group_key key;
    struct kafscale_error error = { 0 };

    ck_assert_msg(ks_group_key_decode(line->bytes, &key, &error) == KAFSCALE_OK, "%s", error.text);
    if (is_named(line, "other")) {
        ck_assert_int_eq(key.kind, KS_GROUP_KEY_OTHER);
        return;
    }
    if (is_named(line, "offset")) {
        check_offset_key(line, &key);
    } else {
        check_group_key(line, &key);
    }
    check_no_prefix(line->bytes, decode_key);
    check_nothing_behind(line->bytes, decode_key);
}

START_TEST(keys_of_kafka_are_read_and_written_the_same)
{
    ck_assert_uint_eq(each_line("key", check_key), 5);
}
END_TEST

START_TEST(a_key_without_a_version_is_refused)
{
    ck_assert_int_eq(decode_key(ks_slice("", 0)), KAFSCALE_CORRUPT);
    ck_assert_int_eq(decode_key(ks_slice("\0", 1)), KAFSCALE_CORRUPT);
    ck_assert_int_eq(decode_key(ks_slice("\xff\xff", 2)), KAFSCALE_CORRUPT);
}
END_TEST

/* A group of null: what Kafka can't write. */
START_TEST(a_text_that_is_missing_is_refused)
{
    ck_assert_int_eq(decode_key(ks_slice("\0\2\xff\xff", 4)), KAFSCALE_CORRUPT);
}
END_TEST

/* --- Offsets ---------------------------------------------------------------------------------- */

static void
check_full_offset(const struct ks_offset_value *value, int version)
{
    struct ks_id id = { { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb,
                          0xcc, 0xdd, 0xee, 0xff } };

    ck_assert_int_eq(value->offset, 0x0102030405060708);
    check_text(value->metadata, "gr\xc3\xbc\xc3\x9f"
                                "e");
    ck_assert_int_eq(value->committed_ms, 1700000000123);
    ck_assert_int_eq(value->leader_epoch, version >= 3 ? 17 : -1);
    ck_assert_int_eq(value->expires_ms, version == 1 ? 1700000600123 : -1);
    ck_assert(version >= 4 ? ks_id_equals(&value->topic_id, &id) : ks_id_is_zero(&value->topic_id));
}

static void
check_empty_offset(const struct ks_offset_value *value)
{
    ck_assert_int_eq(value->offset, 0);
    check_text(value->metadata, "");
    ck_assert_int_eq(value->committed_ms, 0);
    ck_assert_int_eq(value->leader_epoch, -1);
    ck_assert_int_eq(value->expires_ms, -1);
    ck_assert(ks_id_is_zero(&value->topic_id));
}

static bool
same_offset(const struct ks_offset_value *a, const struct ks_offset_value *b)
{
    return a->offset == b->offset && a->leader_epoch == b->leader_epoch &&
           ks_slice_equals(a->metadata, b->metadata) && a->committed_ms == b->committed_ms &&
           a->expires_ms == b->expires_ms && ks_id_equals(&a->topic_id, &b->topic_id);
}

/* What is written must be read as the same; `bytes`, if not NULL, is what must be written. */
static void
check_offset_again(const struct ks_offset_value *value, const struct kafscale_slice *bytes)
{
    struct ks_offset_value read;
    struct kafscale_error error = { 0 };
    struct ks_buffer again;

    ks_buffer_init(&again, SIZE_MAX);
    ks_offset_value_encode(&again, value);
    ck_assert_msg(ks_offset_value_decode(ks_buffer_slice(&again), &read, &error) == KAFSCALE_OK,
                  "%s", error.text);
    ck_assert(same_offset(value, &read));
    ck_assert(bytes == NULL || ks_slice_equals(ks_buffer_slice(&again), *bytes));
    ks_buffer_deinit(&again);
}

static void
check_offset(const struct line *line)
{
    struct ks_offset_value value;
    struct kafscale_error error = { 0 };
    int version = version_of(line);
    bool is_ours = version == 4 && !is_named(line, "unknown");

    ck_assert_msg(ks_offset_value_decode(line->bytes, &value, &error) == KAFSCALE_OK, "%s: %s",
                  line->name, error.text);
    if (is_named(line, "empty")) {
        check_empty_offset(&value);
    } else {
        check_full_offset(&value, version);
    }
    check_offset_again(&value, is_ours ? &line->bytes : NULL);
    check_no_prefix(line->bytes, decode_offset);
    check_nothing_behind(line->bytes, decode_offset);
}

START_TEST(offsets_of_kafka_are_read_in_every_version)
{
    ck_assert_uint_eq(each_line("offset", check_offset), 11);
}
END_TEST

START_TEST(an_offset_keeps_the_time_at_which_it_expires_beside_its_topic)
{
    struct ks_offset_value value = { .offset = INT64_MAX,
                                     .leader_epoch = 3,
                                     .metadata = ks_slice_of_text("m"),
                                     .committed_ms = 5,
                                     .expires_ms = 0,
                                     .topic_id = { { 1, 2, 3 } } };

    check_offset_again(&value, NULL);
    value.topic_id = (struct ks_id){ { 0 } };
    check_offset_again(&value, NULL);
}
END_TEST

START_TEST(the_longest_metadata_is_kept)
{
    char *text = malloc(KS_GROUP_TEXT_BYTES_MAX);
    struct ks_offset_value value = { .leader_epoch = -1, .expires_ms = -1 };

    ck_assert_ptr_nonnull(text);
    memset(text, 'x', KS_GROUP_TEXT_BYTES_MAX);
    value.metadata = ks_slice(text, KS_GROUP_TEXT_BYTES_MAX);
    check_offset_again(&value, NULL);
    free(text);
}
END_TEST

START_TEST(a_value_of_a_later_version_is_told_from_a_damaged_one)
{
    ck_assert_int_eq(decode_offset(ks_slice("\0\5", 2)), KAFSCALE_UNSUPPORTED);
    ck_assert_int_eq(decode_group(ks_slice("\0\5", 2)), KAFSCALE_UNSUPPORTED);
    ck_assert_int_eq(decode_offset(ks_slice("\xff\xff", 2)), KAFSCALE_CORRUPT);
    ck_assert_int_eq(decode_group(ks_slice("\xff\xff", 2)), KAFSCALE_CORRUPT);
}
END_TEST

/* --- Groups ----------------------------------------------------------------------------------- */

static void
check_full_member(const struct ks_group_value_member *member, int i, int version)
{
    ck_assert_int_eq(member->session_timeout_ms, 45000 + i);
    ck_assert_int_eq(member->rebalance_timeout_ms, version >= 1 ? 300000 + i : 45000 + i);
    check_text(member->member_id, i == 0 ? "member-0" : "member-1");
    check_text(member->client_id, i == 0 ? "client-0" : "client-1");
    check_text(member->client_host, i == 0 ? "/10.0.0.0" : "/10.0.0.1");
    if (version >= 3 && i == 1) {
        check_text(member->instance_id, "instance");
    } else {
        ck_assert_ptr_null(member->instance_id.data);
    }
    ck_assert(ks_slice_equals(member->subscription, ks_slice(i == 0 ? "\0\1\0" : "\0\1\1", 3)));
    ck_assert(ks_slice_equals(member->assignment, ks_slice("\7\10\11\12", i == 0 ? 4 : 0)));
}

static void
check_full_group(const struct ks_group_value *value, int version)
{
    check_text(value->protocol_type, "consumer");
    ck_assert_int_eq(value->generation, 7);
    check_text(value->protocol, "range");
    check_text(value->leader, "member-0");
    ck_assert_int_eq(value->since_ms, version >= 2 ? 1700000000456 : -1);
    ck_assert_uint_eq(value->member_count, 2);
    for (int i = 0; i < 2; i++) {
        check_full_member(&value->members[i], i, version);
    }
}

static void
check_empty_group(const struct ks_group_value *value)
{
    check_text(value->protocol_type, "");
    ck_assert_int_eq(value->generation, 0);
    ck_assert_ptr_null(value->protocol.data);
    ck_assert_ptr_null(value->leader.data);
    ck_assert_int_eq(value->since_ms, -1);
    ck_assert_uint_eq(value->member_count, 0);
}

static bool
same_member(const struct ks_group_value_member *a, const struct ks_group_value_member *b)
{
    return ks_slice_equals(a->member_id, b->member_id) &&
           same_nullable(a->instance_id, b->instance_id) &&
           ks_slice_equals(a->client_id, b->client_id) &&
           ks_slice_equals(a->client_host, b->client_host) &&
           a->rebalance_timeout_ms == b->rebalance_timeout_ms &&
           a->session_timeout_ms == b->session_timeout_ms &&
           ks_slice_equals(a->subscription, b->subscription) &&
           ks_slice_equals(a->assignment, b->assignment);
}

static bool
same_group(const struct ks_group_value *a, const struct ks_group_value *b)
{
    bool is_same = ks_slice_equals(a->protocol_type, b->protocol_type) &&
                   a->generation == b->generation && same_nullable(a->protocol, b->protocol) &&
                   same_nullable(a->leader, b->leader) && a->since_ms == b->since_ms &&
                   a->member_count == b->member_count;

    for (size_t i = 0; is_same && i < a->member_count; i++) {
        is_same = same_member(&a->members[i], &b->members[i]);
    }
    return is_same;
}

static void
check_group_again(const struct ks_group_value *value, struct ks_arena *arena,
                  const struct kafscale_slice *bytes)
{
    struct ks_group_value read;
    struct kafscale_error error = { 0 };
    struct ks_buffer again;

    ks_buffer_init(&again, SIZE_MAX);
    ks_group_value_encode(&again, value);
    ck_assert_msg(ks_group_value_decode(ks_buffer_slice(&again), arena, &read, &error) ==
                      KAFSCALE_OK,
                  "%s", error.text);
    ck_assert(same_group(value, &read));
    ck_assert(bytes == NULL || ks_slice_equals(ks_buffer_slice(&again), *bytes));
    ks_buffer_deinit(&again);
}

static void
check_group(const struct line *line)
{
    struct ks_group_value value;
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    int version = version_of(line);

    ks_arena_init(&arena, ARENA_BYTES);
    ck_assert_msg(ks_group_value_decode(line->bytes, &arena, &value, &error) == KAFSCALE_OK,
                  "%s: %s", line->name, error.text);
    if (is_named(line, "empty")) {
        check_empty_group(&value);
    } else {
        check_full_group(&value, version);
    }
    check_group_again(&value, &arena, version == 3 ? &line->bytes : NULL);
    ks_arena_deinit(&arena);
    check_no_prefix(line->bytes, decode_group);
    check_nothing_behind(line->bytes, decode_group);
}

START_TEST(groups_of_kafka_are_read_in_every_version)
{
    ck_assert_uint_eq(each_line("group", check_group), 11);
}
END_TEST

/* A count of 2^31-1 in a record of a few bytes must not be believed before memory is asked for. */
START_TEST(more_members_than_a_record_has_room_for_are_refused)
{
    static const uint8_t bytes[] = { 0, 3, 0, 0, 0, 0, 0, 1,    0xff, 0xff, 0xff, 0xff, 0,
                                     0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0,    0 };

    ck_assert_int_eq(decode_group(ks_slice(bytes, sizeof bytes)), KAFSCALE_CORRUPT);
}
END_TEST

START_TEST(no_memory_for_members_is_told)
{
    static const struct ks_group_value_member members[64] = { 0 };
    struct ks_group_value value = { .members = members, .member_count = 64 };
    struct ks_group_value read;
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    struct ks_buffer bytes;

    ks_buffer_init(&bytes, SIZE_MAX);
    ks_group_value_encode(&bytes, &value);
    ks_arena_init(&arena, 64);
    ck_assert_int_eq(ks_group_value_decode(ks_buffer_slice(&bytes), &arena, &read, &error),
                     KAFSCALE_NO_MEMORY);
    ks_arena_deinit(&arena);
    ks_buffer_deinit(&bytes);
}
END_TEST

/* --- Damage ----------------------------------------------------------------------------------- */

/* What is read of damaged bytes must at least be something that can be written and read. */
static void
try_damaged(struct kafscale_slice bytes)
{
    struct ks_group_key key;
    struct ks_offset_value offset;
    struct ks_group_value group;
    struct kafscale_error error = { 0 };
    struct ks_arena arena;

    ks_arena_init(&arena, ARENA_BYTES);
    if (ks_group_key_decode(bytes, &key, &error) == KAFSCALE_OK) {
        ck_assert(key.kind == KS_GROUP_KEY_OTHER || key.group.data != NULL);
    }
    if (ks_offset_value_decode(bytes, &offset, &error) == KAFSCALE_OK) {
        check_offset_again(&offset, NULL);
    }
    if (ks_group_value_decode(bytes, &arena, &group, &error) == KAFSCALE_OK) {
        check_group_again(&group, &arena, NULL);
    }
    ks_arena_deinit(&arena);
}

static void
damage(const struct line *line)
{
    for (int i = 0; i < MUTATIONS; i++) {
        uint8_t *copy = exact_copy(line->bytes);
        int changes = 1 + rand() % 3;

        while (changes-- > 0) {
            copy[(size_t) rand() % line->bytes.size] = (uint8_t) rand();
        }
        try_damaged(ks_slice(copy, line->bytes.size));
        free(copy);
    }
}

START_TEST(damaged_records_are_refused_or_read_as_something_that_can_be_written)
{
    srand(7);
    each_line("key", damage);
    each_line("offset", damage);
    each_line("group", damage);
}
END_TEST

/* --- Partitions ------------------------------------------------------------------------------- */

static void
check_partition(const struct line *line)
{
    uint8_t *copy = exact_copy(line->bytes);

    ck_assert_msg(ks_group_partition(ks_slice(copy, line->bytes.size), 50) == atoi(line->name),
                  "%s: %d", line->name, ks_group_partition(line->bytes, 50));
    free(copy);
}

START_TEST(groups_are_kept_where_kafka_keeps_them)
{
    ck_assert_uint_eq(each_line("partition", check_partition), 405);
}
END_TEST

/* The hash of this text is -2^31, which has no counterpart above 0. */
START_TEST(the_lowest_hash_belongs_to_the_first_partition)
{
    ck_assert_int_eq(ks_group_partition(ks_slice_of_text("polygenelubricants"), 7), 0);
    ck_assert_int_eq(ks_group_partition(ks_slice(NULL, 0), 7), 0);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group format");
    TCase *tcase = tcase_create("records");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, keys_of_kafka_are_read_and_written_the_same);
    tcase_add_test(tcase, a_key_without_a_version_is_refused);
    tcase_add_test(tcase, a_text_that_is_missing_is_refused);
    tcase_add_test(tcase, offsets_of_kafka_are_read_in_every_version);
    tcase_add_test(tcase, an_offset_keeps_the_time_at_which_it_expires_beside_its_topic);
    tcase_add_test(tcase, the_longest_metadata_is_kept);
    tcase_add_test(tcase, a_value_of_a_later_version_is_told_from_a_damaged_one);
    tcase_add_test(tcase, groups_of_kafka_are_read_in_every_version);
    tcase_add_test(tcase, more_members_than_a_record_has_room_for_are_refused);
    tcase_add_test(tcase, no_memory_for_members_is_told);
    tcase_add_test(tcase, damaged_records_are_refused_or_read_as_something_that_can_be_written);
    tcase_add_test(tcase, groups_are_kept_where_kafka_keeps_them);
    tcase_add_test(tcase, the_lowest_hash_belongs_to_the_first_partition);
    suite_add_tcase(suite, tcase);
    return suite;
}
