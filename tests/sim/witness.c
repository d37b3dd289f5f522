/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory store acts and completes in the same turn, so what a completion tells is what has
 * just happened.
 */
#include "sim/witness_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
witness_broken(struct witness *witness, const char *what, const char *key)
{
    witness->options.broken(witness->options.arg, what, key);
}

/* --- Keys ----------------------------------------------------------------------------------- */

/* Splits "{ns}/__kafscale/{folder}/{incarnation, or topic}/" off; NULL: another key. */
static const char *
after_incarnation(const struct witness *witness, const char *key, const char *folder,
                  struct ks_id *incarnation_out)
{
    char prefix[WITNESS_KEY_BYTES];
    size_t size;

    snprintf(prefix, sizeof prefix, "%s/__kafscale/%s/", witness->options.ns, folder);
    size = strlen(prefix);
    if (strncmp(key, prefix, size) != 0 || strlen(key) < size + KS_ID_HEX_BYTES ||
        !ks_id_from_hex(key + size, incarnation_out)) {
        return NULL;
    }
    return key + size + KS_ID_HEX_BYTES;
}

static void
find_home(const struct witness *witness, struct witness_object *object)
{
    for (size_t i = 0; i < witness->home_count; i++) {
        const struct witness_home *home = &witness->homes[i];
        char prefix[WITNESS_KEY_BYTES];

        snprintf(prefix, sizeof prefix, "%s/%s/", witness->options.ns, home->prefix);
        if (strncmp(object->key, prefix, strlen(prefix)) == 0) {
            object->name =
                (struct ks_partition_name){ .topic = home->topic,
                                            .index = (int32_t) atoi(object->key + strlen(prefix)) };
        }
    }
}

static bool
is_entry(const struct witness *witness, struct witness_object *object)
{
    char prefix[WITNESS_KEY_BYTES];

    snprintf(prefix, sizeof prefix, "%s/__kafscale/meta/log/", witness->options.ns);
    object->first = strncmp(object->key, prefix, strlen(prefix)) == 0
                        ? strtoull(object->key + strlen(prefix), NULL, 10)
                        : 0;
    return object->first > 0;
}

static void
classify(const struct witness *witness, struct witness_object *object)
{
    const char *rest;

    if ((rest = after_incarnation(witness, object->key, "wal", &object->incarnation)) != NULL) {
        object->kind = WITNESS_SLOT;
        object->first = object->last = strtoull(rest, NULL, 10);
    } else if ((rest = after_incarnation(witness, object->key, "bundle", &object->incarnation)) !=
               NULL) {
        object->kind = WITNESS_BUNDLE;
        if (!ks_bundle_name_parse(rest, &object->bundle)) {
            witness->options.broken(witness->options.arg, "no name of a bundle", object->key);
        }
        object->first = object->bundle.first;
        object->last = object->bundle.last;
    } else if (ks_segment_parse_key(object->key, KS_SEGMENT_INDEX, &object->base_offset)) {
        object->kind = WITNESS_INDEX;
        find_home(witness, object);
    } else if (ks_segment_parse_key(object->key, KS_SEGMENT_BODY, &object->base_offset)) {
        object->kind = WITNESS_BODY;
        find_home(witness, object);
    } else if (is_entry(witness, object)) {
        object->kind = WITNESS_ENTRY;
    } else if ((rest = after_incarnation(witness, object->key, "producers", &object->name.topic)) !=
               NULL) {
        object->kind = WITNESS_STATE;
        object->name.index = (int32_t) atoi(rest);
        object->base_offset = strtoll(strrchr(rest, '/') + 1, NULL, 10);
    }
}

struct witness_object *
witness_find(const struct witness *witness, const char *key)
{
    struct ks_table_node *node = ks_table_find(&witness->objects, ks_slice(key, strlen(key)));

    return node == NULL ? NULL : KS_CONTAINER(node, struct witness_object, node);
}

static struct witness_object *
get_object(struct witness *witness, const char *key)
{
    struct witness_object *object = witness_find(witness, key);
    enum kafscale_status status;

    if (object != NULL) {
        return object;
    }
    object = calloc(1, sizeof *object + strlen(key) + 1);
    assert(object != NULL);
    memcpy(object->key, key, strlen(key) + 1);
    classify(witness, object);
    if (witness->objects.count % 64 == 0) {
        witness->numbered =
            realloc(witness->numbered, (witness->objects.count + 64) * sizeof *witness->numbered);
        assert(witness->numbered != NULL);
    }
    witness->numbered[witness->objects.count] = object;
    ks_list_append(&witness->object_list, &object->link);
    status = ks_table_insert(&witness->objects, &object->node, ks_slice(object->key, strlen(key)));
    assert(status == KAFSCALE_OK);
    return object;
}

