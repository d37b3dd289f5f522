/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read the object, read the key, then decide: both equal, both to be written, or one of them
 * alone.
 */
#include "broker/identity.h"

#include <assert.h>
#include <stdio.h>

#define RECORD_VERSION 1
#define RECORD_FIXED_BYTES (4 + 2 + 2 + KS_ID_BYTES + 1)
#define CRC_BYTES 4
#define META_KEY "cluster"
#define DOUBTS_MAX 5

size_t
ks_identity_encode(const struct ks_identity_record *record,
                   uint8_t out[KS_IDENTITY_RECORD_BYTES_MAX])
{
    size_t name_size = strlen(record->backend);
    size_t size = RECORD_FIXED_BYTES + name_size;

    assert(name_size <= KS_IDENTITY_BACKEND_BYTES_MAX);

    ks_put_u32(out, KS_IDENTITY_MAGIC);
    ks_put_u16(out + 4, RECORD_VERSION);
    ks_put_u16(out + 6, record->format_level);
    memcpy(out + 8, record->cluster.bytes, KS_ID_BYTES);
    out[8 + KS_ID_BYTES] = (uint8_t) name_size;
    memcpy(out + RECORD_FIXED_BYTES, record->backend, name_size);
    ks_put_u32(out + size, ks_crc32c(0, out, size));
    return size + CRC_BYTES;
}

enum kafscale_status
ks_identity_decode(struct kafscale_slice bytes, struct ks_identity_record *record_out,
                   struct kafscale_error *error)
{
    struct ks_identity_record record = { 0 };
    struct ks_cursor cursor = ks_cursor(bytes);
    uint32_t magic = ks_cursor_u32(&cursor);
    uint16_t version = ks_cursor_u16(&cursor);
    struct kafscale_slice name;

    record.format_level = ks_cursor_u16(&cursor);
    ks_cursor_copy(&cursor, record.cluster.bytes, KS_ID_BYTES);
    name = ks_cursor_take(&cursor, ks_cursor_u8(&cursor));
    if (ks_cursor_failed(&cursor) || magic != KS_IDENTITY_MAGIC) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the cluster record is not one of ours");
    }
    if (ks_crc32c(0, bytes.data, bytes.size - CRC_BYTES) !=
        ks_get_u32(bytes.data + bytes.size - CRC_BYTES)) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the cluster record is damaged");
    }
    if (version > RECORD_VERSION || record.format_level > KS_FORMAT_LEVEL) {
        return ks_error_set(error, KAFSCALE_UNSUPPORTED,
                            "the store is of format level %u, this broker knows up to %u",
                            (unsigned) record.format_level, (unsigned) KS_FORMAT_LEVEL);
    }
    if (name.size > KS_IDENTITY_BACKEND_BYTES_MAX || ks_id_is_zero(&record.cluster) ||
        ks_cursor_left(&cursor) != CRC_BYTES) {
        return ks_error_set(error, KAFSCALE_CORRUPT, "the cluster record is damaged");
    }
    if (name.size > 0) {
        memcpy(record.backend, name.data, name.size);
    }
    *record_out = record;
    return KAFSCALE_OK;
}

static void read_object(struct ks_identity *identity);

static void
finish(struct ks_identity *identity, enum kafscale_status status,
       const struct kafscale_error *error)
{
    identity->done(identity->arg, status, error);
}

/* After the end neither store may be asked any more. */
static bool
has_ended(struct ks_identity *identity)
{
    if (!identity->is_ended) {
        return false;
    }
    finish(identity, KAFSCALE_STOPPED, NULL);
    return true;
}

/*
 * What would end the start is believed when it has been seen several times: bytes are damaged on
 * their way, and another broker may be writing object and key at this moment.
 */
static void
doubt(struct ks_identity *identity, const struct kafscale_error *error)
{
    identity->doubts++;
    identity->must_look = true;
    if (identity->doubts < DOUBTS_MAX) {
        read_object(identity);
        return;
    }
    finish(identity, error->status, error);
}

