/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of committed offsets against a plain array that is searched from its start, over random
 * commits and removals; without memory it must stay as it was.
 */
#include "group/offsets.h"
#include "support/main.h"

#include <stdio.h>
#include <stdlib.h>

#define TOPICS 5
#define PARTITIONS 40
#define STEPS 5000
#define CHECK_EVERY 97
#define MILLION 1000000

static struct kafscale_slice
text(const char *text)
{
    return ks_slice_of_text(text);
}

static struct ks_id
id_of(uint8_t number)
{
    return (struct ks_id){ { number } };
}

static struct ks_offset_value
value_of(int64_t offset, const char *metadata, uint8_t life)
{
    return (struct ks_offset_value){ .offset = offset,
                                     .leader_epoch = (int32_t) offset + 1,
                                     .metadata = text(metadata),
                                     .committed_ms = offset + 2,
                                     .expires_ms = offset + 3,
                                     .topic_id = id_of(life) };
}

static void
set(struct ks_offsets *offsets, const char *topic, int32_t partition, int64_t offset)
{
    struct ks_offset_value value = value_of(offset, "", 1);

    ck_assert_int_eq(ks_offsets_set(offsets, text(topic), partition, &value), KAFSCALE_OK);
}

static const struct ks_committed *
find(const struct ks_offsets *offsets, const char *topic, int32_t partition)
{
    struct ks_offsets_topic *found = ks_offsets_find_topic(offsets, text(topic));

    return found == NULL ? NULL : ks_offsets_find(found, partition);
}

/* --- One by one ------------------------------------------------------------------------------- */

START_TEST(a_commit_comes_back_as_it_was_made)
{
    struct ks_offsets offsets;
    struct ks_offset_value value = value_of(41, "what a client keeps", 9);
    struct ks_offset_value read;
    const struct ks_offsets_topic *topic;

    ks_offsets_init(&offsets, 1);
    ck_assert_int_eq(ks_offsets_set(&offsets, text("a"), 3, &value), KAFSCALE_OK);
    topic = ks_offsets_find_topic(&offsets, text("a"));
    ck_assert_ptr_nonnull(topic);
    ck_assert(ks_slice_equals(ks_offsets_topic_name(topic), text("a")));
    ks_committed_value(topic, ks_offsets_find(topic, 3), &read);
    ck_assert_int_eq(read.offset, 41);
    ck_assert_int_eq(read.leader_epoch, 42);
    ck_assert_int_eq(read.committed_ms, 43);
    ck_assert_int_eq(read.expires_ms, 44);
    ck_assert(ks_slice_equals(read.metadata, value.metadata));
    ck_assert(ks_id_equals(&read.topic_id, &value.topic_id));
    ks_offsets_deinit(&offsets);
}
END_TEST

START_TEST(what_was_never_committed_is_not_found)
{
    struct ks_offsets offsets;

    ks_offsets_init(&offsets, 1);
    ck_assert_ptr_null(ks_offsets_find_topic(&offsets, text("a")));
    set(&offsets, "a", 3, 7);
    ck_assert_ptr_null(find(&offsets, "a", 2));
    ck_assert_ptr_null(find(&offsets, "a", 4));
    ck_assert_ptr_null(find(&offsets, "b", 3));
    ks_offsets_deinit(&offsets);
}
END_TEST

START_TEST(empty_metadata_is_not_null)
{
    struct ks_offsets offsets;

    ks_offsets_init(&offsets, 1);
    set(&offsets, "a", 0, 7);
    ck_assert_ptr_nonnull(ks_committed_metadata(find(&offsets, "a", 0)).data);
    ck_assert_uint_eq(ks_committed_metadata(find(&offsets, "a", 0)).size, 0);
    ks_offsets_deinit(&offsets);
}
END_TEST

START_TEST(topics_stay_in_the_order_of_their_first_commit)
{
    static const char *const names[] = { "c", "a", "b" };
    struct ks_offsets offsets;
    const struct ks_list *link;

    ks_offsets_init(&offsets, 1);
    for (size_t i = 0; i < 6; i++) {
        set(&offsets, names[i % 3], (int32_t) i, 1);
    }
    link = offsets.topics.next;
    for (size_t i = 0; i < 3; i++, link = link->next) {
        const struct ks_offsets_topic *topic = KS_CONTAINER(link, struct ks_offsets_topic, link);

        ck_assert(ks_slice_equals(ks_offsets_topic_name(topic), text(names[i])));
    }
    ck_assert_ptr_eq(link, &offsets.topics);
    ks_offsets_deinit(&offsets);
}
END_TEST