/* --- What acts ------------------------------------------------------------------------------ */

static bool
is_seal(struct kafscale_blob *bytes)
{
    struct kafscale_error error = { 0 };
    struct ks_wal_header header;
    struct kafscale_slice directory;

    return ks_wal_read_head(kafscale_blob_slice(bytes), &header, &directory, &error) ==
               KAFSCALE_OK &&
           (header.flags & KS_WAL_SEAL) != 0;
}

/* Whether both hold the same. */
static bool
is_same(struct kafscale_blob *a, struct kafscale_blob *b)
{
    struct kafscale_slice x = kafscale_blob_slice(a);
    struct kafscale_slice y = kafscale_blob_slice(b);

    return x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
}

/* The bytes name the topic that this key belongs to; those of a body have a tag of it. */
static bool
is_of_its_topic(const struct witness_object *segment, struct kafscale_blob *bytes)
{
    struct kafscale_slice all = kafscale_blob_slice(bytes);
    struct kafscale_error error = { 0 };
    struct ks_segment_header header;
    struct ks_index index;
    bool is_same;

    if (segment->kind == WITNESS_BODY) {
        return all.size >= KS_SEGMENT_HEADER_BYTES &&
               ks_segment_read_header(ks_slice(all.data, KS_SEGMENT_HEADER_BYTES), &header,
                                      &error) == KAFSCALE_OK &&
               header.topic_tag == ks_segment_topic_tag(&segment->name.topic);
    }
    if (ks_index_decode(all, &index, &error) != KAFSCALE_OK) {
        return false;
    }
    is_same = ks_id_equals(&index.name.topic, &segment->name.topic);
    ks_index_deinit(&index);
    return is_same;
}

/* Nobody comes to what begins below log_start, or belongs to a topic that is gone. */
static bool
is_garbage(const struct witness *witness, const struct witness_object *segment,
           struct kafscale_blob *bytes)
{
    struct ks_register reg;
    bool is_below;

    if (!is_of_its_topic(segment, bytes)) {
        return false;
    }
    if (!witness_topic_lives(witness, &segment->name.topic) ||
        !witness_part(witness, &segment->name, &reg)) {
        return true;
    }
    is_below = segment->base_offset < reg.log_start;
    ks_register_deinit(&reg);
    return is_below;
}

/*
 * The law is that a key for which a DELETE was ever sent is not used again for other content, since
 * the DELETE may still be under way. It says nothing of a late PUT whose object nobody will ever
 * come to, so that a DELETE takes nothing from anybody:
 *
 * - a seal in a slot below the mark is void, and the data that was there is in segments or bundles;
 * - an entry of the metadata log where another was trimmed is void by its chunk's mark;
 * - a bundle from below the mark can't be registered any more. Two bundles of the same slots differ
 *   when more batches were covered by segments in between;
 * - a segment from below log_start: whoever reads at or above that finds one with a greater base,
 *   and no compactor begins there again. Nor does anybody read a topic that is gone. Two segments
 *   of one base differ when the index of the first was deleted before the second came.
 */
static void
check_content(struct witness *witness, const struct witness_object *object,
              struct kafscale_blob *bytes)
{
    if (object->bytes == NULL || is_same(object->bytes, bytes)) {
        return;
    }
    if (object->kind == WITNESS_SLOT && (object->is_seal || is_seal(bytes)) &&
        object->first < witness_mark(witness, &object->incarnation)) {
        return;
    }
    if (object->kind == WITNESS_ENTRY && !object->exists) {
        return;
    }
    if (object->kind == WITNESS_BUNDLE && !object->exists && object->bundle.attempt == 0 &&
        object->first < witness_mark(witness, &object->incarnation)) {
        return;
    }
    if ((object->kind == WITNESS_INDEX || object->kind == WITNESS_BODY) && !object->exists &&
        is_garbage(witness, object, bytes)) {
        return;
    }
    witness_broken(witness, object->exists ? "an object was replaced" : "a key has other content",
                   object->key);
}

