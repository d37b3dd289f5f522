/* SPDX-License-Identifier: Apache-2.0 */
/* Threads block every signal: signals are the business of the program that embeds the library. */
#include "net/workers.h"

#include <assert.h>
#include <signal.h>

enum kafscale_status
ks_workers_init(struct ks_workers *workers, struct ks_mailbox *mailbox, uint32_t thread_count_max,
                struct kafscale_error *error)
{
    assert(thread_count_max > 0);
    assert(thread_count_max <= KS_WORKERS_MAX);

    *workers = (struct ks_workers){ .mailbox = mailbox, .thread_count_max = thread_count_max };
    ks_list_init(&workers->jobs);
    if (pthread_mutex_init(&workers->mutex, NULL) != 0) {
        return ks_error_set(error, KAFSCALE_IO, "pthread_mutex_init failed");
    }
    if (pthread_cond_init(&workers->job_waits, NULL) != 0) {
        pthread_mutex_destroy(&workers->mutex);
        return ks_error_set(error, KAFSCALE_IO, "pthread_cond_init failed");
    }
    return KAFSCALE_OK;
}

void
ks_workers_deinit(struct ks_workers *workers)
{
    assert(workers->job_count == 0);

    pthread_mutex_lock(&workers->mutex);
    workers->is_stopping = true;
    pthread_cond_broadcast(&workers->job_waits);
    pthread_mutex_unlock(&workers->mutex);

    for (uint32_t i = 0; i < workers->thread_count; i++) {
        pthread_join(workers->threads[i], NULL);
    }
    pthread_cond_destroy(&workers->job_waits);
    pthread_mutex_destroy(&workers->mutex);
}

/* The next job, or NULL when the thread shall end. */
static struct ks_job *
take_job(struct ks_workers *workers)
{
    struct ks_job *job = NULL;

    pthread_mutex_lock(&workers->mutex);
    workers->idle_count++;
    while (workers->job_count == 0 && !workers->is_stopping) {
        pthread_cond_wait(&workers->job_waits, &workers->mutex);
    }
    workers->idle_count--;
    if (workers->job_count > 0) {
        job = KS_CONTAINER(ks_list_take_first(&workers->jobs), struct ks_job, link);
        workers->job_count--;
    }
    pthread_mutex_unlock(&workers->mutex);
    return job;
}

static void *
run_worker(void *arg)
{
    struct ks_workers *workers = arg;
    struct ks_job *job;

    while ((job = take_job(workers)) != NULL) {
        job->run(job);
        ks_mailbox_put_job(workers->mailbox, job);
    }
    return NULL;
}

/*
 * With the lock held. A thread that can't be started is no failure as long as there is another.
 */
static void
start_thread(struct ks_workers *workers)
{
    sigset_t all;
    sigset_t before;
    int result;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&workers->threads[workers->thread_count], NULL, run_worker, workers);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result == 0) {
        workers->thread_count++;
    }
}

bool
ks_workers_submit(struct ks_workers *workers, struct ks_job *job)
{
    bool has_thread;

    pthread_mutex_lock(&workers->mutex);
    /*
     * Threads that were told of a job but have not taken it yet still count as idle, hence the
     * comparison.
     */
    if (workers->job_count >= workers->idle_count &&
        workers->thread_count < workers->thread_count_max) {
        start_thread(workers);
    }
    has_thread = workers->thread_count > 0;
    if (has_thread) {
        ks_list_append(&workers->jobs, &job->link);
        workers->job_count++;
        pthread_cond_signal(&workers->job_waits);
    }
    pthread_mutex_unlock(&workers->mutex);
    return has_thread;
}
