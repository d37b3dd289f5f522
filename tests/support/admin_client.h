/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What administrators do, through support/client.h, and somebody else who writes to the metadata
 * of the same store. Everything here fails the running test when it can't do its work.
 */
#ifndef KS_TESTS_SUPPORT_ADMIN_CLIENT_H
#define KS_TESTS_SUPPORT_ADMIN_CLIENT_H

#include "support/client.h"
#include "support/meta_client.h"

/* The topic as the broker knows it; it must. */
struct ks_topic *admin_topic(struct test_broker *broker, const char *name);

/* One change of a configuration; `operation` as in IncrementalAlterConfigs, `value` may be NULL. */
struct admin_change {
    const char *key;
    int8_t operation;
    const char *value;
};

/* IncrementalAlterConfigs of one resource; its error code. */
int16_t admin_alter(struct test_broker *broker, int8_t type, const char *name,
                    const struct admin_change *changes, int32_t count);

/* The same of one key of a topic. */
int16_t admin_set(struct test_broker *broker, const char *topic, const char *key,
                  const char *value);

/* Sends CreatePartitions of one topic without assignments; then its error code. */
struct test_call *admin_grow_begin(struct test_broker *broker, const char *topic, int32_t count,
                                   bool validate_only);
int16_t admin_grown(struct test_call *call);
int16_t admin_grow(struct test_broker *broker, const char *topic, int32_t count);

/* Somebody else who writes to the metadata of the same store. */
struct other_writer {
    struct broker_fixture *fixture;
    struct ks_store *store;
    struct meta_client meta;
};

void other_writer_init(struct other_writer *other, struct broker_fixture *fixture);
void other_writer_deinit(struct other_writer *other);

/* Writes a key, whatever it was; `value` NULL removes it. */
void other_writer_put(struct other_writer *other, const char *key,
                      const struct kafscale_slice *value);

/* Writes the record of a topic. */
void other_writer_put_topic(struct other_writer *other, const struct ks_topic_record *record);

#endif
