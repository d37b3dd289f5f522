/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a fresh reader would find every record: segments from the start of the log to
 * `compacted_upto` without a gap, and batches from there to the end that the chain promises.
 */
#include "tools/verify_partitions.h"

#include "tools/segment_object.h"

#include <inttypes.h>
#include <stdlib.h>

/* The segments of one partition, in order. */
struct segment_walk {
    struct ks_survey *survey;
    const struct ks_survey_partition *partition;
    struct ks_segment_home home;
    bool is_quick;
    int64_t next_offset; /* the first that no segment so far holds */
};

/* --- Segments --- */

/* What it is like that could not be looked at for want of memory nobody knows. */
static void
tell_damage(struct segment_walk *walk, const char *key, const struct kafscale_error *error)
{
    if (error->status == KAFSCALE_NO_MEMORY) {
        walk->survey->is_short = true;
    } else {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key, "%s", error->text);
    }
}

/* The index as stored or, where there is none, as made from the body; what is wrong is told. */
static bool
load_index(struct segment_walk *walk, const struct ks_survey_segment *segment, const char *key,
           struct ks_index *index_out)
{
    struct ks_session *session = walk->survey->session;
    struct kafscale_error error = { 0 };
    enum kafscale_status status =
        segment->has_index
            ? ks_segment_object_index(session, &walk->home, segment->base_offset, index_out, &error)
            : ks_segment_object_read(session, &walk->home, segment->base_offset, NULL, index_out,
                                     &error);

    if (status != KAFSCALE_OK) {
        ks_error_wrap(&error, "index");
        tell_damage(walk, key, &error);
    }
    return status == KAFSCALE_OK;
}

/* Where an index without extension ends stands in the body only. */
static bool
find_last_offset(struct segment_walk *walk, const struct ks_survey_segment *segment,
                 const char *key, const struct ks_index *index, int64_t *last_offset_out)
{
    struct kafscale_error error = { 0 };
    struct ks_index rebuilt;

    if (index->is_ours || !segment->has_index) {
        *last_offset_out = index->last_offset;
        return true;
    }
    if (ks_segment_object_read(walk->survey->session, &walk->home, segment->base_offset, NULL,
                               &rebuilt, &error) != KAFSCALE_OK) {
        tell_damage(walk, key, &error);
        return false;
    }
    *last_offset_out = rebuilt.last_offset;
    ks_index_deinit(&rebuilt);
    return true;
}

static void
check_body(struct segment_walk *walk, const struct ks_survey_segment *segment, const char *key,
           const struct ks_index *index)
{
    struct kafscale_error error = { 0 };

    if (!segment->has_body) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key, "an index without its segment");
        return;
    }
    if (walk->is_quick || !segment->has_index) {
        return;
    }
    if (ks_segment_object_check(walk->survey->session, &walk->home, segment->base_offset, index,
                                &error) != KAFSCALE_OK) {
        tell_damage(walk, key, &error);
    }
}

/* Whether it is of this topic's life, or imported. */
static bool
is_of_partition(const struct segment_walk *walk, const struct ks_index *index)
{
    const struct ks_survey_partition *partition = walk->partition;

    if (index->is_ours && index->has_partition) {
        return ks_id_equals(&index->name.topic, &partition->name.topic) &&
               index->name.index == partition->name.index;
    }
    return index->base_offset < partition->reg.imported_end ||
           index->topic_tag == ks_segment_topic_tag(&partition->name.topic);
}

static void
check_segment(struct segment_walk *walk, const struct ks_survey_segment *segment, const char *key,
              const struct ks_index *index)
{
    const struct ks_register *reg = &walk->partition->reg;
    int64_t last_offset;

    if (!is_of_partition(walk, index)) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key, "it belongs to another topic");
        return;
    }
    if (!find_last_offset(walk, segment, key, index, &last_offset)) {
        return;
    }
    if (last_offset < reg->log_start) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_GARBAGE, key, "below the start of the log");
        return;
    }
    if (segment->base_offset > walk->next_offset) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, key,
                       "offsets %" PRId64 " to %" PRId64 " before it are missing",
                       walk->next_offset, segment->base_offset - 1);
    }
    if (!segment->has_index) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_ODD, key,
                       "a segment without index: other readers of KafScale refuse the partition");
    }
    if (last_offset >= walk->next_offset) {
        walk->next_offset = last_offset + 1;
    }
    walk->survey->summary.segments++;
    check_body(walk, segment, key, index);
}

