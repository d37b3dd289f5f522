/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The eventfd is read before the lists are taken: what arrives in between leaves a wake-up too
 * many, never too few.
 */
#include "net/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum kafscale_status
ks_mailbox_init(struct ks_mailbox *mailbox, struct kafscale_error *error)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        return ks_error_set(error, KAFSCALE_IO, "eventfd: %s", strerror(errno));
    }
    if (pthread_mutex_init(&mailbox->mutex, NULL) != 0) {
        close(fd);
        return ks_error_set(error, KAFSCALE_IO, "pthread_mutex_init failed");
    }
    ks_list_init(&mailbox->jobs);
    ks_list_init(&mailbox->calls);
    mailbox->wake_fd = fd;
    return KAFSCALE_OK;
}

void
ks_mailbox_deinit(struct ks_mailbox *mailbox)
{
    assert(ks_list_is_empty(&mailbox->jobs));
    assert(ks_list_is_empty(&mailbox->calls));

    pthread_mutex_destroy(&mailbox->mutex);
    close(mailbox->wake_fd);
}

void
ks_mailbox_poke(struct ks_mailbox *mailbox)
{
    uint64_t one = 1;
    int errno_before = errno;
    ssize_t size;

    /* EAGAIN means that the counter is at its end, so the loop is awake anyway. */
    do {
        size = write(mailbox->wake_fd, &one, sizeof one);
    } while (size < 0 && errno == EINTR);
    errno = errno_before;
}

static void
put(struct ks_mailbox *mailbox, struct ks_list *list, struct ks_list *node)
{
    bool was_empty;

    pthread_mutex_lock(&mailbox->mutex);
    was_empty = ks_list_is_empty(&mailbox->jobs) && ks_list_is_empty(&mailbox->calls);
    ks_list_append(list, node);
    /*
     * Under the lock: once it is released, the loop may finish its last work and free the
     * mailbox.
     */
    if (was_empty) {
        ks_mailbox_poke(mailbox);
    }
    pthread_mutex_unlock(&mailbox->mutex);
}

void
ks_mailbox_put_job(struct ks_mailbox *mailbox, struct ks_job *job)
{
    put(mailbox, &mailbox->jobs, &job->link);
}

void
ks_mailbox_put_call(struct ks_mailbox *mailbox, struct ks_task *call)
{
    assert(call->run != NULL);
    put(mailbox, &mailbox->calls, &call->link);
}

static void
move_all(struct ks_list *from, struct ks_list *to)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(from)) != NULL) {
        ks_list_append(to, node);
    }
}

void
ks_mailbox_take(struct ks_mailbox *mailbox, struct ks_list *jobs_out, struct ks_list *calls_out)
{
    uint64_t count;
    ssize_t size;

    do {
        size = read(mailbox->wake_fd, &count, sizeof count);
    } while (size < 0 && errno == EINTR);

    pthread_mutex_lock(&mailbox->mutex);
    move_all(&mailbox->jobs, jobs_out);
    move_all(&mailbox->calls, calls_out);
    pthread_mutex_unlock(&mailbox->mutex);
}
