/* SPDX-License-Identifier: Apache-2.0 */
/* Topics come and go: creation, auto-creation, deletion, re-creation, and what clients are told. */
#include "support/admin_client.h"
#include "support/main.h"

static struct broker_fixture fixture;
static struct test_broker *broker;

static void
set_up(void)
{
    broker_fixture_init(&fixture, 3);
    broker = test_broker_start(&fixture);
}

static void
tear_down(void)
{
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
}

static struct test_call *
metadata_begin(const char *name, bool may_create)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request request;

    kafka_message_init(&kafka_metadata_request_message, &request);
    kafka_message_init(&kafka_metadata_request_topic_message, &topic);
    topic.name = name == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(name);
    request.topics = &topic;
    request.topics_count = name == NULL ? -1 : 1;
    request.allow_auto_topic_creation = may_create;
    return call_begin(broker, KAFKA_API_METADATA, 12, &request);
}

static int16_t
metadata_error(const char *name, bool may_create, int32_t *partitions_out)
{
    struct test_call *metadata = metadata_begin(name, may_create);
    const struct kafka_metadata_response *response = call_response(metadata);
    int16_t code = response->topics[0].error_code;

    if (partitions_out != NULL) {
        *partitions_out = response->topics[0].partitions_count;
    }
    call_free(metadata);
    return code;
}

static size_t
topic_count(void)
{
    struct test_call *metadata = metadata_begin(NULL, false);
    const struct kafka_metadata_response *response = call_response(metadata);
    size_t count = (size_t) response->topics_count;

    call_free(metadata);
    return count;
}

static struct ks_topic *
topic_of(const char *name)
{
    return admin_topic(broker, name);
}

