/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a witness knows of the registers: it watches the metadata like any other client, is told of
 * every change while that is made, and compares each with what was there before. What needs the
 * whole transaction waits for witness_settle().
 */
#include "sim/witness_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct held_register {
    struct ks_table_node node;
    struct kafscale_blob *value;
    char key[];
};

static struct held_register *
find_register(const struct witness *witness, const char *key)
{
    struct ks_table_node *node = ks_table_find(&witness->registers, ks_slice_of_text(key));

    return node == NULL ? NULL : KS_CONTAINER(node, struct held_register, node);
}

bool
witness_register(const struct witness *witness, const char *key, struct kafscale_slice *value_out)
{
    struct held_register *held = find_register(witness, key);

    if (held == NULL || held->value == NULL) {
        return false;
    }
    *value_out = kafscale_blob_slice(held->value);
    return true;
}

uint64_t
witness_mark(const struct witness *witness, const struct ks_id *incarnation)
{
    char key[KS_REGISTER_KEY_BYTES];
    struct kafscale_slice value;

    ks_trim_key(incarnation, key);
    return witness_register(witness, key, &value) && value.size >= 8 ? ks_get_u64(value.data) : 0;
}

bool
witness_topic_lives(const struct witness *witness, const struct ks_id *topic)
{
    char key[KS_REGISTER_KEY_BYTES];
    struct kafscale_slice value;

    ks_topic_key(topic, key);
    return witness_register(witness, key, &value);
}

bool
witness_part(const struct witness *witness, const struct ks_partition_name *name,
             struct ks_register *reg_out)
{
    char key[KS_REGISTER_KEY_BYTES];
    struct kafscale_error error = { 0 };
    struct kafscale_slice value;

    ks_register_key(name, key);
    return witness_register(witness, key, &value) &&
           ks_register_decode(value, reg_out, &error) == KAFSCALE_OK;
}

/* --- What is elsewhere ---------------------------------------------------------------------- */

/* Everything of this partition below `end` is in segments, or nobody will ask for it. */
static bool
is_below_compacted(const struct witness *witness, const struct ks_partition_name *name, int64_t end)
{
    struct ks_register reg;
    bool is_below;

    if (!witness_topic_lives(witness, &name->topic)) {
        return true;
    }
    if (!witness_part(witness, name, &reg)) {
        return false;
    }
    is_below = end <= reg.compacted_upto;
    ks_register_deinit(&reg);
    return is_below;
}

static bool
is_section_covered(const struct witness *witness, const struct ks_wal_section *section)
{
    struct ks_partition_name name = { .topic = section->topic, .index = section->partition };
    struct ks_cursor entries;
    struct ks_wal_entry entry;
    int64_t end = 0;

    entries = ks_cursor(section->entries);
    while (ks_wal_next_entry(&entries, &entry)) {
        end = entry.last_offset + 1 > end ? entry.last_offset + 1 : end;
    }
    return is_below_compacted(witness, &name, end);
}

static bool
is_slot_covered(const struct witness *witness, const struct witness_object *object)
{
    struct kafscale_error error = { 0 };
    struct ks_wal_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_wal_section section;

    if (ks_wal_read_head(kafscale_blob_slice(object->bytes), &header, &bytes, &error) !=
        KAFSCALE_OK) {
        return false;
    }
    directory = ks_cursor(bytes);
    while (ks_wal_next_section(&directory, &section)) {
        if (!is_section_covered(witness, &section)) {
            return false;
        }
    }
    return true;
}

bool
witness_is_registered(const struct witness *witness, const struct witness_object *bundle)
{
    char key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct kafscale_error error = { 0 };
    struct ks_bundle_register reg;
    struct kafscale_slice value;
    uint64_t first;

    ks_bundle_register_key(&bundle->incarnation, bundle->first, key);
    return witness_register(witness, key, &value) &&
           ks_bundle_register_decode(key, value, &first, &reg, &error) == KAFSCALE_OK &&
           reg.last == bundle->last && reg.attempt == bundle->bundle.attempt;
}

