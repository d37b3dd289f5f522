/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the options of a broker that runs when others are wanted. */
#include "broker/options.h"

void
ks_option_value_deinit(struct ks_option_value *value)
{
    ks_free(value->text);
    ks_free(value->origin);
    *value = (struct ks_option_value){ 0 };
}

bool
ks_option_value_copy(const struct ks_option_value *value, struct ks_option_value *out)
{
    struct ks_option_value copy = { .number = value->number };

    copy.text = value->text == NULL ? NULL : ks_copy_text(value->text);
    copy.origin = value->origin == NULL ? NULL : ks_copy_text(value->origin);
    if ((copy.text == NULL) != (value->text == NULL) ||
        (copy.origin == NULL) != (value->origin == NULL)) {
        ks_option_value_deinit(&copy);
        return false;
    }
    ks_option_value_deinit(out);
    *out = copy;
    return true;
}

struct kafscale_options *
ks_options_merge(const struct kafscale_options *running, const struct kafscale_options *wanted)
{
    struct kafscale_options *merged = ks_options_copy(wanted);

    for (int i = 0; i < KS_OPTION_COUNT && merged != NULL; i++) {
        if (!ks_option_is_live((enum ks_option_name) i) &&
            !ks_option_value_copy(&running->values[i], &merged->values[i])) {
            kafscale_options_free(merged);
            return NULL;
        }
    }
    return merged;
}

void
ks_options_swap(struct kafscale_options *a, struct kafscale_options *b)
{
    struct kafscale_options kept = *a;

    *a = *b;
    *b = kept;
}
