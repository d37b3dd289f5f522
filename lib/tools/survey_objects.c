/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is: registers first, so that the partitions are known to which objects belong, then
 * every object of the namespace by its key.
 */
#include "tools/survey.h"

#include "broker/formats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Registers --- */

static void
add_partition(struct ks_survey *survey, const struct ks_topic_record *topic, int32_t index)
{
    struct ks_survey_partition *partition = ks_arena_alloc(&survey->arena, sizeof *partition);
    char prefix[KS_TOPIC_PREFIX_BYTES];
    char home[KS_TOPIC_PREFIX_BYTES + 12];
    char key[KS_REGISTER_KEY_BYTES];
    char *kept_home;

    if (partition == NULL) {
        survey->is_short = true;
        return;
    }
    partition->name = (struct ks_partition_name){ .topic = topic->id, .index = index };
    ks_topic_prefix(topic->name, &topic->id, topic->is_later_life, prefix);
    ks_register_key(&partition->name, key);
    snprintf(home, sizeof home, "%s/%" PRId32, prefix, index);
    partition->topic_name = ks_arena_copy_text(&survey->arena, topic->name, strlen(topic->name));
    partition->prefix = ks_arena_copy_text(&survey->arena, prefix, strlen(prefix));
    partition->register_key = ks_arena_copy_text(&survey->arena, key, strlen(key));
    kept_home = ks_arena_copy_text(&survey->arena, home, strlen(home));
    if (ks_arena_failed(&survey->arena) ||
        ks_table_insert(&survey->partitions_by_name, &partition->by_name,
                        ks_slice(&partition->name, sizeof partition->name)) != KAFSCALE_OK ||
        ks_table_insert(&survey->partitions_by_home, &partition->by_home,
                        ks_slice_of_text(kept_home)) != KAFSCALE_OK) {
        survey->is_short = true;
        return;
    }
    ks_list_append(&survey->partitions, &partition->link);
    survey->summary.partitions++;
}

static void
take_topic(struct ks_survey *survey, const struct kafscale_meta_entry *entry)
{
    struct ks_topic_record topic = { 0 };
    struct kafscale_error error = { 0 };

    if (!ks_topic_record_key_parse(entry->key, &topic.id) ||
        ks_topic_record_decode(entry->value, &topic, &error) != KAFSCALE_OK) {
        ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, entry->key, "%s", error.text);
    } else {
        survey->summary.topics++;
        for (int32_t i = 0; i < topic.partition_count; i++) {
            add_partition(survey, &topic, i);
        }
    }
    ks_topic_record_deinit(&topic);
}

/* "part/{32 hex}/{number}" */
static bool
parse_register_key(const char *key, struct ks_partition_name *name_out)
{
    const char *index = ks_id_from_path(key + strlen("part/"), &name_out->topic);
    char again[KS_REGISTER_KEY_BYTES];

    if (index == NULL) {
        return false;
    }
    name_out->index = (int32_t) strtol(index, NULL, 10);
    ks_register_key(name_out, again);
    return strcmp(again, key) == 0;
}

static void
take_register(struct ks_survey *survey, const struct kafscale_meta_entry *entry)
{
    struct ks_survey_partition *partition;
    struct kafscale_error error = { 0 };
    struct ks_partition_name name;

    if (!parse_register_key(entry->key, &name)) {
        ks_survey_find(survey, KAFSCALE_FINDING_ODD, entry->key, "a register of no partition");
        return;
    }
    partition = ks_survey_partition(survey, &name);
    if (partition == NULL) {
        ks_survey_find(survey, KAFSCALE_FINDING_GARBAGE, entry->key,
                       "the register of a topic that was deleted");
    } else if (ks_register_decode(entry->value, &partition->reg, &error) != KAFSCALE_OK) {
        ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, entry->key, "%s", error.text);
    }
}

static void
take_trim(struct ks_survey *survey, const struct kafscale_meta_entry *entry)
{
    struct ks_id incarnation;
    struct ks_survey_log *log;

    if (strlen(entry->key) != 5 + 32 || !ks_id_from_hex(entry->key + 5, &incarnation) ||
        entry->value.size < 8) {
        ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, entry->key, "a damaged trim mark");
        return;
    }
    log = ks_survey_log(survey, &incarnation);
    if (log != NULL) {
        log->trim = ks_get_u64(entry->value.data);
    }
}

static void
add_bundle(struct ks_survey *survey, struct ks_survey_log *log, const struct ks_survey_slots *slots)
{
    struct ks_survey_slots *bundle = ks_survey_add(survey, &log->bundles, &log->bundle_count,
                                                   &log->bundle_capacity, sizeof *bundle);

    if (bundle != NULL) {
        *bundle = *slots;
    }
}

