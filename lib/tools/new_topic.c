/* SPDX-License-Identifier: Apache-2.0 */
/* One transaction, whose keys and values lie in an arena until it is answered. */
#include "tools/new_topic.h"

struct registration {
    struct ks_arena arena;
    struct ks_buffer bytes; /* of the value at hand */
    struct kafscale_meta_compare compares[2];
    struct kafscale_meta_operation *operations;
    size_t count;
};

static void
add_operation(struct registration *registration, const char *key, struct kafscale_slice value)
{
    struct kafscale_meta_operation *operation = &registration->operations[registration->count++];

    operation->key = ks_arena_copy_text(&registration->arena, key, strlen(key));
    operation->value =
        ks_slice(ks_arena_copy_text(&registration->arena, value.data, value.size), value.size);
}

static void
add_topic(struct registration *registration, const struct ks_topic_record *topic)
{
    struct ks_name_record name = { .is_alive = true, .id = topic->id };
    uint8_t name_bytes[KS_NAME_RECORD_BYTES];
    char key[KS_NAME_KEY_BYTES];

    ks_name_record_encode(&name, name_bytes);
    ks_name_record_key(topic->name, key);
    add_operation(registration, key, ks_slice(name_bytes, sizeof name_bytes));
    ks_topic_record_encode(topic, &registration->bytes);
    ks_topic_record_key(&topic->id, key);
    add_operation(registration, key, ks_buffer_slice(&registration->bytes));
    for (size_t i = 0; i < 2; i++) {
        registration->compares[i] =
            (struct kafscale_meta_compare){ .key = registration->operations[i].key };
    }
}

static void
add_register(struct registration *registration, const struct ks_topic_record *topic,
             const struct ks_new_partition *partition)
{
    struct ks_partition_name name = { .topic = topic->id, .index = partition->index };
    char key[KS_REGISTER_KEY_BYTES];

    ks_buffer_clear(&registration->bytes);
    ks_register_encode(&partition->reg, &registration->bytes);
    ks_register_key(&name, key);
    add_operation(registration, key, ks_buffer_slice(&registration->bytes));
}

enum kafscale_status
ks_tools_make_known(struct ks_session *session, const struct ks_topic_record *topic,
                    const struct ks_new_partition *partitions, size_t partition_count,
                    struct kafscale_error *error)
{
    struct registration registration = { 0 };
    struct kafscale_meta_txn txn;
    enum kafscale_status status;

    ks_arena_init(&registration.arena, SIZE_MAX);
    ks_buffer_init(&registration.bytes, KAFSCALE_META_VALUE_BYTES_MAX);
    registration.operations = ks_arena_alloc_array(&registration.arena, partition_count + 2,
                                                   sizeof *registration.operations);
    if (registration.operations != NULL) {
        add_topic(&registration, topic);
        for (size_t i = 0; i < partition_count; i++) {
            add_register(&registration, topic, &partitions[i]);
        }
    }
    txn = (struct kafscale_meta_txn){ .compares = registration.compares,
                                      .compare_count = 2,
                                      .operations = registration.operations,
                                      .operation_count = registration.count };
    status = ks_buffer_failed(&registration.bytes) || ks_arena_failed(&registration.arena)
                 ? ks_error_set(error, KAFSCALE_NO_MEMORY, "no memory for a topic")
                 : ks_session_txn(session, &txn, error);
    ks_buffer_deinit(&registration.bytes);
    ks_arena_deinit(&registration.arena);
    return status;
}

enum kafscale_status
ks_tools_is_known(struct ks_session *session, const char *name, bool *is_known_out,
                  struct kafscale_error *error)
{
    struct ks_session_entries entries = { 0 };
    char key[KS_NAME_KEY_BYTES];
    enum kafscale_status status;

    ks_name_record_key(name, key);
    status = ks_session_read(session, key, &entries, error);
    if (status == KAFSCALE_OK) {
        *is_known_out = ks_find_entry(entries.entries, entries.count, key) != NULL;
        ks_session_entries_free(&entries);
    }
    return status;
}
