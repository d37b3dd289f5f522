/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A broker as a test wants one: on a free port of 127.0.0.1 in a millisecond or two, in memory, and
 * ready to misbehave on demand. It is the broker that serves in production, with something between
 * its clients and itself, and between itself and its store.
 *
 *     struct kafscale_testing *testing = kafscale_testing_start(NULL, &error);
 *     ... any Kafka client, at kafscale_testing_bootstrap(testing) ...
 *     kafscale_testing_free(testing);
 *
 * Each has a thread of its own, and there may be hundreds in a process. Functions may be called
 * from any thread but that of the broker, until kafscale_testing_free; they return when what they
 * ask for is in force. What fails returns KAFSCALE_INVALID for wrong use, with a text that says
 * which, KAFSCALE_UNAVAILABLE when the time given is over, or what is said below. `error` may be
 * NULL everywhere. docs/test-fixture.md shows all of it, also over HTTP for other languages.
 */
#ifndef KAFSCALE_TESTING_H
#define KAFSCALE_TESTING_H

#include "kafscale/broker.h"
#include "kafscale/logger.h"
#include "kafscale/options.h"
#include "kafscale/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kafscale_testing;

/* --- Life ------------------------------------------------------------------------------------- */

/* A topic that is to be there. */
struct kafscale_testing_topic {
    const char *name;
    int32_t partitions;         /* 0: the broker's default */
    const char *const *configs; /* key, value, ..., NULL; NULL: none */
};

/* Zeroed but for `size`: the defaults. Everything is copied. */
struct kafscale_testing_options {
    size_t size;                                 /* sizeof(struct kafscale_testing_options) */
    const struct kafscale_testing_topic *topics; /* there when the start returns */
    size_t topic_count;
    /*
     * Options of the broker (docs/configuration.md): key, value, ..., NULL; NULL: none. They come
     * after the fixture's own: listen=127.0.0.1:0, store=memory, no wait for newcomers to a group.
     */
    const char *const *settings;
    bool is_clock_still;     /* time passes by kafscale_testing_advance only */
    kafscale_log_write *log; /* NULL: nowhere */
    void *log_arg;
};

/*
 * A broker that serves; NULL, with `error` filled in, when it can't. `options` may be NULL.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK struct kafscale_testing *kafscale_testing_start(
    const struct kafscale_testing_options *options, struct kafscale_error *error);

/*
 * Sets what kafscale_testing_start sets before `settings`: for a broker with testing.enabled that a
 * program starts itself, and steers over HTTP.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_preset(
    struct kafscale_options *options, struct kafscale_error *error);

/* Stops it, whatever it is doing, and frees everything. Accepts NULL. */
KAFSCALE_EXPORT void kafscale_testing_free(struct kafscale_testing *testing);

/* "127.0.0.1:port", the same after a restart; valid as long as the fixture. */
KAFSCALE_EXPORT const char *kafscale_testing_bootstrap(const struct kafscale_testing *testing);

/*
 * The broker inside, for its state and its metrics. Not to be stopped or freed, but by
 * kafscale_testing_free.
 */
KAFSCALE_EXPORT struct kafscale_broker *kafscale_testing_broker(
    const struct kafscale_testing *testing);

/* How a run of the broker ends. */
enum kafscale_testing_end {
    KAFSCALE_TESTING_IN_ORDER, /* what was appended becomes durable first */
    /*
     * As after kill -9: connections are cut, what was under way to the store arrives or not, and
     * nothing else does. What was acknowledged must be there again.
     */
    KAFSCALE_TESTING_KILLED,
};

/*
 * Ends the broker and starts it again on what its store holds. Returns when it serves. The address,
 * faults, the log of requests and the clock stay. KAFSCALE_UNAVAILABLE: not yet, as when its store
 * fails; it goes on trying.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_restart(
    struct kafscale_testing *testing, enum kafscale_testing_end end, int64_t timeout_ms,
    struct kafscale_error *error);

/* --- Topics and groups ------------------------------------------------------------------------ */

/* KAFSCALE_EXISTS: there is one of this name. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_create_topic(
    struct kafscale_testing *testing, const struct kafscale_testing_topic *topic,
    struct kafscale_error *error);

/* Waits until a consumer group is stable with exactly so many members; 0: without any. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_wait_group(
    struct kafscale_testing *testing, const char *group, size_t member_count, int64_t timeout_ms,
    struct kafscale_error *error);

/*
 * Waits until consumers can see the offsets below `high_watermark` in a partition, or so many in
 * all partitions together (-1). A topic that isn't there yet is waited for too.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_wait_records(
    struct kafscale_testing *testing, const char *topic, int32_t partition, int64_t high_watermark,
    int64_t timeout_ms, struct kafscale_error *error);

/* --- Connections and time --------------------------------------------------------------------- */

/*
 * While it is paused connections stay open, and nothing is done or answered, as if its process
 * were stopped by a debugger. Time goes on.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_pause(
    struct kafscale_testing *testing, bool is_paused, struct kafscale_error *error);

/* Closes all connections; clients may come again at once. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_drop_connections(
    struct kafscale_testing *testing, struct kafscale_error *error);

/* While it refuses, who connects is closed; connections that there are stay. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_refuse(
    struct kafscale_testing *testing, bool is_refusing, struct kafscale_error *error);

/*
 * Puts the broker's clock forward: session timeouts, retention and whatever else is due happens, in
 * order, each at its time. Records get the new time too.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_advance(
    struct kafscale_testing *testing, int64_t duration_ms, struct kafscale_error *error);

/* --- Faults ----------------------------------------------------------------------------------- */

