/* SPDX-License-Identifier: Apache-2.0 */
/* An S3 store on a scripted server, anew for each test, and what tests say about it. */
#ifndef KS_TESTS_UNIT_S3_FIXTURE_H
#define KS_TESTS_UNIT_S3_FIXTURE_H

#include "support/s3_script.h"

#include <check.h>

#define SERVER "http://127.0.0.1:9000"

/* For loop tests over a table. */
#define S3_COUNT(array) ((int) (sizeof(array) / sizeof *(array)))

/* Of the test at hand. */
extern struct s3_script *script;

/* A case whose tests find a fresh `script`. */
TCase *s3_new_case(Suite *suite, const char *name);

/* In place of that script one with other settings. */
void s3_setup_as(void (*change)(struct ks_s3_settings *settings));

/* The next answer has this status and error code. */
void s3_answer_status(int status, const char *code);

/* A PUT that creates the object. */
enum kafscale_status s3_create(const char *key);

/* Which request came, counted from 0, and how many. */
void s3_expect_request(size_t index, const char *text);
void s3_expect_count(size_t count);

/* Between this request and the next. */
int64_t s3_gap_ms(size_t index);

#endif
