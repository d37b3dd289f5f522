/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk through request and response side by side. What has the same name in both is the same
 * thing, but for the pairs that Kafka names differently, and for a few names that mean two things.
 */
#include "testing/mirror.h"

#include <assert.h>

#define ARENA_BYTES_MAX (64u << 20)
#define ANSWER_BYTES_MAX (64u << 20)
#define MESSAGE "injected by a test"

/* An array of the response, the one of the request it follows, and where scalars of that go. */
struct array_pair {
    const char *response;
    const char *request; /* NULL: none, there is one element */
    const char *key;     /* NULL: structs */
    int16_t api_key;
};

static const struct array_pair array_pairs[] = {
    { "topics", "topic_names", "name", KAFKA_API_DELETE_TOPICS },
    { "results", "groups_names", "group_id", KAFKA_API_DELETE_GROUPS },
    { "groups", "groups", "group_id", KAFKA_API_DESCRIBE_GROUPS },
    { "results", "resources", NULL, KAFKA_API_DESCRIBE_CONFIGS },
    { "responses", "resources", NULL, KAFKA_API_ALTER_CONFIGS },
    { "responses", "resources", NULL, KAFKA_API_INCREMENTAL_ALTER_CONFIGS },
    { "results", "topics", NULL, KAFKA_API_CREATE_PARTITIONS },
    { "results", "creations", NULL, KAFKA_API_CREATE_ACLS },
    { "filter_results", "filters", NULL, KAFKA_API_DELETE_ACLS },
    { "coordinators", "coordinator_keys", "key", KAFKA_API_FIND_COORDINATOR },
    { "replica_election_results", "topic_partitions", NULL, KAFKA_API_ELECT_LEADERS },
    { "partition_result", "partitions", "partition_id", KAFKA_API_ELECT_LEADERS },
    { "partitions", "partition_indexes", "partition_index", KAFKA_API_OFFSET_FETCH },
    { "partitions", "partition_indexes", "partition_index",
      KAFKA_API_LIST_PARTITION_REASSIGNMENTS },
    { "responses", "topics", NULL, KAFKA_API_ALTER_PARTITION_REASSIGNMENTS },
    { "results", NULL, NULL, KAFKA_API_DESCRIBE_LOG_DIRS },
};

static const struct {
    const char *response;
    const char *request;
} scalar_pairs[] = {
    { "partition_index", "partition" },
};

/* Something else in the response than in the request. */
static const char *const homonyms[] = {
    "leader_epoch", "timestamp", "configs", "num_partitions", "replication_factor", "protocol_type",
};

/* The codes of Fetch that are about all of it, and not about a partition. */
static const int16_t fetch_codes[] = {
    KAFKA_ERROR_FETCH_SESSION_ID_NOT_FOUND,
    KAFKA_ERROR_INVALID_FETCH_SESSION_EPOCH,
    KAFKA_ERROR_FETCH_SESSION_TOPIC_ID_ERROR,
};

struct walk {
    const struct ks_mirror *mirror;
    struct ks_arena *arena;
    int16_t api_key;
    int16_t version;
};

/* A message and its values; `message` NULL: there is none. */
struct side {
    const struct kafka_message *message;
    const uint8_t *values;
};

static void mirror_message(const struct walk *walk, const struct kafka_message *message,
                           uint8_t *out, struct side request);

/* --- Finding ---------------------------------------------------------------------------------- */

static const struct kafka_field *
find_field(const struct kafka_message *message, const char *name, int16_t version)
{
    for (size_t i = 0; message != NULL && i < message->field_count; i++) {
        const struct kafka_field *field = &message->fields[i];

        if (kafka_field_in(field, version) && strcmp(field->name, name) == 0) {
            return field;
        }
    }
    return NULL;
}

static const struct array_pair *
find_pair(const struct walk *walk, const struct kafka_field *field, struct side request)
{
    for (size_t i = 0; i < sizeof array_pairs / sizeof array_pairs[0]; i++) {
        const struct array_pair *pair = &array_pairs[i];

        if (pair->api_key == walk->api_key && strcmp(pair->response, field->name) == 0 &&
            (pair->request == NULL ||
             find_field(request.message, pair->request, walk->version) != NULL)) {
            return pair;
        }
    }
    return NULL;
}

