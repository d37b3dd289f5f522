/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Long sections aren't worth it: whoever has few partitions reads as much at a time from a bundle
 * as from a merged one.
 */
#include "log/bundle/merge_plan.h"

#include "log/trim/trim.h"

#include <assert.h>

#define PART_BYTES (32u << 20)
#define SECTION_BYTES (64u << 10)
/* Stretches so close together are read as one. */
#define GAP_BYTES_MAX (64u << 10)

/* --- The run --------------------------------------------------------------------------------- */

/* What the bundles of some registers measure. */
struct measure {
    uint64_t body_bytes;
    uint64_t total_bytes;
    uint64_t sections;
    size_t registers;
};

static struct ks_bundle *
bundle_at(const struct ks_list *node)
{
    return KS_CONTAINER(node, struct ks_bundle, link);
}

/* Adds the bundles of the register that begins at `node` and gives the node after it. */
static const struct ks_list *
measure_register(const struct ks_trail *trail, const struct ks_list *node, struct measure *measure)
{
    const struct ks_bundle *first = bundle_at(node);

    *measure = (struct measure){ .registers = 1 };
    for (; node != &trail->bundles && ks_bundle_name_is_same(&bundle_at(node)->name, &first->name);
         node = node->next) {
        const struct ks_bundle_header *header = &bundle_at(node)->header;

        measure->body_bytes += header->body_bytes;
        measure->total_bytes += ks_bundle_total_bytes(header);
        measure->sections += header->section_count;
    }
    return node;
}

static uint64_t
part_bytes(const struct ks_log *log)
{
    return log->options.merge_part_bytes > 0 ? log->options.merge_part_bytes : PART_BYTES;
}

static bool
is_worth_it(const struct ks_log *log, const struct measure *run)
{
    uint64_t section_bytes =
        log->options.merge_section_bytes > 0 ? log->options.merge_section_bytes : SECTION_BYTES;

    return run->body_bytes < run->sections * section_bytes &&
           run->total_bytes / part_bytes(log) < KS_BUNDLE_PARTS_MAX / 2;
}

static bool
may_be_merged(const struct ks_trail *trail, const struct ks_bundle *bundle, uint32_t level)
{
    return bundle->level == level && !bundle->is_merging && bundle != trail->log->trimmer->bundle;
}

static void
add(struct measure *run, const struct measure *more)
{
    run->body_bytes += more->body_bytes;
    run->total_bytes += more->total_bytes;
    run->sections += more->sections;
    run->registers += more->registers;
}

static void
subtract(struct measure *run, const struct measure *less)
{
    run->body_bytes -= less->body_bytes;
    run->total_bytes -= less->total_bytes;
    run->sections -= less->sections;
    run->registers -= less->registers;
}

/* The first bundle of the run, and the end of the list behind it; NULL: there is none. */
static const struct ks_list *
find_run(const struct ks_trail *trail, size_t count, const struct ks_list **end_out)
{
    const struct ks_list *first = trail->bundles.next;
    const struct ks_list *node = first;
    struct measure run = { 0 };
    struct measure one;

    while (node != &trail->bundles) {
        if (!may_be_merged(trail, bundle_at(node), bundle_at(first)->level)) {
            run = (struct measure){ 0 };
            first = node;
            if (!may_be_merged(trail, bundle_at(node), bundle_at(node)->level)) {
                first = node = measure_register(trail, node, &one);
                continue;
            }
        }
        node = measure_register(trail, node, &one);
        add(&run, &one);
        if (run.registers == count) {
            if (is_worth_it(trail->log, &run)) {
                *end_out = node;
                return first;
            }
            first = measure_register(trail, first, &one);
            subtract(&run, &one);
        }
    }
    return NULL;
}

static void settle(const struct ks_merge_plan *plan, struct ks_merge_input *input);

