/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How other threads reach the loop: finished jobs and calls go into two lists under one lock,
 * and one eventfd tells the loop. Only the first arrival in an empty mailbox writes to the
 * eventfd, so a burst costs one wake-up.
 */
#ifndef KS_NET_MAILBOX_H
#define KS_NET_MAILBOX_H

#include "base/base.h"

#include <pthread.h>

struct ks_mailbox {
    pthread_mutex_t mutex;
    struct ks_list jobs;  /* struct ks_job, in the order in which they finished */
    struct ks_list calls; /* struct ks_task, in the order in which they were handed over */
    int wake_fd;
};

KAFSCALE_MUST_CHECK enum kafscale_status ks_mailbox_init(struct ks_mailbox *mailbox,
                                                         struct kafscale_error *error);

/* Both lists must be empty. */
void ks_mailbox_deinit(struct ks_mailbox *mailbox);

/* Any thread. Both borrow their argument until the loop has taken it out. */
void ks_mailbox_put_job(struct ks_mailbox *mailbox, struct ks_job *job);
void ks_mailbox_put_call(struct ks_mailbox *mailbox, struct ks_task *call);

/* Makes wake_fd readable without leaving anything. Any thread, and signal handlers. */
void ks_mailbox_poke(struct ks_mailbox *mailbox);

/*
 * Moves everything to the caller's lists, which must be initialised, and makes wake_fd
 * unreadable. Loop thread.
 */
void ks_mailbox_take(struct ks_mailbox *mailbox, struct ks_list *jobs_out,
                     struct ks_list *calls_out);

#endif
