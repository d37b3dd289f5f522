/* SPDX-License-Identifier: Apache-2.0 */
/* InitProducerId: a fresh id and epoch 0 for idempotent producers, whatever the request carries. */
#include "handlers/api.h"
#include "handlers/internal.h"

static void
answer(struct ks_request *request, int16_t code, int64_t id)
{
    struct kafka_init_producer_id_response response;

    kafka_message_init(&kafka_init_producer_id_response_message, &response);
    response.error_code = code;
    response.producer_id = id;
    response.producer_epoch = code == KAFKA_ERROR_NONE ? 0 : -1;
    ks_request_answer(request, &response);
}

/* Producers wait and ask again after 14 and 15, and give up after most other codes. */
static int16_t
error_code(enum ks_broker_error error)
{
    return error == KS_BROKER_ERROR_NONE ? KAFKA_ERROR_NONE : KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
}

static void
on_id(struct ks_producer_id_request *id_request, enum ks_broker_error error)
{
    answer(id_request->arg, error_code(error), error == KS_BROKER_ERROR_NONE ? id_request->id : -1);
}

void
ks_handle_init_producer_id(struct ks_request *request)
{
    const struct kafka_init_producer_id_request *asked = request->body;
    enum ks_broker_error error = ks_serving_error(request->broker);
    struct ks_producer_id_request *id_request;

    if (asked->transactional_id.data != NULL) {
        answer(request,
               asked->transactional_id.size == 0 ? KAFKA_ERROR_INVALID_REQUEST
                                                 : KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE,
               -1);
        return;
    }
    if (error != KS_BROKER_ERROR_NONE) {
        answer(request, error_code(error), -1);
        return;
    }
    id_request = ks_request_alloc(request, 1, sizeof *id_request);
    if (id_request == NULL) {
        ks_request_close(request);
        return;
    }
    id_request->done = on_id;
    id_request->arg = request;
    ks_producer_ids_get(ks_broker_producer_ids(request->broker), id_request);
}
