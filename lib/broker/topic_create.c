/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Check, read the name's record, look at the prefix of a first life, write, wait until the
 * partitions are open.
 */
#include "broker/topic_create.h"

#include <assert.h>
#include <stdio.h>

#define TRIES_MAX 5
#define RETRY_FIRST_MS 50
#define RETRY_LAST_MS 2000
#define RECORD_BYTES_MAX (512 * 1024)

static void
finish(struct ks_topic_create *create, enum ks_broker_error result)
{
    struct ks_topics *topics = create->topics;

    ks_waiter_end(&create->waiter);
    if (create->has_place) {
        ks_table_remove(&topics->creations, &create->by_collapsed);
        create->has_place = false;
    }
    if (create->is_reserved) {
        topics->partitions_reserved -= create->partition_count;
        topics->creations_count--;
        create->is_reserved = false;
    }
    ks_buffer_deinit(&create->bytes);
    if (result != KS_BROKER_ERROR_NONE && create->error.status == KAFSCALE_OK) {
        ks_error_set(&create->error, KAFSCALE_INVALID, "%s", ks_broker_error_text(result));
    }
    create->done(create, result);
}

static void
on_task(void *arg)
{
    struct ks_topic_create *create = arg;

    finish(create, create->result);
}

/* For results known before anything was asked: the completion may not come from inside the call. */
static void
finish_later(struct ks_topic_create *create, enum ks_broker_error result)
{
    create->result = result;
    create->task.run = on_task;
    create->task.arg = create;
    ks_env_defer(create->topics->env, &create->task);
}

static void
fail(struct ks_topic_create *create, enum kafscale_status status,
     const struct kafscale_error *error)
{
    if (error != NULL && error->status != KAFSCALE_OK) {
        create->error = *error;
    }
    finish(create, ks_broker_error_of_status(status));
}

/* After the end of service neither store nor metadata may be asked any more. */
static bool
has_ended(struct ks_topic_create *create)
{
    if (!create->topics->is_ended) {
        return false;
    }
    finish(create, KS_BROKER_ERROR_NOT_OWNER);
    return true;
}

/* Whoever asked was told that it didn't happen in time, and may have gone another way since. */
static bool
is_late(struct ks_topic_create *create)
{
    if (ks_env_now_ms(create->topics->env) <= create->deadline_ms) {
        return false;
    }
    finish(create, KS_BROKER_ERROR_TIMED_OUT);
    return true;
}

/* --- After the transaction -------------------------------------------------------------------- */

static void
on_opened(struct ks_waiter *waiter, bool is_due)
{
    struct ks_topic_create *create = KS_CONTAINER(waiter, struct ks_topic_create, waiter);
    struct ks_topic *topic = ks_topics_find_id(create->topics, &create->record.id);

    if (!is_due && topic != NULL && topic->is_opening && !create->topics->is_ended) {
        return;
    }
    finish(create, KS_BROKER_ERROR_NONE);
}

/* A topic exists once it is written; that its partitions open late only makes clients try again. */
static void
wait_until_open(struct ks_topic_create *create)
{
    struct ks_topic *topic = ks_topics_find_id(create->topics, &create->record.id);

    create->id = create->record.id;
    if (topic == NULL || !topic->is_opening) {
        finish(create, KS_BROKER_ERROR_NONE);
        return;
    }
    create->waiter.on_woken = on_opened;
    ks_waiter_stand(&create->waiter, &topic->opened);
    ks_waiter_set_deadline(&create->waiter, create->deadline_ms);
}

static void read_name(struct ks_topic_create *create, bool is_fresh);

static void
on_written(void *arg, enum kafscale_status status, uint64_t revision,
           const struct kafscale_error *error)
{
    struct ks_topic_create *create = arg;
    struct kafscale_meta_entry entry = { .key = create->topic_key,
                                         .value = ks_buffer_slice(&create->bytes),
                                         .version = revision };

    if (status == KAFSCALE_CONFLICT || status == KAFSCALE_UNKNOWN) {
        create->tries++;
        if (create->tries >= TRIES_MAX) {
            finish(create, KS_BROKER_ERROR_UNAVAILABLE);
        } else if (!has_ended(create) && !is_late(create)) {
            read_name(create, true);
        }
        return;
    }
    if (status == KAFSCALE_OK) {
        status = ks_topics_apply(create->topics, &entry, false);
    }
    if (status != KAFSCALE_OK) {
        fail(create, status, error);
        return;
    }
    wait_until_open(create);
}

