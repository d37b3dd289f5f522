/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OffsetFetch. The answer is made of what the groups have now, which may not all be durable: it
 * leaves when that is. Versions before 8 ask for one group, and are answered from the same.
 */
#include "handlers/api.h"
#include "handlers/groups.h"

#include <assert.h>

#define TOP_ERROR_VERSION 2
#define GROUPS_VERSION 8

#define NO_OFFSET (-1)

struct fetched_group {
    struct offset_fetch *fetch;
    const struct kafka_offset_fetch_request_group *asked;
    struct kafka_offset_fetch_response_group *out;
    struct ks_group_wait wait;
    bool is_due;
};

struct offset_fetch {
    struct ks_request *request;
    struct kafka_offset_fetch_response response;
    struct fetched_group *groups;
    size_t group_count;
    size_t due;
    struct ks_timer timer;
};

/* --- The answer before version 8 -------------------------------------------------------------- */

static void
copy_topic(struct ks_request *request, const struct kafka_offset_fetch_response_group_topic *in,
           struct kafka_offset_fetch_response_topic *out)
{
    size_t count = (size_t) in->partitions_count;

    out->name = in->name;
    out->partitions = kafka_array_new(&request->arena,
                                      &kafka_offset_fetch_response_topic_partition_message, count);
    out->partitions_count = in->partitions_count;
    for (size_t i = 0; out->partitions != NULL && i < count; i++) {
        out->partitions[i] = (struct kafka_offset_fetch_response_topic_partition){
            .partition_index = in->partitions[i].partition_index,
            .committed_offset = in->partitions[i].committed_offset,
            .committed_leader_epoch = in->partitions[i].committed_leader_epoch,
            .metadata = in->partitions[i].metadata,
            .error_code = in->partitions[i].error_code
        };
    }
}

static void
copy_group(struct ks_request *request, const struct kafka_offset_fetch_response_group *in,
           struct kafka_offset_fetch_response *out)
{
    size_t count = (size_t) in->topics_count;

    out->error_code = in->error_code;
    out->topics =
        kafka_array_new(&request->arena, &kafka_offset_fetch_response_topic_message, count);
    out->topics_count = in->topics_count;
    for (size_t i = 0; out->topics != NULL && i < count; i++) {
        copy_topic(request, &in->topics[i], &out->topics[i]);
    }
}

static void
answer(struct offset_fetch *fetch)
{
    struct ks_request *request = fetch->request;
    struct kafka_offset_fetch_response single;

    ks_env_cancel_timer(request->env, &fetch->timer);
    if (request->header.api_version >= GROUPS_VERSION) {
        ks_request_answer(request, &fetch->response);
        return;
    }
    assert(fetch->group_count == 1);
    kafka_message_init(&kafka_offset_fetch_response_message, &single);
    copy_group(request, &fetch->response.groups[0], &single);
    ks_request_answer(request, &single);
}

/* --- What a group has ------------------------------------------------------------------------- */

static void
fill_none(struct kafka_offset_fetch_response_group_topic_partition *out, int32_t index)
{
    out->partition_index = index;
    out->committed_offset = NO_OFFSET;
    out->committed_leader_epoch = -1;
    out->metadata = ks_slice("", 0);
}

/* The answer may leave when the offset is another already, so it borrows nothing. */
static void
fill_partition(struct ks_request *request, const struct ks_committed *committed,
               struct kafka_offset_fetch_response_group_topic_partition *out)
{
    struct kafscale_slice metadata = ks_committed_metadata(committed);

    fill_none(out, committed->partition);
    out->committed_offset = committed->offset;
    out->committed_leader_epoch = committed->leader_epoch;
    if (metadata.size > 0) {
        out->metadata = ks_slice(ks_arena_copy_text(&request->arena, metadata.data, metadata.size),
                                 metadata.size);
    }
}

static bool
make_partitions(struct ks_request *request, struct kafka_offset_fetch_response_group_topic *out,
                size_t count)
{
    out->partitions = kafka_array_new(
        &request->arena, &kafka_offset_fetch_response_group_topic_partition_message, count);
    out->partitions_count = out->partitions == NULL ? 0 : (int32_t) count;
    return out->partitions != NULL;
}

