/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raising the start of a partition (durability, segments rule 5): the producer state where no index
 * covers the batches that are passed over, then one change of the register that raises log_start
 * and lifts compacted_upto to at least it. Only then may anything below go.
 */
#include "log/changes.h"
#include "log/compact/producer_put.h"
#include "log/retention/sweep.h"

#include <assert.h>

/* So often what the producers had done is asked for where it isn't any more. */
#define STALE_READS_MAX 3

struct ks_raise {
    struct ks_change change;
    struct ks_list link;
    struct ks_log *log;
    int64_t offset;
    bool has_segments; /* below the offset, of live records */
    struct ks_producer_put state;
    bool is_state_due; /* it is being stored */
    bool has_state;    /* it was stored */
    int64_t lost_at;   /* the state at this offset was not there; -1: none was looked for in vain */
    bool is_looking;   /* whether the register is as it is known here */
    uint32_t stale_reads;
    int64_t stale_base; /* what the last of them began from: if it goes on, so does the work */
    ks_log_raise_done *done;
    void *arg;
};

static void
raise_free(struct ks_raise *raise)
{
    ks_list_remove(&raise->link);
    ks_free(raise);
}

/* What memory doesn't suffice for goes with the next raise. */
static void
sweep_below(const struct ks_raise *raise)
{
    const struct ks_partition *partition = raise->change.partition;
    struct ks_segment_home home = { .ns = raise->log->ns,
                                    .prefix = partition->prefix,
                                    .partition = partition->name.index };
    struct ks_sweep_order order = { .topic = partition->name.topic,
                                    .log_start = raise->offset,
                                    .compacted_upto = partition->reg.compacted_upto,
                                    .imported_end = partition->reg.imported_end };

    ks_segment_list_prefix(&home, order.prefix);
    if (ks_sweep_start(raise->log, &order, NULL, NULL) != KAFSCALE_OK) {
        ks_log(&raise->log->env->logger, KAFSCALE_LOG_WARN,
               "segments below a log start not deleted yet, out of memory");
    }
}

/* States that earlier raises have left: nothing begins with them any more. */
static void
sweep_states(const struct ks_raise *raise)
{
    const struct ks_partition *partition = raise->change.partition;
    struct ks_sweep_order order = { .topic = partition->name.topic,
                                    .is_by_key = true,
                                    .offset_below = partition->reg.compacted_upto };

    ks_producer_snapshot_list_prefix(raise->log->ns, &partition->name, order.prefix);
    if (ks_sweep_start(raise->log, &order, NULL, NULL) != KAFSCALE_OK) {
        ks_log(&raise->log->env->logger, KAFSCALE_LOG_WARN,
               "old states of producers not deleted yet, out of memory");
    }
}

static void
finish(struct ks_raise *raise, enum kafscale_status status)
{
    struct ks_partition *partition = raise->change.partition;
    ks_log_raise_done *done = raise->done;
    bool is_freed = raise->log->is_freed;
    void *arg = raise->arg;

    if (status == KAFSCALE_OK && partition == NULL) {
        status = KAFSCALE_NOT_FOUND;
    }
    if (status == KAFSCALE_OK && !is_freed) {
        raise->log->counters.starts_raised++;
        ks_partition_drop_places(partition, partition->reg.log_start);
        ks_trim_advance(raise->log);
        if (raise->has_segments) {
            sweep_below(raise);
        }
        if (raise->has_state) {
            sweep_states(raise);
        }
    }
    raise_free(raise);
    if (!is_freed) {
        done(arg, status);
    }
}

/* --- The register --- */

static enum ks_change_verdict
decide(struct ks_change *change, struct ks_register *reg)
{
    struct ks_raise *raise = KS_CONTAINER(change, struct ks_raise, change);

    if (reg->log_start >= raise->offset && !ks_is_planted(KS_PLANTED_START_ONLY_RISES)) {
        return KS_CHANGE_HOLDS;
    }
    if (raise->is_looking && reg->compacted_upto < raise->offset) {
        return KS_CHANGE_WRITE;
    }
    raise->has_segments = reg->log_start < reg->compacted_upto;
    reg->log_start = raise->offset;
    if (reg->compacted_upto < raise->offset && !ks_is_planted(KS_PLANTED_START_LIFTS_COMPACTED)) {
        reg->compacted_upto = raise->offset;
    }
    return KS_CHANGE_WRITE;
}

static void begin(struct ks_raise *raise);

static void
on_changed(struct ks_change *change, enum kafscale_status status)
{
    struct ks_raise *raise = KS_CONTAINER(change, struct ks_raise, change);

    if (status == KAFSCALE_OK && raise->is_looking && change->partition != NULL &&
        change->partition->reg.compacted_upto < raise->offset && !raise->log->is_freed) {
        raise->is_looking = false;
        begin(raise);
        return;
    }
    finish(raise, status);
}

