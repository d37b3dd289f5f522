/* SPDX-License-Identifier: Apache-2.0 */
/* Each transaction has a record between its caller and the inner store. */
#include "support/flaky_meta.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MILLION 1000000u

struct flaky_meta {
    struct kafscale_meta_ops ops;
    struct kafscale_meta inner;
    struct ks_env *env;
    struct flaky_meta_control *control;
    struct ks_list txns;
    struct ks_list late;  /* of these */
    struct ks_list reads; /* that find it away */
    kafscale_meta_close_done *close_done;
    void *close_arg;
};

struct flaky_txn {
    struct ks_list link;
    struct ks_task refusal;
    bool is_lost;
    struct kafscale_meta_txn late; /* a copy, of one that happens later */
    kafscale_meta_txn_done *done;
    void *arg;
};

struct flaky_read {
    struct ks_list link;
    struct ks_task refusal;
    kafscale_meta_read_done *done;
    void *arg;
};

static void
answer(struct flaky_txn *txn, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    struct flaky_txn ended = *txn;
    struct kafscale_error lost = { .status = KAFSCALE_UNKNOWN, .text = "the answer was lost" };

    ks_list_remove(&txn->link);
    free(txn);
    if (ended.is_lost) {
        ended.done(ended.arg, KAFSCALE_UNKNOWN, 0, &lost);
    } else {
        ended.done(ended.arg, status, revision, error);
    }
}

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    answer(arg, status, revision, error);
}

static void
refuse(void *arg)
{
    answer(arg, KAFSCALE_UNKNOWN, 0, NULL);
}

/* --- What happens late, when nobody waits for it any more ------------------------------------ */

static struct kafscale_meta_txn
copy_request(const struct kafscale_meta_txn *request)
{
    struct kafscale_meta_compare *compares = calloc(request->compare_count + 1, sizeof *compares);
    struct kafscale_meta_operation *operations =
        calloc(request->operation_count + 1, sizeof *operations);

    assert(compares != NULL);
    assert(operations != NULL);
    for (size_t i = 0; i < request->compare_count; i++) {
        compares[i] = request->compares[i];
        compares[i].key = strdup(compares[i].key);
    }
    for (size_t i = 0; i < request->operation_count; i++) {
        struct kafscale_slice value = request->operations[i].value;
        uint8_t *copy = malloc(value.size + 1);

        assert(copy != NULL);
        if (value.size > 0) {
            memcpy(copy, value.data, value.size);
        }
        operations[i] = request->operations[i];
        operations[i].key = strdup(operations[i].key);
        operations[i].value = ks_slice(copy, value.size);
    }
    return (struct kafscale_meta_txn){ .compares = compares,
                                       .compare_count = request->compare_count,
                                       .operations = operations,
                                       .operation_count = request->operation_count };
}

static void
free_late(struct flaky_txn *txn)
{
    for (size_t i = 0; i < txn->late.compare_count; i++) {
        free((void *) txn->late.compares[i].key);
    }
    for (size_t i = 0; i < txn->late.operation_count; i++) {
        free((void *) txn->late.operations[i].key);
        free((void *) txn->late.operations[i].value.data);
    }
    free((void *) txn->late.compares);
    free((void *) txn->late.operations);
    free(txn);
}

static void
tell_late(void *arg)
{
    struct flaky_txn *txn = arg;

    txn->done(txn->arg, KAFSCALE_UNKNOWN, 0, NULL);
}

static void
keep_late(struct flaky_meta *flaky, struct flaky_txn *txn, const struct kafscale_meta_txn *request)
{
    flaky->control->late--;
    txn->late = copy_request(request);
    txn->refusal = (struct ks_task){ .run = tell_late, .arg = txn };
    ks_list_append(&flaky->late, &txn->link);
    ks_env_defer(flaky->env, &txn->refusal);
}

static void
on_late(void *arg, enum kafscale_status status, uint64_t revision,
        const struct kafscale_error *error)
{
    struct flaky_txn *txn = arg;

    (void) status;
    (void) revision;
    (void) error;
    ks_list_remove(&txn->link);
    free_late(txn);
}

/* Those that were told of, in their order. */
static void
let_late_happen(struct flaky_meta *flaky)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&flaky->late)) != NULL) {
        struct flaky_txn *txn = KS_CONTAINER(node, struct flaky_txn, link);

        ks_list_append(&flaky->txns, &txn->link);
        flaky->inner.ops->txn(flaky->inner.self, &txn->late, on_late, txn);
    }
}

/* --- The operations -------------------------------------------------------------------------- */

static void
refuse_read(void *arg)
{
    static const struct kafscale_error away = { .status = KAFSCALE_UNAVAILABLE, .text = "away" };
    struct flaky_read *read = arg;
    struct flaky_read ended = *read;

    ks_list_remove(&read->link);
    free(read);
    ended.done(ended.arg, KAFSCALE_UNAVAILABLE, NULL, 0, 0, &away);
}

