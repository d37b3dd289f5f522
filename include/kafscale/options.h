/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broker is told before it starts: keys and values, as text, each checked when it is
 * set.
 *
 * The keys with their kinds, defaults, limits and environment names are listed in
 * docs/configuration.md and by kafscale_option_at(). Names that Kafka or KafScale use are kept.
 * A struct kafscale_options belongs to one thread at a time.
 */
#ifndef KAFSCALE_OPTIONS_H
#define KAFSCALE_OPTIONS_H

#include "kafscale/logger.h"
#include "kafscale/status.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kafscale_options;

/* All keys at their defaults; NULL when memory is short. */
KAFSCALE_EXPORT struct kafscale_options *kafscale_options_new(void);

/* Accepts NULL. */
KAFSCALE_EXPORT void kafscale_options_free(struct kafscale_options *options);

/*
 * Sets one key, copying the value; a later value replaces an earlier one. KAFSCALE_NOT_FOUND:
 * no such key. KAFSCALE_INVALID: NULL, not a value of its kind, or outside its limits; the text
 * gives key, value and what is allowed. `error` may be NULL.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_options_set(
    struct kafscale_options *options, const char *key, const char *value,
    struct kafscale_error *error);

/*
 * The same, and remembers where the value is from, as "command line", for those who ask why it is
 * so: kafscale_options_origin() and what kafscale_options_check() finds. Copies the text.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_options_set_from(
    struct kafscale_options *options, const char *key, const char *value, const char *origin,
    struct kafscale_error *error);

/* The value of a key as text, valid until it is set again; NULL for an unknown key. */
KAFSCALE_EXPORT const char *kafscale_options_get(const struct kafscale_options *options,
                                                 const char *key);

/*
 * Where the value of a key is from, valid until it is set again: "environment variable NAME", what
 * kafscale_options_set_from() was told, or NULL, for a default, what was set without that, and an
 * unknown key.
 */
KAFSCALE_EXPORT const char *kafscale_options_origin(const struct kafscale_options *options,
                                                    const char *key);

/* The key that somebody may have meant who wrote `name`; NULL: none is near it. Any thread. */
KAFSCALE_EXPORT const char *kafscale_option_nearest(const char *name);

/*
 * Sets what the environment says: `environment` is a list of NAME=value that ends with NULL,
 * such as `environ`. Empty values count as absent. Unknown KAFSCALE_ names, and values
 * beginning with tcp:// (which Kubernetes injects for services), are skipped with a warning to
 * `warn`, which may be NULL. A bad value of a known name fails as kafscale_options_set() does,
 * after all others were set; `warn` is told of each such one (KAFSCALE_LOG_ERROR), `error` of the
 * first.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_options_set_environment(
    struct kafscale_options *options, char *const *environment, kafscale_log_write *warn, void *arg,
    struct kafscale_error *error);

/*
 * Checks what no single key can show, as kafscale_broker_new() will, and warns once for each
 * key that was set and acts not. KAFSCALE_INVALID: options that don't go together. `warn` and
 * `error` may be NULL.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_options_check(
    const struct kafscale_options *options, kafscale_log_write *warn, void *arg,
    struct kafscale_error *error);

/* What becomes of a key that is set. */
enum kafscale_option_effect {
    KAFSCALE_OPTION_USED,
    KAFSCALE_OPTION_IGNORED, /* accepted for compatibility, acts not */
    KAFSCALE_OPTION_REFUSED  /* any value but the default is an error at start */
};

#define KAFSCALE_OPTION_TEXT_BYTES 160

/* One line of the table of options. */
struct kafscale_option {
    const char *key;
    const char *kind; /* "integer", "boolean", "string", ... */
    const char *default_value;
    const char *help;
    enum kafscale_option_effect effect;
    const char *why; /* why it is not used; NULL when it is */
    bool is_secret;  /* not to be shown, and not to be given on a command line */
    bool is_live;    /* may change while a broker runs: kafscale_broker_reload() */
    char allowed[KAFSCALE_OPTION_TEXT_BYTES]; /* in words, such as "an integer from 1 to 10000" */
    char environment
        [KAFSCALE_OPTION_TEXT_BYTES]; /* names separated by spaces, first the one that counts */
};

/* The options in the order of the table; KAFSCALE_NOT_FOUND past the last one. Any thread. */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_option_at(
    size_t index, struct kafscale_option *option_out);

#ifdef __cplusplus
}
#endif

#endif
