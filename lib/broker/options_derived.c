/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from several options together: node id, store, advertised addresses. */
#include "broker/options.h"

#include "kafscale/testing.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum kafscale_log_level
ks_options_log_level(const struct kafscale_options *options)
{
    static const char *const names[] = {
        [KAFSCALE_LOG_ERROR] = "error",
        [KAFSCALE_LOG_WARN] = "warn",
        [KAFSCALE_LOG_INFO] = "info",
        [KAFSCALE_LOG_DEBUG] = "debug",
    };
    const char *text = ks_option_text(options, KS_OPTION_log_level);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(text, names[i]) == 0) {
            return (enum kafscale_log_level) i;
        }
    }
    return KAFSCALE_LOG_INFO;
}

int32_t
ks_options_broker_id(const struct kafscale_options *options)
{
    int64_t id = ks_option_number(options, KS_OPTION_broker_id);
    const char *dash = strrchr(ks_option_text(options, KS_OPTION_pod_name), '-');
    long long ordinal;
    char *end;

    if (id >= 0) {
        return (int32_t) id;
    }
    if (dash == NULL || dash[1] < '0' || dash[1] > '9') {
        return 0;
    }
    ordinal = strtoll(dash + 1, &end, 10);
    return *end == '\0' && ordinal <= INT32_MAX ? (int32_t) ordinal : 0;
}

bool
ks_options_store_is_s3(const struct kafscale_options *options)
{
    if (!ks_option_is_set(options, KS_OPTION_store)) {
        return ks_option_text(options, KS_OPTION_s3_bucket)[0] != '\0';
    }
    return strcmp(ks_option_text(options, KS_OPTION_store), "s3") == 0;
}

const char *
ks_options_s3_plugin(const struct kafscale_options *options)
{
    return strcasecmp(ks_option_text(options, KS_OPTION_s3_signature), "v2") == 0 ? "libs3" : "s3";
}

const char *
ks_options_store_directory(const struct kafscale_options *options)
{
    const char *store = ks_option_text(options, KS_OPTION_store);

    return strncmp(store, "dir:", 4) == 0 ? store + 4 : NULL;
}

/* The place of a listener in a list of addresses; false past its end. */
static bool
address_at(const char *list, size_t index, struct ks_endpoint *endpoint_out)
{
    struct kafscale_slice rest = ks_slice_of_text(list);
    struct kafscale_slice element;

    for (size_t i = 0; ks_list_text_next(&rest, &element); i++) {
        if (i == index) {
            return ks_endpoint_parse(element, endpoint_out) == KAFSCALE_OK;
        }
    }
    return false;
}

bool
ks_options_store_is_memory(const struct kafscale_options *options)
{
    return !ks_options_store_is_s3(options) && ks_options_store_directory(options) == NULL;
}

static bool
is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcasecmp(host, "localhost") == 0;
}

static enum kafscale_status
check_loopback(const char *key, const char *list, struct kafscale_error *error)
{
    struct ks_endpoint endpoint;

    for (size_t i = 0; address_at(list, i, &endpoint); i++) {
        if (!is_loopback(endpoint.host)) {
            return ks_error_set(error, KAFSCALE_INVALID,
                                "option 'testing.enabled': needs every address on loopback, and %s "
                                "is '%s'",
                                key, list);
        }
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_options_check_testing(const struct kafscale_options *options, struct kafscale_error *error)
{
    enum kafscale_status status;

    if (ks_option_number(options, KS_OPTION_testing_enabled) == 0) {
        return KAFSCALE_OK;
    }
    status = check_loopback("listen", ks_option_text(options, KS_OPTION_listen), error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    return check_loopback("metrics.addr", ks_option_text(options, KS_OPTION_metrics_addr), error);
}

static bool
is_every_interface(const char *host)
{
    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

/*
 * KafScale's rules: the host of the listen address, else broker.host, else the name of the pod,
 * else localhost.
 */
static void
default_host(const struct kafscale_options *options, char host_out[KS_HOST_BYTES])
{
    const char *host = ks_option_text(options, KS_OPTION_broker_host);
    const char *pod = ks_option_text(options, KS_OPTION_pod_name);
    const char *service = ks_option_text(options, KS_OPTION_broker_service);
    const char *pod_namespace = ks_option_text(options, KS_OPTION_pod_namespace);

    if (host[0] != '\0') {
        snprintf(host_out, KS_HOST_BYTES, "%s", host);
    } else if (pod[0] != '\0' && service[0] != '\0' && pod_namespace[0] != '\0') {
        snprintf(host_out, KS_HOST_BYTES, "%s.%s.%s.svc.cluster.local", pod, service,
                 pod_namespace);
    } else {
        snprintf(host_out, KS_HOST_BYTES, "localhost");
    }
}

bool
ks_options_listen(const struct kafscale_options *options, size_t index,
                  struct ks_endpoint *endpoint_out)
{
    return address_at(ks_option_text(options, KS_OPTION_listen), index, endpoint_out);
}

void
ks_options_advertised(const struct kafscale_options *options, size_t index,
                      const struct ks_endpoint *bound, struct ks_endpoint *advertised_out)
{
    struct ks_endpoint endpoint = { 0 };

    if (address_at(ks_option_text(options, KS_OPTION_advertised_listeners), index, &endpoint)) {
        endpoint.port = endpoint.port == 0 ? bound->port : endpoint.port;
    } else {
        endpoint = *bound;
    }
    if (is_every_interface(endpoint.host)) {
        default_host(options, endpoint.host);
    }
    *advertised_out = endpoint;
}

/* --- Testing ---------------------------------------------------------------------------------- */

/*
 * Nobody waits for newcomers to a group, and the topic of the groups isn't 50 partitions: both cost
 * a test time, and are what a test seldom is about.
 */
static const char *const fixture_settings[] = {
    "listen",
    "127.0.0.1:0",
    "store",
    "memory",
    "testing.enabled",
    "true",
    "group.initial.rebalance.delay.ms",
    "0",
    "offsets.topic.num.partitions",
    "1",
    NULL,
};

enum kafscale_status
kafscale_testing_preset(struct kafscale_options *options, struct kafscale_error *error)
{
    enum kafscale_status status = KAFSCALE_OK;

    for (const char *const *setting = fixture_settings; *setting != NULL && status == KAFSCALE_OK;
         setting += 2) {
        status = kafscale_options_set(options, setting[0], setting[1], error);
    }
    return status;
}