static void
write_topic(struct ks_topic_create *create)
{
    struct ks_name_record name = { .is_alive = true, .id = create->record.id };

    ks_topic_record_key(&create->record.id, create->topic_key);
    ks_buffer_clear(&create->bytes);
    ks_topic_record_encode(&create->record, &create->bytes);
    if (ks_buffer_failed(&create->bytes)) {
        finish(create, KS_BROKER_ERROR_NO_MEMORY);
        return;
    }
    ks_name_record_encode(&name, create->name_record);
    create->compares[0] =
        (struct kafscale_meta_compare){ .key = create->name_key, .version = create->name_version };
    create->compares[1] = (struct kafscale_meta_compare){ .key = create->topic_key, .version = 0 };
    create->operations[0] = (struct kafscale_meta_operation){
        .key = create->name_key, .value = ks_slice(create->name_record, KS_NAME_RECORD_BYTES)
    };
    create->operations[1] =
        (struct kafscale_meta_operation){ .key = create->topic_key,
                                          .value = ks_buffer_slice(&create->bytes) };
    create->txn = (struct kafscale_meta_txn){ .compares = create->compares,
                                              .compare_count = 2,
                                              .operations = create->operations,
                                              .operation_count = 2 };
    create->is_sent = true;
    ks_meta_txn(create->topics->meta, &create->txn, on_written, create);
}

/* --- Before it -------------------------------------------------------------------------------- */

static void look_at_prefix(struct ks_topic_create *create);

static void
on_retry(struct ks_waiter *waiter, bool is_due)
{
    struct ks_topic_create *create = KS_CONTAINER(waiter, struct ks_topic_create, waiter);

    (void) is_due;
    ks_waiter_end(waiter);
    if (!has_ended(create)) {
        look_at_prefix(create);
    }
}

/*
 * The metadata store tries again by itself, the object store doesn't. False: the client's time
 * would be over by then.
 */
static bool
retry_later(struct ks_topic_create *create)
{
    int64_t now_ms = ks_env_now_ms(create->topics->env);
    int64_t wait_ms = ks_backoff_ms(RETRY_FIRST_MS, RETRY_LAST_MS, create->list_failures);

    if (now_ms + wait_ms > create->deadline_ms) {
        return false;
    }
    create->list_failures++;
    create->waiter.on_woken = on_retry;
    ks_waiter_stand(&create->waiter, &create->topics->ending);
    ks_waiter_set_deadline(&create->waiter, now_ms + wait_ms);
    return true;
}

static void
on_prefix_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
                 size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_topic_create *create = arg;

    (void) entries;
    (void) is_truncated;
    if (has_ended(create)) {
        return;
    }
    if (status != KAFSCALE_OK) {
        if (status == KAFSCALE_FAILED || !retry_later(create)) {
            fail(create, status, error);
        }
        return;
    }
    create->record.is_later_life = entry_count > 0;
    if (!is_late(create)) {
        write_topic(create);
    }
}

static void
look_at_prefix(struct ks_topic_create *create)
{
    snprintf(create->prefix, sizeof create->prefix, "%s/%s/", create->topics->ns,
             create->record.name);
    create->list = (struct kafscale_list){ .prefix = create->prefix, .count_max = 1 };
    ks_store_list(create->topics->store, &create->list, on_prefix_listed, create);
}

/*
 * Lives are told apart by the first four bytes of the id in keys of the store, so a later life
 * takes the number after that of the one before instead of drawing it. Another life may have come
 * and gone since a transaction of ours was sent; then that is void, and ours takes a new number.
 */
static void
number_after(struct ks_id *id, const struct ks_id *earlier)
{
    ks_put_u32(id->bytes, ks_get_u32(earlier->bytes) + 1);
}

static void
decide(struct ks_topic_create *create, const struct ks_name_record *earlier)
{
    if (earlier != NULL && earlier->is_alive) {
        bool is_ours = create->is_sent && ks_id_equals(&earlier->id, &create->record.id);

        if (is_ours) {
            wait_until_open(create);
        } else {
            finish(create, KS_BROKER_ERROR_TOPIC_EXISTS);
        }
        return;
    }
    if (create->is_dry_run) {
        finish(create, KS_BROKER_ERROR_NONE);
        return;
    }
    if (is_late(create)) {
        return;
    }
    if (earlier == NULL) {
        look_at_prefix(create);
        return;
    }
    number_after(&create->record.id, &earlier->id);
    create->record.is_later_life = true;
    write_topic(create);
}

static void
on_name_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
             size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct ks_topic_create *create = arg;
    struct ks_name_record earlier = { 0 };
    struct kafscale_error own_error = { 0 };

    (void) revision;
    if (status == KAFSCALE_OK && entry_count > 0) {
        status = ks_name_record_decode(entries[0].value, &earlier, &own_error);
        error = &own_error;
    }
    if (status != KAFSCALE_OK) {
        fail(create, status, error);
        return;
    }
    if (has_ended(create)) {
        return;
    }
    create->name_version = entry_count > 0 ? entries[0].version : 0;
    decide(create, entry_count > 0 ? &earlier : NULL);
}

static void
read_name(struct ks_topic_create *create, bool is_fresh)
{
    create->read = (struct kafscale_meta_read){ .key = create->name_key, .is_fresh = is_fresh };
    ks_meta_read(create->topics->meta, &create->read, on_name_read, create);
}

