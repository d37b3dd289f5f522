/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metadata: this broker leads every partition. Topics that don't exist are made first if the
 * client lets us, and the answer waits for them: that spares clients the round of errors other
 * brokers send them through.
 */
#include "handlers/api.h"
#include "handlers/internal.h"

#include <assert.h>

/* What Kafka answers without an authorizer. */
#define TOPIC_OPERATIONS 3576
#define CLUSTER_OPERATIONS 8096
#define WAITED_CREATES_MAX 16
#define WAIT_MS 5000

/* A topic being made for place `index` of a request, which it may outlive. */
struct auto_create {
    struct ks_topic_create create;
    struct ks_list link;       /* of the request, while that waits */
    struct metadata *metadata; /* NULL: answered already */
    int32_t index;
};

struct metadata {
    struct ks_request *request;
    const struct kafka_metadata_request *asked;
    struct kafka_metadata_response response;
    enum ks_broker_error *errors; /* of creations, one per topic asked for */
    size_t creates_due;
    struct ks_list creates; /* those due */
    struct ks_timer timer;
    int64_t due_ms; /* the answer leaves no later */
    int32_t *node;  /* the one replica of everything */
    char cluster_id[KS_CLUSTER_ID_BYTES];
};

static void
fill_partition(struct metadata *metadata, struct ks_topic_partition *partition,
               struct kafka_metadata_response_topic_partition *out)
{
    bool is_open = partition->log != NULL &&
                   ks_serving_error(metadata->request->broker) == KS_BROKER_ERROR_NONE;

    out->partition_index = partition->index;
    out->error_code = is_open ? KAFKA_ERROR_NONE : KAFKA_ERROR_LEADER_NOT_AVAILABLE;
    out->leader_id = is_open ? *metadata->node : -1;
    out->leader_epoch = is_open ? ks_partition_leader_epoch(partition->log) : -1;
    out->replica_nodes = metadata->node;
    out->replica_nodes_count = 1;
    out->isr_nodes = metadata->node;
    out->isr_nodes_count = 1;
}

static void
fill_topic(struct metadata *metadata, struct ks_topic *topic,
           struct kafka_metadata_response_topic *out)
{
    struct ks_request *request = metadata->request;
    int32_t count = topic->record.partition_count;

    /* The topic may be deleted before the answer is encoded only if we waited, and we don't. */
    out->error_code = KAFKA_ERROR_NONE;
    out->name = ks_slice_of_text(topic->record.name);
    out->is_internal = topic->is_internal;
    memcpy(out->topic_id, topic->record.id.bytes, KS_ID_BYTES);
    if (metadata->asked->include_topic_authorized_operations) {
        out->topic_authorized_operations = TOPIC_OPERATIONS;
    }
    out->partitions = kafka_array_new(
        &request->arena, &kafka_metadata_response_topic_partition_message, (size_t) count);
    out->partitions_count = count;
    for (int32_t i = 0; out->partitions != NULL && i < count; i++) {
        fill_partition(metadata, topic->partitions[i], &out->partitions[i]);
    }
}

static void
fill_all(struct metadata *metadata)
{
    struct ks_request *request = metadata->request;
    struct ks_topics *topics = ks_broker_topics(request->broker);
    struct kafka_metadata_response *response = &metadata->response;
    size_t count = ks_topics_count(topics);
    struct ks_topic *topic = NULL;

    response->topics =
        kafka_array_new(&request->arena, &kafka_metadata_response_topic_message, count);
    response->topics_count = (int32_t) count;
    for (size_t i = 0; response->topics != NULL && i < count; i++) {
        topic = ks_topics_next(topics, topic);
        fill_topic(metadata, topic, &response->topics[i]);
    }
}

static bool
is_by_id(const struct metadata *metadata, int32_t i)
{
    return metadata->request->header.api_version >= 10 &&
           metadata->asked->topics[i].name.data == NULL;
}

static struct ks_topic *
find(const struct metadata *metadata, int32_t i)
{
    const struct kafka_metadata_request_topic *asked = &metadata->asked->topics[i];

    return ks_find_topic(metadata->request, asked->name, asked->topic_id, is_by_id(metadata, i));
}

static int16_t
missing_code(const struct metadata *metadata, int32_t i)
{
    enum ks_broker_error error = metadata->errors[i];

    if (is_by_id(metadata, i)) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_ID;
    }
    if (!ks_topic_name_is_legal(metadata->asked->topics[i].name)) {
        return KAFKA_ERROR_INVALID_TOPIC;
    }
    if (error == KS_BROKER_ERROR_INVALID_NAME || error == KS_BROKER_ERROR_INVALID_PARTITIONS) {
        return KAFKA_ERROR_INVALID_TOPIC;
    }
    if (error == KS_BROKER_ERROR_OVER_LIMIT) {
        return KAFKA_ERROR_POLICY_VIOLATION;
    }
    if (error == KS_BROKER_ERROR_NONE &&
        ks_request_doubt(metadata->request) == KS_BROKER_ERROR_NONE) {
        return KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return KAFKA_ERROR_LEADER_NOT_AVAILABLE;
}

