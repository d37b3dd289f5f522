/* SPDX-License-Identifier: Apache-2.0 */
/* api.def as an array by rising key. */
#include "handlers/api.h"

const struct ks_api ks_apis[] = {
#define API(key_, name_, served_, min_, max_, open_, operation_, resource_, route_) \
    { .key = key_,                                                                  \
      .name = #name_,                                                               \
      .version_served = served_,                                                    \
      .version_min = min_,                                                          \
      .version_max = max_,                                                          \
      .open = KS_API_##open_,                                                       \
      .operation = KS_OPERATION_##operation_,                                       \
      .resource = KS_RESOURCE_##resource_,                                          \
      .route = KS_ROUTE_##route_,                                                   \
      .handle = ks_handle_##name_ },
#include "handlers/api.def"
#undef API
};

const size_t ks_api_count = sizeof ks_apis / sizeof ks_apis[0];

const struct ks_api *
ks_api_find(int16_t key)
{
    for (size_t i = 0; i < ks_api_count; i++) {
        if (ks_apis[i].key == key) {
            return &ks_apis[i];
        }
    }
    return NULL;
}

void
ks_api_spell(const struct ks_api *api, char out[KS_API_NAME_BYTES])
{
    bool is_first = true;
    size_t size = 0;

    for (const char *name = api == NULL ? "unknown" : api->name;
         *name != '\0' && size < KS_API_NAME_BYTES - 1; name++) {
        if (*name == '_') {
            is_first = true;
            continue;
        }
        out[size++] = (char) (is_first && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
        is_first = false;
    }
    out[size] = '\0';
}
