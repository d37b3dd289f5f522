/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door of broker: what a broker knows and does besides keeping logs. It finds out whether the
 * store is its own, takes over every partition, keeps topics and their configuration, gives out
 * producer ids, and knows whether it still is the owner. It knows nothing of the wire: handlers
 * speak Kafka on top of it.
 *
 * Everything belongs to the loop thread.
 */
#ifndef KS_BROKER_BROKER_H
#define KS_BROKER_BROKER_H

#include "broker/appender.h"
#include "broker/broker_error.h"
#include "broker/coordinator/coordinator.h"
#include "broker/describe.h"
#include "broker/dynamic_config.h"
#include "broker/endpoint.h"
#include "broker/freshness.h"
#include "broker/metrics.h"
#include "broker/options.h"
#include "broker/preparer.h"
#include "broker/producer_ids.h"
#include "broker/state.h"
#include "broker/throttle.h"
#include "broker/topic_alter.h"
#include "broker/topic_config.h"
#include "broker/topic_create.h"
#include "broker/topic_delete.h"
#include "broker/topics.h"
#include "broker/waiting.h"

struct ks_broker;

struct ks_broker_options {
    const char *ns; /* first component of every key */
    int32_t node_id;
    int64_t flush_interval_ms; /* negative: what suits the store */
    size_t flush_bytes;
    size_t unflushed_bytes_max;
    int64_t throttle_ms_max; /* the longest that an answer asks a client to hold back */
    size_t cache_bytes_max;  /* half of it for blocks of segments */
    size_t segment_bytes;
    int64_t compact_interval_ms;
    uint32_t cold_gets_max;
    size_t read_ahead_bytes_max;
    uint32_t bundle_slots; /* of struct ks_log_options */
    size_t bundle_bytes;   /* the same */
    uint32_t merge_count;  /* the same */
    size_t merge_section_bytes;
    size_t merge_part_bytes;
    uint32_t producers_max; /* per partition */
    int64_t producer_expiration_ms;
    int64_t retention_check_ms; /* between looks for old records, at least */
    int64_t gone_again_ms;      /* between the two times at which deleted topics are looked after */
    int64_t freshness_ms;
    bool is_single_writer; /* nobody else can be there: never look */
    bool is_traced;        /* each request is told of in the log */
    bool auto_create_topics;
    bool is_admin_allowed; /* clients may create and delete topics */
    bool is_delete_allowed;
    int32_t partitions_default; /* of a topic made without a number of its own */
    int32_t topic_partitions_max;
    size_t topics_max;
    int64_t partitions_max;
    size_t fetch_bytes_max;
    struct ks_health_options health; /* of the store */
    double prices[KS_STORE_OPERATION_COUNT];
    int64_t throughput_window_ms;
    struct ks_coordinator_options coordinator;
    int64_t group_session_ms_min;
    int64_t group_session_ms_max;
    size_t offset_metadata_bytes_max;
    int64_t offsets_commit_ms; /* how long a commit may wait for the store */
    struct ks_topic_config
        topic_defaults; /* what topics get that don't set it themselves; changes */
    const struct kafscale_options *settings; /* shown by DescribeConfigs; NULL: none */
};

/* The defaults of options.def; free of memory. */
void ks_broker_options_init(struct ks_broker_options *options);

/* What `settings` say; borrows them. To be deinit'ed. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_broker_options_from(
    const struct kafscale_options *settings, struct ks_broker_options *options_out);

void ks_broker_options_deinit(struct ks_broker_options *options);

/*
 * Takes `store`, and `meta` unless its ops are NULL: then the metadata lives in an object log in
 * the same store. Copies the options but borrows `settings`. NULL when memory is short: store and
 * meta then stay the caller's.
 */
struct ks_broker *ks_broker_new(struct ks_env *env, struct kafscale_store store,
                                struct kafscale_meta meta, const struct ks_broker_options *options);

/* What clients are told to connect to, one for each listener. Copies. Before the first request. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_broker_set_endpoints(
    struct ks_broker *broker, const struct ks_endpoint *endpoints, size_t count);

/*
 * Puts what may change into force; `options` differ from those of the start in that only. Borrows
 * them. Nothing has changed after KAFSCALE_NO_MEMORY, and KAFSCALE_STOPPED from its stop on.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_broker_reload(struct ks_broker *broker,
                                                          const struct ks_broker_options *options);

/* What administrators have set under this name for brokers, which goes before options, or NULL. */
const char *ks_broker_administered(struct ks_broker *broker, const char *key);

