/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening partitions. Topics that have appeared wait here; all that wait are opened together,
 * since claiming ten thousand partitions costs hardly more requests than claiming one. What can't
 * be opened because the store is away is tried again.
 */
#ifndef KS_BROKER_OPENER_H
#define KS_BROKER_OPENER_H

#include "broker/topics.h"

struct ks_opener {
    struct ks_env *env;
    struct ks_log *log;
    uint64_t sole_version;
    /* The log says that another broker owns them now. */
    void (*fenced)(void *arg, const char *why);
    /* One more is open, and nothing was asked of it yet. */
    void (*opened)(void *arg, struct ks_topic_partition *partition);
    /* Nothing waits any more; what could be opened is open. */
    void (*idle)(void *arg);
    void *arg;

    struct ks_list waiting; /* topics, each with a reference */
    struct ks_list current; /* topics of the opening under way */
    bool is_running;
    bool is_ended;
    uint32_t failures; /* in a row */
    struct ks_chore opening;
    struct ks_timer retry;
    struct ks_partition_name *names;
    const char **topic_names;
    const char **prefixes;
    struct ks_topic_partition **partitions;
    enum kafscale_status *results;
    size_t count;
    struct ks_log_open open;
};

void ks_opener_init(struct ks_opener *opener, struct ks_env *env,
                    void (*fenced)(void *arg, const char *why),
                    void (*opened)(void *arg, struct ks_topic_partition *partition),
                    void (*idle)(void *arg), void *arg);

/* From now on topics are opened. Calls `idle` from the loop also when nothing waits. */
void ks_opener_start(struct ks_opener *opener, struct ks_log *log, uint64_t sole_version);

/* A topic has appeared, or has more partitions than before. */
void ks_opener_add(struct ks_opener *opener, struct ks_topic *topic);

/* Opens nothing more; an opening under way may still end. */
void ks_opener_end(struct ks_opener *opener);

void ks_opener_deinit(struct ks_opener *opener);

#endif
