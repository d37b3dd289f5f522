/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codes count before statuses: servers agree on the former. An absent key must be told by its
 * code, since a 404 of something in between would else pass for a proof.
 */
#include "store/s3/answer.h"

#include <stdio.h>

#define ANY 0

/* The first row that fits. `code` NULL fits all; one that ends in '.' is a beginning. */
static const struct {
    int status;
    const char *code;
    enum ks_s3_verdict verdict;
} rows[] = {
    { ANY, "RequestTimeTooSkewed", KS_S3_SKEWED },
    { ANY, "ExpiredToken", KS_S3_EXPIRED },
    { ANY, "TokenRefreshRequired", KS_S3_EXPIRED },
    { ANY, "InvalidToken", KS_S3_EXPIRED },
    { ANY, "BadDigest", KS_S3_DAMAGED_REQUEST },
    { ANY, "IncompleteBody", KS_S3_DAMAGED_REQUEST },
    { ANY, "XAmzContentSHA256Mismatch", KS_S3_DAMAGED_REQUEST },
    { ANY, "XAmzContentChecksumMismatch", KS_S3_DAMAGED_REQUEST },
    { ANY, "SlowDown", KS_S3_BUSY },
    { ANY, "SlowDownRead", KS_S3_BUSY },
    { ANY, "SlowDownWrite", KS_S3_BUSY },
    { ANY, "TooManyRequests", KS_S3_BUSY },
    { 429, NULL, KS_S3_BUSY },
    { ANY, "NoSuchBucket", KS_S3_NO_BUCKET },
    { 404, "NoSuchKey", KS_S3_ABSENT },
    { 404, "NoSuchLifecycleConfiguration", KS_S3_ABSENT },
    { 409, NULL, KS_S3_CONFLICT },
    { 412, NULL, KS_S3_TAKEN },
    { 416, NULL, KS_S3_BEYOND },
    { ANY, "PermanentRedirect", KS_S3_REFUSED },
    { ANY, "AuthorizationHeaderMalformed", KS_S3_REFUSED },
    { ANY, "InvalidBucketName", KS_S3_REFUSED },
    { ANY, "KMS.", KS_S3_REFUSED },
    { 301, NULL, KS_S3_REFUSED },
    { 307, NULL, KS_S3_REFUSED },
    { 401, NULL, KS_S3_REFUSED },
    { 403, NULL, KS_S3_REFUSED },
    { 405, NULL, KS_S3_UNABLE },
    { 501, NULL, KS_S3_UNABLE },
};

static const struct {
    enum ks_s3_course course;
    bool is_without_effect;
} courses[] = {
    [KS_S3_GOOD] = { KS_S3_COURSE_END, false },
    [KS_S3_TAKEN] = { KS_S3_COURSE_END, true },
    [KS_S3_ABSENT] = { KS_S3_COURSE_END, true },
    [KS_S3_BEYOND] = { KS_S3_COURSE_END, true },
    [KS_S3_HALF] = { KS_S3_COURSE_ON, true },
    [KS_S3_CONFLICT] = { KS_S3_COURSE_LATER, false },
    [KS_S3_UNSURE] = { KS_S3_COURSE_LATER, false },
    [KS_S3_UNSENT] = { KS_S3_COURSE_LATER, true },
    [KS_S3_BUSY] = { KS_S3_COURSE_LATER, true },
    [KS_S3_SKEWED] = { KS_S3_COURSE_NOW, true },
    [KS_S3_EXPIRED] = { KS_S3_COURSE_NOW, true },
    [KS_S3_DAMAGED_REQUEST] = { KS_S3_COURSE_NOW, true },
    [KS_S3_DAMAGED_ANSWER] = { KS_S3_COURSE_NOW, false },
    [KS_S3_NO_BUCKET] = { KS_S3_COURSE_GIVE_UP_SLOWLY, true },
    [KS_S3_REFUSED] = { KS_S3_COURSE_GIVE_UP_SLOWLY, true },
    [KS_S3_UNABLE] = { KS_S3_COURSE_GIVE_UP_SLOWLY, true },
    [KS_S3_STARVED] = { KS_S3_COURSE_GIVE_UP, false },
};