static void
flaky_read(void *self, const struct kafscale_meta_read *request, kafscale_meta_read_done *done,
           void *arg)
{
    struct flaky_meta *flaky = self;
    struct flaky_read *read;

    flaky->control->reads++;
    if (flaky->control->away == 0) {
        flaky->inner.ops->read(flaky->inner.self, request, done, arg);
        return;
    }
    flaky->control->away--;
    read = calloc(1, sizeof *read);
    assert(read != NULL);
    *read = (struct flaky_read){ .done = done, .arg = arg };
    read->refusal = (struct ks_task){ .run = refuse_read, .arg = read };
    ks_list_append(&flaky->reads, &read->link);
    ks_env_defer(flaky->env, &read->refusal);
}

static void
flaky_txn(void *self, const struct kafscale_meta_txn *request, kafscale_meta_txn_done *done,
          void *arg)
{
    struct flaky_meta *flaky = self;
    struct flaky_meta_control *control = flaky->control;
    struct flaky_txn *txn = calloc(1, sizeof *txn);
    uint64_t dice = control->rate == 0 ? MILLION : ks_env_random_u64(flaky->env) % MILLION;

    assert(txn != NULL);
    *txn = (struct flaky_txn){ .done = done, .arg = arg };
    let_late_happen(flaky);
    if (control->late > 0) {
        keep_late(flaky, txn, request);
        return;
    }
    ks_list_append(&flaky->txns, &txn->link);
    if (control->next == 0 && dice < control->rate / 2) {
        control->undone++;
        txn->is_lost = true;
        txn->refusal = (struct ks_task){ .run = refuse, .arg = txn };
        ks_env_defer(flaky->env, &txn->refusal);
        return;
    }
    txn->is_lost = control->next > 0 || dice < control->rate;
    control->next -= control->next > 0;
    control->lost += txn->is_lost;
    flaky->inner.ops->txn(flaky->inner.self, request, on_txn, txn);
}

static void
flaky_watch(void *self, kafscale_meta_changed *changed, void *arg)
{
    struct flaky_meta *flaky = self;

    flaky->inner.ops->watch(flaky->inner.self, changed, arg);
}

static void
free_flaky(struct flaky_meta *flaky)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&flaky->txns)) != NULL) {
        struct flaky_txn *txn = KS_CONTAINER(node, struct flaky_txn, link);

        ks_env_cancel_task(&txn->refusal);
        free_late(txn);
    }
    while ((node = ks_list_take_first(&flaky->late)) != NULL) {
        struct flaky_txn *txn = KS_CONTAINER(node, struct flaky_txn, link);

        ks_env_cancel_task(&txn->refusal);
        free_late(txn);
    }
    while ((node = ks_list_take_first(&flaky->reads)) != NULL) {
        struct flaky_read *read = KS_CONTAINER(node, struct flaky_read, link);

        ks_env_cancel_task(&read->refusal);
        free(read);
    }
    free(flaky);
}

static void
on_closed(void *arg)
{
    struct flaky_meta *flaky = arg;
    kafscale_meta_close_done *done = flaky->close_done;
    void *done_arg = flaky->close_arg;

    assert(ks_list_is_empty(&flaky->txns));
    assert(ks_list_is_empty(&flaky->reads));
    free_flaky(flaky);
    done(done_arg);
}

/* Only when no refusal is on its way: tests close when all is quiet. */
static void
flaky_close(void *self, kafscale_meta_close_done *done, void *arg)
{
    struct flaky_meta *flaky = self;

    flaky->close_done = done;
    flaky->close_arg = arg;
    flaky->inner.ops->close(flaky->inner.self, on_closed, flaky);
}

static void
flaky_abandon(void *self)
{
    struct flaky_meta *flaky = self;

    flaky->inner.ops->abandon(flaky->inner.self);
    free_flaky(flaky);
}

struct kafscale_meta
flaky_meta_new(struct ks_env *env, struct kafscale_meta inner, struct flaky_meta_control *control)
{
    struct flaky_meta *flaky = calloc(1, sizeof *flaky);

    assert(flaky != NULL);
    assert(inner.ops != NULL);

    flaky->ops = (struct kafscale_meta_ops){ .version = KAFSCALE_META_OPS_VERSION,
                                             .name = "flaky",
                                             .operations_max = inner.ops->operations_max,
                                             .read = flaky_read,
                                             .txn = flaky_txn,
                                             .watch = flaky_watch,
                                             .close = flaky_close,
                                             .abandon = flaky_abandon };
    flaky->inner = inner;
    flaky->env = env;
    flaky->control = control;
    ks_list_init(&flaky->txns);
    ks_list_init(&flaky->late);
    ks_list_init(&flaky->reads);
    return (struct kafscale_meta){ .ops = &flaky->ops, .self = flaky };
}
