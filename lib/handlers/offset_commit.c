/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OffsetCommit: what may be committed is appended at once and answered when it is durable, which
 * also proves that this broker owns the group. Only a refusal waits for a look.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

/* From this version on a group that isn't there is told from a generation that has passed. */
#define NOT_FOUND_VERSION 9

struct offset_commit {
    struct ks_request *request;
    struct kafka_offset_commit_response response;
    struct ks_group_offset *offsets; /* of the partitions whose code is 0 so far */
    size_t offset_count;
    bool has_unknown; /* a topic or partition */
    struct ks_group_wait wait;
    struct ks_timer timer;
};

static void
answer(struct offset_commit *commit)
{
    ks_env_cancel_timer(commit->request->env, &commit->timer);
    commit->response.throttle_time_ms = ks_request_throttle(commit->request, ks_throttle_commit_ms);
    ks_request_answer(commit->request, &commit->response);
}

/* Gives all partitions that nothing else is wrong with the same code. */
static void
answer_rest(struct offset_commit *commit, int16_t code)
{
    for (int32_t i = 0; i < commit->response.topics_count; i++) {
        struct kafka_offset_commit_response_topic *topic = &commit->response.topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            if (topic->partitions[j].error_code == KAFKA_ERROR_NONE) {
                topic->partitions[j].error_code = code;
            }
        }
    }
    answer(commit);
}

/* The same whatever else is wrong with them. */
static void
answer_all(struct offset_commit *commit, int16_t code)
{
    for (int32_t i = 0; i < commit->response.topics_count; i++) {
        struct kafka_offset_commit_response_topic *topic = &commit->response.topics[i];

        for (int32_t j = 0; j < topic->partitions_count; j++) {
            topic->partitions[j].error_code = code;
        }
    }
    answer(commit);
}

static void
on_done(struct ks_group_wait *wait, enum ks_group_error error)
{
    answer_rest(wait->arg, ks_kafka_group_error(error));
}