/* What is asked for of a topic; `topic` is NULL where nothing is committed. */
static void
fill_topic(struct ks_request *request, const struct ks_offsets_topic *topic,
           const struct kafka_offset_fetch_request_group_topic *asked,
           struct kafka_offset_fetch_response_group_topic *out)
{
    out->name = asked->name;
    if (!make_partitions(request, out, (size_t) asked->partition_indexes_count)) {
        return;
    }
    for (int32_t i = 0; i < asked->partition_indexes_count; i++) {
        int32_t index = asked->partition_indexes[i];
        const struct ks_committed *committed = topic == NULL ? NULL : ks_offsets_find(topic, index);

        if (committed == NULL) {
            fill_none(&out->partitions[i], index);
        } else {
            fill_partition(request, committed, &out->partitions[i]);
        }
    }
}

static const struct ks_offsets_topic *
find_topic(struct ks_request *request, const struct ks_coordinated_group *group,
           struct kafscale_slice name)
{
    const struct ks_offsets_topic *topic =
        group == NULL ? NULL : ks_offsets_find_topic(&group->offsets, name);

    if (topic != NULL && !ks_coordinator_is_current(ks_request_coordinator(request), topic)) {
        return NULL;
    }
    return topic;
}

static void
fill_asked(struct ks_request *request, const struct ks_coordinated_group *group,
           const struct kafka_offset_fetch_request_group *asked,
           struct kafka_offset_fetch_response_group *out)
{
    out->topics = kafka_array_new(&request->arena, &kafka_offset_fetch_response_group_topic_message,
                                  (size_t) asked->topics_count);
    for (int32_t i = 0; out->topics != NULL && i < asked->topics_count; i++) {
        fill_topic(request, find_topic(request, group, asked->topics[i].name), &asked->topics[i],
                   &out->topics[i]);
        out->topics_count = i + 1;
    }
}

static void
fill_whole_topic(struct ks_request *request, const struct ks_offsets_topic *topic,
                 struct kafka_offset_fetch_response_group_topic *out)
{
    struct kafscale_slice name = ks_offsets_topic_name(topic);

    out->name = ks_arena_copy_slice(&request->arena, name);
    if (!make_partitions(request, out, topic->partition_count)) {
        return;
    }
    for (size_t i = 0; i < topic->partition_count; i++) {
        fill_partition(request, &topic->partitions[i], &out->partitions[i]);
    }
}

static void
fill_all(struct ks_request *request, const struct ks_coordinated_group *group,
         struct kafka_offset_fetch_response_group *out)
{
    const struct ks_list *head = &group->offsets.topics;

    out->topics = kafka_array_new(&request->arena, &kafka_offset_fetch_response_group_topic_message,
                                  group->offsets.by_topic.count);
    if (out->topics == NULL) {
        return;
    }
    for (const struct ks_list *link = head->next; link != head; link = link->next) {
        const struct ks_offsets_topic *topic = KS_CONTAINER(link, struct ks_offsets_topic, link);

        if (ks_coordinator_is_current(ks_request_coordinator(request), topic)) {
            fill_whole_topic(request, topic, &out->topics[out->topics_count++]);
        }
    }
}

/* --- Errors ----------------------------------------------------------------------------------- */

/* Version 1 has room for errors in partitions only. */
static void
fill_error(struct fetched_group *group, int16_t code)
{
    struct ks_request *request = group->fetch->request;
    struct kafka_offset_fetch_response_group *out = group->out;

    /* Consumers take 16 as what it is, and older ones end after 15. */
    if (code == KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE) {
        code = KAFKA_ERROR_NOT_COORDINATOR;
    }
    out->topics_count = 0;
    if (request->header.api_version >= TOP_ERROR_VERSION) {
        out->error_code = code;
        return;
    }
    fill_asked(request, NULL, group->asked, out);
    for (int32_t i = 0; i < out->topics_count; i++) {
        for (int32_t j = 0; j < out->topics[i].partitions_count; j++) {
            out->topics[i].partitions[j].error_code = code;
        }
    }
}

/* --- Waiting until it is durable -------------------------------------------------------------- */

static void
on_durable(struct ks_group_wait *wait, enum ks_group_error error)
{
    struct fetched_group *group = wait->arg;
    struct offset_fetch *fetch = group->fetch;

    if (error != KS_GROUP_OK) {
        fill_error(group, ks_kafka_group_error(error));
    }
    assert(fetch->due > 0);
    group->is_due = false;
    fetch->due--;
    if (fetch->due == 0) {
        answer(fetch);
    }
}

static void
cancel(struct offset_fetch *fetch)
{
    for (size_t i = 0; i < fetch->group_count; i++) {
        ks_coordinator_cancel(&fetch->groups[i].wait);
    }
    ks_env_cancel_timer(fetch->request->env, &fetch->timer);
}