/* No other program's reader may find a segment without its index, while its topic is there. */
static void
check_index_first(struct witness *witness, const struct witness_object *body)
{
    const struct witness_object *index;
    struct ks_register reg;
    char key[WITNESS_KEY_BYTES];

    snprintf(key, sizeof key, "%.*s.index", (int) (strlen(body->key) - strlen(".kfs")), body->key);
    index = witness_find(witness, key);
    if ((index != NULL && index->exists) || ks_id_is_zero(&body->name.topic) ||
        !witness_topic_lives(witness, &body->name.topic) ||
        !witness_part(witness, &body->name, &reg)) {
        return;
    }
    if (body->base_offset >= reg.log_start) {
        witness_broken(witness, "a segment without index", body->key);
    }
    ks_register_deinit(&reg);
}

static void
count_put(struct witness *witness, const struct witness_object *object)
{
    struct witness_counts *counts = &witness->counts;

    switch (object->kind) {
    case WITNESS_SLOT:
        counts->slots_again += object->was_deleted && !object->is_seal;
        counts->seals += object->is_seal;
        counts->seals_void +=
            object->is_seal && object->first < witness_mark(witness, &object->incarnation);
        break;
    case WITNESS_BUNDLE:
        counts->bundles++;
        break;
    case WITNESS_BODY:
        counts->segments++;
        counts->segments_again += object->was_deleted;
        break;
    default:
        break;
    }
}

static void
see_put(struct witness *witness, const char *key, struct kafscale_blob *bytes)
{
    struct witness_object *object = get_object(witness, key);

    witness_settle(witness);
    check_content(witness, object, bytes);
    kafscale_blob_unref(object->bytes);
    object->bytes = kafscale_blob_ref(bytes);
    object->exists = true;
    object->is_seal = object->kind == WITNESS_SLOT && is_seal(bytes);
    if (object->kind == WITNESS_BODY) {
        check_index_first(witness, object);
    } else if (object->kind == WITNESS_ENTRY) {
        witness_see_entry(witness, object);
    }
    if (object->kind == WITNESS_SLOT && !object->is_seal) {
        witness_check_epochs(witness, object);
        witness_note_appends(witness, object);
    }
    witness_check_producers(witness, object);
    count_put(witness, object);
}

bool
witness_is_sealed(const struct witness *witness, const struct ks_id *incarnation, uint64_t below)
{
    uint64_t mark = witness_mark(witness, incarnation);

    for (struct ks_list *node = witness->object_list.next; node != &witness->object_list;
         node = node->next) {
        const struct witness_object *object = KS_CONTAINER(node, struct witness_object, link);

        if (object->is_seal && object->exists && object->first < below && object->first >= mark &&
            ks_id_equals(&object->incarnation, incarnation)) {
            return true;
        }
    }
    return false;
}

static void
check_slot_goes(struct witness *witness, const struct witness_object *object)
{
    if (object->first < witness_mark(witness, &object->incarnation)) {
        witness->counts.slots_deleted++;
    } else if (object->is_seal) {
        witness_broken(witness, "a seal was deleted", object->key);
    } else if (witness_is_sealed(witness, &object->incarnation, object->first)) {
        witness->counts.orphans_deleted++;
    } else {
        witness_broken(witness, "a slot above the mark was deleted", object->key);
    }
}

static void
check_bundle_goes(struct witness *witness, const struct witness_object *object)
{
    witness->counts.bundles_deleted++;
    witness->counts.merged_deleted += object->bundle.attempt > 0;
    if (witness_is_registered(witness, object)) {
        witness_broken(witness, "a registered bundle was deleted", object->key);
    }
    if (witness_mark(witness, &object->incarnation) <= object->first) {
        witness_broken(witness, "a bundle was deleted that may be registered yet", object->key);
    }
}

/*
 * Whether a segment after this one begins at or below the offset. Where log_start went past
 * compacted_upto, a compactor that was under way leaves a segment from below it to beyond, which
 * nobody comes to: the next one begins at log_start, and the reader takes the greater base. Inside
 * a segment that counts none can begin, since compacted_upto went over it in one step.
 */
static bool
begins_later(const struct witness *witness, const struct witness_object *segment, int64_t offset)
{
    for (size_t i = 0; i < witness->objects.count; i++) {
        const struct witness_object *object = witness->numbered[i];

        if (object->kind == WITNESS_BODY && object->exists &&
            object->base_offset > segment->base_offset && object->base_offset <= offset &&
            memcmp(&object->name, &segment->name, sizeof object->name) == 0) {
            return true;
        }
    }
    return false;
}

