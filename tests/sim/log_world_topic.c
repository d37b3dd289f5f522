/* SPDX-License-Identifier: Apache-2.0 */
/* Topics come and go under appends: what is left of a deleted one must hurt nobody. */
#include "sim/log_world_internal.h"

#include <assert.h>
#include <stdio.h>

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    (void) revision;
    (void) error;
    assert(status == KAFSCALE_OK);
    *(bool *) arg = true;
}

void
world_change_topic(struct world *w, const struct ks_id *topic, bool is_delete)
{
    char key[100] = "topic/";
    struct kafscale_meta_operation operation = { .key = key,
                                                 .value = ks_slice("x", is_delete ? 0 : 1),
                                                 .is_delete = is_delete };
    struct kafscale_meta_txn txn = { .operations = &operation, .operation_count = 1 };
    uint32_t rate = w->flaky.rate;
    bool is_done = false;

    ks_id_to_hex(topic, key + 6);
    w->flaky.rate = 0;
    ks_meta_txn(w->meta, &txn, on_txn, &is_done);
    w->flaky.rate = rate;
    (void) virtual_env_run_until(&w->v, &is_done, 60000);
    assert(is_done);
}

static void
on_loose(struct ks_append *append, enum ks_append_result result)
{
    struct loose *loose = KS_CONTAINER(append, struct loose, append);

    if (!loose->is_in_flight) {
        world_broken(loose->world, "an append was answered twice", 0, 0);
        return;
    }
    loose->is_in_flight = false;
    kafscale_blob_unref(append->owner);
    loose->world->events->forgotten_under_way +=
        result == KS_APPEND_NOT_OWNER && ks_log_status(loose->broker->log) == KAFSCALE_OK;
}

void
world_loose_step(struct world *w, struct broker *b)
{
    struct ks_partition_name name = { .topic = w->short_topic };
    struct ks_partition *partition = b->is_stopping ? NULL : ks_log_find(b->log, &name);
    struct producer nobody = { .id = -1 };
    struct sent_batch batch = { .producer = &nobody, .count = 1 };
    struct loose *loose = &w->loose[w->loose_count];
    struct kafscale_error error = { 0 };

    if (partition == NULL || w->loose_count == LOOSE_MAX) {
        return;
    }
    w->loose_count++;
    w->events->operations++;
    *loose = (struct loose){ .world = w, .broker = b, .is_in_flight = true };
    loose->append = (struct ks_append){ .owner = world_make_batch(&batch), .done = on_loose };
    if (ks_batch_parse(kafscale_blob_slice(loose->append.owner), &loose->append.batch, &error) !=
        KAFSCALE_OK) {
        world_broken(w, error.text, 0, 0);
    }
    ks_log_append(b->log, partition, &loose->append);
}

void
world_name_short_topic(struct world *w)
{
    char hex[KS_ID_HEX_BYTES];

    ks_id_to_hex(&w->short_topic, hex);
    snprintf(w->short_prefix, sizeof w->short_prefix, w->short_topics == 0 ? "short" : "short@%.8s",
             hex);
    witness_add_home(w->witness, w->short_prefix, &w->short_topic);
}

void
world_replace_short_topic(struct world *w)
{
    struct ks_partition_name name = { .topic = w->short_topic };

    if (w->short_topics == WORLD_SHORT_TOPICS) {
        return;
    }
    w->short_topics++;
    w->events->topics_deleted++;
    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        world_loose_step(w, &w->brokers[i]);
    }
    world_change_topic(w, &w->short_topic, true);
    for (size_t i = 0; i < WORLD_BROKERS; i++) {
        struct ks_partition *partition;

        world_loose_step(w, &w->brokers[i]);
        partition = ks_log_find(w->brokers[i].log, &name);
        if (partition != NULL) {
            ks_log_forget(w->brokers[i].log, partition);
        }
    }
    ks_env_random(&w->v.env, w->short_topic.bytes, KS_ID_BYTES);
    world_name_short_topic(w);
    world_change_topic(w, &w->short_topic, false);
}
