/* SPDX-License-Identifier: Apache-2.0 */
#include "client/committer.h"

#include "client/group_verdict.h"

#define FIND_COORDINATOR_VERSION 3
#define OFFSET_COMMIT_VERSION 8
#define NO_GENERATION (-1)
#define COMMIT_BYTES_MAX ((size_t) 64 << 20)

/* It is this broker; but a group that nobody looks for has none. */
void
ks_find_coordinator(struct ks_asker *asker, struct ks_ask *ask, struct kafscale_slice group_id)
{
    struct kafka_find_coordinator_request request;

    kafka_message_init(&kafka_find_coordinator_request_message, &request);
    request.key = group_id;
    ks_ask_begin(asker, ask, KAFKA_API_FIND_COORDINATOR, FIND_COORDINATOR_VERSION, &request);
}

int16_t
ks_find_coordinator_error(const struct ks_ask_answer *answer)
{
    const struct kafka_find_coordinator_response *response = answer->response;

    return answer->status == KAFSCALE_OK ? response->error_code : KAFKA_ERROR_NONE;
}

static int16_t
commit_error(const struct kafka_offset_commit_response *response)
{
    for (int32_t i = 0; i < response->topics_count; i++) {
        for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
            if (response->topics[i].partitions[j].error_code != KAFKA_ERROR_NONE) {
                return response->topics[i].partitions[j].error_code;
            }
        }
    }
    return KAFKA_ERROR_NONE;
}

static void
end_commit(struct ks_commit *commit, enum kafscale_status status, int16_t code)
{
    static const enum kafscale_status statuses[] = { [KS_GROUP_GO_ON] = KAFSCALE_OK,
                                                     [KS_GROUP_AGAIN] = KAFSCALE_UNAVAILABLE,
                                                     [KS_GROUP_REJOIN] = KAFSCALE_CONFLICT,
                                                     [KS_GROUP_NEWCOMER] = KAFSCALE_CONFLICT,
                                                     [KS_GROUP_NEVER] = KAFSCALE_FAILED };

    commit->done(
        commit, status == KAFSCALE_NO_MEMORY ? status : statuses[ks_group_verdict_of(status, code)],
        code);
}

static void
on_committed(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    int16_t code = answer->status == KAFSCALE_OK ? commit_error(answer->response) : 0;

    end_commit(ended->arg, answer->status, code);
}

void
ks_commit_begin(struct ks_commit *commit, struct ks_asker *asker, struct kafscale_slice group_id,
                int32_t generation, struct kafscale_slice member_id)
{
    struct kafka_offset_commit_request request;
    struct ks_arena arena;

    ks_arena_init(&arena, COMMIT_BYTES_MAX);
    kafka_message_init(&kafka_offset_commit_request_message, &request);
    request.group_id = group_id;
    request.generation_id_or_member_epoch = generation;
    request.member_id = member_id;
    request.topics =
        kafka_array_new(&arena, &kafka_offset_commit_request_topic_message, commit->count);
    for (size_t i = 0; request.topics != NULL && i < commit->count; i++) {
        struct kafka_offset_commit_request_topic *topic = &request.topics[i];

        topic->name = commit->offsets[i].topic;
        topic->partitions =
            kafka_array_new(&arena, &kafka_offset_commit_request_topic_partition_message, 1);
        if (topic->partitions != NULL) {
            topic->partitions_count = 1;
            topic->partitions->partition_index = commit->offsets[i].partition;
            topic->partitions->committed_offset = commit->offsets[i].offset;
        }
    }
    if (ks_arena_failed(&arena)) {
        commit->done(commit, KAFSCALE_NO_MEMORY, KAFKA_ERROR_NONE);
    } else {
        request.topics_count = (int32_t) commit->count;
        commit->ask = (struct ks_ask){ .done = on_committed, .arg = commit };
        ks_ask_begin(asker, &commit->ask, KAFKA_API_OFFSET_COMMIT, OFFSET_COMMIT_VERSION, &request);
    }
    ks_arena_deinit(&arena);
}

static void
on_found(struct ks_ask *ended, const struct ks_ask_answer *answer)
{
    struct ks_commit *commit = ended->arg;
    int16_t code = ks_find_coordinator_error(answer);

    if (ks_group_verdict_of(answer->status, code) == KS_GROUP_GO_ON) {
        ks_commit_begin(commit, commit->asker, commit->group_id, NO_GENERATION,
                        ks_slice_of_text(""));
    } else {
        end_commit(commit, answer->status, code);
    }
}

/* Who has joined has found the coordinator before. */
void
ks_commit_begin_outside(struct ks_commit *commit, struct ks_asker *asker,
                        struct kafscale_slice group_id)
{
    commit->asker = asker;
    commit->group_id = group_id;
    commit->ask = (struct ks_ask){ .done = on_found, .arg = commit };
    ks_find_coordinator(asker, &commit->ask, group_id);
}
