/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of struct kafscale_options: one checked value for each line of options.def, read by
 * the name that the line begins with: ks_option_number(options, KS_OPTION_flush_bytes).
 */
#ifndef KS_BROKER_OPTIONS_H
#define KS_BROKER_OPTIONS_H

#include "base/base.h"
#include "broker/endpoint.h"
#include "kafscale/options.h"

enum ks_option_name {
#define OPTION(name, key, kind, default_value, limits, environment, effect, help) KS_OPTION_##name,
#include "broker/options.def"
#undef OPTION
    KS_OPTION_COUNT
};

struct ks_option_value {
    char *text;     /* as it was set; NULL: the default */
    char *origin;   /* where it is from; NULL: nobody said */
    int64_t number; /* of integers and booleans */
};

void ks_option_value_deinit(struct ks_option_value *value);

/* Replaces `out`. False when memory is short: nothing has changed. */
bool ks_option_value_copy(const struct ks_option_value *value, struct ks_option_value *out);

struct kafscale_options {
    struct ks_option_value values[KS_OPTION_COUNT];
};

/* NULL when memory is short. */
struct kafscale_options *ks_options_copy(const struct kafscale_options *options);

/*
 * A copy of `wanted` in which all that can't change while a broker runs is as in `running`. NULL
 * when memory is short.
 */
struct kafscale_options *ks_options_merge(const struct kafscale_options *running,
                                          const struct kafscale_options *wanted);

/* Each has the other's values afterwards. */
void ks_options_swap(struct kafscale_options *a, struct kafscale_options *b);

/* The number of an integer, 0 or 1 of a boolean; the name must be of such a kind. */
int64_t ks_option_number(const struct kafscale_options *options, enum ks_option_name name);
bool ks_option_is_true(const struct kafscale_options *options, enum ks_option_name name);

/* The number of a fraction. */
double ks_option_fraction(const struct kafscale_options *options, enum ks_option_name name);

/* Never NULL; valid until the option is set again. */
const char *ks_option_text(const struct kafscale_options *options, enum ks_option_name name);

const char *ks_option_key(enum ks_option_name name);

/* What may be shown of the text: secrets aren't. */
const char *ks_option_shown(const struct kafscale_options *options, enum ks_option_name name);

/* Whether it may change while a broker runs. */
bool ks_option_is_live(enum ks_option_name name);

/* Whether both mean the same; numbers and booleans may be spelled in several ways. */
bool ks_option_equals(const struct kafscale_options *a, const struct kafscale_options *b,
                      enum ks_option_name name);
bool ks_option_is_set(const struct kafscale_options *options, enum ks_option_name name);
enum kafscale_log_level ks_options_log_level(const struct kafscale_options *options);

/* broker.id, or the ordinal of the pod, or 0. */
int32_t ks_options_broker_id(const struct kafscale_options *options);

/* store=s3, or a bucket and nothing said about the store. */
bool ks_options_store_is_s3(const struct kafscale_options *options);

/* The plug-in that has the S3 store for s3.signature. */
const char *ks_options_s3_plugin(const struct kafscale_options *options);

/* The path of a directory store, or NULL for the memory store; not for the S3 store. */
const char *ks_options_store_directory(const struct kafscale_options *options);

/* Neither of the two. */
bool ks_options_store_is_memory(const struct kafscale_options *options);

/*
 * KAFSCALE_INVALID: testing is enabled, and an address can be reached from elsewhere than this
 * machine.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_options_check_testing(
    const struct kafscale_options *options, struct kafscale_error *error);

/* The address of the listener of this index; false past the last one. Names are not looked up. */
bool ks_options_listen(const struct kafscale_options *options, size_t index,
                       struct ks_endpoint *endpoint_out);

/*
 * The address that clients are told for the listener of this index, which listens on `bound`,
 * with its real port.
 */
void ks_options_advertised(const struct kafscale_options *options, size_t index,
                           const struct ks_endpoint *bound, struct ks_endpoint *advertised_out);

#endif
