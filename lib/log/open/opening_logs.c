/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The earlier logs that an opening needs: each is sealed and read once, however many partitions
 * have a part of it, and a few at a time, since each reads ahead and a long chain names
 * thousands.
 */
#include "log/open/opening.h"
#include "log/trim/trim.h"

#include <assert.h>

#define DEAD_LOGS_AT_ONCE 8

struct ks_dead_log *
ks_opening_find_dead(const struct ks_opening *opening, const struct ks_id *incarnation)
{
    struct ks_table_node *node =
        ks_table_find(&opening->dead_by_incarnation, ks_slice(incarnation, sizeof *incarnation));

    return node == NULL ? NULL : KS_CONTAINER(node, struct ks_dead_log, node);
}

void
ks_opening_give_trails(struct ks_opening *opening)
{
    for (struct ks_list *node = opening->dead_logs.next; node != &opening->dead_logs;
         node = node->next) {
        struct ks_dead_log *dead = KS_CONTAINER(node, struct ks_dead_log, link);

        if (dead->status == KAFSCALE_OK) {
            dead->status = ks_trimmer_take(opening->log, dead);
        }
    }
}

void
ks_opening_free_dead_logs(struct ks_opening *opening)
{
    while (!ks_list_is_empty(&opening->dead_logs)) {
        ks_dead_log_free(KS_CONTAINER(opening->dead_logs.next, struct ks_dead_log, link));
    }
    ks_table_deinit(&opening->dead_by_incarnation);
}

void
ks_opening_drop_dead_logs(struct ks_opening *opening)
{
    for (struct ks_list *node = opening->dead_logs.next; node != &opening->dead_logs;
         node = node->next) {
        ks_dead_log_drop(KS_CONTAINER(node, struct ks_dead_log, link));
    }
    ks_opening_free_dead_logs(opening);
}

static void start_dead_logs(struct ks_opening *opening);

static void
on_dead_log(struct ks_dead_log *dead)
{
    struct ks_opening *opening = dead->arg;

    if (dead->status != KAFSCALE_OK && dead->status != KAFSCALE_STOPPED) {
        ks_log(&opening->log->env->logger, KAFSCALE_LOG_ERROR,
               "log of an earlier run not read error=%s", dead->error.text);
    }
    opening->dead_logs_under_way--;
    start_dead_logs(opening);
    if (opening->dead_logs_under_way == 0) {
        ks_opening_move_on(opening);
    }
}

/*
 * Notes that an element's log must be read, and how far. Our own log, of which this partition was
 * released, is read like any other, and never sealed.
 */
static enum kafscale_status
want_dead_log(struct ks_opening *opening, const struct ks_chain_element *element)
{
    struct ks_dead_log *dead = ks_opening_find_dead(opening, &element->incarnation);

    assert(element->closed_end != KS_END_OPEN ||
           !ks_id_equals(&element->incarnation, &opening->log->options.incarnation));

    if (dead == NULL) {
        dead = ks_dead_log_new(opening->log, &element->incarnation);
        if (dead == NULL) {
            return KAFSCALE_NO_MEMORY;
        }
        if (ks_table_insert(&opening->dead_by_incarnation, &dead->node,
                            ks_slice(&dead->incarnation, sizeof dead->incarnation)) !=
            KAFSCALE_OK) {
            ks_dead_log_free(dead);
            return KAFSCALE_NO_MEMORY;
        }
        ks_list_append(&opening->dead_logs, &dead->link);
    }
    if (element->closed_end == KS_END_OPEN) {
        dead->must_seal = true;
    } else if (element->closed_end > dead->closed_end) {
        dead->closed_end = element->closed_end;
    }
    return KAFSCALE_OK;
}

static void
want_dead_logs(struct ks_opening *opening)
{
    for (size_t i = 0; i < opening->open.count; i++) {
        struct ks_opening_item *item = &opening->items[i];

        for (size_t j = 0; item->state == KS_ITEM_CLAIMED && j < item->reg.chain_count; j++) {
            const struct ks_chain_element *element = &item->reg.chain[j];

            if (ks_element_is_replayed(item, element) &&
                want_dead_log(opening, element) != KAFSCALE_OK) {
                ks_opening_lose(item, KAFSCALE_NO_MEMORY);
            }
        }
    }
}

static void
start_dead_logs(struct ks_opening *opening)
{
    while (opening->dead_next != &opening->dead_logs && !ks_opening_is_over(opening) &&
           opening->dead_logs_under_way < DEAD_LOGS_AT_ONCE) {
        struct ks_dead_log *dead = KS_CONTAINER(opening->dead_next, struct ks_dead_log, link);

        opening->dead_next = opening->dead_next->next;
        opening->dead_logs_under_way++;
        ks_dead_log_start(dead, on_dead_log, opening);
    }
}

void
ks_opening_silence_dead_logs(struct ks_opening *opening)
{
    struct ks_list *node = opening->dead_logs.next;

    if (opening->dead_logs_under_way == 0) {
        return;
    }
    opening->dead_logs_under_way++;
    for (; node != opening->dead_next; node = node->next) {
        ks_dead_log_silence(KS_CONTAINER(node, struct ks_dead_log, link));
    }
    opening->dead_logs_under_way--;
    if (opening->dead_logs_under_way == 0) {
        ks_opening_move_on(opening);
    }
}

void
ks_opening_read_dead_logs(struct ks_opening *opening)
{
    want_dead_logs(opening);
    opening->dead_next = opening->dead_logs.next;
    start_dead_logs(opening);
}
