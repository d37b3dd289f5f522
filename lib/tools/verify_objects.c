/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is: registers first, so that the partitions are known to which objects belong, then
 * every object of the namespace by its key.
 */
#include "tools/verify_pass.h"

#include "broker/formats.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Registers --- */

static void
add_partition(struct verify_pass *pass, const struct ks_topic_record *topic, int32_t index)
{
    struct verify_partition *partition = ks_arena_alloc(&pass->arena, sizeof *partition);
    char prefix[KS_TOPIC_PREFIX_BYTES];
    char home[KS_TOPIC_PREFIX_BYTES + 12];
    char key[KS_REGISTER_KEY_BYTES];
    char *kept_home;

    if (partition == NULL) {
        pass->is_short = true;
        return;
    }
    partition->name = (struct ks_partition_name){ .topic = topic->id, .index = index };
    ks_topic_prefix(topic->name, &topic->id, topic->is_later_life, prefix);
    ks_register_key(&partition->name, key);
    snprintf(home, sizeof home, "%s/%" PRId32, prefix, index);
    partition->topic_name = ks_arena_copy_text(&pass->arena, topic->name, strlen(topic->name));
    partition->prefix = ks_arena_copy_text(&pass->arena, prefix, strlen(prefix));
    partition->register_key = ks_arena_copy_text(&pass->arena, key, strlen(key));
    kept_home = ks_arena_copy_text(&pass->arena, home, strlen(home));
    if (ks_arena_failed(&pass->arena) ||
        ks_table_insert(&pass->partitions_by_name, &partition->by_name,
                        ks_slice(&partition->name, sizeof partition->name)) != KAFSCALE_OK ||
        ks_table_insert(&pass->partitions_by_home, &partition->by_home,
                        ks_slice_of_text(kept_home)) != KAFSCALE_OK) {
        pass->is_short = true;
        return;
    }
    ks_list_append(&pass->partitions, &partition->link);
    pass->summary.partitions++;
}

static void
take_topic(struct verify_pass *pass, const struct kafscale_meta_entry *entry)
{
    struct ks_topic_record topic = { 0 };
    struct kafscale_error error = { 0 };

    if (!ks_topic_record_key_parse(entry->key, &topic.id) ||
        ks_topic_record_decode(entry->value, &topic, &error) != KAFSCALE_OK) {
        verify_find(pass, KAFSCALE_FINDING_DAMAGE, entry->key, "%s", error.text);
    } else {
        pass->summary.topics++;
        for (int32_t i = 0; i < topic.partition_count; i++) {
            add_partition(pass, &topic, i);
        }
    }
    ks_topic_record_deinit(&topic);
}

/* "part/{32 hex}/{number}" */
static bool
parse_register_key(const char *key, struct ks_partition_name *name_out)
{
    char again[KS_REGISTER_KEY_BYTES];

    if (strncmp(key, "part/", 5) != 0 || strlen(key) < 5 + 33 ||
        !ks_id_from_hex(key + 5, &name_out->topic)) {
        return false;
    }
    name_out->index = (int32_t) strtol(key + 5 + 33, NULL, 10);
    ks_register_key(name_out, again);
    return strcmp(again, key) == 0;
}

static void
take_register(struct verify_pass *pass, const struct kafscale_meta_entry *entry)
{
    struct verify_partition *partition;
    struct kafscale_error error = { 0 };
    struct ks_partition_name name;

    if (!parse_register_key(entry->key, &name)) {
        verify_find(pass, KAFSCALE_FINDING_ODD, entry->key, "a register of no partition");
        return;
    }
    partition = verify_partition_of(pass, &name);
    if (partition == NULL) {
        verify_find(pass, KAFSCALE_FINDING_GARBAGE, entry->key,
                    "the register of a topic that was deleted");
    } else if (ks_register_decode(entry->value, &partition->reg, &error) != KAFSCALE_OK) {
        verify_find(pass, KAFSCALE_FINDING_DAMAGE, entry->key, "%s", error.text);
    }
}