static bool
code_fits(const char *wanted, const char *code)
{
    size_t size = wanted == NULL ? 0 : strlen(wanted);

    if (size == 0) {
        return true;
    }
    return wanted[size - 1] == '.' ? strncmp(wanted, code, size) == 0 : strcmp(wanted, code) == 0;
}

static enum ks_s3_verdict
verdict_of_status(int status, const char *code)
{
    if (status / 100 == 2) {
        return KS_S3_GOOD;
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((rows[i].status == ANY || rows[i].status == status) && code_fits(rows[i].code, code)) {
            return rows[i].verdict;
        }
    }
    return KS_S3_UNSURE;
}

static enum ks_s3_verdict
verdict_of(const struct ks_s3_exchange *exchange, const char *code)
{
    switch (exchange->outcome) {
    case KS_S3_ANSWERED:
        return verdict_of_status(exchange->status, code);
    case KS_S3_NOT_SENT:
        return KS_S3_UNSENT;
    case KS_S3_DISTRUST:
        return KS_S3_REFUSED;
    case KS_S3_SHORT:
    case KS_S3_TOO_LARGE:
        return exchange->status / 100 == 2 ? KS_S3_DAMAGED_ANSWER : KS_S3_UNSURE;
    case KS_S3_NO_MEMORY:
        return KS_S3_STARVED;
    case KS_S3_CUT:
        break;
    }
    return KS_S3_UNSURE;
}

struct ks_s3_answer
ks_s3_answer_of(const struct ks_s3_exchange *exchange)
{
    struct ks_s3_answer answer = { 0 };
    struct kafscale_error unused = { 0 };

    if (exchange->outcome == KS_S3_ANSWERED && exchange->status >= 300 && exchange->body != NULL &&
        ks_s3_error_document_read(kafscale_blob_slice(exchange->body), &answer.document, &unused) !=
            KAFSCALE_OK) {
        answer.document = (struct ks_s3_error_document){ 0 };
    }
    answer.verdict = verdict_of(exchange, answer.document.code);
    return answer;
}

enum ks_s3_course
ks_s3_verdict_course(enum ks_s3_verdict verdict)
{
    return courses[verdict].course;
}

bool
ks_s3_verdict_is_without_effect(enum ks_s3_verdict verdict)
{
    return courses[verdict].is_without_effect;
}

static void
tell_region(const struct ks_s3_answer *answer, const struct ks_s3_exchange *exchange,
            struct kafscale_error *error)
{
    const char *region =
        answer->document.region[0] != '\0' ? answer->document.region : exchange->region;

    if (answer->verdict == KS_S3_REFUSED && region[0] != '\0') {
        ks_error_wrap(error, "(the bucket is in region '%s')", region);
    }
}

void
ks_s3_answer_tell(const struct ks_s3_answer *answer, const struct ks_s3_exchange *exchange,
                  const char *what, const char *key, struct kafscale_error *error)
{
    *error = (struct kafscale_error){ 0 };
    if (exchange->outcome != KS_S3_ANSWERED) {
        ks_error_set(error, KAFSCALE_UNKNOWN, "%s",
                     exchange->reason[0] != '\0' ? exchange->reason : "no answer");
    } else if (answer->document.code[0] != '\0') {
        ks_error_set(error, KAFSCALE_UNKNOWN, "%d %s: %s", exchange->status, answer->document.code,
                     answer->document.message);
    } else {
        ks_error_set(error, KAFSCALE_UNKNOWN, "status %d", exchange->status);
    }
    tell_region(answer, exchange, error);
    ks_error_wrap(error, "%s of '%.80s'", what, key);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static int64_t
days_to(int64_t year, int month, int day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = shifted / 400;
    int64_t year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

bool
ks_s3_parse_date(const char *text, int64_t *time_s_out)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4];
    const char *place;
    int day;
    int year;
    int hour;
    int minute;
    int second;

    if (sscanf(text, "%*3c, %2d %3c %4d %2d:%2d:%2d GMT", &day, month, &year, &hour, &minute,
               &second) != 6) {
        return false;
    }
    month[3] = '\0';
    place = strstr(names, month);
    if (place == NULL || (place - names) % 3 != 0 || year < 1970) {
        return false;
    }
    *time_s_out = days_to(year, (int) (place - names) / 3 + 1, day) * 86400 + hour * 3600 +
                  minute * 60 + second;
    return true;
}
