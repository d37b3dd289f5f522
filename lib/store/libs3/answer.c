/* SPDX-License-Identifier: Apache-2.0 */
/*
 * S3_status_is_retryable() is not asked: it leaves out a busy server, the most ordinary of
 * failures. HttpErrorNotFound is a 404 without the server's code, as something in between may send
 * it, and proves nothing.
 */
#include "store/libs3/answer.h"

#include <stddef.h>

static const struct {
    S3Status status;
    enum ks_libs3_verdict verdict;
} rows[] = {
    { S3StatusOK, KS_LIBS3_GOOD },
    { S3StatusErrorNoSuchKey, KS_LIBS3_ABSENT },
    { S3StatusErrorInvalidRange, KS_LIBS3_BEYOND },
    { S3StatusErrorSlowDown, KS_LIBS3_BUSY },
    { S3StatusNameLookupError, KS_LIBS3_UNSENT },
    { S3StatusFailedToConnect, KS_LIBS3_UNSENT },
    { S3StatusErrorRequestTimeTooSkewed, KS_LIBS3_UNSENT },
    { S3StatusErrorBadDigest, KS_LIBS3_UNSENT },
    { S3StatusErrorIncompleteBody, KS_LIBS3_UNSENT },
    { S3StatusAbortedByCallback, KS_LIBS3_DAMAGED },
    { S3StatusXmlParseFailure, KS_LIBS3_DAMAGED },
    { S3StatusOutOfMemory, KS_LIBS3_STARVED },
    { S3StatusKeyTooLong, KS_LIBS3_REFUSED },
    { S3StatusUriTooLong, KS_LIBS3_REFUSED },
    { S3StatusQueryParamsTooLong, KS_LIBS3_REFUSED },
    { S3StatusErrorNoSuchBucket, KS_LIBS3_NO_BUCKET },
    { S3StatusErrorInvalidBucketName, KS_LIBS3_REFUSED },
    { S3StatusErrorKeyTooLong, KS_LIBS3_REFUSED },
    { S3StatusErrorAccessDenied, KS_LIBS3_REFUSED },
    { S3StatusErrorAccountProblem, KS_LIBS3_REFUSED },
    { S3StatusErrorInvalidAccessKeyId, KS_LIBS3_REFUSED },
    { S3StatusErrorInvalidSecurity, KS_LIBS3_REFUSED },
    { S3StatusErrorNotSignedUp, KS_LIBS3_REFUSED },
    { S3StatusErrorSignatureDoesNotMatch, KS_LIBS3_REFUSED },
    { S3StatusErrorMethodNotAllowed, KS_LIBS3_REFUSED },
    { S3StatusErrorNotImplemented, KS_LIBS3_REFUSED },
    { S3StatusErrorPermanentRedirect, KS_LIBS3_REFUSED },
    { S3StatusHttpErrorForbidden, KS_LIBS3_REFUSED },
};

static const struct {
    bool is_without_effect;
    int64_t pause_ms;
} courses[] = {
    [KS_LIBS3_GOOD] = { false, 0 },        [KS_LIBS3_TAKEN] = { true, 0 },
    [KS_LIBS3_ABSENT] = { true, 0 },       [KS_LIBS3_BEYOND] = { true, 0 },
    [KS_LIBS3_UNSURE] = { false, 100 },    [KS_LIBS3_UNSENT] = { true, 100 },
    [KS_LIBS3_BUSY] = { true, 400 },       [KS_LIBS3_DAMAGED] = { false, 10 },
    [KS_LIBS3_NO_BUCKET] = { true, 1000 }, [KS_LIBS3_REFUSED] = { true, 1000 },
    [KS_LIBS3_STARVED] = { false, 0 },
};

enum ks_libs3_verdict
ks_libs3_verdict_of(S3Status status)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status == status) {
            return rows[i].verdict;
        }
    }
    return KS_LIBS3_UNSURE;
}

bool
ks_libs3_is_without_effect(enum ks_libs3_verdict verdict)
{
    return courses[verdict].is_without_effect;
}

int64_t
ks_libs3_pause_ms(enum ks_libs3_verdict verdict)
{
    return courses[verdict].pause_ms;
}