static void
take_trim(struct verify_pass *pass, const struct kafscale_meta_entry *entry)
{
    struct ks_id incarnation;
    struct verify_log *log;

    if (strlen(entry->key) != 5 + 32 || !ks_id_from_hex(entry->key + 5, &incarnation) ||
        entry->value.size < 8) {
        verify_find(pass, KAFSCALE_FINDING_DAMAGE, entry->key, "a damaged trim mark");
        return;
    }
    log = verify_log_of(pass, &incarnation);
    if (log != NULL) {
        log->trim = ks_get_u64(entry->value.data);
    }
}

static void
take_bundle(struct verify_pass *pass, const struct kafscale_meta_entry *entry)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_register reg;
    struct verify_slots *bundle;
    struct ks_id incarnation;
    struct verify_log *log;
    uint64_t first;

    if (strlen(entry->key) < 7 + 33 || !ks_id_from_hex(entry->key + 7, &incarnation) ||
        ks_bundle_register_decode(entry->key, entry->value, &first, &reg, &error) != KAFSCALE_OK) {
        verify_find(pass, KAFSCALE_FINDING_DAMAGE, entry->key, "%s",
                    error.status == KAFSCALE_OK ? "a damaged register" : error.text);
        return;
    }
    log = verify_log_of(pass, &incarnation);
    bundle = log == NULL ? NULL
                         : verify_add(pass, (void **) &log->bundles, &log->bundle_count,
                                      &log->bundle_capacity, sizeof *bundle);
    if (bundle != NULL) {
        *bundle = (struct verify_slots){
            .first = first, .last = reg.last, .is_registered = true, .reg = reg
        };
    }
}

struct register_kind {
    const char *prefix;
    void (*take)(struct verify_pass *pass, const struct kafscale_meta_entry *entry);
};

/* Topics come first: registers are looked up among their partitions. */
static const struct register_kind register_kinds[] = {
    { "topic/", take_topic },
    { "part/", take_register },
    { "trim/", take_trim },
    { "bundle/", take_bundle },
};

enum kafscale_status
verify_read_registers(struct verify_pass *pass, struct kafscale_error *error)
{
    enum kafscale_status status = ks_session_read(pass->session, "", &pass->registers, error);

    for (size_t k = 0; status == KAFSCALE_OK && k < sizeof register_kinds / sizeof *register_kinds;
         k++) {
        const struct register_kind *kind = &register_kinds[k];

        for (size_t i = 0; i < pass->registers.count; i++) {
            const struct kafscale_meta_entry *entry = &pass->registers.entries[i];

            if (strncmp(entry->key, kind->prefix, strlen(kind->prefix)) == 0) {
                kind->take(pass, entry);
            }
        }
    }
    return status;
}

/* --- Objects --- */

/* "{32 hex}/{20 digits}" or, of a bundle, "{32 hex}/{20 digits}-{20 digits}". */
static bool
parse_slots(const char *text, struct ks_id *incarnation_out, struct verify_slots *slots_out)
{
    bool is_bundle = strlen(text) == 33 + 41;
    struct verify_slots slots = { 0 };
    char again[KS_BUNDLE_KEY_BYTES];
    char *end;

    if ((!is_bundle && strlen(text) != 33 + 20) || text[32] != '/' ||
        !ks_id_from_hex(text, incarnation_out)) {
        return false;
    }
    slots.first = strtoull(text + 33, &end, 10);
    slots.last = is_bundle ? strtoull(text + 33 + 21, NULL, 10) : slots.first;
    if (is_bundle) {
        snprintf(again, sizeof again, "%020" PRIu64 "-%020" PRIu64, slots.first, slots.last);
    } else {
        snprintf(again, sizeof again, "%020" PRIu64, slots.first);
    }
    *slots_out = slots;
    return strcmp(again, text + 33) == 0;
}

static bool
is_registered(const struct verify_log *log, const struct verify_slots *bundle)
{
    for (size_t i = 0; i < log->bundle_count; i++) {
        if (log->bundles[i].first == bundle->first && log->bundles[i].last == bundle->last) {
            return true;
        }
    }
    return false;
}