START_TEST(a_topic_asked_for_is_made_with_the_default_partitions)
{
    int32_t partitions = 0;

    ck_assert_int_eq(metadata_error("a", false, NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(metadata_error("a", true, &partitions), KAFKA_ERROR_NONE);
    ck_assert_int_eq(partitions, 4);
    ck_assert_uint_eq(topic_count(), 1);
}
END_TEST

START_TEST(two_who_ask_at_once_get_one_topic)
{
    struct test_call *first = metadata_begin("a", true);
    struct test_call *second = metadata_begin("a", true);
    const struct kafka_metadata_response *one = call_response(first);
    const struct kafka_metadata_response *other = call_response(second);

    ck_assert_int_eq(one->topics[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(other->topics[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_mem_eq(one->topics[0].topic_id, other->topics[0].topic_id, KS_ID_BYTES);
    call_free(first);
    call_free(second);
}
END_TEST

START_TEST(names_that_may_not_be_are_refused)
{
    ck_assert_int_eq(metadata_error("a/b", true, NULL), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_int_eq(metadata_error("__kafscale_x", true, NULL), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_int_eq(metadata_error("__consumer_offsets", true, NULL),
                     KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(client_create(broker, "..", 1), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_int_eq(client_create(broker, "", 1), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_uint_eq(topic_count(), 0);
}
END_TEST

START_TEST(names_that_differ_in_dot_and_underscore_collide)
{
    struct test_call *first;
    struct test_call *second;
    int16_t codes[2];

    ck_assert_int_eq(client_create(broker, "a.b", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "a_b", 1), KAFKA_ERROR_INVALID_TOPIC);
    ck_assert_int_eq(client_create(broker, "a.b", 1), KAFKA_ERROR_TOPIC_ALREADY_EXISTS);
    /* Also while the other one is only being made. */
    first = metadata_begin("c.d", true);
    second = metadata_begin("c_d", true);
    codes[0] =
        ((const struct kafka_metadata_response *) call_response(first))->topics[0].error_code;
    codes[1] =
        ((const struct kafka_metadata_response *) call_response(second))->topics[0].error_code;
    ck_assert_int_eq(codes[0], KAFKA_ERROR_NONE);
    ck_assert_int_eq(codes[1], KAFKA_ERROR_INVALID_TOPIC);
    call_free(first);
    call_free(second);
}
END_TEST

START_TEST(partition_counts_are_limited)
{
    ck_assert_int_eq(client_create(broker, "a", 0), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(client_create(broker, "a", -2), KAFKA_ERROR_INVALID_PARTITIONS);
    ck_assert_int_eq(client_create(broker, "a", 1000000), KAFKA_ERROR_INVALID_PARTITIONS);
    ks_broker_topics(broker->broker)->partitions_max = 10;
    ck_assert_int_eq(client_create(broker, "a", 6), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_create(broker, "b", 6), KAFKA_ERROR_POLICY_VIOLATION);
    ck_assert_int_eq(client_create(broker, "b", 4), KAFKA_ERROR_NONE);
}
END_TEST

START_TEST(a_deleted_topic_can_be_made_again_at_once_and_begins_empty)
{
    struct client_batch batch = client_batch("a", 0);
    struct ks_id first_id;
    int64_t offset = -1;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    first_id = topic_of("a")->record.id;
    ck_assert(!topic_of("a")->record.is_later_life);
    ck_assert_str_eq(topic_of("a")->prefix, "a");
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    for (uint32_t life = 1; life <= 3; life++) {
        ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
        ck_assert(topic_of("a")->record.is_later_life);
        ck_assert_int_eq(strncmp(topic_of("a")->prefix, "a@", 2), 0);
        ck_assert_uint_eq(strlen(topic_of("a")->prefix), 10);
        /* No two lives share a prefix in the store. */
        ck_assert_uint_eq(ks_get_u32(topic_of("a")->record.id.bytes),
                          ks_get_u32(first_id.bytes) + life);
        ck_assert_int_eq(client_produce(broker, &batch, &offset), KAFKA_ERROR_NONE);
        ck_assert_int_eq(offset, 0);
        ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    }
}
END_TEST

START_TEST(topics_and_their_configuration_survive_a_restart)
{
    struct kafka_create_topics_request_topic_config config = { .name =
                                                                   ks_slice_of_text("retention.ms"),
                                                               .value = ks_slice_of_text("1234") };
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;
    struct test_call *create;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text("a");
    topic.num_partitions = 3;
    topic.replication_factor = -1;
    topic.configs = &config;
    topic.configs_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    call(broker, KAFKA_API_CREATE_TOPICS, 5, &request, &create);
    call_free(create);
    test_broker_stop(broker);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(topic_of("a")->record.partition_count, 3);
    ck_assert_str_eq(topic_of("a")->record.config.values[KS_TOPIC_CONFIG_RETENTION_MS], "1234");
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_TOPIC_ALREADY_EXISTS);
}
END_TEST

static int16_t
create_with(const char *key, const char *value)
{
    struct kafka_create_topics_request_topic_config config = {
        .name = ks_slice_of_text(key),
        .value = value == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(value)
    };
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;
    const struct kafka_create_topics_response *response;
    struct test_call *create;
    int16_t code;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text("configured");
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    topic.configs = &config;
    topic.configs_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_CREATE_TOPICS, 7, &request, &create);
    code = response->topics[0].error_code;
    if (code == KAFKA_ERROR_NONE) {
        ck_assert_int_eq(response->topics[0].configs_count, KS_TOPIC_CONFIG_COUNT);
    } else {
        ck_assert_uint_gt(response->topics[0].error_message.size, 0);
    }
    call_free(create);
    return code;
}

START_TEST(configurations_that_may_not_be_are_refused)
{
    ck_assert_int_eq(create_with("no.such.key", "1"), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(create_with("retention.ms", "soon"), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_int_eq(create_with("retention.ms", NULL), KAFKA_ERROR_INVALID_CONFIG);
    ck_assert_uint_eq(topic_count(), 0);
}
END_TEST

START_TEST(batches_are_limited_by_the_topics_own_limit)
{
    struct client_batch batch = client_batch("configured", 0);

    ck_assert_int_eq(create_with("max.message.bytes", "100"), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    batch.count = 20;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_MESSAGE_TOO_LARGE);
}
END_TEST

START_TEST(a_topic_with_append_time_gets_the_brokers_clock)
{
    struct client_batch batch = client_batch("configured", 0);
    struct test_call *produce;
    const struct kafka_produce_response *response;
    const struct kafka_fetch_response_topic_partition *fetched;
    struct test_call *fetch;
    struct ks_batch stored;

    batch.timestamp = 5;
    ck_assert_int_eq(create_with("message.timestamp.type", "LogAppendTime"), KAFKA_ERROR_NONE);
    produce = client_produce_begin(broker, &batch, 1000);
    response = call_response(produce);
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_gt(response->topics[0].partitions[0].log_append_time_ms, 1600000000000);
    fetch = client_fetch_begin(broker, "configured", 0, 0, 0);
    fetched = client_fetched(fetch);
    ck_assert_int_eq(
        ks_batch_parse(fetched->records.parts[0], &stored, &(struct kafscale_error){ 0 }),
        KAFSCALE_OK);
    ck_assert(ks_batch_has_append_time(&stored));
    ck_assert(ks_batch_crc_is_right(&stored));
    ck_assert_int_eq(stored.max_timestamp, response->topics[0].partitions[0].log_append_time_ms);
    call_free(fetch);
    call_free(produce);
}
END_TEST

START_TEST(records_from_the_far_future_are_refused)
{
    struct client_batch batch = client_batch("configured", 0);

    ck_assert_int_eq(create_with("message.timestamp.after.max.ms", "1000"), KAFKA_ERROR_NONE);
    batch.timestamp += 10000000;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_INVALID_TIMESTAMP);
}
END_TEST

START_TEST(a_dry_run_makes_nothing)
{
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;
    const struct kafka_create_topics_response *response;
    struct test_call *create;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text("a");
    topic.num_partitions = -1;
    topic.replication_factor = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.validate_only = true;
    response = call(broker, KAFKA_API_CREATE_TOPICS, 7, &request, &create);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_NONE);
    ck_assert_int_eq(response->topics[0].num_partitions, 4);
    call_free(create);
    ck_assert_uint_eq(topic_count(), 0);
}
END_TEST

START_TEST(a_topic_named_twice_in_a_request_is_not_made)
{
    static const char *const names[] = { "x", "y", "x" };
    static const int16_t codes[] = { KAFKA_ERROR_INVALID_REQUEST, KAFKA_ERROR_NONE,
                                     KAFKA_ERROR_INVALID_REQUEST };
    struct kafka_create_topics_request_topic topics[3];
    struct kafka_create_topics_request request;
    const struct kafka_create_topics_response *response;
    struct test_call *create;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    for (int i = 0; i < 3; i++) {
        kafka_message_init(&kafka_create_topics_request_topic_message, &topics[i]);
        topics[i].name = ks_slice_of_text(names[i]);
        topics[i].num_partitions = 1;
        topics[i].replication_factor = 1;
    }
    request.topics = topics;
    request.topics_count = 3;
    response = call(broker, KAFKA_API_CREATE_TOPICS, 7, &request, &create);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(response->topics[i].error_code, codes[i]);
    }
    call_free(create);
    ck_assert_uint_eq(topic_count(), 1);
}
END_TEST

START_TEST(topics_are_deleted_by_name_or_by_id)
{
    struct kafka_delete_topics_request_topic topic;
    struct kafka_delete_topics_request request;
    const struct kafka_delete_topics_response *response;
    struct test_call *delete;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    kafka_message_init(&kafka_delete_topics_request_message, &request);
    kafka_message_init(&kafka_delete_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text("a");
    memcpy(topic.topic_id, topic_of("a")->record.id.bytes, KS_ID_BYTES);
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_DELETE_TOPICS, 6, &request, &delete);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    call_free(delete);
    topic.name = ks_slice(NULL, 0);
    response = call(broker, KAFKA_API_DELETE_TOPICS, 6, &request, &delete);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_NONE);
    ck_assert(ks_slice_equals(response->topics[0].name, ks_slice_of_text("a")));
    call_free(delete);
    response = call(broker, KAFKA_API_DELETE_TOPICS, 6, &request, &delete);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_ID);
    call_free(delete);
    ck_assert_uint_eq(topic_count(), 0);
}
END_TEST

/* The transaction may have happened: the broker must find out, not guess. */
START_TEST(a_creation_with_a_lost_answer_ends_well)
{
    struct ks_fate lost = { .fault = KS_FAULT_ERROR_AFTER };

    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/meta/log/", lost, 2);
    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_uint_eq(topic_count(), 1);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/meta/log/", lost, 2);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    ck_assert_uint_eq(topic_count(), 0);
}
END_TEST

static void
ignore_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) arg;
    (void) error;
    ck_assert_int_eq(status, KAFSCALE_OK);
}

static void
ignore_close(void *arg)
{
    (void) arg;
}

START_TEST(a_name_whose_prefix_is_taken_in_the_store_gets_one_of_its_own)
{
    struct kafscale_store store = ks_memory_store_new(&fixture.v.env, fixture.bucket);
    struct ks_store *wrapped = ks_store_new(&fixture.v.env, store);
    struct kafscale_part part = { .bytes = ks_slice_of_text("x") };
    struct kafscale_put put = {
        .key = "default/old/0/segment-0.kfs", .parts = &part, .part_count = 1, .if_absent = true
    };

    ks_store_put(wrapped, &put, ignore_put, NULL);
    virtual_env_run_for(&fixture.v, 10);
    ks_store_close(wrapped, ignore_close, NULL);
    virtual_env_run_for(&fixture.v, 10);
    ck_assert_int_eq(client_create(broker, "old", 1), KAFKA_ERROR_NONE);
    ck_assert(topic_of("old")->record.is_later_life);
}
END_TEST

/* As if a topic of this id had lived and been deleted. */
static void
other_writer_leaves_mark(struct other_writer *other, const char *key, const struct ks_id *id)
{
    struct ks_name_record mark = { .id = *id };
    uint8_t bytes[KS_NAME_RECORD_BYTES];
    struct kafscale_slice value = ks_slice(bytes, sizeof bytes);

    ks_name_record_encode(&mark, bytes);
    other_writer_put(other, key, &value);
}

/* While a transaction is on its way another broker's life of the name may come and go. */
START_TEST(a_life_that_came_and_went_meanwhile_keeps_its_prefix)
{
    struct ks_fate slow = { .fault = KS_FAULT_NONE, .effect_ms = 1000 };
    struct other_writer other;
    struct test_call *metadata;
    struct ks_id id;
    uint32_t first;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    id = topic_of("a")->record.id;
    first = ks_get_u32(id.bytes);
    ck_assert_int_eq(client_delete(broker, "a"), KAFKA_ERROR_NONE);
    other_writer_init(&other, &fixture);
    ks_fault_store_next(broker->faults, KS_STORE_PUT, "/meta/log/", slow, 1);
    metadata = metadata_begin("a", true);
    virtual_env_run_for(&fixture.v, 100);
    ks_put_u32(id.bytes, first + 1);
    other_writer_leaves_mark(&other, "name/a", &id);
    call_wait(metadata);
    call_free(metadata);
    ck_assert_uint_eq(ks_get_u32(topic_of("a")->record.id.bytes), first + 2);
    other_writer_deinit(&other);
}
END_TEST

static struct test_call *
create_begin(const char *name, int32_t timeout_ms)
{
    struct kafka_create_topics_request_topic topic;
    struct kafka_create_topics_request request;

    kafka_message_init(&kafka_create_topics_request_message, &request);
    kafka_message_init(&kafka_create_topics_request_topic_message, &topic);
    topic.name = ks_slice_of_text(name);
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = timeout_ms;
    return call_begin(broker, KAFKA_API_CREATE_TOPICS, 7, &request);
}

static void
expect_within_ms(struct test_call *call, int64_t begin_ms, int64_t limit_ms)
{
    call_wait(call);
    ck_assert_int_le(fixture.v.now_ms - begin_ms, limit_ms);
}

/* Also where the look before them can't be had (the second time). */
START_TEST(creations_and_deletions_are_answered_in_time_without_a_store)
{
    struct ks_fate away = { .fault = KS_FAULT_UNAVAILABLE };
    struct test_call *create;
    struct test_call *metadata;
    int64_t begin_ms;

    ck_assert_int_eq(client_create(broker, "old", 1), KAFKA_ERROR_NONE);
    if (_i == 1) {
        virtual_env_run_for(&fixture.v, 5000);
    }
    begin_ms = fixture.v.now_ms;
    ks_fault_store_next(broker->faults, _i == 1 ? KS_STORE_OPERATION_COUNT : KS_STORE_PUT, NULL,
                        away, UINT32_MAX);
    create = create_begin("new", 2000);
    metadata = metadata_begin("asked-for", true);
    ck_assert_int_ne(client_delete(broker, "old"), KAFKA_ERROR_NONE);
    ck_assert_int_le(fixture.v.now_ms - begin_ms, 1000);
    expect_within_ms(create, begin_ms, 2000);
    expect_within_ms(metadata, begin_ms, 5000);
    ck_assert_int_ne(
        ((const struct kafka_create_topics_response *) call_response(create))->topics[0].error_code,
        KAFKA_ERROR_NONE);
    ck_assert_int_eq(
        ((const struct kafka_metadata_response *) call_response(metadata))->topics[0].error_code,
        KAFKA_ERROR_LEADER_NOT_AVAILABLE);
    call_free(create);
    call_free(metadata);
    ks_fault_store_clear(broker->faults);
    virtual_env_run_for(&fixture.v, 10000);
    ck_assert_int_eq(metadata_error("asked-for", true, NULL), KAFKA_ERROR_NONE);
    ck_assert_int_eq(metadata_error("new", true, NULL), KAFKA_ERROR_NONE);
}
END_TEST

/*
 * A producer sends more than one batch at a time; the partition may open between two of them. There
 * is one producer too many to remember them all: the first is forgotten.
 */
START_TEST(nothing_overtakes_a_batch_that_came_before_its_partition_was_open)
{
    struct client_batch batch = client_batch("a", 0);
    struct test_call *calls[KS_REFUSALS_MAX + 1];
    struct test_call *metadata = metadata_begin("a", true);
    struct ks_topics *topics = ks_broker_topics(broker->broker);

    while (ks_topics_find(topics, ks_slice_of_text("a")) == NULL) {
        ck_assert(virtual_env_step(&fixture.v));
    }
    ck_assert_ptr_null(topic_of("a")->partitions[0]->log);
    for (int i = 0; i <= KS_REFUSALS_MAX; i++) {
        batch.producer_id = i;
        calls[i] = client_produce_begin(broker, &batch, 1000);
    }
    for (int i = 0; i <= KS_REFUSALS_MAX; i++) {
        ck_assert_int_eq(client_produced(calls[i], NULL), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
        call_free(calls[i]);
    }
    call_wait(metadata);
    call_free(metadata);
    ck_assert_ptr_nonnull(topic_of("a")->partitions[0]->log);
    for (int i = 1; i <= KS_REFUSALS_MAX; i++) {
        batch.producer_id = i;
        batch.sequence = 1;
        ck_assert_int_eq(client_produce(broker, &batch, NULL),
                         KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
        batch.sequence = 0;
        ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    }
}
END_TEST

/* The batch becomes durable, but nobody will ever read it. */
START_TEST(nothing_is_acknowledged_for_a_topic_that_was_deleted_elsewhere)
{
    struct client_batch batch = client_batch("a", 0);
    char key[KS_TOPIC_KEY_BYTES];
    struct kafscale_meta_operation operation = { .key = key, .is_delete = true };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    struct other_writer other;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    ks_topic_record_key(&topic_of("a")->record.id, key);
    other_writer_init(&other, &fixture);
    virtual_env_run_for(&fixture.v, 5000);
    ck_assert_int_eq(meta_client_txn(&other.meta, &txn).status, KAFSCALE_OK);
    /* Known to the store, not yet to this broker. */
    ck_assert(!topic_of("a")->is_gone);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    other_writer_deinit(&other);
}
END_TEST

START_TEST(topics_are_found_by_id)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request request;
    const struct kafka_metadata_response *response;
    struct test_call *metadata;

    ck_assert_int_eq(client_create(broker, "a", 1), KAFKA_ERROR_NONE);
    kafka_message_init(&kafka_metadata_request_message, &request);
    kafka_message_init(&kafka_metadata_request_topic_message, &topic);
    topic.name = ks_slice(NULL, 0);
    memcpy(topic.topic_id, topic_of("a")->record.id.bytes, KS_ID_BYTES);
    request.topics = &topic;
    request.topics_count = 1;
    response = call(broker, KAFKA_API_METADATA, 12, &request, &metadata);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_NONE);
    ck_assert(ks_slice_equals(response->topics[0].name, ks_slice_of_text("a")));
    call_free(metadata);
    topic.topic_id[15] ^= 1;
    response = call(broker, KAFKA_API_METADATA, 12, &request, &metadata);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_ID);
    call_free(metadata);
    response = call(broker, KAFKA_API_METADATA, 10, &request, &metadata);
    ck_assert_int_eq(response->topics[0].error_code, KAFKA_ERROR_INVALID_REQUEST);
    call_free(metadata);
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("handlers topics");
    TCase *tests = tcase_create("all");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_topic_asked_for_is_made_with_the_default_partitions);
    tcase_add_test(tests, two_who_ask_at_once_get_one_topic);
    tcase_add_test(tests, names_that_may_not_be_are_refused);
    tcase_add_test(tests, names_that_differ_in_dot_and_underscore_collide);
    tcase_add_test(tests, partition_counts_are_limited);
    tcase_add_test(tests, a_deleted_topic_can_be_made_again_at_once_and_begins_empty);
    tcase_add_test(tests, topics_and_their_configuration_survive_a_restart);
    tcase_add_test(tests, configurations_that_may_not_be_are_refused);
    tcase_add_test(tests, batches_are_limited_by_the_topics_own_limit);
    tcase_add_test(tests, a_topic_with_append_time_gets_the_brokers_clock);
    tcase_add_test(tests, records_from_the_far_future_are_refused);
    tcase_add_test(tests, a_dry_run_makes_nothing);
    tcase_add_test(tests, a_topic_named_twice_in_a_request_is_not_made);
    tcase_add_test(tests, a_creation_with_a_lost_answer_ends_well);
    tcase_add_test(tests, a_name_whose_prefix_is_taken_in_the_store_gets_one_of_its_own);
    tcase_add_test(tests, a_life_that_came_and_went_meanwhile_keeps_its_prefix);
    tcase_add_loop_test(tests, creations_and_deletions_are_answered_in_time_without_a_store, 0, 2);
    tcase_add_test(tests, nothing_overtakes_a_batch_that_came_before_its_partition_was_open);
    tcase_add_test(tests, nothing_is_acknowledged_for_a_topic_that_was_deleted_elsewhere);
    tcase_add_test(tests, topics_are_found_by_id);
    tcase_add_test(tests, topics_are_deleted_by_name_or_by_id);
    suite_add_tcase(suite, tests);
    return suite;
}
