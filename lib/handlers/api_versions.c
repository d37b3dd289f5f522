/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ApiVersions: what api.def offers. No features are named: clients look for transaction.version
 * only.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

static bool
is_alphanumeric(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9');
}

/* [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])? */
static bool
is_software_text(struct kafscale_slice text)
{
    if (text.size == 0 || !is_alphanumeric(text.data[0]) ||
        !is_alphanumeric(text.data[text.size - 1])) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!is_alphanumeric(text.data[i]) && text.data[i] != '-' && text.data[i] != '.') {
            return false;
        }
    }
    return true;
}

void
ks_handle_api_versions(struct ks_request *request)
{
    const struct kafka_api_versions_request *asked = request->body;
    struct kafka_api_versions_response response;

    kafka_message_init(&kafka_api_versions_response_message, &response);
    if (request->header.api_version >= 3 && (!is_software_text(asked->client_software_name) ||
                                             !is_software_text(asked->client_software_version))) {
        response.error_code = KAFKA_ERROR_INVALID_REQUEST;
        ks_request_answer(request, &response);
        return;
    }
    response.api_keys = kafka_array_new(&request->arena,
                                        &kafka_api_versions_response_api_key_message, ks_api_count);
    for (size_t i = 0; response.api_keys != NULL && i < ks_api_count; i++) {
        response.api_keys[i].api_key = ks_apis[i].key;
        response.api_keys[i].min_version = ks_apis[i].version_min;
        response.api_keys[i].max_version = ks_apis[i].version_max;
    }
    response.api_keys_count = (int32_t) ks_api_count;
    ks_request_answer(request, &response);
}