static void
check_segment_goes(struct witness *witness, const struct witness_object *object)
{
    struct kafscale_slice bytes = kafscale_blob_slice(object->bytes);
    struct kafscale_error error = { 0 };
    struct ks_register reg;
    struct ks_index index = { 0 };
    struct ks_segment_footer footer = { 0 };
    int64_t last;

    witness->counts.segments_deleted += object->kind == WITNESS_BODY;
    if (ks_id_is_zero(&object->name.topic) || !witness_topic_lives(witness, &object->name.topic) ||
        !witness_part(witness, &object->name, &reg)) {
        return;
    }
    if (object->kind == WITNESS_INDEX) {
        last = ks_index_decode(bytes, &index, &error) == KAFSCALE_OK ? index.last_offset : -1;
        ks_index_deinit(&index);
    } else {
        bytes.data += bytes.size - KS_SEGMENT_FOOTER_BYTES;
        bytes.size = KS_SEGMENT_FOOTER_BYTES;
        last =
            ks_segment_read_footer(bytes, &footer, &error) == KAFSCALE_OK ? footer.last_offset : -1;
    }
    if (object->base_offset >= reg.log_start ||
        (last >= reg.log_start && reg.log_start < reg.compacted_upto &&
         !begins_later(witness, object, reg.log_start))) {
        witness_broken(witness, "a segment was deleted that is not below log_start", object->key);
    }
    ks_register_deinit(&reg);
}

/* Recovery begins with the one at compacted_upto. */
static void
check_state_goes(struct witness *witness, const struct witness_object *object)
{
    struct ks_register reg;

    if (!witness_topic_lives(witness, &object->name.topic) ||
        !witness_part(witness, &object->name, &reg)) {
        return;
    }
    if (object->base_offset >= reg.compacted_upto) {
        witness_broken(witness, "a state was deleted that is not below compacted_upto",
                       object->key);
    }
    ks_register_deinit(&reg);
}

static void
see_remove(struct witness *witness, const char *key)
{
    struct witness_object *object = witness_find(witness, key);

    witness_settle(witness);
    if (object == NULL || !object->exists) {
        witness->counts.removes_late += object != NULL && object->was_deleted;
        return;
    }
    witness->counts.removes_again += object->was_deleted;
    object->exists = false;
    object->was_deleted = true;
    switch (object->kind) {
    case WITNESS_SLOT:
        check_slot_goes(witness, object);
        break;
    case WITNESS_BUNDLE:
        check_bundle_goes(witness, object);
        break;
    case WITNESS_INDEX:
    case WITNESS_BODY:
        check_segment_goes(witness, object);
        break;
    case WITNESS_STATE:
        check_state_goes(witness, object);
        break;
    default:
        break;
    }
}

/* --- The store ------------------------------------------------------------------------------ */

/* A request that changes something, with what is needed once it has acted. */
struct witness_call {
    struct witness *witness;
    char *key;
    struct kafscale_blob *bytes; /* of a PUT */
    union ks_store_done done;
    void *arg;
};

static struct witness_call *
new_call(struct witness *witness, const char *key, union ks_store_done done, void *arg)
{
    struct witness_call *call = calloc(1, sizeof *call);

    assert(call != NULL);
    *call =
        (struct witness_call){ .witness = witness, .key = strdup(key), .done = done, .arg = arg };
    assert(call->key != NULL);
    return call;
}

static void
free_call(struct witness_call *call)
{
    kafscale_blob_unref(call->bytes);
    free(call->key);
    free(call);
}

static void
on_put(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct witness_call *call = arg;

    if (status == KAFSCALE_OK) {
        see_put(call->witness, call->key, call->bytes);
    }
    call->done.put(call->arg, status, error);
    free_call(call);
}

static void
witness_put(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg)
{
    struct witness *witness = self;
    struct witness_call *call =
        new_call(witness, put->key, (union ks_store_done){ .put = done }, arg);
    size_t size = 0;
    uint8_t *to;

    for (size_t i = 0; i < put->part_count; i++) {
        size += put->parts[i].bytes.size;
    }
    call->bytes = kafscale_blob_new(size);
    assert(call->bytes != NULL);
    to = kafscale_blob_data(call->bytes);
    for (size_t i = 0; i < put->part_count; i++) {
        if (put->parts[i].bytes.size > 0) {
            memcpy(to, put->parts[i].bytes.data, put->parts[i].bytes.size);
        }
        to += put->parts[i].bytes.size;
    }
    witness->inner.ops->put(witness->inner.self, put, on_put, call);
}