/* The creation under way whose name looks like this one, or NULL. */
static struct ks_topic_create *
find_creation(const struct ks_topics *topics, const char *name)
{
    char collapsed[KS_TOPIC_NAME_BYTES_MAX + 1];
    struct ks_table_node *node;

    ks_topic_name_collapse(name, collapsed);
    node = ks_table_find(&topics->creations, ks_slice_of_text(collapsed));
    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_topic_create, by_collapsed);
}

bool
ks_topic_is_being_created(const struct ks_topics *topics, struct kafscale_slice name)
{
    char text[KS_TOPIC_NAME_BYTES_MAX + 1] = { 0 };
    struct ks_topic_create *create;

    assert(name.size <= KS_TOPIC_NAME_BYTES_MAX);

    memcpy(text, name.data, name.size);
    create = find_creation(topics, text);
    return create != NULL && strcmp(create->record.name, text) == 0;
}

static bool
collides_with_creation(const struct ks_topics *topics, const char *name)
{
    struct ks_topic_create *create = find_creation(topics, name);

    return create != NULL && strcmp(create->record.name, name) != 0;
}

static enum ks_broker_error
check_collision(struct ks_topic_create *create)
{
    struct ks_topic *other = ks_topics_find_collision(create->topics, create->record.name);

    if (other == NULL && !collides_with_creation(create->topics, create->record.name)) {
        return KS_BROKER_ERROR_NONE;
    }
    ks_error_set(&create->error, KAFSCALE_INVALID,
                 "Topic '%.100s' collides with '%.100s': '.' and '_' can't tell names apart",
                 create->record.name, other == NULL ? "one being created" : other->record.name);
    return KS_BROKER_ERROR_INVALID_NAME;
}

static enum ks_broker_error
check_limits(struct ks_topic_create *create)
{
    struct ks_topics *topics = create->topics;

    if (create->partition_count <= 0) {
        ks_error_set(&create->error, KAFSCALE_INVALID,
                     "Number of partitions must be larger than 0");
        return KS_BROKER_ERROR_INVALID_PARTITIONS;
    }
    if (create->partition_count > topics->topic_partitions_max) {
        ks_error_set(&create->error, KAFSCALE_INVALID, "A topic has at most %d partitions",
                     topics->topic_partitions_max);
        return KS_BROKER_ERROR_INVALID_PARTITIONS;
    }
    if (ks_topics_count(topics) + topics->creations_count >= topics->topics_max ||
        topics->partition_count + topics->partitions_reserved + create->partition_count >
            topics->partitions_max) {
        return KS_BROKER_ERROR_OVER_LIMIT;
    }
    return KS_BROKER_ERROR_NONE;
}

static enum ks_broker_error
check(struct ks_topic_create *create)
{
    enum ks_broker_error result;

    if (ks_topic_name_check(create->name, &create->error) != KAFSCALE_OK) {
        return KS_BROKER_ERROR_INVALID_NAME;
    }
    memcpy(create->record.name, create->name.data, create->name.size);
    if (ks_topics_find(create->topics, create->name) != NULL) {
        ks_error_set(&create->error, KAFSCALE_EXISTS, "Topic '%s' already exists.",
                     create->record.name);
        return KS_BROKER_ERROR_TOPIC_EXISTS;
    }
    result = check_collision(create);
    return result == KS_BROKER_ERROR_NONE ? check_limits(create) : result;
}

/* A second creation of the same name finds in the end that it exists, so it needs no place. */
static enum kafscale_status
take_place(struct ks_topic_create *create)
{
    struct ks_table *creations = &create->topics->creations;
    struct kafscale_slice collapsed;
    enum kafscale_status status;

    ks_topic_name_collapse(create->record.name, create->collapsed);
    collapsed = ks_slice_of_text(create->collapsed);
    if (ks_table_find(creations, collapsed) != NULL) {
        return KAFSCALE_OK;
    }
    status = ks_table_insert(creations, &create->by_collapsed, collapsed);
    create->has_place = status == KAFSCALE_OK;
    return status;
}

static void
begin(struct ks_topic_create *create)
{
    struct ks_topics *topics = create->topics;

    create->record.partition_count = create->partition_count;
    create->record.config = *create->config;
    ks_env_random(topics->env, create->record.id.bytes, KS_ID_BYTES);
    ks_name_record_key(create->record.name, create->name_key);
    topics->partitions_reserved += create->partition_count;
    topics->creations_count++;
    create->is_reserved = true;
    read_name(create, false);
}

void
ks_topic_create(struct ks_topics *topics, struct ks_topic_create *create)
{
    enum ks_broker_error result;

    create->topics = topics;
    ks_buffer_init(&create->bytes, RECORD_BYTES_MAX);
    ks_waiter_init(&create->waiter, topics->env, create->places, 1, on_opened);
    result = check(create);
    if (result == KS_BROKER_ERROR_NONE && take_place(create) != KAFSCALE_OK) {
        result = KS_BROKER_ERROR_NO_MEMORY;
    }
    if (result != KS_BROKER_ERROR_NONE) {
        finish_later(create, result);
        return;
    }
    begin(create);
}
