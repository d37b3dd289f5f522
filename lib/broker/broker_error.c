/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of broker_error.def, and the way from a status to an error. */
#include "broker/broker_error.h"

#include <assert.h>

static const char *const texts[KS_BROKER_ERROR_COUNT] = {
#define BROKER_ERROR(name, text) [KS_BROKER_ERROR_##name] = text,
#include "broker/broker_error.def"
#undef BROKER_ERROR
};

const char *
ks_broker_error_text(enum ks_broker_error error)
{
    assert(error < KS_BROKER_ERROR_COUNT);

    return texts[error];
}

enum ks_broker_error
ks_broker_error_of_status(enum kafscale_status status)
{
    switch (status) {
    case KAFSCALE_OK:
        return KS_BROKER_ERROR_NONE;
    case KAFSCALE_NO_MEMORY:
        return KS_BROKER_ERROR_NO_MEMORY;
    case KAFSCALE_NOT_FOUND:
        return KS_BROKER_ERROR_UNKNOWN_TOPIC;
    case KAFSCALE_EXISTS:
        return KS_BROKER_ERROR_TOPIC_EXISTS;
    case KAFSCALE_FENCED:
    case KAFSCALE_STOPPED:
        return KS_BROKER_ERROR_NOT_OWNER;
    case KAFSCALE_CORRUPT:
    case KAFSCALE_FAILED:
        return KS_BROKER_ERROR_FAILED;
    default:
        return KS_BROKER_ERROR_UNAVAILABLE;
    }
}
