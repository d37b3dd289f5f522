/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OffsetDelete: committed offsets are taken back, of topics that no member of the group reads.
 * Whether one does is known of groups of consumers only.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

static const char consumers[] = "consumer";

struct offset_delete {
    struct ks_request *request;
    struct kafka_offset_delete_response response;
    struct ks_group_offset_name *names; /* of the partitions whose code is 0 so far */
    size_t name_count;
    struct ks_group_wait wait;
    struct ks_timer timer;
};

static void
answer(struct offset_delete *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    ks_request_answer(all->request, &all->response);
}

/* With a code for the whole, partitions have none. */
static void
answer_error(struct offset_delete *all, int16_t code)
{
    all->response.error_code = code;
    all->response.topics_count = 0;
    answer(all);
}

static void
on_done(struct ks_group_wait *wait, enum ks_group_error error)
{
    struct offset_delete *all = wait->arg;

    if (error != KS_GROUP_OK) {
        answer_error(all, ks_kafka_group_error(error));
    } else {
        answer(all);
    }
}

/* The deletion goes on. */
static void
on_timeout(void *arg)
{
    struct offset_delete *all = arg;

    ks_coordinator_cancel(&all->wait);
    answer_error(all, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
}

static void
on_gone(struct ks_request *request)
{
    struct offset_delete *all = request->state;

    ks_coordinator_cancel(&all->wait);
    ks_env_cancel_timer(request->env, &all->timer);
    ks_request_close(request);
}

static void
take_topic(struct offset_delete *all, const struct ks_group *group,
           const struct kafka_offset_delete_request_topic *asked,
           struct kafka_offset_delete_response_topic *out)
{
    struct ks_topic *topic = ks_find_topic(all->request, asked->name, NULL, false);
    bool is_read = ks_group_is_subscribed(group, asked->name);

    for (int32_t i = 0; i < asked->partitions_count; i++) {
        int32_t index = asked->partitions[i].partition_index;
        int16_t *code = &out->partitions[i].error_code;

        if (topic == NULL || ks_topic_partition(topic, index) == NULL) {
            *code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        } else if (is_read) {
            *code = KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC;
        } else {
            all->names[all->name_count++] =
                (struct ks_group_offset_name){ .topic = asked->name, .partition = index };
        }
    }
}

/* The group that is asked about, or the code for the whole. */
static int16_t
find_group(struct ks_request *request, struct ks_group **group_out)
{
    const struct kafka_offset_delete_request *asked = request->body;
    struct ks_coordinated_group *found;
    enum ks_group_error error =
        ks_coordinator_find(ks_request_coordinator(request), asked->group_id, &found);

    if (error != KS_GROUP_OK) {
        return ks_kafka_group_error(error);
    }
    if (ks_group_member_count(found->group) > 0 &&
        !ks_slice_equals(ks_group_protocol_type(found->group), ks_slice_of_text(consumers))) {
        return KAFKA_ERROR_NON_EMPTY_GROUP;
    }
    *group_out = found->group;
    return KAFKA_ERROR_NONE;
}

static void
begin(struct offset_delete *all)
{
    struct ks_request *request = all->request;
    const struct kafka_offset_delete_request *asked = request->body;

    if (all->name_count == 0) {
        answer(all);
        return;
    }
    all->wait = (struct ks_group_wait){ .done = on_done, .arg = all };
    ks_group_set_timeout(request, &all->timer, on_timeout, all);
    request->on_gone = on_gone;
    ks_coordinator_delete_offsets(ks_request_coordinator(request), asked->group_id, all->names,
                                  all->name_count, &all->wait);
}

static void
run(struct ks_request *request)
{
    const struct kafka_offset_delete_request *asked = request->body;
    struct offset_delete *all = request->state;
    struct ks_group *group = NULL;
    int16_t code;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    code = ks_group_doubt(request);
    if (code == KAFKA_ERROR_NONE) {
        code = find_group(request, &group);
    }
    if (code != KAFKA_ERROR_NONE) {
        answer_error(all, code);
        return;
    }
    for (int32_t i = 0; i < asked->topics_count; i++) {
        take_topic(all, group, &asked->topics[i], &all->response.topics[i]);
    }
    begin(all);
}

static void
make_topic(struct ks_request *request, const struct kafka_offset_delete_request_topic *asked,
           struct kafka_offset_delete_response_topic *out)
{
    out->name = asked->name;
    out->partitions =
        kafka_array_new(&request->arena, &kafka_offset_delete_response_topic_partition_message,
                        (size_t) asked->partitions_count);
    out->partitions_count = asked->partitions_count;
    for (int32_t i = 0; out->partitions != NULL && i < asked->partitions_count; i++) {
        out->partitions[i].partition_index = asked->partitions[i].partition_index;
    }
}

static void
make_response(struct offset_delete *all)
{
    struct ks_request *request = all->request;
    const struct kafka_offset_delete_request *asked = request->body;
    size_t count = 0;

    kafka_message_init(&kafka_offset_delete_response_message, &all->response);
    all->response.topics = kafka_array_new(
        &request->arena, &kafka_offset_delete_response_topic_message, (size_t) asked->topics_count);
    all->response.topics_count = asked->topics_count;
    for (int32_t i = 0; all->response.topics != NULL && i < asked->topics_count; i++) {
        make_topic(request, &asked->topics[i], &all->response.topics[i]);
        count += (size_t) asked->topics[i].partitions_count;
    }
    all->names = ks_request_alloc(request, count, sizeof *all->names);
}

void
ks_handle_offset_delete(struct ks_request *request)
{
    const struct kafka_offset_delete_request *asked = request->body;
    struct offset_delete *all = ks_request_alloc(request, 1, sizeof *all);

    if (all != NULL) {
        all->request = request;
        make_response(all);
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    request->state = all;
    if (asked->group_id.size == 0) {
        answer_error(all, KAFKA_ERROR_INVALID_GROUP_ID);
        return;
    }
    run(request);
}
