/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker keeps in the metadata store, and the topic configurations that clients send. The
 * first byte of an input says what the rest is. Checksums are put right, since whoever writes to a
 * bucket can do that too.
 */
#include "broker/identity.h"
#include "broker/topic_record.h"
#include "fuzz/fuzz.h"

#define RECORD_BYTES_MAX (4u << 20)

/* --- Topics ----------------------------------------------------------------------------------- */

static void
rewrite_topic(const struct ks_topic_record *record)
{
    struct kafscale_error error = { 0 };
    struct ks_topic_record again = { 0 };
    struct ks_buffer written[2];

    ks_buffer_init(&written[0], RECORD_BYTES_MAX);
    ks_buffer_init(&written[1], RECORD_BYTES_MAX);
    ks_topic_record_encode(record, &written[0]);
    demand(ks_topic_record_decode(ks_buffer_slice(&written[0]), &again, &error) == KAFSCALE_OK);
    ks_topic_record_encode(&again, &written[1]);
    demand(ks_slice_equals(ks_buffer_slice(&written[0]), ks_buffer_slice(&written[1])));
    ks_topic_record_deinit(&again);
    ks_buffer_deinit(&written[0]);
    ks_buffer_deinit(&written[1]);
}

static void
try_topic(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_topic_record record = { 0 };

    if (ks_topic_record_decode(bytes, &record, &error) == KAFSCALE_OK) {
        demand(record.partition_count > 0);
        demand(ks_topic_name_is_legal(ks_slice_of_text(record.name)));
        rewrite_topic(&record);
    } else {
        demand(error.text[0] != '\0');
    }
    ks_topic_record_deinit(&record);
}

static void
try_name(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_name_record record;
    struct ks_name_record again;
    uint8_t written[KS_NAME_RECORD_BYTES];

    if (ks_name_record_decode(bytes, &record, &error) != KAFSCALE_OK) {
        demand(error.text[0] != '\0');
        return;
    }
    ks_name_record_encode(&record, written);
    demand(ks_name_record_decode(ks_slice(written, sizeof written), &again, &error) == KAFSCALE_OK);
    demand(again.is_alive == record.is_alive);
    demand(ks_id_equals(&again.id, &record.id));
}

/* A key is text; whatever passes for the key of a topic is the key of its id. */
static void
try_key(struct kafscale_slice bytes)
{
    char text[KS_TOPIC_KEY_BYTES] = "";
    char key[KS_TOPIC_KEY_BYTES];
    struct ks_id id;

    memcpy(text, bytes.data, bytes.size < sizeof text ? bytes.size : sizeof text - 1);
    if (ks_topic_record_key_parse(text, &id)) {
        ks_topic_record_key(&id, key);
        demand(strcasecmp(key, text) == 0);
    }
}

/* --- Configurations --------------------------------------------------------------------------- */

/* A value that was taken is found again, and read as a number where it is one. */
static void
keep_value(enum ks_topic_config_name name, struct kafscale_slice value)
{
    const struct ks_topic_config_key *key = &ks_topic_config_keys[name];
    struct ks_topic_config config = { 0 };
    struct ks_topic_config copy = { 0 };

    demand(ks_topic_config_set(&config, name, value) == KAFSCALE_OK);
    demand(ks_topic_config_copy(&config, &copy) == KAFSCALE_OK);
    demand(ks_slice_equals(ks_slice_of_text(ks_topic_config_text(&copy, NULL, name)), value));
    if (key->type == KS_CONFIG_INT || key->type == KS_CONFIG_LONG) {
        int64_t number = ks_topic_config_number(&copy, NULL, name);

        demand(number >= key->lowest);
        demand(number <= key->highest);
    }
    ks_topic_config_deinit(&copy);
    ks_topic_config_deinit(&config);
}

/* The first byte chooses the key. */
static void
try_value(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    enum ks_topic_config_name name;
    struct kafscale_slice value;

    if (bytes.size == 0) {
        return;
    }
    name = (enum ks_topic_config_name)(bytes.data[0] % KS_TOPIC_CONFIG_COUNT);
    value = ks_slice(bytes.data + 1, bytes.size - 1);
    if (ks_topic_config_check(name, value, &error) == KAFSCALE_OK) {
        keep_value(name, value);
    } else {
        demand(error.text[0] != '\0');
    }
}

/* --- The cluster ------------------------------------------------------------------------------ */

static void
rewrite_identity(const struct ks_identity_record *record)
{
    struct kafscale_error error = { 0 };
    struct ks_identity_record again;
    uint8_t written[2][KS_IDENTITY_RECORD_BYTES_MAX];
    size_t size = ks_identity_encode(record, written[0]);

    demand(size <= KS_IDENTITY_RECORD_BYTES_MAX);
    demand(ks_identity_decode(ks_slice(written[0], size), &again, &error) == KAFSCALE_OK);
    demand(ks_identity_encode(&again, written[1]) == size);
    demand(memcmp(written[0], written[1], size) == 0);
}

static void
try_identity(struct kafscale_slice bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_identity_record record;
    uint8_t *copy = copy_bytes(bytes);

    if (bytes.size >= 4) {
        ks_put_u32(copy + bytes.size - 4, ks_crc32c(0, copy, bytes.size - 4));
    }
    if (ks_identity_decode(ks_slice(copy, bytes.size), &record, &error) == KAFSCALE_OK) {
        rewrite_identity(&record);
    } else {
        demand(error.text[0] != '\0');
    }
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafscale_slice rest;

    if (size == 0) {
        return 0;
    }
    rest = ks_slice(data + 1, size - 1);
    switch (data[0]) {
    case 't':
        try_topic(rest);
        break;
    case 'n':
        try_name(rest);
        break;
    case 'k':
        try_key(rest);
        break;
    case 'i':
        try_identity(rest);
        break;
    default:
        try_value(rest);
        break;
    }
    return 0;
}
