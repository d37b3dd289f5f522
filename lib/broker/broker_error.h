/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The broker's own words for refusing a request. They know nothing of the wire: handlers map them
 * to Kafka's codes.
 */
#ifndef KS_BROKER_BROKER_ERROR_H
#define KS_BROKER_BROKER_ERROR_H

#include "kafscale/status.h"

enum ks_broker_error {
#define BROKER_ERROR(name, text) KS_BROKER_ERROR_##name,
#include "broker/broker_error.def"
#undef BROKER_ERROR
    KS_BROKER_ERROR_COUNT
};

/* One impersonal line; never NULL. */
const char *ks_broker_error_text(enum ks_broker_error error);

/* What a failed operation of store, metadata or log means to whoever asked for it. */
enum ks_broker_error ks_broker_error_of_status(enum kafscale_status status);

#endif
