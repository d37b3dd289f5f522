/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plain way is one index. Everything else is for a store that lost something, and says so in
 * the log: first the object of the state, then back to a segment whose state is intact, and forward
 * again through the batches of those after it.
 */
#include "log/read/producer_load.h"

#include <assert.h>
#include <inttypes.h>

#define READS_MAX 5

static void finish(struct ks_producer_load *load, enum kafscale_status status);
static void go_back(struct ks_producer_load *load);
static void get_object(struct ks_producer_load *load);
static void get_body(struct ks_producer_load *load);
static void go_forward(struct ks_producer_load *load);

/* --- States ---------------------------------------------------------------------------------- */

static void
empty_table(struct ks_producer_load *load)
{
    const struct ks_log_options *options = &load->log->options;

    ks_producer_table_deinit(&load->producers);
    ks_producer_table_init(&load->producers, ks_env_random_u64(load->log->env),
                           options->producers_max, options->producer_expiration_ms);
}

/* Takes a stored state, which must be that at `offset`. */
static enum kafscale_status
take_state(struct ks_producer_load *load, struct kafscale_slice bytes, int64_t offset,
           struct kafscale_error *error)
{
    struct ks_producer_snapshot found;
    enum kafscale_status status;

    empty_table(load);
    status = ks_producer_snapshot_decode(bytes, &load->producers, &found, error);
    if (status == KAFSCALE_OK &&
        (found.offset != offset || found.name.index != load->owner.name.index ||
         !ks_id_equals(&found.name.topic, &load->owner.name.topic))) {
        status = ks_error_set(error, KAFSCALE_CORRUPT, "a producer state of another place");
    }
    if (status != KAFSCALE_OK) {
        empty_table(load);
    }
    return status;
}

/* The state at the end of a segment, if its index is intact. */
static bool
take_from_segment(struct ks_producer_load *load, const struct ks_segment *segment)
{
    struct kafscale_error error = { 0 };

    if (!segment->index.has_partition ||
        take_state(load, ks_buffer_slice(&segment->index.producers), segment->index.last_offset + 1,
                   &error) != KAFSCALE_OK) {
        ks_log_some(load->log->env, &load->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_WARN,
                    "object has an index without an intact producer state key=%s",
                    ks_segment_body_key(segment));
        return false;
    }
    return true;
}

static bool
is_over(const struct ks_producer_load *load)
{
    return load->log->is_freed || load->log->is_stopped;
}

/* What came damaged may have been damaged on the way. */
static bool
must_read_again(struct ks_producer_load *load, enum kafscale_status status)
{
    bool must = status == KAFSCALE_CORRUPT && ++load->damaged_reads < READS_MAX && !is_over(load);

    if (must) {
        ks_object_reads_distrust(load->log);
    } else {
        load->damaged_reads = 0;
    }
    return must;
}

/* --- The object of the state ----------------------------------------------------------------- */

/* Nothing is left of the state itself. */
static void
without_object(struct ks_producer_load *load)
{
    load->is_lost = load->offset != load->owner.imported_end;
    if (load->newest != NULL) {
        if (take_from_segment(load, load->newest)) {
            finish(load, KAFSCALE_OK);
        } else {
            go_back(load);
        }
        return;
    }
    if (load->is_lost) {
        ks_log_some(load->log->env, &load->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                    "object is missing or damaged, producers of its partition are forgotten key=%s",
                    load->key);
    }
    empty_table(load);
    finish(load, KAFSCALE_OK);
}

static void
on_object(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
          const struct kafscale_error *error)
{
    struct ks_producer_load *load = arg;
    struct kafscale_error damage = { 0 };

    (void) object_bytes;
    (void) error;
    if (status == KAFSCALE_OK) {
        status = take_state(load, kafscale_blob_slice(body), load->offset, &damage);
    }
    if (must_read_again(load, status)) {
        get_object(load);
    } else if (status == KAFSCALE_NOT_FOUND || status == KAFSCALE_CORRUPT) {
        without_object(load);
    } else {
        finish(load, status);
    }
}

static void
get_object(struct ks_producer_load *load)
{
    struct ks_producer_snapshot wanted = { .name = load->owner.name, .offset = load->offset };

    ks_producer_snapshot_key(load->log->ns, &wanted, load->key);
    ks_object_read_start(&load->read, load->log, load->key, 0, KS_PRODUCER_SNAPSHOT_BYTES_MAX,
                         on_object, load);
}

/* --- Back to an intact state ----------------------------------------------------------------- */

/* All that is known of the producers begins with the segment that was looked at. */
static void
begin_empty(struct ks_producer_load *load)
{
    empty_table(load);
    load->next = load->from->index.base_offset;
    go_forward(load);
}

/* True: its state is intact, and gone on from. */
static bool
take_older(struct ks_producer_load *load, struct ks_segment *segment)
{
    ks_segment_release(load->from);
    load->from = segment;
    if (!take_from_segment(load, segment)) {
        return false;
    }
    load->next = segment->index.last_offset + 1;
    go_forward(load);
    return true;
}

