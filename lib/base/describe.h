/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short ways to say to a visitor (kafscale/describe.h) what our formats consist of. Nothing here
 * fails: a description is for people, and what is too long or not text is made printable.
 */
#ifndef KS_BASE_DESCRIBE_H
#define KS_BASE_DESCRIBE_H

#include "base/id.h"
#include "base/slice.h"
#include "kafscale/describe.h"

void ks_describe_begin(const struct kafscale_describe *describe, const char *name);
void ks_describe_begin_list(const struct kafscale_describe *describe, const char *name);
void ks_describe_end(const struct kafscale_describe *describe);
void ks_describe_text(const struct kafscale_describe *describe, const char *name,
                      const char *value);
void ks_describe_number(const struct kafscale_describe *describe, const char *name, int64_t value);
void ks_describe_bool(const struct kafscale_describe *describe, const char *name, bool value);

/* 32 hexadecimal digits. */
void ks_describe_id(const struct kafscale_describe *describe, const char *name,
                    const struct ks_id *id);

/* Eight hexadecimal digits, for checksums. */
void ks_describe_crc(const struct kafscale_describe *describe, const char *name, uint32_t crc);

/* "2026-11-21T19:02:32.123Z" for milliseconds since 1970; the number when it is no such time. */
void ks_describe_time(const struct kafscale_describe *describe, const char *name, int64_t time_ms);

/* Bytes that ought to be text; what isn't printable ASCII becomes \xNN, and a long text is cut. */
void ks_describe_bytes_as_text(const struct kafscale_describe *describe, const char *name,
                               struct kafscale_slice bytes);

/* Bytes in hexadecimal; beyond 64 of them "..." follows. */
void ks_describe_hex(const struct kafscale_describe *describe, const char *name,
                     struct kafscale_slice bytes);

#endif