START_TEST(a_topic_goes_with_its_last_partition)
{
    struct ks_offsets offsets;

    ks_offsets_init(&offsets, 1);
    set(&offsets, "a", 0, 7);
    set(&offsets, "a", 1, 8);
    ks_offsets_remove(&offsets, text("a"), 0);
    ks_offsets_remove(&offsets, text("a"), 0);
    ks_offsets_remove(&offsets, text("b"), 0);
    ck_assert_uint_eq(offsets.count, 1);
    ks_offsets_remove(&offsets, text("a"), 1);
    ck_assert_ptr_null(ks_offsets_find_topic(&offsets, text("a")));
    ck_assert(ks_list_is_empty(&offsets.topics));
    ck_assert_uint_eq(offsets.count, 0);
    ck_assert_uint_eq(offsets.bytes, 0);
    ks_offsets_deinit(&offsets);
}
END_TEST

/* A topic was deleted and made again: what was committed for its earlier life is worth nothing. */
START_TEST(a_commit_to_another_life_of_a_topic_takes_the_place_of_all)
{
    struct ks_offsets offsets;
    struct ks_offset_value value = value_of(5, "of the second life", 2);

    ks_offsets_init(&offsets, 1);
    set(&offsets, "a", 0, 100);
    set(&offsets, "a", 1, 100);
    ck_assert_int_eq(ks_offsets_set(&offsets, text("a"), 1, &value), KAFSCALE_OK);
    ck_assert_uint_eq(offsets.count, 1);
    ck_assert_ptr_null(find(&offsets, "a", 0));
    ck_assert_int_eq(find(&offsets, "a", 1)->offset, 5);
    ck_assert(ks_id_equals(&ks_offsets_find_topic(&offsets, text("a"))->id, &value.topic_id));
    ks_offsets_deinit(&offsets);
}
END_TEST

START_TEST(an_id_that_is_not_known_belongs_to_any_life)
{
    struct ks_offsets offsets;
    struct ks_offset_value value = value_of(5, "", 0);
    struct ks_id id = id_of(1);

    ks_offsets_init(&offsets, 1);
    ck_assert_int_eq(ks_offsets_set(&offsets, text("a"), 0, &value), KAFSCALE_OK);
    set(&offsets, "a", 1, 6);
    ck_assert_int_eq(ks_offsets_set(&offsets, text("a"), 2, &value), KAFSCALE_OK);
    ck_assert_uint_eq(offsets.count, 3);
    ck_assert(ks_id_equals(&ks_offsets_find_topic(&offsets, text("a"))->id, &id));
    ks_offsets_deinit(&offsets);
}
END_TEST

/* --- Against a plain array -------------------------------------------------------------------- */

/* What is known of each partition; `is_set` false: nothing. */
struct cell {
    bool is_set;
    int64_t offset;
    char metadata[24];
};

struct model {
    struct cell cells[TOPICS][PARTITIONS];
    uint8_t lives[TOPICS];
};

static const char *const topic_names[TOPICS] = { "orders", "", "a", "b", "a topic of a long name" };

static void
model_set(struct model *model, size_t topic, size_t partition, const struct ks_offset_value *value)
{
    struct cell *cell = &model->cells[topic][partition];

    if (value->topic_id.bytes[0] != model->lives[topic]) {
        memset(model->cells[topic], 0, sizeof model->cells[topic]);
        model->lives[topic] = value->topic_id.bytes[0];
    }
    cell->is_set = true;
    cell->offset = value->offset;
    memcpy(cell->metadata, value->metadata.data, value->metadata.size);
    cell->metadata[value->metadata.size] = '\0';
}

static void
check_topic(const struct ks_offsets_topic *topic, const struct cell *cells)
{
    size_t count = 0;

    for (size_t i = 0; i < PARTITIONS; i++) {
        const struct ks_committed *committed =
            topic == NULL ? NULL : ks_offsets_find(topic, (int32_t) i);

        ck_assert_int_eq(committed != NULL, cells[i].is_set);
        if (committed != NULL) {
            ck_assert_ptr_eq(committed, &topic->partitions[count]);
            ck_assert_int_eq(committed->offset, cells[i].offset);
            ck_assert(ks_slice_equals(ks_committed_metadata(committed), text(cells[i].metadata)));
            count++;
        }
    }
    ck_assert_uint_eq(count, topic == NULL ? 0 : topic->partition_count);
    ck_assert(topic == NULL || count > 0);
}

static size_t
bytes_of(const struct ks_offsets_topic *topic)
{
    size_t bytes =
        sizeof *topic + topic->name_bytes + topic->partition_capacity * sizeof *topic->partitions;

    for (size_t i = 0; i < topic->partition_count; i++) {
        const struct ks_committed_text *metadata = topic->partitions[i].metadata;

        bytes += metadata == NULL ? 0 : sizeof *metadata + metadata->size;
    }
    return bytes;
}

