/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each partition has a queue of batches that are being prepared or wait for one that is. Jobs run
 * side by side and end in any order; batches leave the queue from its front.
 */
#include "broker/preparer.h"

#include <assert.h>

/* --- On a worker thread ----------------------------------------------------------------------- */

static bool
is_faulty(const struct ks_preparation *preparation, const struct ks_record *record)
{
    if (preparation->times_fail) {
        return !ks_batch_time_is_allowed(record->timestamp, &preparation->rules);
    }
    return preparation->needs_keys && record->key.data == NULL;
}

/* The array is as long as the batch has records, up to the limit; false without memory. */
static bool
note_faulty(struct ks_preparation *preparation, int32_t index, int32_t record_count)
{
    if (preparation->faulty == NULL) {
        int32_t count = record_count < KS_FAULTY_RECORDS_MAX ? record_count : KS_FAULTY_RECORDS_MAX;

        preparation->faulty = ks_alloc_zero((size_t) count, sizeof *preparation->faulty);
        if (preparation->faulty == NULL) {
            return false;
        }
    }
    if (preparation->faulty_count < KS_FAULTY_RECORDS_MAX) {
        preparation->faulty[preparation->faulty_count] = index;
        preparation->faulty_count++;
    }
    return true;
}

/* OK when all could be read. */
static enum kafscale_status
check_records(struct ks_preparation *preparation, struct ks_records *records,
              struct kafscale_error *error)
{
    int32_t record_count = preparation->pending->append.batch.record_count;
    enum kafscale_status status;
    struct ks_record record;
    int32_t index = 0;

    while ((status = ks_records_next(records, &record, error)) == KAFSCALE_OK) {
        if (is_faulty(preparation, &record) && !note_faulty(preparation, index, record_count)) {
            return KAFSCALE_NO_MEMORY;
        }
        index++;
    }
    return status == KAFSCALE_NOT_FOUND ? KAFSCALE_OK : status;
}

static enum kafscale_status
recode(struct ks_preparation *preparation, const struct ks_records *records,
       struct kafscale_error *error)
{
    struct ks_buffer bytes;
    enum kafscale_status status;

    if (preparation->codec < 0 ||
        preparation->codec == ks_batch_codec(&preparation->pending->append.batch)) {
        return KAFSCALE_OK;
    }
    ks_buffer_init(&bytes, preparation->rules.bytes_max);
    status = ks_batch_recode(records, preparation->codec, preparation->level, &bytes, error);
    if (status == KAFSCALE_OK) {
        preparation->blob = kafscale_blob_new(bytes.size);
        if (preparation->blob == NULL) {
            status = KAFSCALE_NO_MEMORY;
        } else {
            memcpy(kafscale_blob_data(preparation->blob), bytes.data, bytes.size);
        }
    } else if (status == KAFSCALE_UNSUPPORTED) {
        /* It stays as it came. */
        status = KAFSCALE_OK;
    }
    ks_buffer_deinit(&bytes);
    return status;
}

static enum kafscale_status
prepare(struct ks_preparation *preparation, struct kafscale_error *error)
{
    struct ks_records records;
    enum kafscale_status status =
        ks_records_init(&records, &preparation->pending->append.batch, KS_PLAIN_BYTES_MAX, error);

    if (status != KAFSCALE_OK) {
        return status;
    }
    status = check_records(preparation, &records, error);
    if (status == KAFSCALE_OK && preparation->times_fail) {
        preparation->fault = KS_BATCH_FAULT_TIMESTAMP;
    } else if (status == KAFSCALE_OK && preparation->faulty_count > 0) {
        preparation->fault = KS_BATCH_FAULT_KEY;
    } else if (status == KAFSCALE_OK) {
        status = recode(preparation, &records, error);
    }
    ks_records_deinit(&records);
    return status;
}

static void
run_job(struct ks_job *job)
{
    struct ks_preparation *preparation = KS_CONTAINER(job, struct ks_preparation, job);
    struct kafscale_error error = { 0 };

    switch (prepare(preparation, &error)) {
    case KAFSCALE_OK:
        break;
    case KAFSCALE_NO_MEMORY:
        preparation->status = KAFSCALE_NO_MEMORY;
        break;
    case KAFSCALE_TOO_LARGE:
        preparation->fault = KS_BATCH_FAULT_TOO_LARGE;
        break;
    default:
        preparation->fault = KS_BATCH_FAULT_INVALID;
        break;
    }
}

/* --- On the loop ------------------------------------------------------------------------------ */

