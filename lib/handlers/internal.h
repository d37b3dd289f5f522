/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers share: the struct behind the door, and the words they all use for errors,
 * partitions and brokers.
 */
#ifndef KS_HANDLERS_INTERNAL_H
#define KS_HANDLERS_INTERNAL_H

#include "handlers/api_counters.h"
#include "handlers/handlers.h"
#include "handlers/request.h"
#include "handlers/traffic.h"

struct ks_handlers {
    struct ks_broker *broker;
    struct ks_env *env;
    struct ks_request_sink sink;
    struct ks_broker_listener listener;
    struct ks_list requests; /* being handled */
    struct ks_list waiting;  /* come before the broker was READY, in order */
    struct ks_list doubtful; /* Produce of topics not known, until a look was taken */
    uint64_t revised;        /* of these topics: `added` of the registry at the last time */
    struct ks_task task;
    size_t request_count;
    struct ks_api_counters *counters;
    struct ks_traffic traffic;
    struct ks_log_quota refused;
    struct ks_log_quota unencoded;
    uint64_t unserved; /* requests in no API or version that there is */
};

/* A request is gone. */
void ks_handlers_forget(struct ks_handlers *handlers, struct ks_request *request);

/* --- Errors ----------------------------------------------------------------------------------- */

/*
 * The one place where the broker's errors become Kafka's. Consumers know fewer codes than
 * producers and tools: what they read with (Fetch, ListOffsets, OffsetForLeaderEpoch) gets the
 * second.
 */
int16_t ks_kafka_error(enum ks_broker_error error);
int16_t ks_kafka_read_error(enum ks_broker_error error);

/* For who creates and deletes topics, which is the work of a controller. */
int16_t ks_kafka_admin_error(enum ks_broker_error error);

/* NONE while the broker is READY, else why it serves nothing. */
enum ks_broker_error ks_serving_error(const struct ks_broker *broker);

/* --- Partitions ------------------------------------------------------------------------------- */

/*
 * The topic by name, or by id where the name is null and the version has ids; NULL when there is
 * none.
 */
struct ks_topic *ks_find_topic(struct ks_request *request, struct kafscale_slice name,
                               const uint8_t id[KS_ID_BYTES], bool is_by_id);

/*
 * The open partition of a topic, which may be NULL. The error is NONE, UNKNOWN_TOPIC, or why it
 * can't be served now.
 */
enum ks_broker_error ks_find_partition(struct ks_request *request, struct ks_topic *topic,
                                       int32_t index, struct ks_topic_partition **partition_out);

/* The code for a client that names a leader epoch: 0, 74 or 75. A negative one asks for nothing. */
int16_t ks_check_leader_epoch(const struct ks_topic_partition *partition, int32_t epoch);

/* --- Texts ------------------------------------------------------------------------------------ */

#define KS_CLUSTER_ID_BYTES 23

/* The cluster id as Kafka writes ids: 22 characters of URL-safe base64, with a final NUL. */
void ks_cluster_id_text(const struct ks_broker *broker, char out[KS_CLUSTER_ID_BYTES]);

/* Copies a text to the request's arena; the null slice when that is full. */
struct kafscale_slice ks_request_text(struct ks_request *request, const char *text);

#endif
