/* SPDX-License-Identifier: Apache-2.0 */
/* The reserve is allocated at the start and refilled by every request that ends. */
#include "meta/request.h"

#include <assert.h>

static void
free_all(struct ks_list *list)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(list)) != NULL) {
        ks_free(KS_CONTAINER(node, struct ks_meta_request, link));
    }
}

static void
put_back(struct ks_meta_requests *requests, struct ks_meta_request *request)
{
    if (requests->idle_count >= KS_META_RESERVE_COUNT) {
        ks_free(request);
        return;
    }
    ks_list_append(&requests->idle, &request->link);
    requests->idle_count++;
}

static void
tell(struct ks_meta_requests *requests, struct ks_meta_request *request)
{
    const struct kafscale_error *error = request->status == KAFSCALE_OK ? NULL : &request->error;

    if (request->txn_done != NULL) {
        request->txn_done(request->arg, request->status, request->revision, error);
    } else if (error == NULL) {
        requests->answer_read(requests->arg, request);
    } else {
        request->read_done(request->arg, request->status, NULL, 0, 0, error);
    }
}

static void
run_answers(void *arg)
{
    struct ks_meta_requests *requests = arg;
    struct ks_list answered;
    struct ks_list *node;

    ks_list_init(&answered);
    while ((node = ks_list_take_first(&requests->answered)) != NULL) {
        ks_list_append(&answered, node);
    }
    while ((node = ks_list_take_first(&answered)) != NULL) {
        struct ks_meta_request *request = KS_CONTAINER(node, struct ks_meta_request, link);

        tell(requests, request);
        put_back(requests, request);
    }
    requests->drained(requests->arg);
}

enum kafscale_status
ks_meta_requests_init(struct ks_meta_requests *requests, struct ks_env *env,
                      ks_meta_answer_read *answer_read, void (*drained)(void *arg), void *arg)
{
    *requests = (struct ks_meta_requests){
        .env = env,
        .answer_read = answer_read,
        .drained = drained,
        .arg = arg,
    };
    requests->task = (struct ks_task){ .run = run_answers, .arg = requests };
    ks_list_init(&requests->answered);
    ks_list_init(&requests->idle);
    while (requests->idle_count < KS_META_RESERVE_COUNT) {
        struct ks_meta_request *request = ks_alloc_zero(1, sizeof *request);

        if (request == NULL) {
            ks_meta_requests_deinit(requests);
            return KAFSCALE_NO_MEMORY;
        }
        put_back(requests, request);
    }
    return KAFSCALE_OK;
}

void
ks_meta_requests_deinit(struct ks_meta_requests *requests)
{
    if (requests->env == NULL) {
        return;
    }
    ks_env_cancel_task(&requests->task);
    free_all(&requests->answered);
    free_all(&requests->idle);
    *requests = (struct ks_meta_requests){ 0 };
}

/* A record; `is_refusal_out` says that it is of the reserve. */
static struct ks_meta_request *
take(struct ks_meta_requests *requests, bool *is_refusal_out)
{
    struct ks_meta_request *request = ks_alloc_zero(1, sizeof *request);

    *is_refusal_out = request == NULL;
    if (request == NULL) {
        struct ks_list *node = ks_list_take_first(&requests->idle);

        assert(node != NULL);
        requests->idle_count--;
        request = KS_CONTAINER(node, struct ks_meta_request, link);
        *request = (struct ks_meta_request){ 0 };
    }
    return request;
}

struct ks_meta_request *
ks_meta_requests_read(struct ks_meta_requests *requests, const struct kafscale_meta_read *read,
                      kafscale_meta_read_done *done, void *arg)
{
    bool is_refusal;
    struct ks_meta_request *request = take(requests, &is_refusal);

    request->read = read;
    request->read_done = done;
    request->arg = arg;
    if (is_refusal) {
        ks_meta_requests_answer(requests, request, KAFSCALE_NO_MEMORY, 0, NULL);
        return NULL;
    }
    return request;
}

struct ks_meta_request *
ks_meta_requests_txn(struct ks_meta_requests *requests, const struct kafscale_meta_txn *txn,
                     kafscale_meta_txn_done *done, void *arg)
{
    bool is_refusal;
    struct ks_meta_request *request = take(requests, &is_refusal);

    request->txn = txn;
    request->txn_done = done;
    request->arg = arg;
    if (is_refusal) {
        ks_meta_requests_answer(requests, request, KAFSCALE_NO_MEMORY, 0, NULL);
        return NULL;
    }
    return request;
}

void
ks_meta_requests_answer(struct ks_meta_requests *requests, struct ks_meta_request *request,
                        enum kafscale_status status, uint64_t revision,
                        const struct kafscale_error *error)
{
    assert(!ks_list_is_linked(&request->link));

    request->status = status;
    request->revision = revision;
    if (status != KAFSCALE_OK) {
        ks_error_set(&request->error, status, "%s",
                     error == NULL ? kafscale_status_text(status) : error->text);
    }
    ks_list_append(&requests->answered, &request->link);
    ks_env_defer(requests->env, &requests->task);
}

bool
ks_meta_requests_are_told(const struct ks_meta_requests *requests)
{
    return ks_list_is_empty(&requests->answered);
}