typedef void ks_broker_done(void *arg, enum kafscale_status status,
                            const struct kafscale_error *error);

/*
 * Identity, key `sole`, topics, claims; tries again while the store is away. `done` comes once:
 * OK (READY), FENCED, STOPPED, or why it refuses (the state is FAILED then).
 */
void ks_broker_start(struct ks_broker *broker, ks_broker_done *done, void *arg);

/*
 * Answers who waits, drains the log, closes metadata and store. After `give_up_ms` none of these
 * waits any more but for calls that the store can't end. Once, in any state but before start too.
 */
void ks_broker_stop(struct ks_broker *broker, int64_t give_up_ms, void (*done)(void *arg),
                    void *arg);

/* Only STOPPED, or never started and with store and meta leaked to nobody: call stop first. */
void ks_broker_free(struct ks_broker *broker);

/* Hears of each new state. In the listener's memory until ks_broker_unlisten. */
struct ks_broker_listener {
    struct ks_list link;
    void (*changed)(void *arg, enum ks_broker_state state, const struct kafscale_error *error);
    void *arg;
};

void ks_broker_listen(struct ks_broker *broker, struct ks_broker_listener *listener);
void ks_broker_unlisten(struct ks_broker_listener *listener);

enum ks_broker_state ks_broker_state(const struct ks_broker *broker);

/* Why it is FENCED or FAILED; no error otherwise. */
const struct kafscale_error *ks_broker_error(const struct ks_broker *broker);

/* How well the store answers. In any state. */
void ks_broker_read_health(const struct ks_broker *broker, struct ks_health_reading *reading_out);

/* Partitions of known topics that are not open: not yet, or they can't be read. */
int64_t ks_broker_unserved_partitions(const struct ks_broker *broker);

/*
 * What the broker does in the background, one after the other: index 0 and up; NULL past the last.
 * Which there are changes when it starts and stops.
 */
const struct ks_chore *ks_broker_chore(const struct ks_broker *broker, size_t index);

/*
 * Tells what the broker is, what it does and why it doesn't, into a struct that was begun: without
 * version, state and network, which others know. In any state.
 */
void ks_broker_tell_status(const struct ks_broker *broker,
                           const struct kafscale_describe *describe);

/* The options that are not at their defaults, without secrets, as a list "options". */
void ks_options_describe(const struct kafscale_options *options,
                         const struct kafscale_describe *describe);

/* Adds what is known of the log, the store, topics and groups to a reading. In any state. */
void ks_broker_read_metrics(const struct ks_broker *broker, struct ks_metrics *metrics);

struct ks_env *ks_broker_env(struct ks_broker *broker);
const struct ks_broker_options *ks_broker_options(const struct ks_broker *broker);

/* What administrators have set, and the defaults of topics without that. */
struct ks_dynamic_config *ks_broker_dynamic_config(struct ks_broker *broker,
                                                   enum ks_dynamic_scope scope);
const struct ks_topic_config *ks_broker_static_defaults(const struct ks_broker *broker);

/*
 * A key of the metadata store changed: takes it over if it is such a configuration. Changes may be
 * repeated, and come after newer ones.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_broker_take_config(
    struct ks_broker *broker, const struct kafscale_meta_entry *entry, bool is_delete);

struct ks_topics *ks_broker_topics(struct ks_broker *broker);

/* These once the broker was READY, until it is STOPPED. */
struct ks_log *ks_broker_log(struct ks_broker *broker);
struct ks_freshness *ks_broker_freshness(struct ks_broker *broker);
struct ks_appender *ks_broker_appender(struct ks_broker *broker);
struct ks_preparer *ks_broker_preparer(struct ks_broker *broker);
struct ks_producer_ids *ks_broker_producer_ids(struct ks_broker *broker);
struct ks_coordinator *ks_broker_coordinator(struct ks_broker *broker);

/*
 * What its log and its store tell; the memory is for the caller to fill in. Zeroed while it is not
 * READY.
 */
void ks_broker_pressure(const struct ks_broker *broker, struct ks_pressure *pressure_out);

const struct ks_id *ks_broker_cluster_id(const struct ks_broker *broker);

/* For the listener of this index, or the first; never NULL. */
const struct ks_endpoint *ks_broker_endpoint(const struct ks_broker *broker, size_t listener);

#endif
