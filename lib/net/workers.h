/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Worker threads for what would block the loop: writes and fsyncs of the directory store,
 * opening compressed batches. A thread starts when a job finds none idle, up to a limit; a
 * broker that never submits a job has no thread.
 */
#ifndef KS_NET_WORKERS_H
#define KS_NET_WORKERS_H

#include "net/mailbox.h"

#define KS_WORKERS_MAX 64

struct ks_workers {
    struct ks_mailbox *mailbox; /* borrowed; where finished jobs go */
    pthread_mutex_t mutex;
    pthread_cond_t job_waits;
    struct ks_list jobs;
    uint32_t job_count;  /* waiting, not yet taken by a thread */
    uint32_t idle_count; /* threads that wait for a job */
    uint32_t thread_count;
    uint32_t thread_count_max;
    bool is_stopping;
    pthread_t threads[KS_WORKERS_MAX];
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_workers_init(struct ks_workers *workers,
                                                         struct ks_mailbox *mailbox,
                                                         uint32_t thread_count_max,
                                                         struct kafscale_error *error);

/* Ends and joins the threads. No job may be waiting or running. */
void ks_workers_deinit(struct ks_workers *workers);

/*
 * Loop thread. The job is run on some thread, then put into the mailbox. False: not one thread
 * could be started, the job stays with the caller.
 */
KAFSCALE_MUST_CHECK bool ks_workers_submit(struct ks_workers *workers, struct ks_job *job);

#endif
