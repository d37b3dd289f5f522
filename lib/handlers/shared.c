/* SPDX-License-Identifier: Apache-2.0 */
/* The table of errors, and finding partitions. */
#include "handlers/internal.h"

#include <assert.h>

struct error_row {
    int16_t code;
    int16_t read_code;
};

static const struct error_row rows[KS_BROKER_ERROR_COUNT] = {
    [KS_BROKER_ERROR_NONE] = { KAFKA_ERROR_NONE, KAFKA_ERROR_NONE },
    [KS_BROKER_ERROR_INVALID_NAME] = { KAFKA_ERROR_INVALID_TOPIC, KAFKA_ERROR_INVALID_TOPIC },
    [KS_BROKER_ERROR_TOPIC_EXISTS] = { KAFKA_ERROR_TOPIC_ALREADY_EXISTS,
                                       KAFKA_ERROR_TOPIC_ALREADY_EXISTS },
    [KS_BROKER_ERROR_UNKNOWN_TOPIC] = { KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION,
                                        KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION },
    [KS_BROKER_ERROR_INVALID_PARTITIONS] = { KAFKA_ERROR_INVALID_PARTITIONS,
                                             KAFKA_ERROR_INVALID_PARTITIONS },
    [KS_BROKER_ERROR_OVER_LIMIT] = { KAFKA_ERROR_POLICY_VIOLATION, KAFKA_ERROR_POLICY_VIOLATION },
    [KS_BROKER_ERROR_INVALID_CONFIG] = { KAFKA_ERROR_INVALID_CONFIG, KAFKA_ERROR_INVALID_CONFIG },
    [KS_BROKER_ERROR_INVALID_REQUEST] = { KAFKA_ERROR_INVALID_REQUEST,
                                          KAFKA_ERROR_INVALID_REQUEST },
    [KS_BROKER_ERROR_BAD_BATCH] = { KAFKA_ERROR_INVALID_RECORD, KAFKA_ERROR_INVALID_RECORD },
    [KS_BROKER_ERROR_NOT_OWNER] = { KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER,
                                    KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER },
    [KS_BROKER_ERROR_NOT_OPEN] = { KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER,
                                   KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER },
    [KS_BROKER_ERROR_TIMED_OUT] = { KAFKA_ERROR_REQUEST_TIMED_OUT,
                                    KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER },
    [KS_BROKER_ERROR_UNAVAILABLE] = { KAFKA_ERROR_REQUEST_TIMED_OUT,
                                      KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER },
    [KS_BROKER_ERROR_NO_MEMORY] = { KAFKA_ERROR_REQUEST_TIMED_OUT,
                                    KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER },
    [KS_BROKER_ERROR_FAILED] = { KAFKA_ERROR_KAFKA_STORAGE_ERROR, KAFKA_ERROR_KAFKA_STORAGE_ERROR },
    [KS_BROKER_ERROR_OUT_OF_ORDER] = { KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER,
                                       KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER },
    [KS_BROKER_ERROR_OLD_EPOCH] = { KAFKA_ERROR_INVALID_PRODUCER_EPOCH,
                                    KAFKA_ERROR_INVALID_PRODUCER_EPOCH },
    [KS_BROKER_ERROR_TOO_MANY_PRODUCERS] = { KAFKA_ERROR_NOT_ENOUGH_REPLICAS,
                                             KAFKA_ERROR_NOT_ENOUGH_REPLICAS },
};

int16_t
ks_kafka_error(enum ks_broker_error error)
{
    assert(error < KS_BROKER_ERROR_COUNT);

    return rows[error].code;
}

int16_t
ks_kafka_read_error(enum ks_broker_error error)
{
    assert(error < KS_BROKER_ERROR_COUNT);

    return rows[error].read_code;
}

int16_t
ks_kafka_admin_error(enum ks_broker_error error)
{
    return error == KS_BROKER_ERROR_NOT_OWNER ? KAFKA_ERROR_NOT_CONTROLLER : ks_kafka_error(error);
}

enum ks_broker_error
ks_serving_error(const struct ks_broker *broker)
{
    switch (ks_broker_state(broker)) {
    case KS_BROKER_READY:
        return KS_BROKER_ERROR_NONE;
    case KS_BROKER_FAILED:
        return KS_BROKER_ERROR_FAILED;
    default:
        return KS_BROKER_ERROR_NOT_OWNER;
    }
}

struct ks_topic *
ks_find_topic(struct ks_request *request, struct kafscale_slice name, const uint8_t id[KS_ID_BYTES],
              bool is_by_id)
{
    struct ks_topics *topics = ks_broker_topics(request->broker);
    struct ks_id topic_id;

    if (!is_by_id) {
        return ks_topics_find(topics, name);
    }
    memcpy(topic_id.bytes, id, KS_ID_BYTES);
    return ks_topics_find_id(topics, &topic_id);
}

enum ks_broker_error
ks_find_partition(struct ks_request *request, struct ks_topic *topic, int32_t index,
                  struct ks_topic_partition **partition_out)
{
    enum ks_broker_error error = ks_serving_error(request->broker);
    struct ks_topic_partition *partition;

    if (error != KS_BROKER_ERROR_NONE) {
        return error;
    }
    partition = topic == NULL ? NULL : ks_topic_partition(topic, index);
    if (partition == NULL) {
        return KS_BROKER_ERROR_UNKNOWN_TOPIC;
    }
    if (partition->log == NULL) {
        return partition->error;
    }
    *partition_out = partition;
    return KS_BROKER_ERROR_NONE;
}

int16_t
ks_check_leader_epoch(const struct ks_topic_partition *partition, int32_t epoch)
{
    int32_t current = ks_partition_leader_epoch(partition->log);

    if (epoch < 0 || epoch == current) {
        return KAFKA_ERROR_NONE;
    }
    return epoch < current ? KAFKA_ERROR_FENCED_LEADER_EPOCH : KAFKA_ERROR_UNKNOWN_LEADER_EPOCH;
}

void
ks_cluster_id_text(const struct ks_broker *broker, char out[KS_CLUSTER_ID_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *bytes = ks_broker_cluster_id(broker)->bytes;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t size = 0;

    for (size_t i = 0; i < KS_ID_BYTES; i++) {
        bits = bits << 8 | bytes[i];
        bit_count += 8;
        while (bit_count >= 6) {
            bit_count -= 6;
            out[size++] = digits[bits >> bit_count & 63];
        }
    }
    out[size++] = digits[bits << (6 - bit_count) & 63];
    out[size] = '\0';
    assert(size == KS_CLUSTER_ID_BYTES - 1);
}

struct kafscale_slice
ks_request_text(struct ks_request *request, const char *text)
{
    size_t size = strlen(text);
    char *copy = ks_arena_copy_text(&request->arena, text, size);

    return ks_slice(copy, copy == NULL ? 0 : size);
}