/* Nothing of its producer overtakes a batch that may come again. */
static void
pass_over(struct ks_preparer *preparer, struct ks_pending_append *pending,
          enum ks_broker_error error)
{
    ks_appender_pass_over(preparer->appender, pending->partition, &pending->append.batch);
    ks_pending_append_end(pending, error);
}

static void
take_blob(struct ks_preparation *preparation)
{
    struct ks_append *append = &preparation->pending->append;
    struct kafscale_error error = { 0 };
    enum kafscale_status status;

    append->owner = preparation->blob;
    status = ks_batch_parse(kafscale_blob_slice(preparation->blob), &append->batch, &error);
    assert(status == KAFSCALE_OK);
    (void) status;
}

static void
hand_over(struct ks_preparer *preparer, struct ks_pending_append *pending)
{
    struct ks_preparation *preparation = pending->preparation;
    struct ks_topic *topic = pending->partition->topic;

    pending->is_preparing = false;
    if (pending->is_given_up) {
        pass_over(preparer, pending, KS_BROKER_ERROR_TIMED_OUT);
        return;
    }
    if (preparation != NULL && preparation->status != KAFSCALE_OK) {
        pass_over(preparer, pending, KS_BROKER_ERROR_NO_MEMORY);
        return;
    }
    if (preparation != NULL && preparation->fault != KS_BATCH_FAULT_NONE) {
        ks_pending_append_end(pending, KS_BROKER_ERROR_BAD_BATCH);
        return;
    }
    if (preparation != NULL && preparation->blob != NULL) {
        take_blob(preparation);
    }
    ks_appender_append(preparer->appender, pending);
    ks_topic_unref(topic);
}

static bool
is_ready(const struct ks_pending_append *pending)
{
    return pending->preparation == NULL || pending->preparation->is_ready;
}

static void
on_job_done(struct ks_job *job)
{
    struct ks_preparation *preparation = KS_CONTAINER(job, struct ks_preparation, job);
    struct ks_preparer *preparer = preparation->preparer;
    struct ks_topic_partition *partition = preparation->pending->partition;
    struct ks_topic *topic = ks_topic_ref(partition->topic);

    assert(preparer->busy > 0);

    preparer->busy--;
    preparation->is_ready = true;
    while (!ks_list_is_empty(&partition->preparing)) {
        struct ks_pending_append *pending =
            KS_CONTAINER(partition->preparing.next, struct ks_pending_append, link);

        if (!is_ready(pending)) {
            break;
        }
        ks_list_remove(&pending->link);
        hand_over(preparer, pending);
    }
    ks_topic_unref(topic);
    if (preparer->busy == 0 && preparer->idle != NULL) {
        ks_env_defer(preparer->env, preparer->idle);
    }
}

void
ks_preparer_init(struct ks_preparer *preparer, struct ks_env *env, struct ks_appender *appender)
{
    *preparer = (struct ks_preparer){ .env = env, .appender = appender };
}

void
ks_preparer_append(struct ks_preparer *preparer, struct ks_pending_append *pending,
                   struct ks_preparation *preparation)
{
    struct ks_topic_partition *partition = pending->partition;

    pending->preparation = preparation;
    if (preparation == NULL && ks_list_is_empty(&partition->preparing)) {
        ks_appender_append(preparer->appender, pending);
        return;
    }
    ks_topic_ref(partition->topic);
    pending->is_preparing = true;
    pending->is_given_up = false;
    pending->is_queued = false;
    pending->link = (struct ks_list){ 0 };
    ks_list_append(&partition->preparing, &pending->link);
    if (preparation != NULL) {
        preparation->preparer = preparer;
        preparation->pending = pending;
        preparation->job = (struct ks_job){ .run = run_job, .done = on_job_done };
        preparer->busy++;
        ks_env_submit(preparer->env, &preparation->job);
    }
}

void
ks_preparer_give_up(struct ks_preparer *preparer, struct ks_pending_append *pending)
{
    if (pending->is_preparing) {
        pending->is_given_up = true;
        return;
    }
    ks_appender_give_up(preparer->appender, pending);
}

bool
ks_preparer_is_idle(struct ks_preparer *preparer, struct ks_task *task)
{
    if (preparer->busy == 0) {
        return true;
    }
    preparer->idle = task;
    return false;
}

void
ks_preparation_deinit(struct ks_preparation *preparation)
{
    if (preparation == NULL) {
        return;
    }
    ks_free(preparation->faulty);
    kafscale_blob_unref(preparation->blob);
    preparation->faulty = NULL;
    preparation->blob = NULL;
}