/* What is done with a request, and what its client sees. */
enum kafscale_testing_fate {
    KAFSCALE_TESTING_PASSES,      /* nothing but delays and throttling */
    KAFSCALE_TESTING_ERROR,       /* not done; the error is answered */
    KAFSCALE_TESTING_ERROR_AFTER, /* done; the error is answered */
    KAFSCALE_TESTING_CLOSE,       /* not done; the connection is closed */
    /* Done, and the connection closed instead of an answer: what idempotent producers are for. */
    KAFSCALE_TESTING_CLOSE_AFTER,
};

/*
 * What is to become of requests. An error answer has the form that the API has in the version
 * asked for, and names the code for each topic, partition or group that was asked for. Where there
 * is nothing to carry a code (acks=0) the connection is closed.
 */
struct kafscale_testing_fault {
    size_t size;           /* sizeof(struct kafscale_testing_fault) */
    const char *api;       /* as Kafka writes it: "Produce", "JoinGroup"; NULL: any */
    const char *client_id; /* NULL: any */
    uint32_t count;        /* requests it is for; 0: all until faults are cleared */
    enum kafscale_testing_fate fate;
    int16_t error;       /* of Kafka, such as 7 for REQUEST_TIMED_OUT */
    int64_t before_ms;   /* how long a request waits; later ones of its connection wait too */
    int64_t after_ms;    /* how long its answer waits */
    int32_t throttle_ms; /* that its answer asks for, and that its connection isn't heard then */
};

/* Adds one; of several for a request the oldest counts. KAFSCALE_FULL: there are 1000. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_fail_requests(
    struct kafscale_testing *testing, const struct kafscale_testing_fault *fault,
    struct kafscale_error *error);

/* What is done with a request of the broker to its store, and what the broker is told. */
enum kafscale_testing_store_fate {
    KAFSCALE_TESTING_STORE_SLOW,        /* nothing but the delay */
    KAFSCALE_TESTING_STORE_UNAVAILABLE, /* can't be reached; not done */
    KAFSCALE_TESTING_STORE_BUSY,        /* asks to slow down; not done */
    KAFSCALE_TESTING_STORE_DENIED,      /* refuses access; not done */
    KAFSCALE_TESTING_STORE_FULL,        /* has no space left; not done */
    KAFSCALE_TESTING_STORE_TIMEOUT,     /* done, and not told: the outcome is unknown */
    KAFSCALE_TESTING_STORE_LOST,        /* not done, and not told: the outcome is unknown */
};

/* What is to become of requests to the store. */
struct kafscale_testing_store_fault {
    size_t size;           /* sizeof(struct kafscale_testing_store_fault) */
    const char *operation; /* "PUT", "GET", "LIST", "DELETE"; NULL: any */
    const char *key_part;  /* that the key of the object contains; NULL: any */
    uint32_t count;        /* requests it is for; 0: all until faults are cleared, an outage */
    enum kafscale_testing_store_fate fate;
    int64_t delay_ms;
};

/* Adds one; of several for a request the oldest counts. KAFSCALE_FULL: there are 1000. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_fail_store(
    struct kafscale_testing *testing, const struct kafscale_testing_store_fault *fault,
    struct kafscale_error *error);

/* Those of requests and of the store; what waits already still waits. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_clear_faults(
    struct kafscale_testing *testing, struct kafscale_error *error);

/* --- What clients asked ----------------------------------------------------------------------- */

/* A request that has been answered, or whose connection has gone. Valid for the call. */
struct kafscale_testing_request {
    uint64_t number; /* counts from 1, in the order of answers */
    const char *api; /* "Produce"; "?" for one that Kafka doesn't have */
    int16_t api_key;
    int16_t api_version;
    int16_t error; /* the first that the answer told, or 0 */
    int32_t correlation_id;
    uint64_t connection; /* counts from 1, in the order of their coming */
    const char *client_id;
    const char *client_address;
    size_t request_bytes; /* without the length before a frame, as below */
    size_t answer_bytes;
    int64_t begun_ms; /* on the broker's clock; only differences say something */
    int64_t duration_ms;
    bool is_answered;
    bool is_faulted; /* a fault was for it */
};

/* Told of one request. */
typedef void kafscale_testing_visit(void *arg, const struct kafscale_testing_request *request);

/*
 * Calls `visit` for the last requests (testing.requests.max, 1000), the oldest first, on the
 * calling thread. KAFSCALE_NO_MEMORY.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_visit_requests(
    struct kafscale_testing *testing, kafscale_testing_visit *visit, void *arg,
    struct kafscale_error *error);

/* How many requests of an API ("Fetch"; NULL: of all) there were. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_count_requests(
    struct kafscale_testing *testing, const char *api, uint64_t *count_out,
    struct kafscale_error *error);

/* Forgets them all, and counts from 0. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_testing_clear_requests(
    struct kafscale_testing *testing, struct kafscale_error *error);

#ifdef __cplusplus
}
#endif

#endif