static bool
take_run(struct ks_merge_plan *plan, const struct ks_list *node, const struct ks_list *end)
{
    size_t count = 0;

    for (const struct ks_list *at = node; at != end; at = at->next) {
        count++;
    }
    plan->bundles = ks_alloc_zero(count, sizeof(*plan->bundles));
    plan->inputs = ks_alloc_zero(count, sizeof *plan->inputs);
    if (plan->bundles == NULL || plan->inputs == NULL) {
        return false;
    }
    for (; node != end; node = node->next) {
        struct ks_bundle *bundle = ks_bundle_ref(bundle_at(node));
        size_t index = plan->bundle_count++;

        plan->bundles[index] = bundle;
        if (index == 0 || !ks_bundle_name_is_same(&plan->bundles[index - 1]->name, &bundle->name)) {
            plan->inputs[plan->input_count++] =
                (struct ks_merge_input){ .first = index, .bundle = index };
        }
        plan->inputs[plan->input_count - 1].end = index + 1;
    }
    return true;
}

enum kafscale_status
ks_merge_plan_find(struct ks_merge_plan *plan, const struct ks_trail *trail, size_t count)
{
    const struct ks_list *first;
    const struct ks_list *end = NULL;

    assert(count >= 2);

    *plan = (struct ks_merge_plan){ .log = trail->log };
    first = find_run(trail, count, &end);
    if (first == NULL) {
        return KAFSCALE_NOT_FOUND;
    }
    if (!take_run(plan, first, end)) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < plan->input_count; i++) {
        settle(plan, &plan->inputs[i]);
    }
    return KAFSCALE_OK;
}

void
ks_merge_plan_deinit(struct ks_merge_plan *plan)
{
    for (size_t i = 0; i < plan->bundle_count; i++) {
        ks_bundle_unref(plan->bundles[i]);
    }
    ks_free(plan->bundles);
    ks_free(plan->inputs);
    *plan = (struct ks_merge_plan){ 0 };
}

/* --- Pieces ---------------------------------------------------------------------------------- */

static int
compare_sections(const struct ks_bundle_section *a, const struct ks_bundle_section *b)
{
    struct ks_section_key a_key = ks_bundle_section_key(a);
    struct ks_section_key b_key = ks_bundle_section_key(b);

    return ks_section_key_compare(&a_key, &b_key);
}

bool
ks_merge_is_same_section(const struct ks_merge_piece *a, const struct ks_merge_piece *b)
{
    return compare_sections(a->section, b->section) == 0;
}

static bool
is_covered(const struct ks_merge_plan *plan, const struct ks_bundle_section *section)
{
    struct ks_partition_name name = ks_bundle_section_name(section);

    return ks_trail_coverage(plan->log, &name, section->end_offset - 1) == KS_COVERED ||
           (ks_is_planted(KS_PLANTED_MERGE_LIVE_SECTION) && section->base_offset > 0);
}

/* Moves an input on to the next section that isn't covered, or to its end. */
static void
settle(const struct ks_merge_plan *plan, struct ks_merge_input *input)
{
    input->at = NULL;
    for (; input->bundle < input->end; input->bundle++, input->section = 0) {
        const struct ks_bundle *bundle = plan->bundles[input->bundle];

        for (; input->section < bundle->section_count; input->section++) {
            if (!is_covered(plan, &bundle->sections[input->section])) {
                input->at = &bundle->sections[input->section];
                return;
            }
        }
    }
}

/* The input with the next piece: by partition and epoch, and then by slot. NULL at the end. */
static struct ks_merge_input *
next_input(const struct ks_merge_plan *plan)
{
    struct ks_merge_input *next = NULL;

    for (size_t i = 0; i < plan->input_count; i++) {
        struct ks_merge_input *input = &plan->inputs[i];

        if (input->at != NULL && (next == NULL || compare_sections(input->at, next->at) < 0)) {
            next = input;
        }
    }
    return next;
}

bool
ks_merge_plan_is_at_end(const struct ks_merge_plan *plan)
{
    return next_input(plan) == NULL;
}

/* --- Ranges ---------------------------------------------------------------------------------- */

