/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage at rest: after the end of a world one object of the bucket is damaged, cut, lost or
 * replaced by another. Whoever opens the partitions then may be told so, and may have less to read,
 * but is never given wrong records, and never less without being told.
 */
#include "sim/log_world_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum damage {
    DAMAGE_BIT,
    DAMAGE_CUT,
    DAMAGE_LOSS,
    DAMAGE_OTHER,   /* the bytes of another object of its folder */
    DAMAGE_FOREIGN, /* both objects of a segment are those of another partition or topic */
    DAMAGE_COUNT
};

static uint64_t
draw(struct world *w, uint64_t below)
{
    return ks_env_random_u64(&w->v.env) % below;
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) error;
    assert(status == KAFSCALE_OK);
    *(bool *) arg = true;
}

static void
on_closed(void *arg)
{
    *(bool *) arg = true;
}

/* Below the witness and all faults. No bytes: the object goes. */
static void
replace(struct world *w, const char *key, const struct kafscale_slice *bytes)
{
    struct kafscale_store store = ks_memory_store_new(&w->v.env, w->bucket);
    struct kafscale_part part = { .bytes = bytes == NULL ? ks_slice(NULL, 0) : *bytes };
    struct kafscale_put put = { .key = key, .parts = &part, .part_count = 1 };
    struct kafscale_remove remove = { .key = key };
    bool is_done = false;

    assert(store.ops != NULL);
    if (bytes == NULL) {
        store.ops->remove(store.self, &remove, on_put, &is_done);
    } else {
        store.ops->put(store.self, &put, on_put, &is_done);
    }
    (void) virtual_env_run_until(&w->v, &is_done, 1000);
    is_done = false;
    store.ops->close(store.self, on_closed, &is_done);
    (void) virtual_env_run_until(&w->v, &is_done, 1000);
}

/* An object that the log made and may read, drawn; NULL: there is none. */
static const char *
pick(struct world *w, const char *folder, struct kafscale_slice *bytes_out)
{
    size_t count = witness_object_count(w->witness);
    size_t first = count == 0 ? 0 : (size_t) draw(w, count);

    for (size_t i = 0; i < count; i++) {
        const char *key = witness_object(w->witness, (first + i) % count, bytes_out);

        if (key != NULL && strstr(key, folder) != NULL) {
            return key;
        }
    }
    return NULL;
}

static const char *
pick_folder(struct world *w)
{
    static const char *const folders[] = { "/wal/", "/wal/", "/bundle/", "/segment-",
                                           "/producers/" };

    return folders[draw(w, sizeof folders / sizeof folders[0])];
}

/*
 * Where a log has no seal yet, what lies above an object that is gone can't be told from what a
 * broker that died had under way: the next owner ends the log there. A seal above is the trace.
 */
static bool
leaves_a_trace(struct world *w, const char *key)
{
    return strstr(key, "/wal/") == NULL || witness_is_below_seal(w->witness, key);
}

/* A whole segment of the same base that lies elsewhere, or NULL. */
static const char *
find_foreign(struct world *w, const char *key)
{
    const char *name = strstr(key, "/segment-");
    struct kafscale_slice unused;

    for (size_t i = 0; name != NULL && i < witness_object_count(w->witness); i++) {
        const char *other = witness_object(w->witness, i, &unused);
        const char *other_name = other == NULL ? NULL : strstr(other, "/segment-");

        if (other_name != NULL && strcmp(other, key) != 0 && strcmp(other_name, name) == 0) {
            return other;
        }
    }
    return NULL;
}

static bool
replace_by_foreign(struct world *w, const char *key)
{
    static const char *const kinds[] = { ".index", ".kfs" };
    const char *other = find_foreign(w, key);

    for (size_t i = 0; i < 2 && other != NULL; i++) {
        struct kafscale_slice bytes;
        char from[1000];
        char to[1000];

        snprintf(from, sizeof from, "%.*s%s", (int) strcspn(other, "."), other, kinds[i]);
        snprintf(to, sizeof to, "%.*s%s", (int) strcspn(key, "."), key, kinds[i]);
        if (witness_bytes(w->witness, from, &bytes)) {
            replace(w, to, &bytes);
        }
    }
    return other != NULL;
}

