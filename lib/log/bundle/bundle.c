/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A section belongs to one partition and epoch, sections of a partition don't overlap, and mostly
 * they come in the order of their offsets.
 */
#include "log/bundle/bundle.h"

#include <assert.h>
#include <inttypes.h>

static enum kafscale_status
check_header(const struct ks_log *log, const struct ks_bundle *bundle, struct kafscale_error *error)
{
    const struct ks_bundle_header *header = &bundle->header;

    if (!ks_id_equals(&header->cluster, &log->options.cluster)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "belongs to another cluster");
    }
    if (!ks_id_equals(&header->incarnation, &log->sources[bundle->source]) ||
        header->first != bundle->name.first || header->last != bundle->name.last) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "belongs to another place");
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
take_sections(struct ks_bundle *bundle, struct kafscale_slice directory,
              struct kafscale_error *error)
{
    struct ks_cursor cursor = ks_cursor(directory);
    struct ks_bundle_section section;
    struct ks_section_key last = { 0 };

    if (bundle->header.section_count > directory.size / KS_BUNDLE_SECTION_BYTES) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "impossible number of sections");
    }
    bundle->sections = ks_alloc_zero(bundle->header.section_count, sizeof *bundle->sections);
    if (bundle->sections == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for a bundle");
    }
    while (bundle->section_count < bundle->header.section_count &&
           ks_bundle_next_section(&cursor, &bundle->header, &section)) {
        struct ks_section_key key = ks_bundle_section_key(&section);

        if (bundle->section_count > 0 && ks_section_key_compare(&last, &key) >= 0) {
            break;
        }
        last = key;
        bundle->sections[bundle->section_count++] = section;
    }
    if (cursor.failed || ks_cursor_left(&cursor) > 0 ||
        bundle->section_count < bundle->header.section_count) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "damaged directory of a bundle");
    }
    return KAFSCALE_OK;
}

static enum kafscale_status
take_head(struct ks_log *log, struct ks_bundle *bundle, struct kafscale_error *error)
{
    struct kafscale_slice directory;
    enum kafscale_status status;

    status =
        ks_bundle_read_head(kafscale_blob_slice(bundle->head), &bundle->header, &directory, error);
    if (status == KAFSCALE_OK) {
        status = check_header(log, bundle, error);
    }
    if (status == KAFSCALE_OK) {
        status = take_sections(bundle, directory, error);
    }
    return status;
}

enum kafscale_status
ks_bundle_new(struct ks_log *log, uint32_t source, const struct ks_bundle_name *name,
              struct kafscale_slice head, struct ks_bundle **bundle_out,
              struct kafscale_error *error)
{
    struct ks_bundle *bundle = ks_alloc_zero(1, sizeof *bundle);
    enum kafscale_status status;

    if (bundle == NULL) {
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for a bundle");
    }
    bundle->source = source;
    bundle->name = *name;
    bundle->reference_count = 1;
    bundle->head = kafscale_blob_new(head.size);
    if (bundle->head == NULL) {
        ks_bundle_unref(bundle);
        return ks_error_set(error, KAFSCALE_NO_MEMORY, "out of memory for a bundle");
    }
    memcpy(kafscale_blob_data(bundle->head), head.data, head.size);
    status = take_head(log, bundle, error);
    if (status != KAFSCALE_OK) {
        ks_bundle_unref(bundle);
        return status;
    }
    *bundle_out = bundle;
    return KAFSCALE_OK;
}

struct ks_bundle *
ks_bundle_ref(struct ks_bundle *bundle)
{
    bundle->reference_count++;
    return bundle;
}

void
ks_bundle_unref(struct ks_bundle *bundle)
{
    if (bundle == NULL || --bundle->reference_count > 0) {
        return;
    }
    kafscale_blob_unref(bundle->head);
    ks_free(bundle->sections);
    ks_free(bundle);
}

void
ks_bundle_key_of(const struct ks_log *log, const struct ks_bundle *bundle,
                 char key_out[KS_BUNDLE_KEY_BYTES])
{
    ks_bundle_key(log->ns, &log->sources[bundle->source], &bundle->name, key_out);
}

