/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libkafscale: a message log that speaks the Kafka protocol and keeps its records in an object
 * store, as a C library.
 *
 * A program that links it is a broker. The whole life, without the checks (examples/embedded.c
 * has them):
 *
 *     struct kafscale_options *options = kafscale_options_new();
 *     kafscale_options_set(options, "listen", "127.0.0.1:0", &error);
 *     kafscale_options_set(options, "store", "memory", &error);
 *     struct kafscale_broker *broker = kafscale_broker_new(options, &error);
 *     kafscale_broker_start(broker, NULL, &error);
 *     kafscale_broker_wait_ready(broker, 5000, &error);
 *     ... any Kafka client, at kafscale_broker_address(broker, 0) ...
 *     kafscale_broker_free(broker);
 *     kafscale_options_free(options);
 *
 * What is where:
 *
 *     status.h    how failures are told
 *     options.h   what a broker is told before it starts
 *     broker.h    a broker: start, stop, state
 *     logger.h    where diagnostics go
 *     metrics.h   what a broker counts and measures
 *     producer.h  consumer.h    clients inside the process, without sockets
 *     testing.h   a broker for tests, which fails as it is told
 *     bytes.h     slices, and bytes with several owners
 *     store.h     what an object store is
 *     loop.h      what a store or a plug-in may ask of the broker's loop
 *     meta.h      what a metadata store is
 *     describe.h  what is in an object, told to a visitor
 *     tools.h     looks into a store and repairs it, without a broker
 *     protocol.h  reads and writes the messages of the Kafka protocol,
 *     messages.h  which are these structs; included by whoever needs them
 *     records.h   reads and builds record batches
 *     segment.h   reads and writes the segments in the store
 *     kafscale.hpp  owners for all of this, for C++17
 */
#ifndef KAFSCALE_KAFSCALE_H
#define KAFSCALE_KAFSCALE_H

#include "kafscale/broker.h"
#include "kafscale/bytes.h"
#include "kafscale/consumer.h"
#include "kafscale/describe.h"
#include "kafscale/logger.h"
#include "kafscale/loop.h"
#include "kafscale/meta.h"
#include "kafscale/metrics.h"
#include "kafscale/options.h"
#include "kafscale/protocol.h"
#include "kafscale/producer.h"
#include "kafscale/records.h"
#include "kafscale/segment.h"
#include "kafscale/status.h"
#include "kafscale/store.h"
#include "kafscale/testing.h"
#include "kafscale/tools.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of these headers. */
#define KAFSCALE_VERSION "0.1.0"
#define KAFSCALE_VERSION_NUMBER 0x000100 /* major, minor, patch: two digits each */

/* Of the library that runs, a constant text. Any thread. */
KAFSCALE_EXPORT const char *kafscale_version(void);

/*
 * A library that this one uses, by index from 0 on, with the version that runs; false past the
 * last one. Constant texts. Any thread.
 */
KAFSCALE_EXPORT bool kafscale_library_at(size_t index, const char **name_out,
                                         const char **version_out);

#ifdef __cplusplus
}
#endif

#endif
