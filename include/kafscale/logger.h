/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the library's diagnostics go. It writes nowhere by itself.
 */
#ifndef KAFSCALE_LOGGER_H
#define KAFSCALE_LOGGER_H

#ifdef __cplusplus
extern "C" {
#endif

enum kafscale_log_level {
    KAFSCALE_LOG_ERROR = 0,
    KAFSCALE_LOG_WARN = 1,
    KAFSCALE_LOG_INFO = 2,
    KAFSCALE_LOG_DEBUG = 3
};

/* Takes one line without its end-of-line. Called on the loop thread; must not block for long. */
typedef void kafscale_log_write(void *arg, enum kafscale_log_level level, const char *line);

#ifdef __cplusplus
}
#endif

#endif
