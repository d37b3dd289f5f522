/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A witness reads a partition by itself, from the objects that are there and the registers as they
 * are: what a fresh reader must come to, told without the reader's code.
 */
#include "sim/witness_internal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct witness *witness;
    const struct ks_partition_name *name;
    struct ks_segment_home home;
    struct ks_register reg;
    char register_key[KS_REGISTER_KEY_BYTES];
    void (*found)(void *arg, const struct witness_batch *batch);
    void *arg;
    int64_t next; /* the offset that the next batch begins with */
    bool is_broken;

    /* What the logs hold above compacted_upto, in no order yet. */
    struct witness_batch *batches;
    size_t count;
    size_t capacity;
};

static void
broken(struct walk *walk, const char *what, const char *key)
{
    if (!walk->is_broken) {
        witness_broken(walk->witness, what, key);
    }
    walk->is_broken = true;
}

/* --- Segments ------------------------------------------------------------------------------- */

static struct witness_object *
segment_at(const struct walk *walk, int64_t base, enum ks_segment_kind kind)
{
    char key[KS_SEGMENT_KEY_BYTES];
    struct witness_object *object;

    ks_segment_key(&walk->home, base, kind, key);
    object = witness_find(walk->witness, key);
    return object != NULL && object->exists ? object : NULL;
}

/* The segment with the largest base not above the offset. */
static struct witness_object *
find_segment(const struct walk *walk, int64_t offset)
{
    for (int64_t base = offset; base >= 0; base--) {
        struct witness_object *object = segment_at(walk, base, KS_SEGMENT_BODY);

        if (object != NULL) {
            return object;
        }
    }
    return NULL;
}

/* Only the first batch of a segment may begin below the base, and of a walk below log_start. */
static void
take_batches(struct walk *walk, const struct witness_object *object, struct kafscale_slice body)
{
    bool is_first = true;

    while (body.size > 0 && !walk->is_broken) {
        struct kafscale_error error = { 0 };
        struct ks_batch batch;
        struct witness_batch found;

        if (ks_batch_parse(body, &batch, &error) != KAFSCALE_OK || !ks_batch_crc_is_right(&batch)) {
            broken(walk, "a segment holds a damaged batch", object->key);
            return;
        }
        found = (struct witness_batch){ .base_offset = batch.base_offset,
                                        .last_offset = ks_batch_last_offset(&batch),
                                        .producer_id = batch.producer_id,
                                        .first_sequence = batch.base_sequence };
        body.data += batch.bytes.size;
        body.size -= batch.bytes.size;
        if (found.last_offset < walk->next) {
            continue; /* below log_start, or in the segment before as well */
        }
        if (found.base_offset != walk->next && !(is_first && found.base_offset < walk->next)) {
            broken(walk, "a hole in a segment", object->key);
        }
        is_first = false;
        walk->next = found.last_offset + 1;
        walk->found(walk->arg, &found);
    }
}

static void
take_segment(struct walk *walk, const struct witness_object *object)
{
    struct kafscale_slice bytes = kafscale_blob_slice(object->bytes);
    const struct witness_object *index = segment_at(walk, object->base_offset, KS_SEGMENT_INDEX);
    struct kafscale_error error = { 0 };
    struct ks_segment_footer footer;
    struct ks_index decoded;
    struct kafscale_slice tail = { .data = bytes.data + bytes.size - KS_SEGMENT_FOOTER_BYTES,
                                   .size = KS_SEGMENT_FOOTER_BYTES };

    if (index == NULL || bytes.size < KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES ||
        ks_segment_read_footer(tail, &footer, &error) != KAFSCALE_OK ||
        ks_index_decode(kafscale_blob_slice(index->bytes), &decoded, &error) != KAFSCALE_OK) {
        broken(walk, "a segment without index, or without end", object->key);
        return;
    }
    if (decoded.last_offset != footer.last_offset || decoded.body_crc != footer.body_crc ||
        !ks_id_equals(&decoded.name.topic, &walk->name->topic)) {
        broken(walk, "index and segment of one base disagree", object->key);
    }
    ks_index_deinit(&decoded);
    bytes.data += KS_SEGMENT_HEADER_BYTES;
    bytes.size -= KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES;
    take_batches(walk, object, bytes);
    if (!walk->is_broken && walk->next != footer.last_offset + 1) {
        broken(walk, "a segment doesn't reach its end", object->key);
    }
}