static bool
is_in_a_bundle(const struct witness *witness, const struct ks_id *incarnation, uint64_t slot)
{
    for (const struct ks_list *node = witness->object_list.next; node != &witness->object_list;
         node = node->next) {
        const struct witness_object *object = KS_CONTAINER(node, struct witness_object, link);

        if (object->kind == WITNESS_BUNDLE && object->exists && object->first <= slot &&
            object->last >= slot && ks_id_equals(&object->incarnation, incarnation) &&
            witness_is_registered(witness, object)) {
            return true;
        }
    }
    return false;
}

static void
judge_passed(struct witness *witness, const struct witness_passed *passed)
{
    for (uint64_t slot = passed->from; slot < passed->to; slot++) {
        char key[KS_WAL_KEY_BYTES];
        const struct witness_object *object;

        ks_wal_key(witness->options.ns, &passed->incarnation, slot, key);
        object = witness_find(witness, key);
        if (object == NULL || object->bytes == NULL || object->is_seal) {
            witness_broken(witness, "a mark passed a slot that was never data", key);
        } else if (!is_in_a_bundle(witness, &passed->incarnation, slot) &&
                   !is_slot_covered(witness, object)) {
            witness_broken(witness, "a mark passed a slot that nothing covers", key);
        }
    }
}

void
witness_settle(struct witness *witness)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&witness->passed)) != NULL) {
        struct witness_passed *passed = KS_CONTAINER(node, struct witness_passed, link);

        judge_passed(witness, passed);
        free(passed);
    }
}

/* --- Changes -------------------------------------------------------------------------------- */

static const struct ks_chain_element *
find_element(const struct ks_register *reg, int32_t epoch)
{
    for (size_t i = 0; i < reg->chain_count; i++) {
        if (reg->chain[i].epoch == epoch) {
            return &reg->chain[i];
        }
    }
    return NULL;
}

/* When an epoch becomes active, no log before it may take more of this partition. */
static void
judge_activation(struct witness *witness, const struct ks_register *old,
                 const struct ks_register *reg, const char *key)
{
    const struct ks_chain_element *active = find_element(reg, reg->epoch);
    const struct ks_chain_element *claimed = find_element(old, reg->epoch);

    if (active == NULL || !active->is_activated || (claimed != NULL && claimed->is_activated)) {
        return;
    }
    if (claimed == NULL && reg->epoch != old->epoch + 1) {
        witness_broken(witness, "an epoch was activated without a claim", key);
    }
    for (size_t i = 0; i < old->chain_count; i++) {
        const struct ks_chain_element *before = &old->chain[i];

        if (before->epoch < reg->epoch && before->is_activated &&
            before->closed_end == KS_END_OPEN &&
            !witness_is_sealed(witness, &before->incarnation, UINT64_MAX)) {
            witness_broken(witness, "an epoch was activated before all logs were sealed", key);
        }
        if (before->is_activated && before->base_offset > active->base_offset) {
            witness_broken(witness, "an epoch begins below the one before", key);
        }
    }
    if (active->base_offset < reg->compacted_upto) {
        witness_broken(witness, "an epoch begins below compacted_upto", key);
    }
}

/* Whose the epoch of a section is, and that it had it before it appended anything. */
static void
judge_section(struct witness *witness, const struct witness_object *slot,
              const struct ks_wal_section *section)
{
    struct ks_partition_name name = { .topic = section->topic, .index = section->partition };
    const struct ks_chain_element *element;
    struct ks_register reg;

    if (!witness_part(witness, &name, &reg)) {
        return; /* of a topic that is gone */
    }
    element = find_element(&reg, section->leader_epoch);
    if (section->leader_epoch > reg.epoch) {
        witness_broken(witness, "a batch of an epoch that nobody has claimed", slot->key);
    } else if (element != NULL && (!element->is_activated ||
                                   !ks_id_equals(&element->incarnation, &slot->incarnation))) {
        witness_broken(witness, "a batch of an epoch that isn't its owner's", slot->key);
    }
    ks_register_deinit(&reg);
}

