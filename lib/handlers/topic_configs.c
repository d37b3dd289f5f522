/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka's numbers, and lists as sets. */
#include "handlers/topic_configs.h"

#include <stdio.h>

enum ks_config_source
ks_dynamic_source(enum ks_dynamic_scope scope)
{
    return scope == KS_DYNAMIC_BROKER ? KS_SOURCE_DYNAMIC_BROKER : KS_SOURCE_DYNAMIC_DEFAULT;
}

bool
ks_is_option(struct kafscale_slice name)
{
    struct kafscale_option option;

    for (size_t i = 0; kafscale_option_at(i, &option) == KAFSCALE_OK; i++) {
        if (ks_slice_equals(name, ks_slice_of_text(option.key))) {
            return true;
        }
    }
    return false;
}

enum ks_config_source
ks_topic_config_source(struct ks_request *request, const struct ks_topic_config *config,
                       enum ks_topic_config_name name)
{
    if (config->values[name] != NULL) {
        return KS_SOURCE_TOPIC;
    }
    for (int i = 0; i < KS_DYNAMIC_SCOPE_COUNT; i++) {
        enum ks_dynamic_scope scope = (enum ks_dynamic_scope) i;

        if (ks_broker_dynamic_config(request->broker, scope)->config.values[name] != NULL) {
            return ks_dynamic_source(scope);
        }
    }
    return ks_broker_static_defaults(request->broker)->values[name] != NULL ? KS_SOURCE_BROKER
                                                                            : KS_SOURCE_DEFAULT;
}

bool
ks_is_own_broker_name(const struct ks_request *request, struct kafscale_slice name)
{
    char text[16];

    snprintf(text, sizeof text, "%d", (int) ks_broker_options(request->broker)->node_id);
    return ks_slice_equals(name, ks_slice_of_text(text));
}

int8_t
ks_config_type_number(enum ks_config_type type)
{
    static const int8_t numbers[] = {
        [KS_CONFIG_BOOLEAN] = 1, [KS_CONFIG_STRING] = 2, [KS_CONFIG_INT] = 3,
        [KS_CONFIG_LONG] = 5,    [KS_CONFIG_DOUBLE] = 6, [KS_CONFIG_LIST] = 7,
    };

    return numbers[type];
}

static bool
has_element(struct kafscale_slice list, struct kafscale_slice wanted)
{
    struct kafscale_slice element;

    while (ks_list_text_next(&list, &element)) {
        if (ks_slice_equals(element, wanted)) {
            return true;
        }
    }
    return false;
}

/* The elements of `list` that `others` hasn't. */
static void
append_elements(struct kafscale_slice list, struct kafscale_slice others, struct ks_buffer *out)
{
    struct kafscale_slice element;

    while (ks_list_text_next(&list, &element)) {
        if (element.size == 0 || has_element(others, element)) {
            continue;
        }
        if (out->size > 0) {
            ks_buffer_append_u8(out, ',');
        }
        ks_buffer_append(out, element.data, element.size);
    }
}

void
ks_config_list_append(struct kafscale_slice list, struct kafscale_slice more, struct ks_buffer *out)
{
    append_elements(list, ks_slice(NULL, 0), out);
    append_elements(more, list, out);
}

void
ks_config_list_subtract(struct kafscale_slice list, struct kafscale_slice less,
                        struct ks_buffer *out)
{
    append_elements(list, less, out);
}
