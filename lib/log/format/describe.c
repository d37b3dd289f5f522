/* SPDX-License-Identifier: Apache-2.0 */
/* Objects by their magic, one function a format, and the values of the log's registers. */
#include "log/format/describe_formats.h"

#include "log/format/registers.h"

#include <string.h>

/* --- Producer states --- */

static void
describe_producers(struct kafscale_slice object, enum ks_describe_depth depth,
                   const struct kafscale_describe *describe)
{
    (void) depth;
    ks_describe_text(describe, "kind", "producer state");
    ks_describe_producers(object, describe);
}

/* --- Objects by their magic --- */

struct format {
    uint32_t magic;
    void (*describe)(struct kafscale_slice object, enum ks_describe_depth depth,
                     const struct kafscale_describe *describe);
};

static const struct format formats[] = {
    { KS_WAL_MAGIC, ks_describe_wal },
    { KS_BUNDLE_MAGIC, ks_describe_bundle },
    { KS_SEGMENT_MAGIC, ks_describe_segment },
    { KS_INDEX_MAGIC, ks_describe_index },
    { KS_PRODUCER_SNAPSHOT_MAGIC, describe_producers },
};

bool
ks_log_describe(struct kafscale_slice object, enum ks_describe_depth depth,
                const struct kafscale_describe *describe)
{
    for (size_t i = 0; object.size >= 4 && i < sizeof formats / sizeof *formats; i++) {
        if (ks_get_u32(object.data) == formats[i].magic) {
            formats[i].describe(object, depth, describe);
            return true;
        }
    }
    return false;
}

/* --- Registers --- */

static void
describe_bundle_register(const char *key, struct kafscale_slice value,
                         const struct kafscale_describe *describe)
{
    struct kafscale_error error = { 0 };
    struct ks_bundle_register reg;
    uint64_t first;

    if (ks_bundle_register_decode(key, value, &first, &reg, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_number(describe, "first slot", (int64_t) first);
    ks_describe_number(describe, "last slot", (int64_t) reg.last);
    if (reg.attempt == 0) {
        ks_describe_number(describe, "object bytes", (int64_t) reg.size.object_bytes);
        return;
    }
    ks_describe_number(describe, "attempt", reg.attempt);
    ks_describe_number(describe, "level", reg.level);
    ks_describe_begin_list(describe, "parts");
    for (uint32_t part = 0; part < reg.part_count; part++) {
        ks_describe_begin(describe, NULL);
        ks_describe_number(describe, "object bytes",
                           (int64_t) ks_bundle_register_size(&reg, part).object_bytes);
        ks_describe_end(describe);
    }
    ks_describe_end(describe);
}

static void
describe_element(const struct ks_chain_element *element, const struct kafscale_describe *describe)
{
    ks_describe_begin(describe, NULL);
    ks_describe_number(describe, "epoch", element->epoch);
    ks_describe_id(describe, "incarnation", &element->incarnation);
    ks_describe_bool(describe, "activated", element->is_activated);
    ks_describe_number(describe, "base offset", element->base_offset);
    if (element->closed_end != KS_END_OPEN) {
        ks_describe_number(describe, "closed end", (int64_t) element->closed_end);
    }
    ks_describe_end(describe);
}

static void
describe_register(struct kafscale_slice value, const struct kafscale_describe *describe)
{
    static const char *const states[] = { "unowned", "claimed", "active", "released" };
    struct kafscale_error error = { 0 };
    struct ks_register reg;

    if (ks_register_decode(value, &reg, &error) != KAFSCALE_OK) {
        ks_describe_text(describe, "damage", error.text);
        return;
    }
    ks_describe_number(describe, "epoch", reg.epoch);
    ks_describe_text(describe, "state", states[reg.state]);
    ks_describe_id(describe, "owner", &reg.owner);
    ks_describe_number(describe, "log start", reg.log_start);
    ks_describe_number(describe, "compacted up to", reg.compacted_upto);
    ks_describe_number(describe, "imported end", reg.imported_end);
    ks_describe_number(describe, "newest segment", reg.segment_base);
    ks_describe_begin_list(describe, "chain");
    for (size_t i = 0; i < reg.chain_count; i++) {
        describe_element(&reg.chain[i], describe);
    }
    ks_describe_end(describe);
    ks_register_deinit(&reg);
}

bool
ks_log_describe_value(const char *key, struct kafscale_slice value,
                      const struct kafscale_describe *describe)
{
    if (strncmp(key, "part/", 5) == 0) {
        describe_register(value, describe);
        return true;
    }
    if (strncmp(key, "bundle/", 7) == 0) {
        describe_bundle_register(key, value, describe);
        return true;
    }
    if (strncmp(key, "trim/", 5) == 0 && value.size == 8) {
        ks_describe_number(describe, "first slot", (int64_t) ks_get_u64(value.data));
        return true;
    }
    if (strncmp(key, "read/", 5) == 0 && value.size == KS_ID_BYTES) {
        struct ks_id reader;

        memcpy(reader.bytes, value.data, KS_ID_BYTES);
        ks_describe_id(describe, "reader", &reader);
        return true;
    }
    return false;
}
