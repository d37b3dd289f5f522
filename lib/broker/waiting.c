/* SPDX-License-Identifier: Apache-2.0 */
/* Links in the lists of places; waking is a task, so that many events of one turn are one look. */
#include "broker/waiting.h"

#include <assert.h>

static void
on_task(void *arg)
{
    struct ks_waiter *waiter = arg;

    waiter->on_woken(waiter, false);
}

static void
on_deadline(void *arg)
{
    struct ks_waiter *waiter = arg;

    ks_env_cancel_task(&waiter->task);
    waiter->on_woken(waiter, true);
}

void
ks_waiter_init(struct ks_waiter *waiter, struct ks_env *env, struct ks_waiter_link *links,
               size_t link_count_max, void (*on_woken)(struct ks_waiter *waiter, bool is_due))
{
    *waiter = (struct ks_waiter){
        .env = env, .links = links, .link_count_max = link_count_max, .on_woken = on_woken
    };
    waiter->timer.on_due = on_deadline;
    waiter->timer.arg = waiter;
    waiter->task.run = on_task;
    waiter->task.arg = waiter;
}

void
ks_waiter_stand(struct ks_waiter *waiter, struct ks_list *place)
{
    struct ks_waiter_link *link = &waiter->links[waiter->link_count];

    assert(waiter->link_count < waiter->link_count_max);

    *link = (struct ks_waiter_link){ .waiter = waiter };
    waiter->link_count++;
    ks_list_append(place, &link->link);
}

void
ks_waiter_set_deadline(struct ks_waiter *waiter, int64_t due_ms)
{
    ks_env_set_timer(waiter->env, &waiter->timer, due_ms);
}

void
ks_waiter_wake(struct ks_waiter *waiter)
{
    ks_env_defer(waiter->env, &waiter->task);
}

void
ks_waiter_end(struct ks_waiter *waiter)
{
    if (waiter->env == NULL) {
        return;
    }
    for (size_t i = 0; i < waiter->link_count; i++) {
        ks_list_remove(&waiter->links[i].link);
    }
    waiter->link_count = 0;
    ks_env_cancel_timer(waiter->env, &waiter->timer);
    ks_env_cancel_task(&waiter->task);
}

void
ks_place_wake(struct ks_list *place)
{
    for (struct ks_list *node = place->next; node != place; node = node->next) {
        ks_waiter_wake(KS_CONTAINER(node, struct ks_waiter_link, link)->waiter);
    }
}

void
ks_place_close(struct ks_list *place)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(place)) != NULL) {
        ks_waiter_wake(KS_CONTAINER(node, struct ks_waiter_link, link)->waiter);
    }
}
