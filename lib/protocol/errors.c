/* SPDX-License-Identifier: Apache-2.0 */
/* A walk through a message by its table, as the encoder's, that stops at error codes only. */
#include "protocol/protocol.h"

static void
visit_field(const struct kafka_field *field, int16_t version, const uint8_t *message,
            kafka_error_visit *visit, void *arg)
{
    const uint8_t *place = message + field->offset;
    const uint8_t *elements;
    int32_t count = 1;

    if ((field->flags & KAFKA_FIELD_ERROR) != 0) {
        int16_t code;

        memcpy(&code, place, sizeof code);
        if (code != KAFKA_ERROR_NONE) {
            visit(arg, code);
        }
        return;
    }
    if (kafka_field_is_array(field)) {
        memcpy(&count, message + field->count_offset, sizeof count);
    }
    elements = place;
    if (kafka_field_is_array(field) || kafka_field_is_pointer(field)) {
        memcpy(&elements, place, sizeof elements);
    }
    for (int32_t i = 0; elements != NULL && i < count; i++) {
        kafka_visit_errors(field->element, version,
                           elements + (size_t) i * field->element->size_bytes, visit, arg);
    }
}

void
kafka_visit_errors(const struct kafka_message *message, int16_t version, const void *in,
                   kafka_error_visit *visit, void *arg)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];

        if (kafka_field_in(field, version) &&
            (field->element != NULL || (field->flags & KAFKA_FIELD_ERROR) != 0)) {
            visit_field(field, version, in, visit, arg);
        }
    }
}