/* The commit may still become durable; its member commits again. */
static void
on_timeout(void *arg)
{
    struct offset_commit *commit = arg;

    ks_coordinator_cancel(&commit->wait);
    answer_rest(commit, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
}

static void
on_gone(struct ks_request *request)
{
    struct offset_commit *commit = request->state;

    ks_coordinator_cancel(&commit->wait);
    ks_env_cancel_timer(request->env, &commit->timer);
    ks_request_close(request);
}

/* --- What is asked ---------------------------------------------------------------------------- */

static int64_t
expires_ms(const struct ks_request *request, int64_t retention_ms)
{
    int64_t now_ms = ks_env_wall_ms(request->env);

    if (retention_ms < 0) {
        return -1;
    }
    return retention_ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + retention_ms;
}

static void
add_offset(struct offset_commit *commit, const struct ks_topic *topic,
           const struct kafka_offset_commit_request_topic *asked_topic,
           const struct kafka_offset_commit_request_topic_partition *asked)
{
    const struct kafka_offset_commit_request *request = commit->request->body;

    commit->offsets[commit->offset_count++] = (struct ks_group_offset){
        .topic = asked_topic->name,
        .partition = asked->partition_index,
        .value = { .offset = asked->committed_offset,
                   .leader_epoch = asked->committed_leader_epoch,
                   .metadata = ks_text_or_empty(asked->committed_metadata),
                   .expires_ms = expires_ms(commit->request, request->retention_time_ms),
                   .topic_id = topic->record.id }
    };
}

static void
take_topic(struct offset_commit *commit, const struct kafka_offset_commit_request_topic *asked,
           struct kafka_offset_commit_response_topic *out)
{
    struct ks_request *request = commit->request;
    struct ks_topic *topic = ks_find_topic(request, asked->name, NULL, false);
    size_t metadata_bytes_max = ks_broker_options(request->broker)->offset_metadata_bytes_max;

    for (int32_t i = 0; i < asked->partitions_count; i++) {
        const struct kafka_offset_commit_request_topic_partition *partition = &asked->partitions[i];
        int16_t *code = &out->partitions[i].error_code;

        *code = KAFKA_ERROR_NONE;
        if (topic == NULL || ks_topic_partition(topic, partition->partition_index) == NULL) {
            *code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
            commit->has_unknown = true;
        } else if (partition->committed_metadata.size > metadata_bytes_max) {
            *code = KAFKA_ERROR_OFFSET_METADATA_TOO_LARGE;
        } else {
            add_offset(commit, topic, asked, partition);
        }
    }
}

static void
take_topics(struct offset_commit *commit)
{
    const struct kafka_offset_commit_request *asked = commit->request->body;

    commit->offset_count = 0;
    commit->has_unknown = false;
    for (int32_t i = 0; i < asked->topics_count; i++) {
        take_topic(commit, &asked->topics[i], &commit->response.topics[i]);
    }
}

/* A sign of life of the member, whatever comes of it. */
static int16_t
check_member(const struct ks_request *request)
{
    const struct kafka_offset_commit_request *asked = request->body;
    struct ks_group_claim claim = { .member_id = asked->member_id,
                                    .instance_id = asked->group_instance_id,
                                    .generation = asked->generation_id_or_member_epoch };
    enum ks_group_error error =
        ks_coordinator_check_commit(ks_request_coordinator(request), asked->group_id, &claim);

    if (error == KS_GROUP_NOT_FOUND && request->header.api_version < NOT_FOUND_VERSION) {
        return KAFKA_ERROR_ILLEGAL_GENERATION;
    }
    return ks_kafka_group_error(error);
}

/* --- Doing it --------------------------------------------------------------------------------- */

static void
begin(struct offset_commit *commit)
{
    struct ks_request *request = commit->request;
    const struct kafka_offset_commit_request *asked = request->body;

    if (commit->offset_count == 0) {
        answer(commit);
        return;
    }
    commit->wait = (struct ks_group_wait){ .done = on_done, .arg = commit };
    ks_group_set_timeout(request, &commit->timer, on_timeout, commit);
    request->on_gone = on_gone;
    ks_coordinator_commit(ks_request_coordinator(request), asked->group_id, commit->offsets,
                          commit->offset_count, &commit->wait);
}

static void
run(struct ks_request *request)
{
    struct offset_commit *commit = request->state;
    int16_t doubt = ks_group_doubt(request);
    int16_t code;

    if (doubt != KAFKA_ERROR_NONE) {
        answer_all(commit, doubt);
        return;
    }
    take_topics(commit);
    code = check_member(request);
    if ((code != KAFKA_ERROR_NONE || commit->has_unknown) && !ks_group_is_fresh(request, run)) {
        return;
    }
    if (code != KAFKA_ERROR_NONE) {
        answer_rest(commit, code);
        return;
    }
    begin(commit);
}

static void
make_topic(struct ks_request *request, const struct kafka_offset_commit_request_topic *asked,
           struct kafka_offset_commit_response_topic *out)
{
    out->name = asked->name;
    out->partitions =
        kafka_array_new(&request->arena, &kafka_offset_commit_response_topic_partition_message,
                        (size_t) asked->partitions_count);
    out->partitions_count = asked->partitions_count;
    for (int32_t i = 0; out->partitions != NULL && i < asked->partitions_count; i++) {
        out->partitions[i].partition_index = asked->partitions[i].partition_index;
    }
}

static void
make_response(struct offset_commit *commit)
{
    struct ks_request *request = commit->request;
    const struct kafka_offset_commit_request *asked = request->body;
    struct kafka_offset_commit_response *response = &commit->response;
    size_t count = 0;

    kafka_message_init(&kafka_offset_commit_response_message, response);
    response->topics = kafka_array_new(&request->arena, &kafka_offset_commit_response_topic_message,
                                       (size_t) asked->topics_count);
    response->topics_count = asked->topics_count;
    for (int32_t i = 0; response->topics != NULL && i < asked->topics_count; i++) {
        make_topic(request, &asked->topics[i], &response->topics[i]);
        count += (size_t) asked->topics[i].partitions_count;
    }
    commit->offsets = ks_request_alloc(request, count, sizeof *commit->offsets);
}

void
ks_handle_offset_commit(struct ks_request *request)
{
    struct offset_commit *commit = ks_request_alloc(request, 1, sizeof *commit);

    if (commit != NULL) {
        commit->request = request;
        make_response(commit);
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    request->state = commit;
    run(request);
}
