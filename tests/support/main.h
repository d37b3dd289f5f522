/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every Check suite is one executable: a test file that defines suite_new(), and
 * tests/support/main.c that runs it.
 */
#ifndef KS_TESTS_SUPPORT_MAIN_H
#define KS_TESTS_SUPPORT_MAIN_H

#include <check.h>

/* The one suite of the executable. */
Suite *suite_new(void);

#endif