static void
take_bundle(struct ks_survey *survey, const struct kafscale_meta_entry *entry)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_register reg;
    struct ks_survey_slots slots;
    struct ks_id incarnation;
    struct ks_survey_log *log;
    uint64_t first;

    if (ks_id_from_path(entry->key + strlen("bundle/"), &incarnation) == NULL ||
        ks_bundle_register_decode(entry->key, entry->value, &first, &reg, &error) != KAFSCALE_OK) {
        ks_survey_find(survey, KAFSCALE_FINDING_DAMAGE, entry->key, "%s",
                       error.status == KAFSCALE_OK ? "a damaged register" : error.text);
        return;
    }
    log = ks_survey_log(survey, &incarnation);
    if (log != NULL) {
        for (uint32_t part = 0; part < reg.part_count; part++) {
            slots = (struct ks_survey_slots){ .first = first,
                                              .last = reg.last,
                                              .name = ks_bundle_register_name(first, &reg, part),
                                              .part_count = reg.part_count };
            add_bundle(survey, log, &slots);
        }
    }
}

struct register_kind {
    const char *prefix;
    void (*take)(struct ks_survey *survey, const struct kafscale_meta_entry *entry);
};

/* Topics come first: registers are looked up among their partitions. */
static const struct register_kind register_kinds[] = {
    { "topic/", take_topic },
    { "part/", take_register },
    { "trim/", take_trim },
    { "bundle/", take_bundle },
};

enum kafscale_status
ks_survey_read_registers(struct ks_survey *survey, struct kafscale_error *error)
{
    enum kafscale_status status = ks_session_read(survey->session, "", &survey->registers, error);

    for (size_t k = 0; status == KAFSCALE_OK && k < sizeof register_kinds / sizeof *register_kinds;
         k++) {
        const struct register_kind *kind = &register_kinds[k];

        for (size_t i = 0; i < survey->registers.count; i++) {
            const struct kafscale_meta_entry *entry = &survey->registers.entries[i];

            if (strncmp(entry->key, kind->prefix, strlen(kind->prefix)) == 0) {
                kind->take(survey, entry);
            }
        }
    }
    return status;
}

/* --- Objects --- */

static bool
is_registered(const struct ks_survey_log *log, const struct ks_survey_slots *bundle)
{
    for (size_t i = 0; i < log->bundle_count; i++) {
        if (ks_bundle_name_is_same(&log->bundles[i].name, &bundle->name) &&
            log->bundles[i].name.part == bundle->name.part) {
            return true;
        }
    }
    return false;
}

static bool
take_slot(struct ks_survey *survey, const char *key, const char *rest)
{
    struct ks_id incarnation;
    const char *name = ks_id_from_path(rest, &incarnation);
    struct ks_survey_slots *slot;
    struct ks_survey_log *log;
    uint64_t sequence;

    (void) key;
    if (name == NULL || !ks_wal_slot_parse(name, &sequence)) {
        return false;
    }
    log = ks_survey_log(survey, &incarnation);
    slot = log == NULL ? NULL
                       : ks_survey_add(survey, &log->slots, &log->slot_count, &log->slot_capacity,
                                       sizeof *slot);
    if (slot != NULL) {
        *slot = (struct ks_survey_slots){ .first = sequence, .last = sequence };
    }
    return true;
}

static bool
take_bundle_object(struct ks_survey *survey, const char *key, const char *rest)
{
    struct ks_survey_slots slots = { 0 };
    struct ks_id incarnation;
    const char *name = ks_id_from_path(rest, &incarnation);
    struct ks_survey_log *log;

    if (name == NULL || !ks_bundle_name_parse(name, &slots.name)) {
        return false;
    }
    slots.first = slots.name.first;
    slots.last = slots.name.last;
    log = ks_survey_log(survey, &incarnation);
    if (log != NULL && survey->on_batch != NULL) {
        add_bundle(survey, log, &slots);
    } else if (log != NULL && !is_registered(log, &slots)) {
        ks_survey_find(survey, KAFSCALE_FINDING_GARBAGE, key, "a bundle that no register names");
    }
    return true;
}

static bool
take_producers(struct ks_survey *survey, const char *key, const char *rest)
{
    struct ks_partition_name name;
    const char *index = ks_id_from_path(rest, &name.topic);

    if (index == NULL) {
        return false;
    }
    name.index = (int32_t) strtol(index, NULL, 10);
    if (ks_survey_partition(survey, &name) == NULL) {
        ks_survey_find(survey, KAFSCALE_FINDING_GARBAGE, key,
                       "the producer state of a topic that was deleted");
    }
    return true;
}

