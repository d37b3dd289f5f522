/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When trimming and bundling are worth a transaction: many slots at a time while a log is written
 * to, what there is when it isn't.
 */
#include "log/trim/trim.h"

#define BUNDLE_BYTES (32u << 20)
/* Directories in memory: so many small batches make a bundle whatever the number of objects. */
#define HEAD_BYTES_MAX (8u << 20)
/* The slots of so many may lie there before clients have to share the store. */
#define WAIT_BUNDLES 4

static bool
is_idle(const struct ks_log *log)
{
    return ks_list_is_empty(&log->slots) && (log->open == NULL || log->open->body_bytes == 0);
}

static size_t
bundle_bytes(const struct ks_log *log)
{
    return log->options.bundle_bytes > 0 ? log->options.bundle_bytes : BUNDLE_BYTES;
}

bool
ks_trail_is_worth_bundling(const struct ks_trail *trail)
{
    const struct ks_log *log = trail->log;
    uint64_t count = trail->end - trail->mark;

    return count >= log->options.bundle_slots || trail->body_bytes >= bundle_bytes(log) ||
           trail->head_bytes >= HEAD_BYTES_MAX ||
           (!trail->is_own && count >= 2 && count * 8 >= log->options.bundle_slots);
}

bool
ks_trail_can_wait(const struct ks_trail *trail)
{
    return trail->end - trail->mark < (uint64_t) WAIT_BUNDLES * trail->log->options.bundle_slots &&
           trail->head_bytes < HEAD_BYTES_MAX;
}

/*
 * What compaction has passed needs no bundle: where a good part of what is there is covered, the
 * rest will be soon.
 */
bool
ks_trail_is_worth_moving(const struct ks_trail *trail)
{
    uint64_t covered = trail->covered - trail->mark;

    if (covered == 0) {
        return false;
    }
    if (trail->covered == trail->end && (!trail->is_own || is_idle(trail->log))) {
        return true;
    }
    return covered * 4 >= trail->log->options.bundle_slots ||
           (ks_trail_is_worth_bundling(trail) && covered * 4 >= trail->end - trail->mark);
}

/* Whether all that is needed of a slot can go into a bundle. */
static enum ks_coverage
check_slot(const struct ks_trail *trail, uint64_t sequence, struct ks_partition_name *name_out)
{
    struct ks_cursor directory = ks_cursor(ks_trail_slot(trail, sequence)->directory);
    enum ks_coverage result = KS_COVERED;
    struct ks_wal_section section;

    while (ks_wal_next_section(&directory, &section)) {
        struct ks_section_key key = ks_wal_section_key(&section);

        if (ks_trail_find_run(trail, &key) != NULL) {
            continue;
        }
        *name_out = key.partition;
        result = ks_trail_section_coverage(trail->log, &section);
        if (result != KS_COVERED) {
            return result;
        }
    }
    return result;
}

uint64_t
ks_trail_bundle_end(const struct ks_trail *trail, enum ks_coverage *coverage_out,
                    struct ks_partition_name *name_out)
{
    const struct ks_log *log = trail->log;
    uint64_t limit = trail->state_upto > trail->mark ? trail->state_upto : trail->end;
    uint64_t bytes = 0;
    uint64_t end = trail->mark;

    while (end < limit) {
        bytes += ks_trail_slot(trail, end)->header.body_bytes;
        if (limit == trail->end && end > trail->mark &&
            (end - trail->mark >= log->options.bundle_slots || bytes > bundle_bytes(log))) {
            break;
        }
        *coverage_out = check_slot(trail, end, name_out);
        if (*coverage_out != KS_COVERED) {
            break;
        }
        end++;
    }
    return trail->state_upto > trail->mark && end < trail->state_upto ? trail->mark : end;
}

enum ks_coverage
ks_bundle_coverage(const struct ks_log *log, struct ks_bundle *bundle,
                   struct ks_partition_name *name_out)
{
    for (; bundle->covered_count < bundle->section_count; bundle->covered_count++) {
        const struct ks_bundle_section *section = &bundle->sections[bundle->covered_count];
        struct ks_partition_name name = ks_bundle_section_name(section);
        enum ks_coverage coverage = ks_trail_coverage(log, &name, section->end_offset - 1);

        if (coverage != KS_COVERED) {
            *name_out = name;
            return coverage;
        }
        if (ks_is_planted(KS_PLANTED_BUNDLE_COVERED)) {
            return KS_COVERED;
        }
    }
    return KS_COVERED;
}
