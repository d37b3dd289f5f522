/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the metadata store keeps about topics: `topic/<id>` describes a living topic,
 * `name/<topic>` says which life of the name is the newest and whether it lives, `gone/<id>` that
 * something of a deleted topic may be left. Name records are kept for ever, so that no two lives
 * share a key in the store.
 */
#ifndef KS_BROKER_TOPIC_RECORD_H
#define KS_BROKER_TOPIC_RECORD_H

#include "broker/topic_config.h"

#define KS_TOPIC_NAME_BYTES_MAX 249
#define KS_TOPIC_KEY_BYTES 64
#define KS_NAME_KEY_BYTES (KS_TOPIC_NAME_BYTES_MAX + 8)
#define KS_NAME_RECORD_BYTES 18
#define KS_GONE_RECORD_BYTES_MAX (KS_TOPIC_NAME_BYTES_MAX + 12)
#define KS_TOPIC_PREFIX_BYTES (KS_TOPIC_NAME_BYTES_MAX + 10)

struct ks_topic_record {
    struct ks_id id; /* in the key, not in the value */
    char name[KS_TOPIC_NAME_BYTES_MAX + 1];
    int32_t partition_count;
    bool is_later_life; /* stored under {topic}@{8 hex} instead of {topic} */
    struct ks_topic_config config;
    struct ks_buffer others; /* keys that a newer broker stored, as they were */
    uint16_t others_count;
};

struct ks_name_record {
    bool is_alive;
    struct ks_id id; /* of the newest life */
};

/* A life that is over, while something of it may be left. */
struct ks_gone_record {
    struct ks_id id; /* in the key, not in the value */
    char name[KS_TOPIC_NAME_BYTES_MAX + 1];
    bool is_later_life;
    int64_t buried_ms; /* wall time at which all that was found had been deleted; 0: not yet */
};

/*
 * The component of keys in the store under which a life's segments lie: {topic} for a first life,
 * {topic}@{first 8 hex digits of the id} for a later one. '@' can't occur in names.
 */
void ks_topic_prefix(const char *name, const struct ks_id *id, bool is_later_life,
                     char prefix_out[KS_TOPIC_PREFIX_BYTES]);

/* "topic/<32 hex>" and "name/<topic>". */
void ks_topic_record_key(const struct ks_id *id, char key_out[KS_TOPIC_KEY_BYTES]);
void ks_name_record_key(const char *name, char key_out[KS_NAME_KEY_BYTES]);

/* The id in a key of topic/; false for any other key. */
bool ks_topic_record_key_parse(const char *key, struct ks_id *id_out);

/* Appends to an initialised buffer; check ks_buffer_failed. */
void ks_topic_record_encode(const struct ks_topic_record *record, struct ks_buffer *out);

/*
 * Gives everything but the id; `record_out` is zeroed, and deinit'ed by the caller also after a
 * failure.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_topic_record_decode(struct kafscale_slice bytes,
                                                                struct ks_topic_record *record_out,
                                                                struct kafscale_error *error);

/* Nothing is configured any more, keys of newer brokers included. */
void ks_topic_record_clear_config(struct ks_topic_record *record);

void ks_topic_record_deinit(struct ks_topic_record *record);

void ks_name_record_encode(const struct ks_name_record *record, uint8_t out[KS_NAME_RECORD_BYTES]);

KAFSCALE_MUST_CHECK enum kafscale_status ks_name_record_decode(struct kafscale_slice bytes,
                                                               struct ks_name_record *record_out,
                                                               struct kafscale_error *error);

/* "gone/<32 hex>"; the id in such a key, false for any other. */
void ks_gone_record_key(const struct ks_id *id, char key_out[KS_TOPIC_KEY_BYTES]);
bool ks_gone_record_key_parse(const char *key, struct ks_id *id_out);

/* Returns how many bytes of `out` were written. */
size_t ks_gone_record_encode(const struct ks_gone_record *record,
                             uint8_t out[KS_GONE_RECORD_BYTES_MAX]);

/* Gives everything but the id. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_gone_record_decode(struct kafscale_slice bytes,
                                                               struct ks_gone_record *record_out,
                                                               struct kafscale_error *error);

/*
 * A name of 1 to 249 of [a-zA-Z0-9._-], neither "." nor "..", and not one of ours (beginning with
 * "__kafscale"). The text of the error is for the client.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_topic_name_check(struct kafscale_slice name,
                                                             struct kafscale_error *error);

/* Whether it is a topic of Kafka's own, made with a shape of its own at its first use. */
bool ks_topic_name_is_internal(struct kafscale_slice name);

/* ks_topic_name_check for who needs no text. */
bool ks_topic_name_is_legal(struct kafscale_slice name);

#endif
