/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests that load is made of. As on the wire: what is not the expected answer without an
 * error ends the program.
 */
#ifndef KS_TESTS_BENCH_REQUESTS_H
#define KS_TESTS_BENCH_REQUESTS_H

#include "wire.h"

/* One batch for one partition, acks=all; then the answer to the oldest one that has none yet. */
void send_produce(struct wire *wire, const char *topic, int32_t partition,
                  struct kafscale_slice batch);
void await_produce(struct wire *wire);

/* The same with the error as the answer. */
int16_t await_produce_code(struct wire *wire);

void create_topic(struct wire *wire, const char *topic, int32_t partitions);

/* The first thing any client asks; how many APIs the broker has. */
int32_t ask_api_versions(struct wire *wire);

#endif
