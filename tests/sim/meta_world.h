/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several brokers on one metadata log, each over its own faulty way to one bucket, on one virtual
 * clock: they write, swap, remove and read, crash and come back, pause while others trim the log
 * away under them. What clients were told is then compared with what the log holds. One seed, one
 * run.
 */
#ifndef KS_TESTS_SIM_META_WORLD_H
#define KS_TESTS_SIM_META_WORLD_H

#include "meta/meta.h"

#define META_WORLD_BROKERS 8

struct meta_world_options {
    uint64_t seed;
    uint32_t chunk_entries;
    uint32_t operation_count; /* of all clients together */
    bool is_calm;             /* no faults, no crashes */
    uint64_t
        crash_call; /* broker 0 dies at this store request of its own, counted from 1; 0: not so */
#ifdef KS_PLANTED_FAULTS
    enum ks_meta_log_fault planted_fault;
#endif
};

struct meta_world_counts {
    uint64_t events[KS_META_LOG_EVENT_COUNT];
    uint64_t ok;
    uint64_t conflict;
    uint64_t unknown;
    uint64_t unknown_committed; /* of the unknown ones: found in the log at the end */
    uint64_t refused;
    uint64_t reads;
    uint64_t crashes;
    uint64_t calls; /* store requests of broker 0 */
};

/* Mostly the smallest that leave room for something, so that chunks end all the time. */
uint32_t meta_world_chunk_entries(uint64_t seed);

/*
 * Runs one world to its end and adds to `counts`. NULL: no promise was broken; else the first
 * that was, valid until the next run.
 */
const char *meta_world_run(const struct meta_world_options *options,
                           struct meta_world_counts *counts);

#endif