static void
fill_asked(struct metadata *metadata)
{
    struct kafka_metadata_response *response = &metadata->response;
    int32_t count = metadata->asked->topics_count;

    response->topics = kafka_array_new(&metadata->request->arena,
                                       &kafka_metadata_response_topic_message, (size_t) count);
    response->topics_count = count;
    for (int32_t i = 0; response->topics != NULL && i < count; i++) {
        struct kafka_metadata_response_topic *out = &response->topics[i];
        struct ks_topic *topic = find(metadata, i);

        if (topic != NULL) {
            fill_topic(metadata, topic, out);
            continue;
        }
        out->error_code = missing_code(metadata, i);
        out->name = metadata->asked->topics[i].name;
        memcpy(out->topic_id, metadata->asked->topics[i].topic_id, KS_ID_BYTES);
        if (out->name.data == NULL && metadata->request->header.api_version < 12) {
            out->name = ks_slice_of_text("");
        }
    }
}

static void
fill_broker(struct metadata *metadata)
{
    struct ks_request *request = metadata->request;
    const struct ks_endpoint *endpoint = ks_broker_endpoint(request->broker, request->listener);
    struct kafka_metadata_response *response = &metadata->response;

    /* A broker that was refused its store never learnt which cluster it is of. */
    if (!ks_id_is_zero(ks_broker_cluster_id(request->broker))) {
        ks_cluster_id_text(request->broker, metadata->cluster_id);
        response->cluster_id = ks_slice_of_text(metadata->cluster_id);
    }
    response->controller_id = *metadata->node;
    response->brokers =
        kafka_array_new(&request->arena, &kafka_metadata_response_broker_message, 1);
    if (response->brokers == NULL) {
        return;
    }
    response->brokers_count = 1;
    response->brokers[0].node_id = *metadata->node;
    response->brokers[0].host = ks_slice_of_text(endpoint->host);
    response->brokers[0].port = endpoint->port;
    if (metadata->asked->include_cluster_authorized_operations) {
        response->cluster_authorized_operations = CLUSTER_OPERATIONS;
    }
}

/* Version 0 can't say "none" and means all by an empty list. */
static bool
wants_all(const struct metadata *metadata)
{
    int32_t count = metadata->asked->topics_count;

    return count < 0 || (count == 0 && metadata->request->header.api_version == 0);
}

static void
answer(struct metadata *metadata)
{
    ks_env_cancel_timer(metadata->request->env, &metadata->timer);
    kafka_message_init(&kafka_metadata_response_message, &metadata->response);
    fill_broker(metadata);
    if (wants_all(metadata)) {
        fill_all(metadata);
    } else {
        fill_asked(metadata);
    }
    ks_request_answer(metadata->request, &metadata->response);
}

static void
on_created(struct ks_topic_create *create, enum ks_broker_error error)
{
    struct auto_create *made = create->arg;
    struct metadata *metadata = made->metadata;
    int32_t index = made->index;

    ks_list_remove(&made->link);
    ks_free(made);
    if (metadata == NULL) {
        return;
    }
    metadata->errors[index] = error == KS_BROKER_ERROR_TOPIC_EXISTS ? KS_BROKER_ERROR_NONE : error;
    assert(metadata->creates_due > 0);
    metadata->creates_due--;
    if (metadata->creates_due == 0) {
        answer(metadata);
    }
}

static bool
may_create(const struct metadata *metadata, int32_t i)
{
    const struct ks_request *request = metadata->request;
    struct kafscale_slice name = metadata->asked->topics[i].name;

    return ks_broker_options(request->broker)->auto_create_topics &&
           metadata->asked->allow_auto_topic_creation && !is_by_id(metadata, i) &&
           ks_serving_error(request->broker) == KS_BROKER_ERROR_NONE &&
           !ks_topic_name_is_internal(name) && ks_topic_name_is_legal(name);
}

