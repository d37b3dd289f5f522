/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/rules.h"

void
ks_rules_deinit(struct ks_rules *rules)
{
    ks_free(rules->items);
    *rules = (struct ks_rules){ 0 };
}

enum kafscale_status
ks_rules_add(struct ks_rules *rules, const struct ks_rule *rule)
{
    if (rules->count == KS_RULES_MAX) {
        return KAFSCALE_FULL;
    }
    if (!KS_RESERVE(rules->items, rules->capacity, rules->count + 1)) {
        return KAFSCALE_NO_MEMORY;
    }
    rules->items[rules->count++] = *rule;
    return KAFSCALE_OK;
}

void
ks_rules_clear(struct ks_rules *rules)
{
    rules->count = 0;
}

static bool
is_for(const struct ks_rule *rule, int16_t api_key, struct kafscale_slice client_id)
{
    size_t size = strlen(rule->client_id);

    if (rule->api_key != KS_RULE_ANY_API && rule->api_key != api_key) {
        return false;
    }
    return size == 0 ||
           (size == client_id.size && memcmp(rule->client_id, client_id.data, size) == 0);
}

bool
ks_rules_draw(struct ks_rules *rules, int16_t api_key, struct kafscale_slice client_id,
              struct ks_rule *rule_out)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct ks_rule *rule = &rules->items[i];

        if (!is_for(rule, api_key, client_id)) {
            continue;
        }
        *rule_out = *rule;
        if (rule->count != KS_RULE_UNTIL_CLEARED && --rule->count == 0) {
            rules->count--;
            memmove(rule, rule + 1, (rules->count - i) * sizeof *rule);
        }
        return true;
    }
    return false;
}
