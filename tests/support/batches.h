/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record batches for tests. Everything here fails the running test when it can't do its work.
 */
#ifndef KS_TESTS_SUPPORT_BATCHES_H
#define KS_TESTS_SUPPORT_BATCHES_H

#include "record/record.h"

/* Appends a batch of these records to `out`, which must be initialised. */
void put_batch(struct ks_buffer *out, const struct ks_batch_options *options,
               const struct ks_record *records, size_t count);

/* The first batch in `bytes`. */
struct ks_batch get_batch(const struct ks_buffer *bytes);

/* Gives the one batch that `bytes` holds a right checksum again, after a test has damaged it. */
void correct_crc(struct ks_buffer *bytes);

/* A record with text for key and value; NULL is null. */
struct ks_record text_record(int64_t timestamp, const char *key, const char *value);

/* Reads a file of hexadecimal digits; lines that begin with # are remarks. */
void load_hex(const char *path, struct ks_buffer *out);

#endif
