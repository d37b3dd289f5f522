/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reference remembers its place in the copied bytes. Those move when the buffer grows, so
 * slices are only made at the end.
 */
#include "protocol/writer.h"

/* `position` counts the copied bytes before it. */
struct kafka_writer_reference {
    size_t position;
    struct kafscale_slice bytes;
};

void
kafka_writer_init(struct kafka_writer *writer, size_t copied_bytes_max)
{
    *writer = (struct kafka_writer){ 0 };
    ks_buffer_init(&writer->copied, copied_bytes_max);
}

void
kafka_writer_deinit(struct kafka_writer *writer)
{
    ks_buffer_deinit(&writer->copied);
    ks_free(writer->references);
    ks_free(writer->parts);
    *writer = (struct kafka_writer){ 0 };
}

size_t
kafka_writer_size(const struct kafka_writer *writer)
{
    return writer->copied.size + writer->referenced_bytes;
}

bool
kafka_writer_failed(const struct kafka_writer *writer)
{
    return writer->failed || ks_buffer_failed(&writer->copied);
}

void
kafka_writer_append(struct kafka_writer *writer, struct kafscale_slice bytes)
{
    if (bytes.size == 0 || kafka_writer_failed(writer)) {
        return;
    }
    if (bytes.size < KAFKA_REFERENCE_BYTES_MIN) {
        ks_buffer_append(&writer->copied, bytes.data, bytes.size);
        return;
    }
    if (bytes.size > SIZE_MAX / 2 - writer->referenced_bytes ||
        !KS_RESERVE(writer->references, writer->reference_capacity, writer->reference_count + 1)) {
        writer->failed = true;
        return;
    }
    writer->references[writer->reference_count] =
        (struct kafka_writer_reference){ .position = writer->copied.size, .bytes = bytes };
    writer->reference_count++;
    writer->referenced_bytes += bytes.size;
}

void
kafka_writer_uvarint(struct kafka_writer *writer, uint64_t value)
{
    uint8_t digits[KS_VARINT_BYTES_MAX];

    ks_buffer_append(&writer->copied, digits, ks_put_uvarlong(digits, value));
}

/*
 * The first of the references that lie at or after `start`, with the referenced bytes before
 * it.
 */
static size_t
reference_from(const struct kafka_writer *writer, size_t start, size_t *bytes_before_out)
{
    size_t i = writer->reference_count;
    size_t bytes_before = writer->referenced_bytes;

    while (i > 0) {
        const struct kafka_writer_reference *reference = &writer->references[i - 1];
        size_t place = reference->position + bytes_before - reference->bytes.size;

        if (place < start) {
            break;
        }
        bytes_before -= reference->bytes.size;
        i--;
    }
    *bytes_before_out = bytes_before;
    return i;
}

void
kafka_writer_prefix_size(struct kafka_writer *writer, size_t start)
{
    uint8_t digits[KS_VARINT_BYTES_MAX];
    size_t digit_count = ks_put_uvarlong(digits, kafka_writer_size(writer) - start);
    size_t bytes_before;
    size_t first = reference_from(writer, start, &bytes_before);
    size_t position = start - bytes_before;
    size_t tail_bytes = writer->copied.size - position;

    if (kafka_writer_failed(writer) || ks_buffer_extend(&writer->copied, digit_count) == NULL) {
        return;
    }
    memmove(writer->copied.data + position + digit_count, writer->copied.data + position,
            tail_bytes);
    memcpy(writer->copied.data + position, digits, digit_count);
    for (size_t i = first; i < writer->reference_count; i++) {
        writer->references[i].position += digit_count;
    }
}

static void
add_copied(struct kafka_writer *writer, size_t *count, size_t from, size_t to)
{
    if (to > from) {
        writer->parts[*count] = ks_slice(writer->copied.data + from, to - from);
        (*count)++;
    }
}

enum kafscale_status
kafka_writer_finish(struct kafka_writer *writer, const struct kafscale_slice **parts_out,
                    size_t *part_count_out)
{
    size_t position = 0;
    size_t count = 0;

    if (kafka_writer_failed(writer)) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_free(writer->parts);
    writer->parts = ks_alloc_zero(2 * writer->reference_count + 1, sizeof *writer->parts);
    if (writer->parts == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    for (size_t i = 0; i < writer->reference_count; i++) {
        const struct kafka_writer_reference *reference = &writer->references[i];

        add_copied(writer, &count, position, reference->position);
        writer->parts[count] = reference->bytes;
        count++;
        position = reference->position;
    }
    add_copied(writer, &count, position, writer->copied.size);
    *parts_out = writer->parts;
    *part_count_out = count;
    return KAFSCALE_OK;
}