static void
refuse(struct ks_identity *identity, enum kafscale_status status, const char *text)
{
    struct kafscale_error error = { 0 };

    ks_error_set(&error, status, "%s/__kafscale/cluster: %s", identity->ns, text);
    doubt(identity, &error);
}

static void
on_key_written(void *arg, enum kafscale_status status, uint64_t revision,
               const struct kafscale_error *error)
{
    struct ks_identity *identity = arg;

    (void) revision;
    if (has_ended(identity)) {
        return;
    }
    if (status == KAFSCALE_CONFLICT) {
        identity->must_look = true;
        read_object(identity);
        return;
    }
    identity->record = identity->object;
    finish(identity, status, error);
}

static void
write_key(struct ks_identity *identity)
{
    size_t size = ks_identity_encode(&identity->object, identity->bytes);

    identity->compare = (struct kafscale_meta_compare){ .key = META_KEY, .version = 0 };
    identity->operation =
        (struct kafscale_meta_operation){ .key = META_KEY,
                                          .value = ks_slice(identity->bytes, size) };
    identity->txn = (struct kafscale_meta_txn){ .compares = &identity->compare,
                                                .compare_count = 1,
                                                .operations = &identity->operation,
                                                .operation_count = 1 };
    ks_meta_txn(identity->meta, &identity->txn, on_key_written, identity);
}

static void
on_object_written(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_identity *identity = arg;

    if (has_ended(identity)) {
        return;
    }
    if (status == KAFSCALE_OK) {
        write_key(identity);
        return;
    }
    if (status == KAFSCALE_EXISTS) {
        read_object(identity);
        return;
    }
    finish(identity, status, error);
}

static void
write_object(struct ks_identity *identity)
{
    struct ks_identity_record *record = &identity->object;
    size_t size;

    *record = (struct ks_identity_record){ .format_level = KS_FORMAT_LEVEL };
    ks_env_random(identity->env, record->cluster.bytes, KS_ID_BYTES);
    snprintf(record->backend, sizeof record->backend, "%s", identity->backend);
    size = ks_identity_encode(record, identity->bytes);
    identity->part = (struct kafscale_part){ .bytes = ks_slice(identity->bytes, size) };
    identity->put = (struct kafscale_put){
        .key = identity->key, .parts = &identity->part, .part_count = 1, .if_absent = true
    };
    ks_store_put(identity->store, &identity->put, on_object_written, identity);
}

static void
refuse_lost_metadata(struct ks_identity *identity)
{
    refuse(identity, KAFSCALE_INVALID,
           "the store holds a cluster but the metadata store is empty: wrong metadata store, or it "
           "was lost");
}

/* After the metadata log nothing may follow. */
static void
on_rest_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
               size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_identity *identity = arg;

    (void) entries;
    (void) is_truncated;
    if (has_ended(identity)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        finish(identity, status, error);
        return;
    }
    if (entry_count > 0) {
        refuse_lost_metadata(identity);
        return;
    }
    write_key(identity);
}

/*
 * Keys come in order: the cluster object must be the first, and only the metadata log may come
 * next.
 */
static void
on_first_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
                size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_identity *identity = arg;
    char log_prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];

    (void) is_truncated;
    if (has_ended(identity)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        finish(identity, status, error);
        return;
    }
    snprintf(log_prefix, sizeof log_prefix, "%s/__kafscale/meta/", identity->ns);
    for (size_t i = 0; i < entry_count; i++) {
        if (strcmp(entries[i].key, identity->key) != 0 &&
            strncmp(entries[i].key, log_prefix, strlen(log_prefix)) != 0) {
            refuse_lost_metadata(identity);
            return;
        }
    }
    snprintf(identity->start_after, sizeof identity->start_after, "%s/__kafscale/meta0",
             identity->ns);
    identity->list.start_after = identity->start_after;
    identity->list.count_max = 1;
    ks_store_list(identity->store, &identity->list, on_rest_listed, identity);
}

