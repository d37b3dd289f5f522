/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's monotonic clock, for threads that wait: a step of the wall clock must neither
 * stretch nor end a wait. Loops have a clock of their own (base/env.h). Any thread.
 */
#ifndef KS_NET_MONOTONIC_H
#define KS_NET_MONOTONIC_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

int64_t ks_monotonic_ms(void);

/*
 * The time when `timeout_ms` from now have passed, at least these and at most a year; INT64_MAX for
 * a negative one: never.
 */
int64_t ks_monotonic_after(int64_t timeout_ms);

/* A condition that is waited for by this clock; pthread_cond_destroy ends it. */
void ks_monotonic_condition_init(pthread_cond_t *condition);

/*
 * Waits until somebody signals, at most until `due_ms` (INT64_MAX: for ever). False: that time is
 * over. Like pthread_cond_wait it may return for no reason.
 */
bool ks_monotonic_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t due_ms);

#endif
