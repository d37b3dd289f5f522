/* SPDX-License-Identifier: Apache-2.0 */
/* The form of keys, in a file of its own since a plug-in has to know it too. */
#include "store/key.h"

#include "kafscale/store.h"

#include <stddef.h>
#include <string.h>

bool
ks_store_prefix_is_valid(const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e) {
            return false;
        }
    }
    return strlen(text) <= KAFSCALE_STORE_KEY_BYTES_MAX;
}

static bool
component_is_valid(const char *component, size_t size)
{
    if (size == 0 || (size == 1 && component[0] == '.')) {
        return false;
    }
    return !(size == 2 && component[0] == '.' && component[1] == '.');
}

bool
ks_store_key_is_valid(const char *key)
{
    if (!ks_store_prefix_is_valid(key)) {
        return false;
    }
    for (const char *component = key;;) {
        const char *end = strchr(component, '/');

        if (end == NULL) {
            return component_is_valid(component, strlen(component));
        }
        if (!component_is_valid(component, (size_t) (end - component))) {
            return false;
        }
        component = end + 1;
    }
}