static void
look_for_records(struct ks_identity *identity)
{
    snprintf(identity->prefix, sizeof identity->prefix, "%s/", identity->ns);
    identity->list = (struct kafscale_list){ .prefix = identity->prefix, .count_max = 2 };
    ks_store_list(identity->store, &identity->list, on_first_listed, identity);
}

static void
compare_both(struct ks_identity *identity, struct kafscale_slice key_value)
{
    struct ks_identity_record key = { 0 };
    struct kafscale_error error = { 0 };
    enum kafscale_status status = ks_identity_decode(key_value, &key, &error);

    if (status != KAFSCALE_OK) {
        ks_error_wrap(&error, "metadata key " META_KEY);
        doubt(identity, &error);
        return;
    }
    if (!identity->has_object) {
        refuse(identity, KAFSCALE_INVALID,
               "the metadata store knows a cluster but the object is missing: wrong store or "
               "namespace");
        return;
    }
    if (!ks_id_equals(&key.cluster, &identity->object.cluster) ||
        strcmp(key.backend, identity->object.backend) != 0) {
        refuse(identity, KAFSCALE_INVALID, "store and metadata store belong to different clusters");
        return;
    }
    identity->record = identity->object;
    finish(identity, KAFSCALE_OK, NULL);
}

static void read_key(struct ks_identity *identity);

static void
on_key_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_identity *identity = arg;

    (void) revision;
    if (has_ended(identity)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        finish(identity, status, error);
        return;
    }
    if (entry_count > 0) {
        compare_both(identity, entries[0].value);
    } else if (!identity->read.is_fresh) {
        identity->must_look = true;
        read_key(identity);
    } else if (identity->has_object) {
        look_for_records(identity);
    } else {
        write_object(identity);
    }
}

/* The key never changes: where it is known already it needn't be looked for. */
static void
read_key(struct ks_identity *identity)
{
    if (identity->has_object && strcmp(identity->object.backend, identity->backend) != 0) {
        struct kafscale_error error = { 0 };

        ks_error_set(
            &error, KAFSCALE_INVALID,
            "%s/__kafscale/cluster: metadata lives in '%s', this broker is set up for '%s'",
            identity->ns, identity->object.backend, identity->backend);
        doubt(identity, &error);
        return;
    }
    identity->read =
        (struct kafscale_meta_read){ .key = META_KEY, .is_fresh = identity->must_look };
    ks_meta_read(identity->meta, &identity->read, on_key_read, identity);
}

static void
on_object_read(void *arg, enum kafscale_status status, struct kafscale_blob *body,
               uint64_t object_bytes, const struct kafscale_error *error)
{
    struct ks_identity *identity = arg;
    struct kafscale_error decode_error = { 0 };

    (void) object_bytes;
    if (has_ended(identity)) {
        return;
    }
    if (status == KAFSCALE_NOT_FOUND) {
        identity->has_object = false;
        read_key(identity);
        return;
    }
    if (status != KAFSCALE_OK) {
        finish(identity, status == KAFSCALE_CORRUPT ? KAFSCALE_UNAVAILABLE : status, error);
        return;
    }
    status = ks_identity_decode(kafscale_blob_slice(body), &identity->object, &decode_error);
    if (status != KAFSCALE_OK) {
        ks_error_wrap(&decode_error, "%s", identity->key);
        doubt(identity, &decode_error);
        return;
    }
    identity->has_object = true;
    read_key(identity);
}

static void
read_object(struct ks_identity *identity)
{
    identity->get = (struct kafscale_get){ .key = identity->key, .size_max = SIZE_MAX };
    ks_store_get(identity->store, &identity->get, on_object_read, identity);
}

void
ks_identity_check(struct ks_identity *identity, ks_identity_done *done, void *arg)
{
    identity->done = done;
    identity->arg = arg;
    identity->doubts = 0;
    identity->must_look = false;
    snprintf(identity->key, sizeof identity->key, "%s/__kafscale/cluster", identity->ns);
    read_object(identity);
}

void
ks_identity_end(struct ks_identity *identity)
{
    identity->is_ended = true;
}