static void
on_dropped(struct ks_change *change)
{
    raise_free(KS_CONTAINER(change, struct ks_raise, change));
}

/* --- The producers --- */

/*
 * What the state was to be computed from is gone: another change has passed over it, or another
 * broker has made bundles of it. If no change of ours did, the partition may be another's by now,
 * too, which writing the register as it is known here tells.
 */
static void
look(struct ks_raise *raise, enum kafscale_status status)
{
    if (raise->state.base_offset > raise->stale_base) {
        raise->stale_base = raise->state.base_offset;
        raise->stale_reads = 0;
    }
    if (raise->change.partition->reg.compacted_upto > raise->state.base_offset) {
        begin(raise);
    } else if (raise->stale_reads++ < STALE_READS_MAX) {
        raise->is_looking = true;
        ks_change_submit(raise->log, &raise->change);
    } else {
        ks_log_some(raise->log->env, &raise->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                    "producers of a partition can't be told from object key=%s error=%s",
                    raise->state.key, kafscale_status_text(status));
        finish(raise, status);
    }
}

static void
on_state(struct ks_producer_put *put, enum kafscale_status status)
{
    struct ks_raise *raise = KS_CONTAINER(put, struct ks_raise, state);

    raise->is_state_due = false;
    raise->has_state = status == KAFSCALE_OK;
    if (put->is_lost) {
        raise->lost_at = put->base_offset;
    }
    if (status == KAFSCALE_CORRUPT && raise->change.partition != NULL &&
        (put->is_stale || raise->change.partition->reg.compacted_upto > put->base_offset)) {
        look(raise, status);
        return;
    }
    if (status != KAFSCALE_OK) {
        finish(raise, status);
        return;
    }
    ks_change_submit(raise->log, &raise->change);
}

/*
 * Whether no index will say what the producers are at compacted_upto: that of the newest segment
 * goes with it when the whole of it is below the start.
 */
static bool
needs_state(const struct ks_raise *raise, const struct ks_register *reg)
{
    return raise->offset > reg->log_start && raise->offset >= reg->compacted_upto;
}

static void
begin(struct ks_raise *raise)
{
    const struct ks_partition *partition = raise->change.partition;

    if (ks_is_planted(KS_PLANTED_START_BEFORE_DELETE)) {
        sweep_below(raise);
    }
    if (!needs_state(raise, &partition->reg)) {
        ks_change_submit(raise->log, &raise->change);
        return;
    }
    raise->is_state_due = true;
    /* What was not there before the register was read again, and is needed by it, is lost. */
    raise->state =
        (struct ks_producer_put){ .done = on_state,
                                  .accepts_loss = raise->lost_at == partition->reg.compacted_upto };
    ks_producer_put_start(&raise->state, raise->log, partition, raise->offset);
}

enum kafscale_status
ks_log_raise_start(struct ks_log *log, struct ks_partition *partition, int64_t offset,
                   ks_log_raise_done *done, void *arg)
{
    struct ks_raise *raise = ks_alloc_zero(1, sizeof *raise);

    assert(offset >= 0);
    assert(offset <= partition->high_watermark);
    if (raise == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    raise->log = log;
    raise->offset = offset;
    raise->lost_at = -1;
    raise->done = done;
    raise->arg = arg;
    raise->change = (struct ks_change){
        .partition = partition, .decide = decide, .done = on_changed, .drop = on_dropped
    };
    ks_list_append(&log->raises, &raise->link);
    begin(raise);
    return KAFSCALE_OK;
}

/* Those whose change was submitted hear of it there. */
void
ks_raises_forget(struct ks_log *log, const struct ks_partition *partition)
{
    for (struct ks_list *node = log->raises.next; node != &log->raises; node = node->next) {
        struct ks_raise *raise = KS_CONTAINER(node, struct ks_raise, link);

        if (raise->change.partition == partition) {
            raise->change.partition = NULL;
        }
    }
}

void
ks_raises_hurry(struct ks_log *log)
{
    for (struct ks_list *node = log->raises.next; node != &log->raises; node = node->next) {
        struct ks_raise *raise = KS_CONTAINER(node, struct ks_raise, link);

        if (raise->is_state_due) {
            ks_producer_put_hurry(&raise->state);
        }
    }
}

void
ks_raises_silence(struct ks_log *log)
{
    struct ks_list *node = log->raises.next;

    while (node != &log->raises) {
        struct ks_raise *raise = KS_CONTAINER(node, struct ks_raise, link);

        node = node->next;
        if (raise->is_state_due) {
            ks_producer_put_silence(&raise->state);
        }
    }
}

void
ks_raises_drop(struct ks_log *log)
{
    struct ks_list *node = log->raises.next;

    while (node != &log->raises) {
        struct ks_raise *raise = KS_CONTAINER(node, struct ks_raise, link);

        node = node->next;
        if (raise->is_state_due) {
            ks_producer_put_drop(&raise->state);
            raise_free(raise);
        }
    }
}