static void
walk_segments(struct walk *walk)
{
    bool is_first = true;

    while (walk->next < walk->reg.compacted_upto && !walk->is_broken) {
        const struct witness_object *object = find_segment(walk, walk->next);
        int64_t before = walk->next;

        if (object == NULL || (!is_first && object->base_offset != walk->next)) {
            broken(walk, "the segments have a hole", walk->register_key);
            return;
        }
        take_segment(walk, object);
        if (walk->next == before) {
            broken(walk, "the segments have a hole", object->key);
        }
        is_first = false;
    }
}

/* --- Logs ----------------------------------------------------------------------------------- */

/* The offset from which on later owners have the partition. */
static int64_t
end_of_element(const struct walk *walk, size_t i)
{
    for (size_t k = i + 1; k < walk->reg.chain_count; k++) {
        if (walk->reg.chain[k].is_activated) {
            return walk->reg.chain[k].base_offset;
        }
    }
    return INT64_MAX;
}

static void
keep(struct walk *walk, size_t element, const struct ks_wal_entry *entry, const char *key)
{
    if (entry->last_offset < walk->reg.compacted_upto) {
        return;
    }
    if (entry->base_offset >= end_of_element(walk, element)) {
        broken(walk, "a batch above the beginning of the next owner", key);
    }
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity * 2 + 64;
        walk->batches = realloc(walk->batches, walk->capacity * sizeof *walk->batches);
        assert(walk->batches != NULL);
    }
    walk->batches[walk->count++] =
        (struct witness_batch){ .base_offset = entry->base_offset,
                                .last_offset = entry->last_offset,
                                .producer_id = entry->producer_id,
                                .first_sequence = entry->first_sequence };
}

static void
take_slot(struct walk *walk, size_t element, const struct witness_object *object)
{
    struct kafscale_error error = { 0 };
    struct ks_wal_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_wal_section section;

    if (ks_wal_read_head(kafscale_blob_slice(object->bytes), &header, &bytes, &error) !=
        KAFSCALE_OK) {
        broken(walk, "a slot can't be read", object->key);
        return;
    }
    directory = ks_cursor(bytes);
    while (ks_wal_next_section(&directory, &section)) {
        struct ks_cursor entries = ks_cursor(section.entries);
        struct ks_wal_entry entry;

        while (ks_id_equals(&section.topic, &walk->name->topic) &&
               section.partition == walk->name->index &&
               section.leader_epoch == walk->reg.chain[element].epoch &&
               ks_wal_next_entry(&entries, &entry)) {
            keep(walk, element, &entry, object->key);
        }
    }
}

static void
take_bundle(struct walk *walk, size_t element, const struct witness_object *object)
{
    struct kafscale_slice all = kafscale_blob_slice(object->bytes);
    struct kafscale_error error = { 0 };
    struct ks_bundle_header header;
    struct kafscale_slice bytes;
    struct ks_cursor directory;
    struct ks_bundle_section section;

    if (ks_bundle_read_head(all, &header, &bytes, &error) != KAFSCALE_OK) {
        broken(walk, "a bundle can't be read", object->key);
        return;
    }
    directory = ks_cursor(bytes);
    while (ks_bundle_next_section(&directory, &header, &section)) {
        struct ks_cursor entries =
            ks_cursor(ks_slice(all.data + section.entries_position, section.entries_bytes));
        struct ks_bundle_entry entry;

        while (ks_id_equals(&section.topic, &walk->name->topic) &&
               section.partition == walk->name->index &&
               section.leader_epoch == walk->reg.chain[element].epoch &&
               ks_bundle_next_entry(&entries, &entry)) {
            keep(walk, element, &entry.batch, object->key);
        }
    }
}

