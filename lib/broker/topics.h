/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The topics of a broker, as the metadata store last showed them. Whoever changes a topic, this
 * broker or another, the change arrives here through the watch (ks_topics_apply); creating and
 * deleting only write transactions.
 */
#ifndef KS_BROKER_TOPICS_H
#define KS_BROKER_TOPICS_H

#include "broker/broker_error.h"
#include "broker/produce_rules.h"
#include "broker/refusals.h"
#include "broker/topic_record.h"
#include "broker/waiting.h"
#include "log/log.h"

/* One partition as requests find it. Lives as long as its topic. */
struct ks_topic_partition {
    struct ks_topic *topic;
    int32_t index;
    enum ks_broker_error error;  /* why `log` is NULL */
    struct ks_partition *log;    /* NULL: not open */
    struct ks_list waiters;      /* a place (broker/waiting.h): woken when more became readable */
    struct ks_list preparing;    /* batches about to be appended (broker/preparer.h) */
    struct ks_refusals refusals; /* while it isn't open */
};

/* Partitions that were added together. They never move, since requests point to them. */
struct ks_topic_block {
    struct ks_topic_block *earlier;
    struct ks_topic_partition partitions[];
};

/*
 * Counted references: one of the registry while the topic lives, and one of each request that
 * still names it.
 */
struct ks_topic {
    struct ks_table_node by_name;
    struct ks_table_node by_id;
    struct ks_table_node by_collapsed;
    struct ks_topic_record record;
    char collapsed[KS_TOPIC_NAME_BYTES_MAX + 1]; /* the name with '.' as '_' */
    char prefix[KS_TOPIC_PREFIX_BYTES];          /* of this life, in keys of the store */
    struct ks_topic_partition **partitions;      /* record.partition_count of them */
    struct ks_topic_block *blocks;               /* where they lie, the newest first */
    struct ks_produce_rules produce_rules;       /* what the configuration says; the broker's */
    struct ks_early_refusals early;              /* of partitions that may come */
    uint64_t version;                            /* of the record, in the metadata store */
    uint32_t references;
    bool is_internal;      /* only the broker itself writes to it */
    bool is_gone;          /* deleted: found by nobody any more */
    struct ks_list link;   /* of whoever opens it */
    struct ks_list opened; /* a place: woken when opening has come to an end, well or not */
    bool is_opening;
    bool has_grown; /* since the opening under way began */
};

/* What the registry tells the broker. */
struct ks_topics_events {
    void *arg;
    void (*added)(void *arg, struct ks_topic *topic);
    void (*configured)(void *arg, struct ks_topic *topic); /* has another configuration now */
    void (*grown)(void *arg, struct ks_topic *topic);      /* has more partitions now */
    void (*removed)(void *arg,
                    struct ks_topic *topic); /* not found any more; partitions still linked */
};

struct ks_topics {
    struct ks_env *env;
    struct ks_store *store;
    struct ks_meta *meta;
    const char *ns;
    size_t topics_max; /* limits, set by the owner after init */
    int32_t topic_partitions_max;
    int64_t partitions_max;
    struct ks_topics_events events;
    struct ks_table by_name;
    struct ks_table by_id;
    struct ks_table
        by_collapsed; /* of names that contain '.' or '_', one topic per collapsed name */
    uint64_t added;   /* topics since the start: whether one that wasn't known may be by now */
    int64_t partition_count;
    int64_t partitions_reserved; /* of creations and growths under way */
    struct ks_table creations;   /* under way, one for each collapsed name */
    size_t creations_count;
    bool is_ended;         /* no creation or deletion may ask the stores any more */
    struct ks_list ending; /* a place: woken then */
    struct kafscale_meta_read read;
    void (*load_done)(void *arg, enum kafscale_status status, const struct kafscale_error *error);
    void *load_arg;
    struct ks_timer reload;
    struct kafscale_meta_read reload_read;
    bool is_reloading;
    bool must_reload; /* once more, after the reading under way */
};

/* Borrows everything. */
void ks_topics_init(struct ks_topics *topics, struct ks_env *env, struct ks_store *store,
                    struct ks_meta *meta, const char *ns, const struct ks_topics_events *events);

/* Drops all topics; no operation may be under way. */
void ks_topics_deinit(struct ks_topics *topics);

/*
 * Reads all topics that are known; may be repeated after a failure. The watch, which tells of all
 * others, must have been set before.
 */
void ks_topics_load(struct ks_topics *topics,
                    void (*done)(void *arg, enum kafscale_status status,
                                 const struct kafscale_error *error),
                    void *arg);

/*
 * A change could not be taken over for want of memory: reads all topics again after a while, and
 * again until that succeeds.
 */
void ks_topics_reload_later(struct ks_topics *topics);

/*
 * A key of the metadata store changed: takes it over if it is about a topic. Changes may be
 * repeated, and come after newer ones.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_topics_apply(struct ks_topics *topics,
                                                         const struct kafscale_meta_entry *entry,
                                                         bool is_delete);

struct ks_topic *ks_topics_find(const struct ks_topics *topics, struct kafscale_slice name);
struct ks_topic *ks_topics_find_id(const struct ks_topics *topics, const struct ks_id *id);

/* A living topic whose name looks the same when '.' and '_' are one, or NULL. */
struct ks_topic *ks_topics_find_collision(const struct ks_topics *topics, const char *name);

/* All topics in no order: NULL begins, NULL ends. Nothing may be added meanwhile. */
struct ks_topic *ks_topics_next(const struct ks_topics *topics, const struct ks_topic *topic);

size_t ks_topics_count(const struct ks_topics *topics);

/* The partition, or NULL when the topic has none of this index. */
struct ks_topic_partition *ks_topic_partition(struct ks_topic *topic, int32_t index);

struct ks_topic *ks_topic_ref(struct ks_topic *topic);
void ks_topic_unref(struct ks_topic *topic);

/*
 * The broker has stopped serving: wakes every request that waits for any topic. Creations and
 * deletions end with their next answer from the stores. May be called again.
 */
void ks_topics_end(struct ks_topics *topics);

/* Writes `name` with '.' as '_'. */
void ks_topic_name_collapse(const char *name, char out[KS_TOPIC_NAME_BYTES_MAX + 1]);

#endif
