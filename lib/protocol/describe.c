/* SPDX-License-Identifier: Apache-2.0 */
/* One more interpreter of the tables. It goes as deep as the schema does. */
#include "protocol/describe.h"

#include "base/base.h"

#include <stdio.h>

struct describer {
    const struct kafscale_describe *describe;
    int16_t version;
    kafka_describe_records *records;
    void *records_arg;
};

static void describe_fields(const struct describer *describer, const struct kafka_message *message,
                            const uint8_t *in);

static int64_t
number_of(enum kafka_kind kind, const void *in)
{
    switch (kind) {
    case KAFKA_KIND_INT8:
        return *(const int8_t *) in;
    case KAFKA_KIND_INT16:
        return *(const int16_t *) in;
    case KAFKA_KIND_UINT16:
        return *(const uint16_t *) in;
    case KAFKA_KIND_INT32:
        return *(const int32_t *) in;
    default:
        return *(const int64_t *) in;
    }
}

static void
describe_fraction(const struct describer *describer, const char *name, double value)
{
    char text[40];

    (void) snprintf(text, sizeof text, "%.17g", value);
    ks_describe_text(describer->describe, name, text);
}

static void
describe_uuid(const struct describer *describer, const char *name, const void *in)
{
    struct ks_id id;

    memcpy(id.bytes, in, sizeof id.bytes);
    ks_describe_id(describer->describe, name, &id);
}

static void
describe_slice(const struct describer *describer, const char *name, enum kafka_kind kind,
               const struct kafscale_slice *slice)
{
    if (slice->data == NULL) {
        return;
    }
    if (kind == KAFKA_KIND_STRING) {
        ks_describe_bytes_as_text(describer->describe, name, *slice);
    } else {
        ks_describe_hex(describer->describe, name, *slice);
    }
}

static void
describe_records(const struct describer *describer, const char *name,
                 const struct kafka_records *records)
{
    size_t size = 0;

    if (records->is_null) {
        return;
    }
    if (describer->records != NULL) {
        describer->records(records, name, describer->records_arg, describer->describe);
        return;
    }
    for (size_t i = 0; i < records->part_count; i++) {
        size += records->parts[i].size;
    }
    ks_describe_number(describer->describe, name, (int64_t) size);
}

static void
describe_struct(const struct describer *describer, const char *name,
                const struct kafka_field *field, const void *in)
{
    if (kafka_field_is_pointer(field)) {
        memcpy(&in, in, sizeof in);
    }
    if (in == NULL) {
        return;
    }
    ks_describe_begin(describer->describe, name);
    describe_fields(describer, field->element, in);
    ks_describe_end(describer->describe);
}

static void
describe_value(const struct describer *describer, const char *name, const struct kafka_field *field,
               const void *in)
{
    enum kafka_kind kind = (enum kafka_kind) field->kind;
    double fraction;

    switch (kind) {
    case KAFKA_KIND_BOOL:
        ks_describe_bool(describer->describe, name, *(const bool *) in);
        break;
    case KAFKA_KIND_FLOAT64:
        memcpy(&fraction, in, sizeof fraction);
        describe_fraction(describer, name, fraction);
        break;
    case KAFKA_KIND_UUID:
        describe_uuid(describer, name, in);
        break;
    case KAFKA_KIND_STRING:
    case KAFKA_KIND_BYTES:
        describe_slice(describer, name, kind, in);
        break;
    case KAFKA_KIND_RECORDS:
        describe_records(describer, name, in);
        break;
    case KAFKA_KIND_STRUCT:
        describe_struct(describer, name, field, in);
        break;
    default:
        ks_describe_number(describer->describe, name, number_of(kind, in));
        break;
    }
}

static void
describe_array(const struct describer *describer, const struct kafka_field *field,
               const uint8_t *message)
{
    int32_t count = *(const int32_t *) (const void *) (message + field->count_offset);
    const uint8_t *elements;

    memcpy(&elements, message + field->offset, sizeof elements);
    if (count < 0) {
        return;
    }
    ks_describe_begin_list(describer->describe, field->name);
    for (int32_t i = 0; i < count && elements != NULL; i++) {
        describe_value(describer, NULL, field,
                       elements + (size_t) i * kafka_field_element_bytes(field));
    }
    ks_describe_end(describer->describe);
}

static void
describe_fields(const struct describer *describer, const struct kafka_message *message,
                const uint8_t *in)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];

        if (!kafka_field_in(field, describer->version)) {
            continue;
        }
        if (kafka_field_is_array(field)) {
            describe_array(describer, field, in);
        } else {
            describe_value(describer, field->name, field, in + field->offset);
        }
    }
}

void
kafka_message_describe(const struct kafka_message *message, int16_t version, const void *in,
                       kafka_describe_records *records, void *records_arg,
                       const struct kafscale_describe *describe)
{
    struct describer describer = {
        .describe = describe, .version = version, .records = records, .records_arg = records_arg
    };

    describe_fields(&describer, message, in);
}
