/* SPDX-License-Identifier: Apache-2.0 */
/* What is to become of requests: rules in the order in which they were given. */
#ifndef KS_TESTING_RULES_H
#define KS_TESTING_RULES_H

#include "base/base.h"

#define KS_RULES_MAX 1000
#define KS_RULE_CLIENT_BYTES 128
#define KS_RULE_ANY_API INT16_MIN
#define KS_RULE_UNTIL_CLEARED 0u

/* What the asker sees. */
enum ks_fate_kind {
    KS_FATE_NONE,        /* it is handled and answered */
    KS_FATE_ERROR,       /* it isn't handled; an error is answered */
    KS_FATE_ERROR_AFTER, /* it is handled, and an error answered */
    KS_FATE_CLOSE,       /* it isn't handled; its connection is closed */
    KS_FATE_CLOSE_AFTER, /* it is handled, and its connection closed instead of an answer */
};

struct ks_rule {
    int16_t api_key;                      /* or KS_RULE_ANY_API */
    char client_id[KS_RULE_CLIENT_BYTES]; /* empty: any */
    uint32_t count;                       /* requests it is for, or KS_RULE_UNTIL_CLEARED */
    enum ks_fate_kind kind;
    int16_t error;
    int64_t before_ms; /* from its coming to its handling, */
    int64_t after_ms;  /* and from then to the answer */
    int32_t throttle_ms;
};

struct ks_rules {
    struct ks_rule *items;
    size_t count;
    size_t capacity;
};

void ks_rules_deinit(struct ks_rules *rules);

/* Copies it. KAFSCALE_FULL: KS_RULES_MAX are there. KAFSCALE_NO_MEMORY. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_rules_add(struct ks_rules *rules,
                                                      const struct ks_rule *rule);

void ks_rules_clear(struct ks_rules *rules);

/*
 * The first rule for a request, which is used up by one; false: there is none. A client id that is
 * null is empty.
 */
bool ks_rules_draw(struct ks_rules *rules, int16_t api_key, struct kafscale_slice client_id,
                   struct ks_rule *rule_out);

#endif
