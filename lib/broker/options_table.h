/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of options as the files know it that make up struct kafscale_options: options.c has the
 * values, options_environment.c and options_check.c set and check many of them. Private to them.
 */
#ifndef KS_BROKER_OPTIONS_TABLE_H
#define KS_BROKER_OPTIONS_TABLE_H

#include "broker/options.h"

#define KS_OPTION_PREFIX "KAFSCALE_"

enum ks_option_kind {
    KS_KIND_STRING,
    KS_KIND_SECRET,
    KS_KIND_INT64,
    KS_KIND_BOOL,
    KS_KIND_FRACTION,
    KS_KIND_CHOICE,
    KS_KIND_ADDRESS,
    KS_KIND_ADDRESSES,
    KS_KIND_STORE,
    KS_KIND_NAMESPACE
};

struct ks_option_line {
    const char *key;
    const char *default_value;
    int64_t lowest;
    int64_t highest;
    const char *choices; /* separated by | */
    const char *also;    /* one more name in the environment */
    const char *why;
    const char *help;
    enum ks_option_kind kind;
    enum kafscale_option_effect effect;
    bool is_live; /* may change while a broker runs */
};

extern const struct ks_option_line ks_option_lines[KS_OPTION_COUNT];

/* NULL for an unknown key. */
const struct ks_option_line *ks_option_line_find(const char *key);

/* Whether the option takes this value; the number is set for integers and booleans only. */
bool ks_option_parse(const struct ks_option_line *line, const char *value, int64_t *number_out);

const char *ks_option_kind_name(const struct ks_option_line *line);
void ks_option_describe_allowed(const struct ks_option_line *line, char *text_out, size_t size);

/* KAFSCALE_ and the key in capitals. */
void ks_option_environment_name(const struct ks_option_line *line, char *name_out, size_t size);

/* Sets one option, and another one where that is only a way to say it. `origin` may be NULL. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_options_set_line(struct kafscale_options *options,
                                                             const struct ks_option_line *line,
                                                             const char *text, const char *origin,
                                                             struct kafscale_error *error);

/* Everything that is wrong is told; the first of it is what the call fails with. */
void ks_options_note_problem(const struct ks_logger *logger, struct kafscale_error *first,
                             const struct kafscale_error *problem);

#endif