void
witness_check_epochs(struct witness *witness, const struct witness_object *slot)
{
    struct kafscale_error error = { 0 };
    struct ks_wal_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_wal_section section;

    if (ks_wal_read_head(kafscale_blob_slice(slot->bytes), &header, &bytes, &error) !=
        KAFSCALE_OK) {
        return;
    }
    directory = ks_cursor(bytes);
    while (ks_wal_next_section(&directory, &section)) {
        judge_section(witness, slot, &section);
    }
}

static void
judge_part(struct witness *witness, const char *key, const struct kafscale_slice *before,
           const struct kafscale_slice *after)
{
    struct kafscale_error error = { 0 };
    struct ks_register old = { 0 };
    struct ks_register reg;
    struct ks_id topic;

    if (!ks_id_from_hex(key + strlen("part/"), &topic)) {
        witness_broken(witness, "a register of no topic", key);
        return;
    }
    if (ks_register_decode(*after, &reg, &error) != KAFSCALE_OK) {
        witness_broken(witness, "a register can't be read", key);
        return;
    }
    if (before != NULL && ks_register_decode(*before, &old, &error) != KAFSCALE_OK) {
        old = (struct ks_register){ 0 };
    }
    if (!witness_topic_lives(witness, &topic)) {
        witness_broken(witness, "a register of a deleted topic was written", key);
    }
    if (reg.epoch < old.epoch || reg.log_start < old.log_start ||
        reg.compacted_upto < old.compacted_upto) {
        witness_broken(witness, "epoch, log_start or compacted_upto went back", key);
    }
    if (reg.log_start > reg.compacted_upto) {
        witness_broken(witness, "log_start is above compacted_upto", key);
    }
    judge_activation(witness, &old, &reg, key);
    ks_register_deinit(&old);
    ks_register_deinit(&reg);
}

static void
judge_mark(struct witness *witness, const char *key, const struct kafscale_slice *before,
           const struct kafscale_slice *after)
{
    uint64_t from = before == NULL ? 0 : ks_get_u64(before->data);
    uint64_t to = ks_get_u64(after->data);
    struct witness_passed *passed = calloc(1, sizeof *passed);

    assert(passed != NULL);
    if (!ks_id_from_hex(key + strlen("trim/"), &passed->incarnation)) {
        witness_broken(witness, "a mark of no log", key);
    }
    if (to < from) {
        witness_broken(witness, "a trim mark went back", key);
    }
    passed->from = from;
    passed->to = to;
    ks_list_append(&witness->passed, &passed->link);
}

/* A register of a bundle, decoded. */
struct bundle_value {
    struct ks_id incarnation;
    uint64_t first;
    struct ks_bundle_register reg;
};

static bool
decode_bundle(struct witness *witness, const char *key, const struct kafscale_slice *value,
              struct bundle_value *bundle_out)
{
    struct kafscale_error error = { 0 };

    if (!ks_id_from_hex(key + strlen("bundle/"), &bundle_out->incarnation) ||
        ks_bundle_register_decode(key, *value, &bundle_out->first, &bundle_out->reg, &error) !=
            KAFSCALE_OK) {
        witness_broken(witness, "the register of a bundle can't be read", key);
        return false;
    }
    return true;
}

/* A part of it in the store, or NULL. */
static struct witness_object *
part_of(struct witness *witness, const struct bundle_value *bundle, uint32_t part)
{
    struct ks_bundle_name name = ks_bundle_register_name(bundle->first, &bundle->reg, part);
    char key[KS_BUNDLE_KEY_BYTES];
    struct witness_object *object;

    ks_bundle_key(witness->options.ns, &bundle->incarnation, &name, key);
    object = witness_find(witness, key);
    return object == NULL || !object->exists ? NULL : object;
}

