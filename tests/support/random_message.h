/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kafka messages from a seed, made from the codec's tables: whatever a version can carry, and
 * nothing else. Also what tests need to look at messages without knowing them.
 */
#ifndef KS_TESTS_SUPPORT_RANDOM_MESSAGE_H
#define KS_TESTS_SUPPORT_RANDOM_MESSAGE_H

#include "protocol/protocol.h"

/* The next of a sequence of random numbers; `state` may start at any value. */
uint64_t random_next(uint64_t *state);

/* A message that the version can carry, in the arena. */
void *random_message_new(struct ks_arena *arena, const struct kafka_message *message,
                         int16_t version, uint64_t *state);

/* Whether both say the same, also in fields that no version carries. */
bool messages_equal(const struct kafka_message *message, const void *a, const void *b);

/* All that was written, in one piece in the arena. */
struct kafscale_slice writer_bytes(struct kafka_writer *writer, struct ks_arena *arena);

#endif