static void
on_remove(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct witness_call *call = arg;

    if (status == KAFSCALE_OK) {
        see_remove(call->witness, call->key);
    }
    call->done.remove(call->arg, status, error);
    free_call(call);
}

static void
witness_remove(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
               void *arg)
{
    struct witness *witness = self;
    struct witness_call *call =
        new_call(witness, remove->key, (union ks_store_done){ .remove = done }, arg);

    witness->inner.ops->remove(witness->inner.self, remove, on_remove, call);
}

static void
witness_get(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg)
{
    struct witness *witness = self;

    witness->inner.ops->get(witness->inner.self, get, done, arg);
}

static void
witness_list(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg)
{
    struct witness *witness = self;

    witness->inner.ops->list(witness->inner.self, list, done, arg);
}

static void
witness_close(void *self, kafscale_close_done *done, void *arg)
{
    struct witness *witness = self;

    witness->inner.ops->close(witness->inner.self, done, arg);
}

struct kafscale_store
witness_new(const struct witness_options *options, struct kafscale_store inner,
            struct witness **witness_out)
{
    struct witness *witness = calloc(1, sizeof *witness);

    assert(witness != NULL);
    assert(inner.ops != NULL);
    witness->options = *options;
    witness->inner = inner;
    witness->ops = *inner.ops;
    witness->ops.put = witness_put;
    witness->ops.get = witness_get;
    witness->ops.list = witness_list;
    witness->ops.remove = witness_remove;
    witness->ops.close = witness_close;
    ks_table_init(&witness->objects, 1);
    ks_table_init(&witness->registers, 1);
    ks_table_init(&witness->appends, 1);
    ks_list_init(&witness->object_list);
    ks_list_init(&witness->passed);
    if (options->meta != NULL) {
        witness_watch(witness);
    }
    *witness_out = witness;
    return (struct kafscale_store){ .ops = &witness->ops, .self = witness };
}

void
witness_free(struct witness *witness)
{
    struct ks_list *node;

    if (witness == NULL) {
        return;
    }
    witness_unwatch(witness);
    while ((node = ks_list_take_first(&witness->object_list)) != NULL) {
        struct witness_object *object = KS_CONTAINER(node, struct witness_object, link);

        ks_table_remove(&witness->objects, &object->node);
        kafscale_blob_unref(object->bytes);
        free(object);
    }
    ks_table_deinit(&witness->objects);
    witness_forget_appends(witness);
    ks_meta_state_deinit(&witness->state);
    free(witness->homes);
    free(witness->numbered);
    free(witness);
}

void
witness_add_home(struct witness *witness, const char *prefix, const struct ks_id *topic)
{
    struct witness_home *home;

    witness->homes = realloc(witness->homes, (witness->home_count + 1) * sizeof *witness->homes);
    assert(witness->homes != NULL);
    home = &witness->homes[witness->home_count++];
    snprintf(home->prefix, sizeof home->prefix, "%s", prefix);
    home->topic = *topic;
}

const struct witness_counts *
witness_counts(const struct witness *witness)
{
    return &witness->counts;
}

size_t
witness_object_count(const struct witness *witness)
{
    return witness->objects.count;
}

const char *
witness_object(const struct witness *witness, size_t number, struct kafscale_slice *bytes_out)
{
    const struct witness_object *object = witness->numbered[number];

    if (!object->exists) {
        return NULL;
    }
    *bytes_out = kafscale_blob_slice(object->bytes);
    return object->key;
}

bool
witness_bytes(const struct witness *witness, const char *key, struct kafscale_slice *bytes_out)
{
    const struct witness_object *object = witness_find(witness, key);

    if (object == NULL || !object->exists) {
        return false;
    }
    *bytes_out = kafscale_blob_slice(object->bytes);
    return true;
}

int64_t
witness_compacted_upto(const struct witness *witness, const struct ks_partition_name *name)
{
    struct ks_register reg;
    int64_t upto = 0;

    if (witness_part(witness, name, &reg)) {
        upto = reg.compacted_upto;
        ks_register_deinit(&reg);
    }
    return upto;
}

bool
witness_is_below_seal(const struct witness *witness, const char *slot_key)
{
    const struct witness_object *slot = witness_find(witness, slot_key);

    for (size_t i = 0; i < witness->objects.count && slot != NULL; i++) {
        const struct witness_object *object = witness->numbered[i];

        if (object->is_seal && object->exists && object->first > slot->first &&
            ks_id_equals(&object->incarnation, &slot->incarnation)) {
            return true;
        }
    }
    return false;
}