const struct ks_bundle_section *
ks_bundle_find(const struct ks_bundle *bundle, const struct ks_partition_name *name,
               int32_t leader_epoch)
{
    struct ks_section_key wanted = { .partition = *name, .leader_epoch = leader_epoch };
    size_t low = 0;
    size_t high = bundle->section_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct ks_section_key key = ks_bundle_section_key(&bundle->sections[middle]);
        int order = ks_section_key_compare(&key, &wanted);

        if (order == 0) {
            return &bundle->sections[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

struct ks_partition_name
ks_bundle_section_name(const struct ks_bundle_section *section)
{
    return (struct ks_partition_name){ .topic = section->topic, .index = section->partition };
}

/* --- What a section is of --------------------------------------------------------------------- */

struct ks_section_key
ks_bundle_section_key(const struct ks_bundle_section *section)
{
    return (struct ks_section_key){ .partition = ks_bundle_section_name(section),
                                    .leader_epoch = section->leader_epoch };
}

struct ks_section_key
ks_wal_section_key(const struct ks_wal_section *section)
{
    return (struct ks_section_key){ .partition = { .topic = section->topic,
                                                   .index = section->partition },
                                    .leader_epoch = section->leader_epoch };
}

int
ks_section_key_compare(const struct ks_section_key *a, const struct ks_section_key *b)
{
    int order = memcmp(a->partition.topic.bytes, b->partition.topic.bytes, KS_ID_BYTES);

    if (order == 0) {
        order =
            (a->partition.index > b->partition.index) - (a->partition.index < b->partition.index);
    }
    if (order == 0) {
        order = (a->leader_epoch > b->leader_epoch) - (a->leader_epoch < b->leader_epoch);
    }
    return order;
}

/* --- The bundled part of a partition ---------------------------------------------------------- */

size_t
ks_partition_find_bundled(const struct ks_partition *partition, int64_t offset)
{
    size_t low = 0;
    size_t high = partition->bundled_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (partition->bundled[middle].section->end_offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum kafscale_status
ks_partition_add_bundled(struct ks_partition *partition, struct ks_bundle *bundle,
                         const struct ks_bundle_section *section)
{
    size_t index = ks_partition_find_bundled(partition, section->base_offset);

    if (index < partition->bundled_count &&
        partition->bundled[index].section->base_offset < section->end_offset) {
        return KAFSCALE_OK;
    }
    if (!KS_RESERVE(partition->bundled, partition->bundled_capacity,
                    partition->bundled_count + 1)) {
        return KAFSCALE_NO_MEMORY;
    }
    memmove(&partition->bundled[index + 1], &partition->bundled[index],
            (partition->bundled_count - index) * sizeof *partition->bundled);
    partition->bundled[index] =
        (struct ks_bundled){ .bundle = ks_bundle_ref(bundle), .section = section };
    partition->bundled_count++;
    return KAFSCALE_OK;
}

void
ks_partition_swap_bundled(struct ks_partition *partition, const struct ks_bundle_section *old,
                          struct ks_bundle *bundle, const struct ks_bundle_section *section)
{
    size_t kept = 0;

    for (size_t i = 0; i < partition->bundled_count; i++) {
        struct ks_bundled bundled = partition->bundled[i];

        if (bundled.section != old) {
            partition->bundled[kept++] = bundled;
            continue;
        }
        ks_bundle_unref(bundled.bundle);
        if (section != NULL && (kept == 0 || partition->bundled[kept - 1].section != section)) {
            partition->bundled[kept++] =
                (struct ks_bundled){ .bundle = ks_bundle_ref(bundle), .section = section };
        }
    }
    partition->bundled_count = kept;
}

void
ks_partition_drop_bundled(struct ks_partition *partition, const struct ks_bundle *bundle)
{
    size_t kept = 0;

    for (size_t i = 0; i < partition->bundled_count; i++) {
        struct ks_bundled bundled = partition->bundled[i];

        if (bundle == NULL || bundled.bundle == bundle) {
            ks_bundle_unref(bundled.bundle);
        } else {
            partition->bundled[kept++] = bundled;
        }
    }
    partition->bundled_count = kept;
}

void
ks_partition_drop_placed(struct ks_partition *partition)
{
    int64_t offset = ks_partition_placed_from(partition);

    for (size_t i = ks_partition_find_bundled(partition, offset);
         i < partition->bundled_count && partition->bundled[i].section->base_offset <= offset;
         i++) {
        offset = partition->bundled[i].section->end_offset;
    }
    ks_partition_drop_places(partition, offset);
}