static void
on_older(struct ks_segment_search *search, enum kafscale_status status, struct ks_segment *segment,
         const struct kafscale_error *error)
{
    struct ks_producer_load *load = KS_CONTAINER(search, struct ks_producer_load, search);

    (void) error;
    ks_segment_search_deinit(&load->search);
    if (status == KAFSCALE_OK) {
        if (!take_older(load, segment)) {
            go_back(load);
        }
    } else if (status == KAFSCALE_NOT_FOUND || status == KAFSCALE_CORRUPT) {
        begin_empty(load);
    } else {
        finish(load, status);
    }
}

/* The segment before the one that was looked at, if it is at hand; NULL: it has gone on. */
static struct ks_segment *
get_older(struct ks_producer_load *load)
{
    struct ks_segment_question question = { .owner = load->owner,
                                            .newest = load->segment_base,
                                            .guess = -1 };
    struct ks_segment *segment = NULL;

    if (load->from->index.base_offset <= load->log_start) {
        begin_empty(load);
        return NULL;
    }
    question.offset = load->from->index.base_offset - 1;
    if (ks_segment_search_start(&load->search, load->log, &question, on_older, &segment) !=
        KAFSCALE_OK) {
        finish(load, KAFSCALE_NO_MEMORY);
    } else if (segment != NULL) {
        ks_segment_search_deinit(&load->search);
    }
    return segment;
}

/* From a segment whose state is no good. */
static void
go_back(struct ks_producer_load *load)
{
    struct ks_segment *segment;

    if (load->from == NULL) {
        load->from = load->newest;
        load->from->users++;
    }
    do {
        segment = get_older(load);
    } while (segment != NULL && !take_older(load, segment));
}

/* --- And forward through the batches --------------------------------------------------------- */

/*
 * Batches don't tell when they were appended, and what clients say of their records must not count:
 * a producer would expire at once, or never. They were there when the segment was made.
 */
static int64_t
appended_ms(const struct ks_producer_load *load)
{
    int64_t now_ms = ks_env_wall_ms(load->log->env);
    int64_t created_ms = load->from->index.created_ms;

    return created_ms < now_ms ? created_ms : now_ms;
}

static enum kafscale_status
note_batches(struct ks_producer_load *load, struct kafscale_slice body)
{
    int64_t time_ms = appended_ms(load);
    struct ks_cursor cursor = ks_cursor(body);
    enum kafscale_status status = KAFSCALE_OK;

    while (status == KAFSCALE_OK && ks_cursor_left(&cursor) > 0) {
        struct kafscale_error error = { 0 };
        struct ks_wal_entry entry;
        struct ks_batch batch;

        status = ks_batch_parse(ks_slice(cursor.position, ks_cursor_left(&cursor)), &batch, &error);
        if (status == KAFSCALE_OK) {
            entry = ks_entry_of_batch(&batch);
            (void) ks_cursor_take(&cursor, batch.bytes.size);
            status = ks_producer_note_entry(&load->producers, &entry, time_ms);
        }
    }
    return status;
}

/* Nothing is noted of a body that isn't the one its index was made for. */
static enum kafscale_status
take_body(struct ks_producer_load *load, struct kafscale_slice bytes)
{
    const size_t frame = KS_SEGMENT_HEADER_BYTES + KS_SEGMENT_FOOTER_BYTES;
    struct kafscale_slice body;

    if (bytes.size < frame) {
        return KAFSCALE_CORRUPT;
    }
    body = ks_slice(bytes.data + KS_SEGMENT_HEADER_BYTES, bytes.size - frame);
    return ks_crc32c(0, body.data, body.size) == load->from->index.body_crc
               ? note_batches(load, body)
               : KAFSCALE_CORRUPT;
}

static void
on_body(void *arg, enum kafscale_status status, struct kafscale_blob *body, uint64_t object_bytes,
        const struct kafscale_error *error)
{
    struct ks_producer_load *load = arg;

    (void) object_bytes;
    (void) error;
    if (status == KAFSCALE_OK) {
        status = take_body(load, kafscale_blob_slice(body));
    }
    if (must_read_again(load, status)) {
        get_body(load);
        return;
    }
    if (status == KAFSCALE_STOPPED || status == KAFSCALE_NO_MEMORY ||
        status == KAFSCALE_UNAVAILABLE || status == KAFSCALE_FAILED) {
        finish(load, status);
        return;
    }
    if (status != KAFSCALE_OK) {
        ks_log_some(load->log->env, &load->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                    "object is missing or damaged, its producers are forgotten key=%s",
                    ks_segment_body_key(load->from));
    }
    load->next = load->from->index.last_offset + 1;
    go_forward(load);
}

static void
get_body(struct ks_producer_load *load)
{
    ks_object_read_start(&load->read, load->log, ks_segment_body_key(load->from), 0,
                         KS_SEGMENT_READ_BYTES_MAX, on_body, load);
}

static void
read_body(struct ks_producer_load *load, struct ks_segment *segment)
{
    ks_segment_release(load->from);
    load->from = segment;
    get_body(load);
}

