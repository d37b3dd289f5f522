/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 128-bit identifiers: topic ids, cluster ids, incarnations, nonces. All zero means "none".
 */
#ifndef KS_BASE_ID_H
#define KS_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>

#define KS_ID_BYTES 16
#define KS_ID_HEX_BYTES 33 /* with the final NUL */

struct ks_id {
    uint8_t bytes[KS_ID_BYTES];
};

bool ks_id_is_zero(const struct ks_id *id);
bool ks_id_equals(const struct ks_id *a, const struct ks_id *b);

/* Lower-case hexadecimal with a final NUL. */
void ks_id_to_hex(const struct ks_id *id, char hex_out[KS_ID_HEX_BYTES]);

/* Takes exactly 32 lower-case hexadecimal digits at `hex`; false leaves `id_out` untouched. */
bool ks_id_from_hex(const char *hex, struct ks_id *id_out);

/* What follows such digits and a slash, with which a path begins; NULL: it begins otherwise. */
const char *ks_id_from_path(const char *path, struct ks_id *id_out);

#endif
