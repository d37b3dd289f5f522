/* SPDX-License-Identifier: Apache-2.0 */
/* The trail isn't worked on from then on: whoever moved the mark does that. */
#include "log/read/reread.h"

#include "log/trim/trim.h"

#include <assert.h>

struct reread {
    struct ks_list link;
    struct ks_list waits;
    struct ks_dead_log *dead;
    bool is_silenced;
};

static void
reread_free(struct reread *reread)
{
    ks_list_remove(&reread->link);
    ks_dead_log_free(reread->dead);
    ks_free(reread);
}

/* What the trail knows of the slots above stays true. */
static enum kafscale_status
take(struct ks_dead_log *dead)
{
    uint64_t mark = dead->trim;
    enum kafscale_status status = ks_trimmer_take(dead->log, dead);
    struct ks_trail *trail = ks_trail_find(dead->log, dead->source);

    if (status == KAFSCALE_OK && trail != NULL && mark > trail->mark) {
        trail->is_lost = true;
        trail->moved_to = mark;
    }
    return status;
}

static void
on_read(struct ks_dead_log *dead)
{
    struct reread *reread = dead->arg;
    struct ks_list *node;

    if (dead->status == KAFSCALE_OK) {
        dead->status = take(dead);
    }
    while ((node = ks_list_take_first(&reread->waits)) != NULL) {
        struct ks_reread_wait *wait = KS_CONTAINER(node, struct ks_reread_wait, link);

        wait->done(wait, dead->status);
    }
    reread_free(reread);
}

static struct reread *
find(struct ks_log *log, uint32_t source)
{
    for (struct ks_list *node = log->rereads.next; node != &log->rereads; node = node->next) {
        struct reread *reread = KS_CONTAINER(node, struct reread, link);

        if (reread->dead->source == source) {
            return reread;
        }
    }
    return NULL;
}

/* The log ended before: nothing is sealed, and the slots that the trail knows must be there. */
static struct reread *
begin(struct ks_log *log, uint32_t source)
{
    const struct ks_trail *trail = ks_trail_find(log, source);
    struct reread *reread = ks_alloc_zero(1, sizeof *reread);

    if (reread == NULL) {
        return NULL;
    }
    reread->dead = ks_dead_log_new(log, &log->sources[source]);
    if (reread->dead == NULL) {
        ks_free(reread);
        return NULL;
    }
    reread->dead->closed_end = trail == NULL ? 0 : trail->end;
    ks_list_init(&reread->waits);
    ks_list_append(&log->rereads, &reread->link);
    ks_dead_log_start(reread->dead, on_read, reread);
    return reread;
}

enum kafscale_status
ks_reread_start(struct ks_log *log, uint32_t source, struct ks_reread_wait *wait)
{
    struct reread *reread = find(log, source);

    assert(!log->is_freed);

    if (reread == NULL) {
        reread = begin(log, source);
    }
    if (reread == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    ks_list_append(&reread->waits, &wait->link);
    return KAFSCALE_OK;
}

static struct reread *
find_loud(struct ks_log *log)
{
    for (struct ks_list *node = log->rereads.next; node != &log->rereads; node = node->next) {
        struct reread *reread = KS_CONTAINER(node, struct reread, link);

        if (!reread->is_silenced) {
            return reread;
        }
    }
    return NULL;
}

/* Whoever is told may end others, so each begins at the first. */
void
ks_rereads_silence(struct ks_log *log)
{
    struct reread *reread;

    while ((reread = find_loud(log)) != NULL) {
        reread->is_silenced = true;
        ks_dead_log_silence(reread->dead);
    }
}

void
ks_rereads_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->rereads)) {
        struct reread *reread = KS_CONTAINER(log->rereads.next, struct reread, link);

        ks_dead_log_drop(reread->dead);
        reread_free(reread);
    }
}