/* The last range of this kind, or NULL. */
static struct ks_merge_range *
last_range(const struct ks_merge_part *part, const struct ks_bundle *bundle,
           enum ks_merge_kind kind)
{
    for (size_t i = part->range_count; i > 0; i--) {
        if (part->ranges[i - 1].bundle == bundle && part->ranges[i - 1].kind == kind) {
            return &part->ranges[i - 1];
        }
    }
    return NULL;
}

/* The number of the range that has these bytes, from now on; NO_RANGE without memory. */
static uint32_t
want(struct ks_merge_part *part, struct ks_bundle *bundle, enum ks_merge_kind kind,
     uint64_t position, uint64_t bytes)
{
    struct ks_merge_range *range = last_range(part, bundle, kind);

    if (range != NULL && position >= range->end && position - range->end <= GAP_BYTES_MAX) {
        range->end = position + bytes;
        return (uint32_t) (range - part->ranges);
    }
    if (!KS_RESERVE(part->ranges, part->range_capacity, part->range_count + 1)) {
        return KS_MERGE_NO_RANGE;
    }
    part->ranges[part->range_count] = (struct ks_merge_range){
        .bundle = bundle, .kind = kind, .position = position, .end = position + bytes
    };
    return (uint32_t) part->range_count++;
}

/* The state of a section is that at its end. */
static bool
want_states(struct ks_merge_part *part)
{
    for (size_t i = 0; i < part->piece_count; i++) {
        struct ks_merge_piece *piece = &part->pieces[i];
        bool is_first = i == 0 || !ks_merge_is_same_section(&part->pieces[i - 1], piece);
        bool is_last =
            i + 1 == part->piece_count || !ks_merge_is_same_section(piece, &part->pieces[i + 1]);

        piece->state = KS_MERGE_NO_RANGE;
        if (ks_is_planted(KS_PLANTED_MERGE_STATE) ? is_first : is_last) {
            piece->state = want(part, piece->bundle, KS_MERGE_STATES,
                                piece->section->state_position, piece->section->state_bytes);
            if (piece->state == KS_MERGE_NO_RANGE) {
                return false;
            }
        }
    }
    return true;
}

static bool
add_piece(struct ks_merge_part *part, struct ks_bundle *bundle,
          const struct ks_bundle_section *section)
{
    struct ks_merge_piece piece = { .bundle = bundle, .section = section };

    if (!KS_RESERVE(part->pieces, part->piece_capacity, part->piece_count + 1)) {
        return false;
    }
    piece.entries =
        want(part, bundle, KS_MERGE_ENTRIES, section->entries_position, section->entries_bytes);
    piece.body = want(part, bundle, KS_MERGE_BODY, section->body_position, section->body_bytes);
    if (piece.entries == KS_MERGE_NO_RANGE || piece.body == KS_MERGE_NO_RANGE) {
        return false;
    }
    part->bytes += section->body_bytes + section->entries_bytes;
    if (part->piece_count == 0 ||
        compare_sections(part->pieces[part->piece_count - 1].section, section) != 0) {
        part->bytes += section->state_bytes; /* about as long as the one at the section's end */
    }
    part->pieces[part->piece_count++] = piece;
    return true;
}

enum kafscale_status
ks_merge_plan_next(struct ks_merge_plan *plan, struct ks_merge_part *part)
{
    struct ks_merge_input *input;

    while ((input = next_input(plan)) != NULL) {
        const struct ks_bundle_section *section = input->at;

        if (part->piece_count > 0 &&
            part->bytes + section->body_bytes + section->state_bytes > part_bytes(plan->log)) {
            break;
        }
        if (!add_piece(part, plan->bundles[input->bundle], section)) {
            return KAFSCALE_NO_MEMORY;
        }
        input->section++;
        settle(plan, input);
    }
    return want_states(part) ? KAFSCALE_OK : KAFSCALE_NO_MEMORY;
}

void
ks_merge_part_deinit(struct ks_merge_part *part)
{
    for (size_t i = 0; i < part->range_count; i++) {
        kafscale_blob_unref(part->ranges[i].bytes);
    }
    ks_free(part->ranges);
    ks_free(part->pieces);
    *part = (struct ks_merge_part){ 0 };
}