/* The end of the section of this object that holds the offset, or the offset. */
static int64_t
end_in(const struct witness_object *object, const struct ks_bundle_section *like, int64_t offset)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_bundle_section section;

    if (ks_bundle_read_head(kafscale_blob_slice(object->bytes), &header, &bytes, &error) !=
        KAFSCALE_OK) {
        return offset;
    }
    directory = ks_cursor(bytes);
    while (ks_bundle_next_section(&directory, &header, &section)) {
        if (ks_id_equals(&section.topic, &like->topic) && section.partition == like->partition &&
            section.leader_epoch == like->leader_epoch && section.base_offset <= offset &&
            section.end_offset > offset) {
            return section.end_offset;
        }
    }
    return offset;
}

/* The end of what a registered merged bundle has of a section of `bundle`, from an offset on. */
static int64_t
end_in_merged(const struct witness *witness, const struct witness_object *bundle,
              const struct ks_bundle_section *section, int64_t offset)
{
    int64_t end = offset;

    for (const struct ks_list *node = witness->object_list.next;
         node != &witness->object_list && end == offset; node = node->next) {
        const struct witness_object *object = KS_CONTAINER(node, struct witness_object, link);

        if (object->kind == WITNESS_BUNDLE && object->exists &&
            object->bundle.attempt > bundle->bundle.attempt && object->first <= bundle->first &&
            object->last >= bundle->last &&
            ks_id_equals(&object->incarnation, &bundle->incarnation) &&
            witness_is_registered(witness, object)) {
            end = end_in(object, section, offset);
        }
    }
    return end;
}

static bool
is_section_elsewhere(const struct witness *witness, const struct witness_object *bundle,
                     const struct ks_bundle_section *section)
{
    struct ks_partition_name name = { .topic = section->topic, .index = section->partition };
    int64_t offset = section->base_offset;

    if (is_below_compacted(witness, &name, section->end_offset)) {
        return true;
    }
    while (offset < section->end_offset) {
        int64_t end = end_in_merged(witness, bundle, section, offset);

        if (end == offset && !is_below_compacted(witness, &name, offset + 1)) {
            return false;
        }
        offset = end > offset ? end : offset + 1;
    }
    return true;
}

/* Nobody asks for a bundle whose sections are all elsewhere. */
static void
judge_bundle_drop(struct witness *witness, const struct witness_object *bundle)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_bundle_section section;

    if (ks_bundle_read_head(kafscale_blob_slice(bundle->bytes), &header, &bytes, &error) !=
        KAFSCALE_OK) {
        witness_broken(witness, "a bundle can't be read", bundle->key);
        return;
    }
    directory = ks_cursor(bytes);
    while (ks_bundle_next_section(&directory, &header, &section)) {
        if (!is_section_elsewhere(witness, bundle, &section)) {
            witness_broken(witness, "the register of a bundle that is needed went", bundle->key);
        }
    }
}

/* All parts are there; judges each as one that goes. */
static void
judge_parts(struct witness *witness, const char *key, const struct bundle_value *bundle,
            bool is_dropped)
{
    for (uint32_t i = 0; i < bundle->reg.part_count; i++) {
        struct witness_object *part = part_of(witness, bundle, i);

        if (part == NULL) {
            witness_broken(witness, "the register of a bundle without the bundle", key);
        } else if (is_dropped) {
            judge_bundle_drop(witness, part);
        }
    }
}

/* A register only changes for that of a merged bundle, which begins with it and reaches further. */
static void
judge_merge(struct witness *witness, const char *key, const struct bundle_value *before,
            const struct bundle_value *after)
{
    char reader_key[KS_BUNDLE_REGISTER_KEY_BYTES];
    struct kafscale_slice value;

    ks_reader_register_key(&after->incarnation, reader_key);
    if (after->reg.attempt <= before->reg.attempt || after->reg.last <= before->reg.last) {
        witness_broken(witness, "the register of a bundle was changed", key);
    } else if (witness_register(witness, reader_key, &value)) {
        witness_broken(witness, "bundles were merged that others may read", key);
    }
    witness->counts.merges++;
    witness->counts.merges_of_parts += after->reg.part_count > 1;
    witness->counts.merges_again += before->reg.attempt > 0;
    judge_parts(witness, key, after, false);
}