static void
create(struct metadata *metadata, int32_t i)
{
    static const struct ks_topic_config no_config;
    struct ks_request *request = metadata->request;
    struct auto_create *made = ks_alloc_zero(1, sizeof *made);
    struct ks_topic_create *create = made == NULL ? NULL : &made->create;

    /* What the answer says of it while it is under way. */
    metadata->errors[i] = KS_BROKER_ERROR_NOT_OPEN;
    if (made == NULL) {
        return;
    }
    ks_list_append(&metadata->creates, &made->link);
    made->metadata = metadata;
    made->index = i;
    create->name = metadata->asked->topics[i].name;
    create->partition_count = ks_broker_options(request->broker)->partitions_default;
    create->config = &no_config;
    create->deadline_ms = metadata->due_ms;
    create->done = on_created;
    create->arg = made;
    metadata->creates_due++;
    ks_topic_create(ks_broker_topics(request->broker), create);
}

/*
 * Who asks for a few topics waits for them, whoever else may be creating them. Among very many the
 * same name may stand again and again: its client comes again for these.
 */
static void
create_once(struct metadata *metadata, int32_t i)
{
    if (metadata->creates_due >= WAITED_CREATES_MAX &&
        ks_topic_is_being_created(ks_broker_topics(metadata->request->broker),
                                  metadata->asked->topics[i].name)) {
        metadata->errors[i] = KS_BROKER_ERROR_NOT_OPEN;
        return;
    }
    create(metadata, i);
}

/* The client comes again for what is neither found nor made by now. */
static void
on_timeout(void *arg)
{
    struct metadata *metadata = arg;
    struct ks_request *request = metadata->request;
    struct ks_list *node;

    while ((node = ks_list_take_first(&metadata->creates)) != NULL) {
        KS_CONTAINER(node, struct auto_create, link)->metadata = NULL;
    }
    ks_request_give_up_look(request);
    answer(metadata);
}

static void
start_timer(struct metadata *metadata)
{
    struct ks_env *env = metadata->request->env;

    metadata->due_ms = ks_env_now_ms(env) + WAIT_MS;
    metadata->timer.on_due = on_timeout;
    metadata->timer.arg = metadata;
    ks_env_set_timer(env, &metadata->timer, metadata->due_ms);
}

/*
 * "Unknown" may be old knowledge: look before saying so, and before making a topic that another
 * broker has made.
 */
static void
run(struct ks_request *request)
{
    struct metadata *metadata = request->state;
    int32_t missing = 0;

    for (int32_t i = 0; i < metadata->asked->topics_count; i++) {
        missing += find(metadata, i) == NULL;
    }
    if (missing > 0 && !ks_request_is_fresh(request, run)) {
        return;
    }
    for (int32_t i = 0; i < metadata->asked->topics_count; i++) {
        if (find(metadata, i) == NULL && may_create(metadata, i)) {
            create_once(metadata, i);
        }
    }
    if (metadata->creates_due == 0) {
        answer(metadata);
    }
}

/* Versions 10 and 11 have ids in their form, but may not be asked by them. */
static bool
is_invalid(const struct metadata *metadata)
{
    int16_t version = metadata->request->header.api_version;

    for (int32_t i = 0; i < metadata->asked->topics_count; i++) {
        const struct kafka_metadata_request_topic *asked = &metadata->asked->topics[i];
        struct ks_id id;

        memcpy(id.bytes, asked->topic_id, KS_ID_BYTES);
        if ((version == 10 || version == 11) && (asked->name.data == NULL || !ks_id_is_zero(&id))) {
            return true;
        }
    }
    return false;
}

static void
answer_invalid(struct metadata *metadata)
{
    struct kafka_metadata_response *response = &metadata->response;

    kafka_message_init(&kafka_metadata_response_message, response);
    fill_asked(metadata);
    for (int32_t i = 0; response->topics != NULL && i < response->topics_count; i++) {
        response->topics[i].error_code = KAFKA_ERROR_INVALID_REQUEST;
        response->topics[i].partitions_count = 0;
    }
    ks_request_answer(metadata->request, response);
}

void
ks_handle_metadata(struct ks_request *request)
{
    struct metadata *metadata = ks_request_alloc(request, 1, sizeof *metadata);
    const struct kafka_metadata_request *asked = request->body;
    size_t count = asked->topics_count < 0 ? 0 : (size_t) asked->topics_count;

    if (metadata == NULL) {
        ks_request_close(request);
        return;
    }
    request->state = metadata;
    metadata->request = request;
    metadata->asked = asked;
    metadata->node = ks_request_alloc(request, 1, sizeof *metadata->node);
    metadata->errors = ks_request_alloc(request, count, sizeof *metadata->errors);
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    ks_list_init(&metadata->creates);
    *metadata->node = ks_broker_options(request->broker)->node_id;
    if (is_invalid(metadata)) {
        answer_invalid(metadata);
        return;
    }
    start_timer(metadata);
    run(request);
}