static void
on_next(struct ks_segment_wait *wait, enum kafscale_status status, struct ks_segment *segment,
        const struct kafscale_error *error)
{
    struct ks_producer_load *load = KS_CONTAINER(wait, struct ks_producer_load, wait);

    (void) error;
    if (status != KAFSCALE_OK) {
        finish(load, status);
        return;
    }
    read_body(load, segment);
}

static void
go_forward(struct ks_producer_load *load)
{
    struct ks_segment *segment;

    if (load->next > load->newest->index.last_offset) {
        finish(load, KAFSCALE_OK);
        return;
    }
    load->wait.done = on_next;
    if (ks_segment_get(load->log, &load->owner, load->next, &load->wait, &segment) != KAFSCALE_OK) {
        finish(load, KAFSCALE_NO_MEMORY);
    } else if (segment != NULL) {
        read_body(load, segment);
    }
}

/* --- The plain way --------------------------------------------------------------------------- */

static void
take_newest(struct ks_producer_load *load, struct ks_segment *segment)
{
    load->newest = segment;
    if (segment->index.last_offset + 1 != load->offset) {
        get_object(load);
    } else if (take_from_segment(load, segment)) {
        finish(load, KAFSCALE_OK);
    } else {
        go_back(load);
    }
}

static void
on_newest(struct ks_segment_wait *wait, enum kafscale_status status, struct ks_segment *segment,
          const struct kafscale_error *error)
{
    struct ks_producer_load *load = KS_CONTAINER(wait, struct ks_producer_load, wait);

    if (status == KAFSCALE_OK) {
        take_newest(load, segment);
    } else if (status == KAFSCALE_NOT_FOUND || status == KAFSCALE_CORRUPT) {
        if (status == KAFSCALE_CORRUPT) {
            ks_log_some(load->log->env, &load->log->unread, KS_LOG_QUOTA_COUNT, KAFSCALE_LOG_ERROR,
                        "state of producers not read error=%s", error->text);
        }
        get_object(load);
    } else {
        finish(load, status);
    }
}

static void
begin(void *arg)
{
    struct ks_producer_load *load = arg;
    struct ks_segment *segment;

    if (is_over(load)) {
        finish(load, KAFSCALE_STOPPED);
    } else if (load->segment_base < 0 || load->segment_base >= load->offset) {
        get_object(load);
    } else {
        load->wait.done = on_newest;
        if (ks_segment_get(load->log, &load->owner, load->segment_base, &load->wait, &segment) !=
            KAFSCALE_OK) {
            finish(load, KAFSCALE_NO_MEMORY);
        } else if (segment != NULL) {
            take_newest(load, segment);
        }
    }
}

static void
finish(struct ks_producer_load *load, enum kafscale_status status)
{
    struct ks_log *log = load->log;

    ks_list_remove(&load->link);
    load->done(load, status);
    ks_log_end(log);
}

enum kafscale_status
ks_producer_load_start(struct ks_producer_load *load, struct ks_log *log,
                       const struct ks_partition_name *name, const char *prefix,
                       const struct ks_register *reg)
{
    void (*done)(struct ks_producer_load *, enum kafscale_status) = load->done;

    assert(reg->compacted_upto > 0);
    memset(load, 0, sizeof *load);
    load->done = done;
    load->log = log;
    load->prefix = ks_copy_text(prefix);
    if (load->prefix == NULL) {
        return KAFSCALE_NO_MEMORY;
    }
    load->owner = (struct ks_segment_owner){ .name = *name,
                                             .prefix = load->prefix,
                                             .imported_end = reg->imported_end };
    load->offset = reg->compacted_upto;
    load->log_start = reg->log_start;
    load->segment_base = reg->segment_base;
    empty_table(load);
    ks_log_begin(log);
    ks_list_append(&log->producer_loads, &load->link);
    load->task = (struct ks_task){ .run = begin, .arg = load };
    ks_env_defer(log->env, &load->task);
    return KAFSCALE_OK;
}

void
ks_producer_load_deinit(struct ks_producer_load *load)
{
    if (load->log == NULL) {
        return;
    }
    ks_env_cancel_task(&load->task);
    ks_list_remove(&load->link);
    ks_producer_table_deinit(&load->producers);
    ks_segment_release(load->newest);
    ks_segment_release(load->from);
    ks_segment_search_deinit(&load->search);
    ks_free(load->prefix);
    *load = (struct ks_producer_load){ 0 };
}

void
ks_producer_loads_silence(struct ks_log *log)
{
    struct ks_list *node = log->producer_loads.next;

    while (node != &log->producer_loads) {
        struct ks_producer_load *load = KS_CONTAINER(node, struct ks_producer_load, link);

        node = node->next;
        if (ks_list_is_linked(&load->task.link)) {
            ks_env_cancel_task(&load->task);
            finish(load, KAFSCALE_STOPPED);
            node = log->producer_loads.next;
        }
    }
}

void
ks_producer_loads_drop(struct ks_log *log)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&log->producer_loads)) != NULL) {
        ks_env_cancel_task(&KS_CONTAINER(node, struct ks_producer_load, link)->task);
    }
}
