/* SPDX-License-Identifier: Apache-2.0 */
/* Limits are those of the metadata store: operations by its word, bytes by its log's entries. */
#include "log/moves.h"

#include <assert.h>

#define ITEMS_MAX 500
#define REGISTER_BYTES_MAX (512u << 10)
/* Long chains: a transaction of the metadata log has 8 MiB at most. */
#define TRANSACTION_BYTES_MAX (4u << 20)

/* Two compares for each register, and one for `sole`. */
static size_t
items_max(const struct ks_log *log, uint64_t sole_version)
{
    size_t operations_max = ks_meta_operations_max(log->meta);

    if (operations_max == 0) {
        return ITEMS_MAX;
    }
    operations_max -= sole_version != 0;
    return operations_max < 4 ? 1 : operations_max / 2;
}

struct ks_move *
ks_move_new(struct ks_log *log, uint64_t sole_version)
{
    struct ks_move *move = ks_alloc_zero(1, sizeof *move);

    if (move == NULL) {
        return NULL;
    }
    move->items_max = items_max(log, sole_version);
    ks_arena_init(&move->arena, SIZE_MAX / 2);
    move->items = ks_arena_alloc_array(&move->arena, move->items_max, sizeof(*move->items));
    move->compares =
        ks_arena_alloc_array(&move->arena, 2 * move->items_max + 1, sizeof *move->compares);
    move->operations =
        ks_arena_alloc_array(&move->arena, move->items_max, sizeof *move->operations);
    if (ks_arena_failed(&move->arena)) {
        ks_move_free(move);
        return NULL;
    }
    if (sole_version != 0) {
        move->compares[0] =
            (struct kafscale_meta_compare){ .key = "sole", .version = sole_version };
        move->txn.compare_count = 1;
    }
    return move;
}

void
ks_move_free(struct ks_move *move)
{
    if (move == NULL) {
        return;
    }
    ks_list_remove(&move->link);
    ks_arena_deinit(&move->arena);
    ks_free(move);
}

void
ks_register_place_init(struct ks_register_place *place, const struct ks_partition_name *name)
{
    ks_register_key(name, place->key);
    ks_topic_key(&name->topic, place->topic_key);
    place->version = 0;
}

bool
ks_move_add(struct ks_move *move, void *item, const struct ks_register_place *place,
            const struct ks_register *wanted)
{
    struct kafscale_meta_compare *compares = move->compares + move->txn.compare_count;
    struct ks_buffer value;
    uint8_t *copy;

    assert(!ks_move_is_full(move));

    ks_buffer_init(&value, REGISTER_BYTES_MAX);
    ks_register_encode(wanted, &value);
    copy = ks_buffer_failed(&value) ? NULL : ks_arena_alloc(&move->arena, value.size);
    if (copy != NULL) {
        memcpy(copy, value.data, value.size);
        if (!ks_is_planted(KS_PLANTED_COMPARE_TOPIC)) {
            *compares++ =
                (struct kafscale_meta_compare){ .key = place->topic_key, .any_version = true };
        }
        *compares++ =
            (struct kafscale_meta_compare){ .key = place->key, .version = place->version };
        move->txn.compare_count = (size_t) (compares - move->compares);
        move->operations[move->item_count] =
            (struct kafscale_meta_operation){ .key = place->key,
                                              .value = ks_slice(copy, value.size) };
        move->items[move->item_count++] = item;
        move->bytes += value.size;
    }
    ks_buffer_deinit(&value);
    return copy != NULL;
}

bool
ks_move_is_full(const struct ks_move *move)
{
    return move->item_count == move->items_max || move->bytes >= TRANSACTION_BYTES_MAX;
}

static void
on_moved(void *arg, enum kafscale_status status, uint64_t revision,
         const struct kafscale_error *error)
{
    struct ks_move *move = arg;

    (void) error;
    ks_list_remove(&move->link);
    move->done(move, status, revision);
    ks_move_free(move);
}

void
ks_move_submit(struct ks_move *move, struct ks_log *log, struct ks_list *moves,
               void (*done)(struct ks_move *, enum kafscale_status, uint64_t revision), void *arg)
{
    assert(move->item_count > 0);

    move->done = done;
    move->arg = arg;
    move->txn.compares = move->compares;
    move->txn.operations = move->operations;
    move->txn.operation_count = move->item_count;
    ks_list_append(moves, &move->link);
    ks_meta_txn(log->meta, &move->txn, on_moved, move);
}

bool
ks_register_is_ours(const struct ks_log *log, const struct ks_partition *partition,
                    const struct ks_register *reg)
{
    return reg->state == KS_REGISTER_ACTIVE && reg->epoch == partition->reg.epoch &&
           reg->chain_count > 0 && ks_id_equals(&reg->owner, &log->options.incarnation);
}

void
ks_moves_drop(struct ks_list *moves)
{
    while (!ks_list_is_empty(moves)) {
        ks_move_free(KS_CONTAINER(moves->next, struct ks_move, link));
    }
}