static void
walk_segments(struct segment_walk *walk)
{
    const struct ks_survey_partition *partition = walk->partition;
    const struct ks_register *reg = &partition->reg;

    for (size_t i = 0; i < partition->segment_count; i++) {
        const struct ks_survey_segment *segment = &partition->segments[i];
        char key[KS_SEGMENT_KEY_BYTES];
        struct ks_index index;

        ks_segment_key(&walk->home, segment->base_offset,
                       segment->has_body ? KS_SEGMENT_BODY : KS_SEGMENT_INDEX, key);
        if (segment->base_offset >= reg->compacted_upto) {
            ks_survey_find(walk->survey, KAFSCALE_FINDING_GARBAGE, key, "not finished yet");
        } else if (load_index(walk, segment, key, &index)) {
            check_segment(walk, segment, key, &index);
            ks_index_deinit(&index);
        }
    }
    if (walk->next_offset < reg->compacted_upto) {
        ks_survey_find(walk->survey, KAFSCALE_FINDING_DAMAGE, partition->register_key,
                       "topic '%s': offsets %" PRId64 " to %" PRId64 " are in no segment",
                       partition->topic_name, walk->next_offset, reg->compacted_upto - 1);
    }
}

/* --- Bundles and write-ahead objects --- */

static int
by_base(const void *a, const void *b)
{
    const struct ks_survey_range *left = a;
    const struct ks_survey_range *right = b;

    return (left->base_offset > right->base_offset) - (left->base_offset < right->base_offset);
}

/* Up to where records were handed to the next owner, which found them all. */
static int64_t
promised_end(const struct ks_register *reg)
{
    int64_t end = reg->compacted_upto;

    for (size_t i = 0; i < reg->chain_count; i++) {
        if (reg->chain[i].is_activated && reg->chain[i].base_offset > end) {
            end = reg->chain[i].base_offset;
        }
    }
    return end;
}

static void
check_tail(struct ks_survey *survey, struct ks_survey_partition *partition)
{
    int64_t next_offset = partition->reg.compacted_upto;
    int64_t end = promised_end(&partition->reg);

    if (partition->range_count > 0) {
        qsort(partition->ranges, partition->range_count, sizeof *partition->ranges, by_base);
    }
    for (size_t i = 0; i < partition->range_count; i++) {
        const struct ks_survey_range *range = &partition->ranges[i];

        if (range->last_offset < next_offset) {
            continue;
        }
        if (range->base_offset > next_offset) {
            ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, partition->register_key,
                           "topic '%s': offsets %" PRId64 " to %" PRId64
                           " are in no bundle or write-ahead object",
                           partition->topic_name, next_offset, range->base_offset - 1);
        }
        next_offset = range->last_offset + 1;
    }
    if (next_offset < end) {
        ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, partition->register_key,
                       "topic '%s': offsets %" PRId64 " to %" PRId64
                       " are in no bundle or write-ahead object",
                       partition->topic_name, next_offset, end - 1);
    }
}

/* Slots below the end at which an owner closed its part must be there. */
static void
check_closed_ends(struct ks_survey *survey, const struct ks_survey_partition *partition)
{
    const struct ks_register *reg = &partition->reg;

    for (size_t i = 0; i < reg->chain_count; i++) {
        const struct ks_chain_element *element = &reg->chain[i];
        bool is_last = i + 1 == reg->chain_count;
        const struct ks_survey_log *log;

        if (element->closed_end == KS_END_OPEN || !element->is_activated ||
            (!is_last && reg->chain[i + 1].base_offset <= reg->compacted_upto)) {
            continue;
        }
        log = ks_survey_log(survey, &element->incarnation);
        if (log != NULL && log->end < element->closed_end) {
            ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, partition->register_key,
                           "topic '%s': the log of an owner ends at slot %" PRIu64
                           ", and it was closed at %" PRIu64,
                           partition->topic_name, log->end, element->closed_end);
        }
    }
}

void
ks_verify_partitions(struct ks_survey *survey, bool is_quick)
{
    for (struct ks_list *node = survey->partitions.next; node != &survey->partitions;
         node = node->next) {
        struct ks_survey_partition *partition =
            KS_CONTAINER(node, struct ks_survey_partition, link);
        struct segment_walk walk = {
            .survey = survey,
            .partition = partition,
            .home = { .ns = survey->session->ns,
                      .prefix = partition->prefix,
                      .partition = partition->name.index },
            .is_quick = is_quick,
            .next_offset = partition->reg.log_start,
        };

        walk_segments(&walk);
        check_tail(survey, partition);
        check_closed_ends(survey, partition);
    }
}
