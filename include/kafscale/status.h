/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the library says that something went wrong.
 *
 * Every function that can fail returns an enum kafscale_status; 0 is success and failures are
 * negative. Where an operator will ask "why", the last parameter is a struct kafscale_error
 * that also carries one line of text. Outputs are untouched on failure.
 */
#ifndef KAFSCALE_STATUS_H
#define KAFSCALE_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KAFSCALE_MUST_CHECK __attribute__((warn_unused_result))
#define KAFSCALE_EXPORT __attribute__((visibility("default")))
#else
#define KAFSCALE_MUST_CHECK
#define KAFSCALE_EXPORT
#endif

/* Each with what it means in kafscale/status.def; kafscale_status_text() gives that, too. */
enum kafscale_status {
#define STATUS(name, value, text) KAFSCALE_##name = value,
#include "kafscale/status.def"
#undef STATUS
};

#define KAFSCALE_ERROR_TEXT_BYTES 256

/*
 * A failure and one impersonal line about it, read from the outside in. Owned by the caller,
 * who starts it at { 0 }. The first failure written stays; callers on the way up only put
 * context before it.
 */
struct kafscale_error {
    enum kafscale_status status;
    char text[KAFSCALE_ERROR_TEXT_BYTES];
};

/*
 * The text of the table for a status. Never NULL, also for a value that no status has. Any
 * thread.
 */
KAFSCALE_EXPORT const char *kafscale_status_text(enum kafscale_status status);

#ifdef __cplusplus
}
#endif

#endif