static bool
is_homonym(const char *name)
{
    for (size_t i = 0; i < sizeof homonyms / sizeof homonyms[0]; i++) {
        if (strcmp(homonyms[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* The field of the request that a scalar of the response repeats, or NULL. */
static const struct kafka_field *
find_source(const struct walk *walk, const struct kafka_field *field, struct side request)
{
    const struct kafka_field *source = NULL;

    if (!is_homonym(field->name)) {
        source = find_field(request.message, field->name, walk->version);
    }
    for (size_t i = 0; source == NULL && i < sizeof scalar_pairs / sizeof scalar_pairs[0]; i++) {
        if (strcmp(scalar_pairs[i].response, field->name) == 0) {
            source = find_field(request.message, scalar_pairs[i].request, walk->version);
        }
    }
    return source;
}

/* --- Filling ---------------------------------------------------------------------------------- */

/* Only an identifier that the response may carry: a null may not be allowed there. */
static void
copy_scalar(const struct walk *walk, const struct kafka_field *field, uint8_t *out,
            const struct kafka_field *source, const uint8_t *value)
{
    if (source->kind != field->kind || kafka_field_is_array(field)) {
        return;
    }
    if (field->kind == KAFKA_KIND_STRING) {
        struct kafscale_slice text;

        memcpy(&text, value, sizeof text);
        if (text.data == NULL && walk->version < field->null_from) {
            return;
        }
    }
    memcpy(out + field->offset, value, kafka_field_element_bytes(field));
}

static const uint8_t *
elements_of(const struct kafka_field *field, const uint8_t *values, int32_t *count_out)
{
    const uint8_t *elements;

    memcpy(&elements, values + field->offset, sizeof elements);
    memcpy(count_out, values + field->count_offset, sizeof *count_out);
    return elements;
}

static void
set_elements(const struct kafka_field *field, uint8_t *out, const uint8_t *elements, int32_t count)
{
    memcpy(out + field->offset, &elements, sizeof elements);
    memcpy(out + field->count_offset, &count, sizeof count);
}

static void
mirror_elements(const struct walk *walk, const struct kafka_field *field, uint8_t *out,
                const struct kafka_field *source, const char *key, const uint8_t *elements,
                int32_t count)
{
    uint8_t *made = kafka_array_new(walk->arena, field->element, (size_t) count);
    size_t stride = source == NULL ? 0 : kafka_field_element_bytes(source);

    for (int32_t i = 0; made != NULL && i < count; i++) {
        const uint8_t *element = elements == NULL ? NULL : elements + (size_t) i * stride;
        struct side request = { .message = source == NULL ? NULL : source->element,
                                .values = element };
        uint8_t *place = made + (size_t) i * field->element->size_bytes;

        mirror_message(walk, field->element, place, request);
        if (key != NULL) {
            const struct kafka_field *named = find_field(field->element, key, walk->version);

            assert(named != NULL);
            copy_scalar(walk, named, place, source, element);
        }
    }
    set_elements(field, out, made, made == NULL ? 0 : count);
}

static void
mirror_array(const struct walk *walk, const struct kafka_field *field, uint8_t *out,
             struct side request)
{
    const struct array_pair *pair = find_pair(walk, field, request);
    const char *name = pair == NULL ? field->name : pair->request;
    const struct kafka_field *source;
    const uint8_t *elements;
    int32_t count;

    if (field->element == NULL || is_homonym(field->name)) {
        return;
    }
    if (pair != NULL && pair->request == NULL) {
        mirror_elements(walk, field, out, NULL, NULL, NULL, 1);
        return;
    }
    source = find_field(request.message, name, walk->version);
    if (source == NULL || !kafka_field_is_array(source) ||
        (source->element == NULL) != (pair != NULL && pair->key != NULL)) {
        return;
    }
    elements = elements_of(source, request.values, &count);
    if (count > 0) {
        mirror_elements(walk, field, out, source, pair == NULL ? NULL : pair->key, elements, count);
    }
}

static void
mirror_field(const struct walk *walk, const struct kafka_field *field, uint8_t *out,
             struct side request)
{
    const struct kafka_field *source;

    if ((field->flags & KAFKA_FIELD_ERROR) != 0) {
        memcpy(out + field->offset, &walk->mirror->error, sizeof walk->mirror->error);
    } else if (kafka_field_is_array(field)) {
        mirror_array(walk, field, out, request);
    } else if (strcmp(field->name, "throttle_time_ms") == 0) {
        memcpy(out + field->offset, &walk->mirror->throttle_ms, sizeof(int32_t));
    } else if (strcmp(field->name, "error_message") == 0) {
        struct kafscale_slice text = ks_slice(MESSAGE, sizeof MESSAGE - 1);

        memcpy(out + field->offset, &text, sizeof text);
    } else if (field->element == NULL) {
        source = find_source(walk, field, request);
        if (source != NULL && !kafka_field_is_array(source)) {
            copy_scalar(walk, field, out, source, request.values + source->offset);
        }
    }
}

static void
mirror_message(const struct walk *walk, const struct kafka_message *message, uint8_t *out,
               struct side request)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (kafka_field_in(&message->fields[i], walk->version)) {
            mirror_field(walk, &message->fields[i], out, request);
        }
    }
}

/* --- Two that differ -------------------------------------------------------------------------- */

/* A consumer that is told of all of its Fetch doesn't look at its partitions. */
static void
finish_fetch(const struct walk *walk, struct kafka_fetch_response *response)
{
    bool is_of_all = response->topics_count == 0;

    for (size_t i = 0; i < sizeof fetch_codes / sizeof fetch_codes[0]; i++) {
        is_of_all = is_of_all || walk->mirror->error == fetch_codes[i];
    }
    if (!is_of_all) {
        response->error_code = KAFKA_ERROR_NONE;
    }
}

/* Clients pass over metadata without a broker, which is right where no topic carries the error. */
static void
finish_metadata(const struct walk *walk, struct kafka_metadata_response *response)
{
    struct kafka_metadata_response_broker *broker;

    if (response->topics_count == 0 || walk->mirror->port == 0) {
        return;
    }
    broker = kafka_array_new(walk->arena, &kafka_metadata_response_broker_message, 1);
    if (broker == NULL) {
        return;
    }
    broker->node_id = walk->mirror->node_id;
    broker->host = ks_slice(walk->mirror->host, strlen(walk->mirror->host));
    broker->port = walk->mirror->port;
    response->brokers = broker;
    response->brokers_count = 1;
    response->controller_id = walk->mirror->node_id;
}

/* --- Bytes ------------------------------------------------------------------------------------ */

/* All that was written behind the frame's length. */
static enum kafscale_status
take_bytes(struct kafka_writer *writer, struct kafscale_blob **answer_out)
{
    const struct kafscale_slice *parts;
    size_t part_count;
    size_t left = kafka_writer_size(writer);
    enum kafscale_status status = kafka_writer_finish(writer, &parts, &part_count);
    struct kafscale_blob *answer;
    uint8_t *out;

    if (status != KAFSCALE_OK) {
        return status;
    }
    assert(left >= KAFKA_FRAME_LENGTH_BYTES);
    assert(parts[0].size >= KAFKA_FRAME_LENGTH_BYTES);
    answer = kafscale_blob_new(left - KAFKA_FRAME_LENGTH_BYTES);
    if (answer == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    out = kafscale_blob_data(answer);
    for (size_t i = 0; i < part_count; i++) {
        size_t skipped = i == 0 ? KAFKA_FRAME_LENGTH_BYTES : 0;
        size_t size = parts[i].size - skipped;

        if (size > 0) {
            memcpy(out, parts[i].data + skipped, size);
            out += size;
        }
    }
    *answer_out = answer;
    return KAFSCALE_OK;
}

static enum kafscale_status
encode(const struct kafka_request_header *header, const void *response,
       struct kafscale_blob **answer_out)
{
    struct kafscale_error error = { 0 };
    struct kafka_writer writer;
    enum kafscale_status status;

    kafka_writer_init(&writer, ANSWER_BYTES_MAX);
    status = kafka_response_encode(header, response, &writer, &error);
    if (status == KAFSCALE_OK) {
        status = take_bytes(&writer, answer_out);
    }
    kafka_writer_deinit(&writer);
    return status;
}

/* --- Answers ---------------------------------------------------------------------------------- */

static enum kafscale_status
make(const struct walk *walk, const struct kafka_api_schema *api, struct kafscale_slice body,
     void **response_out)
{
    struct kafscale_error error = { 0 };
    void *in = ks_arena_alloc(walk->arena, api->request->size_bytes);
    void *out = kafka_array_new(walk->arena, api->response, 1);
    enum kafscale_status status;

    if (in == NULL || out == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    status = kafka_decode_request(api->request, walk->version, body, walk->arena, in, &error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    mirror_message(walk, api->response, out,
                   (struct side){ .message = api->request, .values = in });
    if (api->key == KAFKA_API_FETCH) {
        finish_fetch(walk, out);
    }
    if (api->key == KAFKA_API_METADATA) {
        finish_metadata(walk, out);
    }
    *response_out = out;
    return ks_arena_failed(walk->arena) ? KAFSCALE_NO_MEMORY : KAFSCALE_OK;
}

enum kafscale_status
ks_mirror_error(const struct kafka_request_header *header, struct kafscale_slice body,
                const struct ks_mirror *mirror, struct kafscale_blob **answer_out)
{
    const struct kafka_api_schema *api = kafka_api_find(header->api_key);
    struct ks_arena arena;
    struct walk walk = { .mirror = mirror,
                         .arena = &arena,
                         .api_key = header->api_key,
                         .version = header->api_version };
    enum kafscale_status status;
    void *response;

    if (api == NULL) {
        return KAFSCALE_UNSUPPORTED;
    }
    ks_arena_init(&arena, ARENA_BYTES_MAX);
    status = make(&walk, api, body, &response);
    if (status == KAFSCALE_OK) {
        status = encode(header, response, answer_out);
    }
    ks_arena_deinit(&arena);
    return status;
}

static enum kafscale_status
throttle(const struct kafka_request_header *header, const struct kafka_api_schema *api,
         struct kafscale_slice body, int32_t throttle_ms, struct ks_arena *arena,
         struct kafscale_blob **answer_out)
{
    const struct kafka_field *field =
        find_field(api->response, "throttle_time_ms", header->api_version);
    struct kafscale_error error = { 0 };
    uint8_t *response = ks_arena_alloc(arena, api->response->size_bytes);
    enum kafscale_status status;

    if (response == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    status = kafka_decode(api->response, header->api_version, body, arena, response, &error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    if (field != NULL) {
        memcpy(response + field->offset, &throttle_ms, sizeof throttle_ms);
    }
    return encode(header, response, answer_out);
}

enum kafscale_status
ks_mirror_throttle(const struct kafka_request_header *header, struct kafscale_slice answer,
                   int32_t throttle_ms, struct kafscale_blob **answer_out)
{
    const struct kafka_api_schema *api = kafka_api_find(header->api_key);
    struct kafscale_error error = { 0 };
    struct kafscale_slice body;
    struct ks_arena arena;
    enum kafscale_status status;
    int32_t correlation_id;

    if (api == NULL) {
        return KAFSCALE_UNSUPPORTED;
    }
    status = kafka_response_header_decode(answer, header->api_key, header->api_version,
                                          &correlation_id, &body, &error);
    if (status != KAFSCALE_OK) {
        return status;
    }
    ks_arena_init(&arena, ARENA_BYTES_MAX);
    status = throttle(header, api, body, throttle_ms, &arena, answer_out);
    ks_arena_deinit(&arena);
    return status;
}