static void
on_timeout(void *arg)
{
    struct offset_fetch *fetch = arg;

    cancel(fetch);
    for (size_t i = 0; i < fetch->group_count; i++) {
        if (fetch->groups[i].is_due) {
            fill_error(&fetch->groups[i], KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
        }
    }
    answer(fetch);
}

static void
on_gone(struct ks_request *request)
{
    cancel(request->state);
    ks_request_close(request);
}

static void
await_durable(struct fetched_group *group, struct ks_coordinated_group *found)
{
    if (ks_coordinator_is_durable(found)) {
        return;
    }
    group->wait = (struct ks_group_wait){ .done = on_durable, .arg = group };
    ks_coordinator_await_durable(found, &group->wait);
    group->is_due = true;
    group->fetch->due++;
}

static void
fill_group(struct fetched_group *group)
{
    struct ks_request *request = group->fetch->request;
    struct ks_coordinated_group *found = NULL;
    enum ks_group_error error =
        ks_coordinator_find(ks_request_coordinator(request), group->asked->group_id, &found);

    if (error != KS_GROUP_OK && error != KS_GROUP_NOT_FOUND) {
        fill_error(group, ks_kafka_group_error(error));
        return;
    }
    if (group->asked->topics_count >= 0) {
        fill_asked(request, found, group->asked, group->out);
    } else if (found != NULL) {
        fill_all(request, found, group->out);
    }
    if (found != NULL) {
        await_durable(group, found);
    }
}

/* What isn't there is answered with -1, from which consumers begin anew: only after a look. */
static void
run(struct ks_request *request)
{
    struct offset_fetch *fetch = request->state;
    int16_t doubt;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    doubt = ks_group_doubt(request);
    for (size_t i = 0; i < fetch->group_count; i++) {
        if (doubt != KAFKA_ERROR_NONE) {
            fill_error(&fetch->groups[i], doubt);
        } else {
            fill_group(&fetch->groups[i]);
        }
    }
    if (fetch->due == 0) {
        answer(fetch);
        return;
    }
    ks_group_set_timeout(request, &fetch->timer, on_timeout, fetch);
    request->on_gone = on_gone;
}

/* --- The question ----------------------------------------------------------------------------- */

/* Before version 8: as if it were asked for one of several. */
static struct kafka_offset_fetch_request_group *
make_group(struct ks_request *request, const struct kafka_offset_fetch_request *asked)
{
    struct kafka_offset_fetch_request_group *group =
        kafka_array_new(&request->arena, &kafka_offset_fetch_request_group_message, 1);
    size_t count = asked->topics_count < 0 ? 0 : (size_t) asked->topics_count;
    struct kafka_offset_fetch_request_group_topic *topics =
        kafka_array_new(&request->arena, &kafka_offset_fetch_request_group_topic_message, count);

    if (group == NULL || (topics == NULL && count > 0)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        topics[i].name = asked->topics[i].name;
        topics[i].partition_indexes = asked->topics[i].partition_indexes;
        topics[i].partition_indexes_count = asked->topics[i].partition_indexes_count;
    }
    group->group_id = asked->group_id;
    group->topics = topics;
    group->topics_count = asked->topics_count;
    return group;
}

static void
make_groups(struct offset_fetch *fetch)
{
    struct ks_request *request = fetch->request;
    const struct kafka_offset_fetch_request *asked = request->body;
    bool are_several = request->header.api_version >= GROUPS_VERSION;
    const struct kafka_offset_fetch_request_group *groups =
        are_several ? asked->groups : make_group(request, asked);
    size_t count = are_several ? (size_t) asked->groups_count : 1;

    kafka_message_init(&kafka_offset_fetch_response_message, &fetch->response);
    fetch->response.groups =
        kafka_array_new(&request->arena, &kafka_offset_fetch_response_group_message, count);
    fetch->response.groups_count = (int32_t) count;
    fetch->groups = ks_request_alloc(request, count, sizeof *fetch->groups);
    fetch->group_count = count;
    for (size_t i = 0; !ks_arena_failed(&request->arena) && i < count; i++) {
        fetch->response.groups[i].group_id = groups[i].group_id;
        fetch->groups[i] = (struct fetched_group){ .fetch = fetch,
                                                   .asked = &groups[i],
                                                   .out = &fetch->response.groups[i] };
    }
}

void
ks_handle_offset_fetch(struct ks_request *request)
{
    struct offset_fetch *fetch = ks_request_alloc(request, 1, sizeof *fetch);

    if (fetch != NULL) {
        fetch->request = request;
        make_groups(fetch);
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    request->state = fetch;
    run(request);
}