static bool
take_anything(struct ks_survey *survey, const char *key, const char *rest)
{
    (void) survey;
    (void) key;
    (void) rest;
    return true;
}

struct object_kind {
    const char *prefix; /* of keys below the namespace */
    bool (*take)(struct ks_survey *survey, const char *key, const char *rest);
};

static const struct object_kind object_kinds[] = {
    { "__kafscale/wal/", take_slot },
    { "__kafscale/bundle/", take_bundle_object },
    { "__kafscale/producers/", take_producers },
    { "__kafscale/meta/log/", take_anything },
    { "__kafscale/meta/snapshot/", take_anything },
    { "__kafscale/meta/trim/", take_anything },
    { "__kafscale/cluster", take_anything },
    { "__kafscale/probe", take_anything },
};

/* Where nothing says which topics there are, each place that holds segments is one to look into. */
static struct ks_survey_partition *
add_home(struct ks_survey *survey, struct kafscale_slice home)
{
    struct ks_survey_partition *partition = ks_arena_alloc(&survey->arena, sizeof *partition);
    const char *text = ks_arena_copy_text(&survey->arena, home.data, home.size);
    const char *slash = text == NULL ? NULL : strchr(text, '/');

    if (partition == NULL || slash == NULL) {
        survey->is_short |= partition == NULL || text == NULL;
        return NULL;
    }
    partition->name.index = (int32_t) strtol(slash + 1, NULL, 10);
    partition->prefix = ks_arena_copy_text(&survey->arena, text, (size_t) (slash - text));
    if (partition->prefix == NULL ||
        ks_table_insert(&survey->partitions_by_home, &partition->by_home, ks_slice_of_text(text)) !=
            KAFSCALE_OK) {
        survey->is_short = true;
        return NULL;
    }
    ks_list_append(&survey->partitions, &partition->link);
    return partition;
}

static struct ks_survey_partition *
partition_at(struct ks_survey *survey, struct kafscale_slice home)
{
    struct ks_table_node *node = ks_table_find(&survey->partitions_by_home, home);

    if (node != NULL) {
        return KS_CONTAINER(node, struct ks_survey_partition, by_home);
    }
    return survey->on_batch == NULL ? NULL : add_home(survey, home);
}

static void
take_segment(struct ks_survey *survey, const char *key, const char *rest)
{
    const char *name = strstr(rest, "/segment-");
    struct ks_survey_partition *partition;
    struct ks_survey_segment *segment;
    int64_t base_offset;
    bool is_index = ks_segment_parse_key(key, KS_SEGMENT_INDEX, &base_offset);

    if (name == NULL || (!is_index && !ks_segment_parse_key(key, KS_SEGMENT_BODY, &base_offset))) {
        ks_survey_find(survey, KAFSCALE_FINDING_ODD, key, "none of a broker's objects");
        return;
    }
    partition = partition_at(survey, ks_slice(rest, (size_t) (name - rest)));
    if (partition == NULL) {
        ks_survey_find(survey, KAFSCALE_FINDING_GARBAGE, key, "of no topic that lives");
        return;
    }
    segment =
        partition->segment_count > 0 ? &partition->segments[partition->segment_count - 1] : NULL;
    if (segment == NULL || segment->base_offset != base_offset) {
        segment = ks_survey_add(survey, &partition->segments, &partition->segment_count,
                                &partition->segment_capacity, sizeof *segment);
    }
    if (segment != NULL) {
        segment->base_offset = base_offset;
        segment->has_index |= is_index;
        segment->has_body |= !is_index;
    }
}

static bool
on_listed(void *arg, const struct kafscale_list_entry *entry)
{
    struct ks_survey *survey = arg;
    const char *rest = entry->key + strlen(survey->session->ns) + 1;

    survey->summary.objects++;
    survey->summary.object_bytes += entry->object_bytes;
    for (size_t i = 0; i < sizeof object_kinds / sizeof *object_kinds; i++) {
        const struct object_kind *kind = &object_kinds[i];

        if (strncmp(rest, kind->prefix, strlen(kind->prefix)) == 0) {
            if (!kind->take(survey, entry->key, rest + strlen(kind->prefix))) {
                ks_survey_find(survey, KAFSCALE_FINDING_ODD, entry->key,
                               "none of a broker's objects");
            }
            return !survey->is_short;
        }
    }
    take_segment(survey, entry->key, rest);
    return !survey->is_short;
}

enum kafscale_status
ks_survey_list_objects(struct ks_survey *survey, struct kafscale_error *error)
{
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];

    snprintf(prefix, sizeof prefix, "%s/", survey->session->ns);
    return ks_session_list(survey->session, prefix, NULL, on_listed, survey, error);
}
