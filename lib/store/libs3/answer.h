/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a status of libs3 means for a request: the table of statuses. What the table doesn't name
 * leaves the outcome unknown. Private to store/libs3.
 */
#ifndef KS_STORE_LIBS3_ANSWER_H
#define KS_STORE_LIBS3_ANSWER_H

#include <libs3.h>
#include <stdbool.h>
#include <stdint.h>

enum ks_libs3_verdict {
    KS_LIBS3_GOOD,
    KS_LIBS3_TAKEN,   /* there is an object under the key */
    KS_LIBS3_ABSENT,  /* there is none */
    KS_LIBS3_BEYOND,  /* the range begins at or after the end of the object */
    KS_LIBS3_UNSURE,  /* it may have acted, or may still */
    KS_LIBS3_UNSENT,  /* it never left, or did not arrive as it was sent */
    KS_LIBS3_BUSY,    /* too many requests for the server */
    KS_LIBS3_DAMAGED, /* the answer is not what was asked for */
    KS_LIBS3_NO_BUCKET,
    KS_LIBS3_REFUSED, /* no right, a wrong key: somebody has to change something */
    KS_LIBS3_STARVED  /* no memory */
};

enum ks_libs3_verdict ks_libs3_verdict_of(S3Status status);

/* Whether the request has certainly not acted and never will. */
bool ks_libs3_is_without_effect(enum ks_libs3_verdict verdict);

/* How long to wait before it is sent again; 0: it is an answer, or nothing is gained. */
int64_t ks_libs3_pause_ms(enum ks_libs3_verdict verdict);

#endif