static bool
damage(struct world *w, const char *key, const char *folder, struct kafscale_slice bytes)
{
    uint8_t *copy = malloc(bytes.size + 1);
    struct kafscale_slice damaged = { .data = copy, .size = bytes.size };
    struct kafscale_slice other;
    enum damage kind = (enum damage) draw(w, DAMAGE_COUNT);
    bool is_done = bytes.size > 0;

    assert(copy != NULL);
    memcpy(copy, bytes.data, bytes.size);
    if (kind == DAMAGE_BIT && is_done) {
        copy[draw(w, bytes.size)] ^= (uint8_t) (1u << draw(w, 8));
        replace(w, key, &damaged);
    } else if (kind == DAMAGE_CUT && is_done) {
        damaged.size = (size_t) draw(w, bytes.size);
        replace(w, key, &damaged);
    } else if (kind == DAMAGE_LOSS && leaves_a_trace(w, key)) {
        replace(w, key, NULL);
    } else if (kind == DAMAGE_FOREIGN) {
        is_done = replace_by_foreign(w, key);
    } else if (kind == DAMAGE_OTHER && pick(w, folder, &other) != NULL) {
        replace(w, key, &other);
    } else {
        is_done = false;
    }
    free(copy);
    return is_done;
}

/* What can be read is right, and as much as before unless somebody said otherwise. */
static bool
is_whole(struct world *w, struct broker *b, int index, int64_t end)
{
    struct ks_partition *partition = world_partition_of(b, index);
    int64_t offset;

    if (partition == NULL) {
        return false;
    }
    offset = ks_partition_log_start(partition);
    if (ks_partition_high_watermark(partition) < end) {
        world_broken(w, "records were lost, and nobody was told", index,
                     ks_partition_high_watermark(partition));
    }
    while (offset < end && !w->is_broken) {
        int64_t next = world_read_from(w, b->log, partition, index, offset);

        if (next <= offset) {
            return false;
        }
        offset = next;
    }
    return true;
}

void
world_damage(struct world *w)
{
    struct broker *b = &w->brokers[0];
    const char *folder = pick_folder(w);
    struct kafscale_slice bytes;
    const char *key = pick(w, folder, &bytes);
    int64_t ends[WORLD_PARTITIONS];
    bool is_all_whole = true;

    for (int i = 0; i < WORLD_PARTITIONS; i++) {
        struct ks_partition *partition = world_partition_of(b, i);

        ends[i] = partition == NULL ? 0 : ks_partition_high_watermark(partition);
    }
    if (key == NULL || !damage(w, key, folder, bytes)) {
        return;
    }
    w->is_damaged = true;
    world_broker_crash(b);
    world_open(b, true);
    (void) virtual_env_run_for(&w->v, 120000);
    for (int i = 0; i < WORLD_PARTITIONS && !w->is_broken; i++) {
        is_all_whole &= is_whole(w, b, i, ends[i]);
    }
    w->events->damages++;
    w->events->damages_told += !is_all_whole;
}

/*
 * Another program has put an object of its own where the next segment of a partition would come:
 * the partition is compacted no further, and nobody loses anything.
 */
void
world_put_foreign(struct world *w)
{
    struct ks_partition_name name = { .topic = w->topic,
                                      .index = (int32_t) draw(w, WORLD_PARTITIONS) };
    struct kafscale_slice bytes = ks_slice_of_text("what another program has put here");
    struct kafscale_slice unused;
    char key[100];

    snprintf(key, sizeof key, "sim/t/%d/segment-%020" PRId64 ".kfs", (int) name.index,
             witness_compacted_upto(w->witness, &name));
    if (!witness_bytes(w->witness, key, &unused)) {
        w->events->foreign++;
        replace(w, key, &bytes);
    }
}
