/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many partition registers changed in as few transactions as may be. Each change compares that
 * the register is as it was read and that its topic exists.
 */
#ifndef KS_LOG_MOVES_H
#define KS_LOG_MOVES_H

#include "log/core.h"

/* Where a register lies, and the version it was read at; 0: it does not exist. */
struct ks_register_place {
    char key[KS_REGISTER_KEY_BYTES];
    char topic_key[KS_REGISTER_KEY_BYTES];
    uint64_t version;
};

/* One transaction, with everything it points to. */
struct ks_move {
    struct ks_list link; /* among those under way */
    void **items;        /* the caller's, one for each register */
    size_t item_count;
    size_t items_max;
    size_t bytes;
    struct kafscale_meta_compare *compares;
    struct kafscale_meta_operation *operations;
    struct kafscale_meta_txn txn;
    struct ks_arena arena;
    void (*done)(struct ks_move *move, enum kafscale_status status, uint64_t revision);
    void *arg;
};

/* `sole_version` is compared too, unless it is 0. NULL without memory. */
struct ks_move *ks_move_new(struct ks_log *log, uint64_t sole_version);

/* Accepts NULL. */
void ks_move_free(struct ks_move *move);

void ks_register_place_init(struct ks_register_place *place, const struct ks_partition_name *name);

/* Adds a register's new value; false without memory, and nothing is added. `place` is borrowed. */
bool ks_move_add(struct ks_move *move, void *item, const struct ks_register_place *place,
                 const struct ks_register *wanted);

/* Nothing more may be added. */
bool ks_move_is_full(const struct ks_move *move);

/* Sends it and lists it in `moves`; it frees itself after `done`. */
void ks_move_submit(struct ks_move *move, struct ks_log *log, struct ks_list *moves,
                    void (*done)(struct ks_move *, enum kafscale_status, uint64_t revision),
                    void *arg);

/* Whether a register is still what the partition was activated with, but for marks. */
bool ks_register_is_ours(const struct ks_log *log, const struct ks_partition *partition,
                         const struct ks_register *reg);

/* Frees those under way, for which no completion will come (ks_log_abandon). */
void ks_moves_drop(struct ks_list *moves);

#endif
