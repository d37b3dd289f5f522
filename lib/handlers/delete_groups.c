/* SPDX-License-Identifier: Apache-2.0 */
/* DeleteGroups: groups that nobody uses, with their offsets; each has an answer of its own. */
#include "handlers/api.h"
#include "handlers/groups.h"

#include <assert.h>

struct deleted_group {
    struct delete_groups *all;
    struct kafka_delete_groups_response_result *out;
    struct ks_group_wait wait;
    bool is_due;
};

struct delete_groups {
    struct ks_request *request;
    struct kafka_delete_groups_response response;
    struct deleted_group *groups;
    size_t group_count;
    size_t due;
    struct ks_timer timer;
};

static void
answer(struct delete_groups *all)
{
    ks_env_cancel_timer(all->request->env, &all->timer);
    ks_request_answer(all->request, &all->response);
}

static void
settle(struct deleted_group *group, int16_t code)
{
    assert(group->all->due > 0);

    group->out->error_code = code;
    group->is_due = false;
    group->all->due--;
}

static void
on_done(struct ks_group_wait *wait, enum ks_group_error error)
{
    struct deleted_group *group = wait->arg;
    struct delete_groups *all = group->all;

    settle(group, ks_kafka_group_error(error));
    if (all->due == 0) {
        answer(all);
    }
}

/* What is under way goes on. */
static void
on_timeout(void *arg)
{
    struct delete_groups *all = arg;

    for (size_t i = 0; i < all->group_count; i++) {
        struct deleted_group *group = &all->groups[i];

        if (group->is_due) {
            ks_coordinator_cancel(&group->wait);
            settle(group, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
        }
    }
    answer(all);
}

static void
on_gone(struct ks_request *request)
{
    struct delete_groups *all = request->state;

    for (size_t i = 0; i < all->group_count; i++) {
        ks_coordinator_cancel(&all->groups[i].wait);
    }
    ks_env_cancel_timer(request->env, &all->timer);
    ks_request_close(request);
}

static void
begin(struct deleted_group *group)
{
    group->wait = (struct ks_group_wait){ .done = on_done, .arg = group };
    group->is_due = true;
    group->all->due++;
    ks_coordinator_delete(ks_request_coordinator(group->all->request), group->out->group_id,
                          &group->wait);
}

/* That a group isn't there, or isn't empty, is said only after a look. */
static void
run(struct ks_request *request)
{
    struct delete_groups *all = request->state;
    int16_t doubt;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    doubt = ks_group_doubt(request);
    for (size_t i = 0; i < all->group_count; i++) {
        all->groups[i].out->error_code = doubt;
        if (doubt == KAFKA_ERROR_NONE) {
            begin(&all->groups[i]);
        }
    }
    if (all->due == 0) {
        answer(all);
        return;
    }
    ks_group_set_timeout(request, &all->timer, on_timeout, all);
    request->on_gone = on_gone;
}

static void
make_response(struct delete_groups *all)
{
    struct ks_request *request = all->request;
    const struct kafka_delete_groups_request *asked = request->body;
    size_t count = (size_t) asked->groups_names_count;

    kafka_message_init(&kafka_delete_groups_response_message, &all->response);
    all->response.results =
        kafka_array_new(&request->arena, &kafka_delete_groups_response_result_message, count);
    all->response.results_count = asked->groups_names_count;
    all->groups = ks_request_alloc(request, count, sizeof *all->groups);
    all->group_count = count;
    for (size_t i = 0; !ks_arena_failed(&request->arena) && i < count; i++) {
        all->response.results[i].group_id = asked->groups_names[i];
        all->groups[i].all = all;
        all->groups[i].out = &all->response.results[i];
    }
}

void
ks_handle_delete_groups(struct ks_request *request)
{
    struct delete_groups *all = ks_request_alloc(request, 1, sizeof *all);

    if (all != NULL) {
        all->request = request;
        make_response(all);
    }
    if (ks_arena_failed(&request->arena)) {
        ks_request_close(request);
        return;
    }
    request->state = all;
    run(request);
}
