/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A partition whose batches become segments, on the world of log_fixture.h: what lies in the store,
 * and what readers get. All of these end the test when something isn't as it must be.
 */
#ifndef KS_TESTS_UNIT_LOG_SEGMENTS_H
#define KS_TESTS_UNIT_LOG_SEGMENTS_H

#include "log/core.h"
#include "log/format/index_format.h"
#include "unit/log_fixture.h"

#define INTERVAL_MS (6 * 3600 * 1000)
#define SETTLE_MS 5000
/* A batch of the fixture with one record. */
#define BATCH_BYTES 72

struct segments_reading {
    struct ks_log_read read;
    bool is_done;
    enum kafscale_status status;
};

struct log_fixture *segments_world_new(size_t segment_bytes);
void segments_append(struct log_fixture *f, int32_t first, int32_t count);
const struct ks_register *segments_register(struct log_fixture *f);
bool segments_get(struct log_fixture *f, const char *key, struct ks_buffer *out);
void segments_put(struct log_fixture *f, const char *key, struct kafscale_slice bytes);
void segments_erase(struct log_fixture *f, const char *key);
const char *segments_key(int64_t base, enum ks_segment_kind kind);
void segments_expect(struct log_fixture *f, int64_t base, int64_t last);
bool segments_has(struct log_fixture *f, int64_t base, enum ks_segment_kind kind);
void segments_begin_read(struct log_fixture *f, struct segments_reading *reading, int64_t offset,
                         size_t bytes_max);
void segments_end_read(struct log_fixture *f, struct segments_reading *reading,
                       enum kafscale_status expected);
int64_t segments_check_batches(const struct ks_log_read *read, int64_t next);
void segments_expect_records(struct log_fixture *f, int64_t first, int64_t end, size_t bytes_max);
enum kafscale_status segments_read_status(struct log_fixture *f, int64_t offset);

#endif
