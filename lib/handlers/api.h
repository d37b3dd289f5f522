/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of APIs (api.def) as an array, and the handlers it names.
 */
#ifndef KS_HANDLERS_API_H
#define KS_HANDLERS_API_H

#include "handlers/request.h"

enum ks_api_open {
    KS_API_WHEN_AUTHENTICATED,
    KS_API_ALWAYS, /* also before authentication, and while the broker still reads its store */
};

enum ks_api_operation {
    KS_OPERATION_NOTHING,
    KS_OPERATION_READ,
    KS_OPERATION_WRITE,
    KS_OPERATION_CREATE,
    KS_OPERATION_DELETE,
    KS_OPERATION_ALTER,
    KS_OPERATION_DESCRIBE,
    KS_OPERATION_DESCRIBE_CONFIGS,
    KS_OPERATION_ALTER_CONFIGS,
    KS_OPERATION_IDEMPOTENT_WRITE,
};

enum ks_api_resource {
    KS_RESOURCE_NONE,
    KS_RESOURCE_TOPIC,
    KS_RESOURCE_GROUP,
    KS_RESOURCE_CLUSTER,
};

enum ks_api_route {
    KS_ROUTE_ANY,
    KS_ROUTE_PARTITION_OWNER,
    KS_ROUTE_GROUP_OWNER,
    KS_ROUTE_CONTROLLER,
};

struct ks_api {
    int16_t key;
    const char *name;
    int16_t version_served; /* the lowest that works */
    int16_t version_min;    /* what clients are told */
    int16_t version_max;
    enum ks_api_open open;
    enum ks_api_operation operation;
    enum ks_api_resource resource;
    enum ks_api_route route;
    /* Answers the request, at once or later. request->body is the decoded request. */
    void (*handle)(struct ks_request *request);
};

extern const struct ks_api ks_apis[];
extern const size_t ks_api_count;

/* NULL for a key that isn't served. */
const struct ks_api *ks_api_find(int16_t key);

/* As Kafka writes its name: "ListOffsets" for list_offsets; "Unknown" for NULL. */
#define KS_API_NAME_BYTES 64
void ks_api_spell(const struct ks_api *api, char out[KS_API_NAME_BYTES]);

#define API(key, name, served, min, max, open, operation, resource, route) \
    void ks_handle_##name(struct ks_request *request);
#include "handlers/api.def"
#undef API

#endif
