/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an answer means: the table of answers, and what each means for the request. Anything that
 * the table doesn't name leaves the outcome of a request unknown. Private to store/s3.
 */
#ifndef KS_STORE_S3_ANSWER_H
#define KS_STORE_S3_ANSWER_H

#include "store/s3/transport.h"
#include "store/s3/xml.h"

enum ks_s3_verdict {
    KS_S3_GOOD,
    KS_S3_TAKEN,           /* there is an object under the key */
    KS_S3_ABSENT,          /* there is none */
    KS_S3_BEYOND,          /* the range begins at or after the end of the object */
    KS_S3_HALF,            /* an answer, but another question is needed too */
    KS_S3_CONFLICT,        /* of two requests at once; proves nothing */
    KS_S3_UNSURE,          /* it may have acted, or may still */
    KS_S3_UNSENT,          /* it never left */
    KS_S3_BUSY,            /* too many requests for the server */
    KS_S3_SKEWED,          /* our clock is wrong, says the server */
    KS_S3_EXPIRED,         /* the credentials are no longer good */
    KS_S3_DAMAGED_REQUEST, /* it did not arrive as it was sent */
    KS_S3_DAMAGED_ANSWER,  /* it is not what was asked for */
    KS_S3_NO_BUCKET,
    KS_S3_REFUSED, /* no right, another region, a wrong key: somebody has to change something */
    KS_S3_UNABLE,  /* the server has no such operation */
    KS_S3_STARVED  /* no memory for the answer */
};

/* How a request goes on after a verdict that isn't an answer to it. */
enum ks_s3_course {
    KS_S3_COURSE_END,   /* it is an answer */
    KS_S3_COURSE_ON,    /* ask the next question */
    KS_S3_COURSE_NOW,   /* send again at once */
    KS_S3_COURSE_LATER, /* send again after a pause */
    KS_S3_COURSE_GIVE_UP,
    KS_S3_COURSE_GIVE_UP_SLOWLY /* nobody gains from asking often */
};

struct ks_s3_answer {
    enum ks_s3_verdict verdict;
    struct ks_s3_error_document document; /* empty without one */
};

struct ks_s3_answer ks_s3_answer_of(const struct ks_s3_exchange *exchange);

enum ks_s3_course ks_s3_verdict_course(enum ks_s3_verdict verdict);

/* Whether the request has certainly not acted and never will. */
bool ks_s3_verdict_is_without_effect(enum ks_s3_verdict verdict);

/* A line for people: "PUT of 'key': 403 AccessDenied: Access Denied". */
void ks_s3_answer_tell(const struct ks_s3_answer *answer, const struct ks_s3_exchange *exchange,
                       const char *what, const char *key, struct kafscale_error *error);

/* Seconds since 1970 of "Sat, 21 Nov 2026 19:22:29 GMT"; false when it isn't of this form. */
KAFSCALE_MUST_CHECK bool ks_s3_parse_date(const char *text, int64_t *time_s_out);

#endif