/* Registered bundles below the mark, data from there to the seal, the closed end or the end. */
static void
walk_element(struct walk *walk, size_t i)
{
    const struct ks_chain_element *element = &walk->reg.chain[i];
    uint64_t mark = witness_mark(walk->witness, &element->incarnation);
    char key[KS_BUNDLE_KEY_BYTES];

    for (uint64_t first = 0; first < mark; first++) {
        struct ks_bundle_register reg;
        struct kafscale_error error = { 0 };
        struct kafscale_slice value;
        struct witness_object *object;
        uint64_t unused;

        ks_bundle_register_key(&element->incarnation, first, key);
        if (!witness_register(walk->witness, key, &value) ||
            ks_bundle_register_decode(key, value, &unused, &reg, &error) != KAFSCALE_OK) {
            continue;
        }
        for (uint32_t part = 0; part < reg.part_count; part++) {
            struct ks_bundle_name name = ks_bundle_register_name(first, &reg, part);

            ks_bundle_key(walk->witness->options.ns, &element->incarnation, &name, key);
            object = witness_find(walk->witness, key);
            if (object == NULL || !object->exists) {
                broken(walk, "a registered bundle is missing", key);
                return;
            }
            take_bundle(walk, i, object);
        }
    }
    for (uint64_t slot = mark; slot < element->closed_end; slot++) {
        const struct witness_object *object;

        ks_wal_key(walk->witness->options.ns, &element->incarnation, slot, key);
        object = witness_find(walk->witness, key);
        if (object == NULL || !object->exists || object->is_seal) {
            if (element->closed_end != KS_END_OPEN) {
                broken(walk, "a slot below a closed end is missing", key);
            }
            return;
        }
        take_slot(walk, i, object);
    }
}

static int
compare_batches(const void *a, const void *b)
{
    const struct witness_batch *x = a;
    const struct witness_batch *y = b;

    return (x->base_offset > y->base_offset) - (x->base_offset < y->base_offset);
}

static void
walk_logs(struct walk *walk)
{
    for (size_t i = 0; i < walk->reg.chain_count && !walk->is_broken; i++) {
        if (walk->reg.chain[i].is_activated && end_of_element(walk, i) > walk->reg.compacted_upto) {
            walk_element(walk, i);
        }
    }
    if (walk->count > 0) {
        qsort(walk->batches, walk->count, sizeof *walk->batches, compare_batches);
    }
    for (size_t i = 0; i < walk->count && !walk->is_broken; i++) {
        const struct witness_batch *batch = &walk->batches[i];

        if (batch->base_offset != walk->next && !(i == 0 && batch->base_offset < walk->next)) {
            broken(walk, "the logs have a hole, or hold an offset twice", walk->register_key);
            return;
        }
        walk->next = batch->last_offset + 1;
        walk->found(walk->arg, batch);
    }
}

bool
witness_walk(struct witness *witness, const struct ks_partition_name *name, const char *prefix,
             void (*found)(void *arg, const struct witness_batch *batch), void *arg,
             int64_t *end_out)
{
    struct walk walk = { .witness = witness, .name = name, .found = found, .arg = arg };

    walk.home = (struct ks_segment_home){ .ns = witness->options.ns,
                                          .prefix = prefix,
                                          .partition = name->index };
    ks_register_key(name, walk.register_key);
    if (!witness_part(witness, name, &walk.reg)) {
        *end_out = 0;
        return true;
    }
    walk.next = walk.reg.log_start;
    walk_segments(&walk);
    if (!walk.is_broken) {
        walk_logs(&walk);
    }
    *end_out = walk.next;
    ks_register_deinit(&walk.reg);
    free(walk.batches);
    return !walk.is_broken;
}