static void
check_model(const struct ks_offsets *offsets, const struct model *model)
{
    size_t count = 0;
    size_t bytes = 0;

    for (size_t i = 0; i < TOPICS; i++) {
        const struct ks_offsets_topic *topic = ks_offsets_find_topic(offsets, text(topic_names[i]));

        check_topic(topic, model->cells[i]);
        count += topic == NULL ? 0 : topic->partition_count;
        bytes += topic == NULL ? 0 : bytes_of(topic);
    }
    ck_assert_uint_eq(offsets->count, count);
    ck_assert_uint_eq(offsets->bytes, bytes);
}

/* Fails each allocation in turn, which must change nothing, until the commit is made. */
static void
try_without_memory(struct ks_offsets *offsets, const struct model *model, size_t topic,
                   size_t partition, const struct ks_offset_value *value)
{
    /* Most of the time there is memory. */
    for (uint64_t left = rand() % 8 == 0 ? 0 : UINT64_MAX;; left++) {
        enum kafscale_status status;

        ks_alloc_fail_after(left);
        status = ks_offsets_set(offsets, text(topic_names[topic]), (int32_t) partition, value);
        ks_alloc_fail_after(UINT64_MAX);
        if (status == KAFSCALE_OK) {
            return;
        }
        ck_assert_int_eq(status, KAFSCALE_NO_MEMORY);
        check_model(offsets, model);
    }
}

static void
step(struct ks_offsets *offsets, struct model *model)
{
    static const char *const metadata[] = { "", "m", "some metadata" };
    size_t topic = (size_t) rand() % TOPICS;
    size_t partition = (size_t) rand() % PARTITIONS;
    uint8_t life =
        (uint8_t) (model->lives[topic] + (rand() % 50 == 0) + (model->lives[topic] == 0));
    struct ks_offset_value value = value_of(rand(), metadata[rand() % 3], life);
    struct ks_offsets_topic *found = ks_offsets_find_topic(offsets, text(topic_names[topic]));

    if (rand() % 100 == 0 && found != NULL) {
        ks_offsets_remove_topic(offsets, found);
        memset(model->cells[topic], 0, sizeof model->cells[topic]);
    } else if (rand() % 3 == 0) {
        ks_offsets_remove(offsets, text(topic_names[topic]), (int32_t) partition);
        model->cells[topic][partition].is_set = false;
    } else {
        try_without_memory(offsets, model, topic, partition, &value);
        model_set(model, topic, partition, &value);
    }
}

START_TEST(random_commits_and_removals_leave_what_a_plain_array_has)
{
    struct ks_offsets offsets;
    struct model model = { 0 };

    srand(5);
    ks_offsets_init(&offsets, 77);
    for (int i = 0; i < STEPS; i++) {
        step(&offsets, &model);
        if (i % CHECK_EVERY == 0) {
            check_model(&offsets, &model);
        }
    }
    check_model(&offsets, &model);
    ks_offsets_deinit(&offsets);
}
END_TEST

/* --- Many ------------------------------------------------------------------------------------- */

/* In the order in which a replay would bring them: any. */
START_TEST(a_million_offsets_take_less_than_sixty_bytes_each)
{
    struct ks_offsets offsets;
    char name[16];

    ks_offsets_init(&offsets, 1);
    for (int i = 0; i < MILLION; i++) {
        int place = (int) ((int64_t) i * 7919 % MILLION);

        snprintf(name, sizeof name, "topic-%d", place / 100);
        set(&offsets, name, place % 100, i);
    }
    ck_assert_uint_eq(offsets.count, MILLION);
    printf("# %.1f bytes an offset\n", (double) offsets.bytes / MILLION);
    ck_assert_uint_lt(offsets.bytes, 60u * MILLION);
    ks_offsets_deinit(&offsets);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("group offsets");
    TCase *tcase = tcase_create("offsets");

    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, a_commit_comes_back_as_it_was_made);
    tcase_add_test(tcase, what_was_never_committed_is_not_found);
    tcase_add_test(tcase, empty_metadata_is_not_null);
    tcase_add_test(tcase, topics_stay_in_the_order_of_their_first_commit);
    tcase_add_test(tcase, a_topic_goes_with_its_last_partition);
    tcase_add_test(tcase, a_commit_to_another_life_of_a_topic_takes_the_place_of_all);
    tcase_add_test(tcase, an_id_that_is_not_known_belongs_to_any_life);
    tcase_add_test(tcase, random_commits_and_removals_leave_what_a_plain_array_has);
    tcase_add_test(tcase, a_million_offsets_take_less_than_sixty_bytes_each);
    suite_add_tcase(suite, tcase);
    return suite;
}
