/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulation of the log: many seeds, each a world of its own. `log_sim_test --seed N`
 * replays one; `--seeds N` runs that many; `--plant FAULT` (in the build that has them) breaks
 * a rule and succeeds when some seed notices.
 */
#include "sim/log_world.h"
#include "sim/plant.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_DEFAULT 3000

/* A count of zero means that the simulation never came to what it is for. */
static bool
must_have_happened(const struct world_events *events, uint64_t count)
{
    const struct {
        const char *name;
        uint64_t count;
    } list[] = {
        { "acknowledged", events->acknowledged },
        { "acknowledged after a retry", events->acknowledged_after_retry },
        { "duplicate", events->duplicates },
        { "duplicate while the original was under way", events->duplicates_under_way },
        { "fenced", events->fenced },
        { "seal won", events->seals_won },
        { "seal found", events->seals_found },
        { "412 with own nonce", events->own_nonce_seen },
        { "crash", events->crashes },
        { "orderly stop", events->stops },
        { "partition opened", events->opens },
        { "read back from an object", events->reads_back },
        { "object durable", events->objects },
        { "object of several partitions", events->objects_of_many },
        { "acknowledged after a time-out of the PUT", events->acknowledged_late },
        { "PUT beaten by a seal", events->puts_beaten_by_seal },
        { "seal beaten by a PUT or a seal", events->seals_beaten_by_put },
        { "opening overtaken by another's claim", events->opens_overtaken },
        { "claim storm", events->claim_storms },
        { "topic deleted", events->topics_deleted },
        { "append of a topic that was deleted", events->forgotten_under_way },
        { "hand-off", events->hand_offs },
        { "hand-off with appends under way", events->hand_offs_under_way },
        { "partition opened again by the same incarnation", events->opened_again },
        { "and another had it in between", events->returned },
        { "transaction whose answer was lost", events->transactions_lost },
        { "transaction that was lost", events->transactions_undone },
        { "log_start raised", events->starts_raised },
        { "and by retention", events->starts_retained },
        { "to the middle of a batch", events->starts_inside },
        { "slot deleted", events->slots_deleted },
        { "slot there again after its deletion", events->slots_again },
        { "seal void by a trim", events->seals_void },
        { "seal placed below the mark", events->seals_below_mark },
        { "bundle registered", events->bundles },
        { "bundle of another adopted", events->bundles_found },
        { "read from a bundle", events->bundle_reads },
        { "register of a bundle dropped", events->bundles_dropped },
        { "bundle deleted", events->bundles_deleted },
        { "segment", events->segments },
        { "index adopted", events->indexes_adopted },
        { "segment adopted", events->segments_adopted },
        { "read from a segment", events->cold_reads },
        { "segment deleted", events->segments_deleted },
        { "segment there again after its deletion", events->segments_again },
        { "object damaged at rest", events->damages },
        { "and told of", events->damages_told },
        { "client operations per seed, in 200s", events->operations / count / 200 },
    };
    bool all = true;

    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        printf("# %-45s %" PRIu64 "\n", list[i].name, list[i].count);
        all &= list[i].count > 0;
    }
    return all;
}

int
main(int argc, char **argv)
{
    struct world_events events = { 0 };
    uint64_t first = 1;
    uint64_t count = SEEDS_DEFAULT;
    bool is_planted = false;
    char reason[200];

    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0) {
            first = strtoull(argv[i + 1], NULL, 10);
            count = 1;
        } else if (strcmp(argv[i], "--seeds") == 0) {
            count = strtoull(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--plant") == 0) {
            is_planted = true;
            if (!plant(argv[i + 1])) {
                return EXIT_FAILURE;
            }
        }
    }
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!world_run(seed, &events, reason)) {
            printf("# seed %" PRIu64 ": %s\n", seed, reason);
            return is_planted ? EXIT_SUCCESS : EXIT_FAILURE;
        }
    }
    if (is_planted) {
        printf("# no seed of %" PRIu64 " noticed\n", count);
        return EXIT_FAILURE;
    }
    return must_have_happened(&events, count) || count == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