static bool
take_slot(struct verify_pass *pass, const char *key, const char *rest)
{
    struct verify_slots slots;
    struct ks_id incarnation;
    struct verify_slots *slot;
    struct verify_log *log;

    (void) key;
    if (!parse_slots(rest, &incarnation, &slots)) {
        return false;
    }
    log = verify_log_of(pass, &incarnation);
    slot = log == NULL ? NULL
                       : verify_add(pass, (void **) &log->slots, &log->slot_count,
                                    &log->slot_capacity, sizeof *slot);
    if (slot != NULL) {
        *slot = slots;
    }
    return true;
}

static bool
take_bundle_object(struct verify_pass *pass, const char *key, const char *rest)
{
    struct verify_slots slots;
    struct ks_id incarnation;
    struct verify_log *log;

    if (!parse_slots(rest, &incarnation, &slots)) {
        return false;
    }
    log = verify_log_of(pass, &incarnation);
    if (log != NULL && !is_registered(log, &slots)) {
        verify_find(pass, KAFSCALE_FINDING_GARBAGE, key, "a bundle that no register names");
    }
    return true;
}

static bool
take_producers(struct verify_pass *pass, const char *key, const char *rest)
{
    struct ks_partition_name name;

    if (strlen(rest) < 34 || rest[32] != '/' || !ks_id_from_hex(rest, &name.topic)) {
        return false;
    }
    name.index = (int32_t) strtol(rest + 33, NULL, 10);
    if (verify_partition_of(pass, &name) == NULL) {
        verify_find(pass, KAFSCALE_FINDING_GARBAGE, key,
                    "the producer state of a topic that was deleted");
    }
    return true;
}

static bool
take_anything(struct verify_pass *pass, const char *key, const char *rest)
{
    (void) pass;
    (void) key;
    (void) rest;
    return true;
}

struct object_kind {
    const char *prefix; /* of keys below the namespace */
    bool (*take)(struct verify_pass *pass, const char *key, const char *rest);
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

static void
take_segment(struct verify_pass *pass, const char *key, const char *rest)
{
    const char *name = strstr(rest, "/segment-");
    struct verify_partition *partition;
    struct verify_segment *segment;
    struct ks_table_node *node;
    int64_t base_offset;
    bool is_index = ks_segment_parse_key(key, KS_SEGMENT_INDEX, &base_offset);

    if (name == NULL || (!is_index && !ks_segment_parse_key(key, KS_SEGMENT_BODY, &base_offset))) {
        verify_find(pass, KAFSCALE_FINDING_ODD, key, "none of a broker's objects");
        return;
    }
    node = ks_table_find(&pass->partitions_by_home, ks_slice(rest, (size_t) (name - rest)));
    if (node == NULL) {
        verify_find(pass, KAFSCALE_FINDING_GARBAGE, key, "of no topic that lives");
        return;
    }
    partition = KS_CONTAINER(node, struct verify_partition, by_home);
    segment =
        partition->segment_count > 0 ? &partition->segments[partition->segment_count - 1] : NULL;
    if (segment == NULL || segment->base_offset != base_offset) {
        segment = verify_add(pass, (void **) &partition->segments, &partition->segment_count,
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
    struct verify_pass *pass = arg;
    const char *rest = entry->key + strlen(pass->session->ns) + 1;

    pass->summary.objects++;
    pass->summary.object_bytes += entry->object_bytes;
    for (size_t i = 0; i < sizeof object_kinds / sizeof *object_kinds; i++) {
        const struct object_kind *kind = &object_kinds[i];

        if (strncmp(rest, kind->prefix, strlen(kind->prefix)) == 0) {
            if (!kind->take(pass, entry->key, rest + strlen(kind->prefix))) {
                verify_find(pass, KAFSCALE_FINDING_ODD, entry->key, "none of a broker's objects");
            }
            return !pass->is_short;
        }
    }
    take_segment(pass, entry->key, rest);
    return !pass->is_short;
}

enum kafscale_status
verify_list_objects(struct verify_pass *pass, struct kafscale_error *error)
{
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];

    snprintf(prefix, sizeof prefix, "%s/", pass->session->ns);
    return ks_session_list(pass->session, prefix, NULL, on_listed, pass, error);
}
