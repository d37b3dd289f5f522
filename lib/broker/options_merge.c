/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the options of a broker that runs when others are wanted. */
#include "broker/options.h"

static bool
copy_value(const struct ks_option_value *from, struct ks_option_value *to)
{
    char *text = NULL;

    if (from->text != NULL) {
        text = ks_copy_text(from->text);
        if (text == NULL) {
            return false;
        }
    }
    ks_free(to->text);
    *to = (struct ks_option_value){ .text = text, .number = from->number };
    return true;
}

struct kafscale_options *
ks_options_merge(const struct kafscale_options *running, const struct kafscale_options *wanted)
{
    struct kafscale_options *merged = ks_options_copy(wanted);

    for (int i = 0; i < KS_OPTION_COUNT && merged != NULL; i++) {
        if (!ks_option_is_live((enum ks_option_name) i) &&
            !copy_value(&running->values[i], &merged->values[i])) {
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