static void
judge_bundle(struct witness *witness, const char *key, const struct kafscale_slice *before,
             const struct kafscale_slice *after)
{
    struct bundle_value old = { 0 };
    struct bundle_value new = { 0 };

    if ((before != NULL && !decode_bundle(witness, key, before, &old)) ||
        (after != NULL && !decode_bundle(witness, key, after, &new))) {
        return;
    }
    if (before != NULL && after != NULL) {
        judge_merge(witness, key, &old, &new);
    } else if (after != NULL) {
        if (new.reg.attempt > 0) {
            witness_broken(witness, "a merged bundle in the place of none", key);
        }
        witness->counts.bundles_registered++;
        judge_parts(witness, key, &new, false);
    }
    if (before != NULL) {
        witness->counts.bundles_dropped++;
        judge_parts(witness, key, &old, true);
    }
}

static void
judge(struct witness *witness, const char *key, const struct kafscale_slice *before,
      const struct kafscale_slice *after)
{
    if (strncmp(key, "part/", 5) == 0 && after != NULL) {
        judge_part(witness, key, before, after);
    } else if (strncmp(key, "trim/", 5) == 0 && after != NULL) {
        judge_mark(witness, key, before, after);
    } else if (strncmp(key, "bundle/", 7) == 0) {
        judge_bundle(witness, key, before, after);
    }
}

static struct held_register *
get_register(struct witness *witness, const char *key)
{
    struct held_register *held = find_register(witness, key);
    enum kafscale_status status;

    if (held != NULL) {
        return held;
    }
    held = calloc(1, sizeof *held + strlen(key) + 1);
    assert(held != NULL);
    memcpy(held->key, key, strlen(key) + 1);
    status = ks_table_insert(&witness->registers, &held->node, ks_slice_of_text(held->key));
    assert(status == KAFSCALE_OK);
    return held;
}

static void
tell_topic(struct witness *witness, const struct kafscale_meta_entry *entry)
{
    struct ks_id topic;

    if (witness->options.topic_made != NULL && strncmp(entry->key, "topic/", 6) == 0 &&
        ks_id_from_hex(entry->key + 6, &topic)) {
        witness->options.topic_made(witness->options.arg, &topic, entry->value);
    }
}

void
witness_changed(struct witness *witness, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct held_register *held = get_register(witness, entry->key);
    struct kafscale_blob *old = held->value;
    struct kafscale_slice before = { 0 };

    if (old != NULL) {
        before = kafscale_blob_slice(old);
    }
    held->value = NULL;
    if (!is_delete) {
        held->value = kafscale_blob_new(entry->value.size);
        assert(held->value != NULL);
        if (entry->value.size > 0) {
            memcpy(kafscale_blob_data(held->value), entry->value.data, entry->value.size);
        }
        tell_topic(witness, entry);
    }
    if (old != NULL || !is_delete) {
        judge(witness, held->key, old != NULL ? &before : NULL, is_delete ? NULL : &entry->value);
    }
    kafscale_blob_unref(old);
}

static void
on_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    witness_changed(arg, entry, is_delete);
}

void
witness_watch(struct witness *witness)
{
    witness->meta = ks_meta_memory_new(witness->options.env, witness->options.meta, 0);
    assert(witness->meta.ops != NULL);
    witness->meta.ops->watch(witness->meta.self, on_changed, witness);
}

void
witness_unwatch(struct witness *witness)
{
    struct ks_table_node *node;
    struct ks_list *passed;

    if (witness->meta.ops != NULL) {
        witness->meta.ops->abandon(witness->meta.self);
    }
    while ((node = ks_table_next(&witness->registers, NULL)) != NULL) {
        struct held_register *held = KS_CONTAINER(node, struct held_register, node);

        ks_table_remove(&witness->registers, node);
        kafscale_blob_unref(held->value);
        free(held);
    }
    ks_table_deinit(&witness->registers);
    while ((passed = ks_list_take_first(&witness->passed)) != NULL) {
        free(KS_CONTAINER(passed, struct witness_passed, link));
    }
}
