/* SPDX-License-Identifier: Apache-2.0 */
/* What a key may look like (kafscale/store.h). */
#ifndef KS_STORE_KEY_H
#define KS_STORE_KEY_H

#include <stdbool.h>

/* Whether a key has the form of KAFSCALE_STORE_KEY_BYTES_MAX in kafscale/store.h. */
bool ks_store_key_is_valid(const char *key);

/* Whether keys may begin with this text, or be looked for after it: short enough and printable. */
bool ks_store_prefix_is_valid(const char *text);

#endif
