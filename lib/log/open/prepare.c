/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest segment of a partition is known before the partition may be claimed, and its index
 * says the same whoever reads it. It is kept like any other that was read: the opening finds it at
 * hand, or on its way.
 */
#include "log/core.h"

struct preparation {
    struct ks_list link;
    struct ks_log *log;
    struct ks_partition_name name;
    char *prefix;
    char key[KS_REGISTER_KEY_BYTES];
    struct kafscale_meta_read read;
};

static void
preparation_free(struct preparation *preparation)
{
    ks_list_remove(&preparation->link);
    ks_free(preparation->prefix);
    ks_free(preparation);
}

static void
take_register(const struct preparation *preparation, const struct ks_register *reg)
{
    struct ks_segment_owner owner = { .name = preparation->name,
                                      .prefix = preparation->prefix,
                                      .imported_end = reg->imported_end };

    if (reg->segment_base >= 0 && reg->segment_base < reg->compacted_upto) {
        ks_segment_prepare(preparation->log, &owner, reg->segment_base);
    }
}

static void
on_register(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
            size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct preparation *preparation = arg;
    struct ks_log *log = preparation->log;
    struct kafscale_error damage = { 0 };
    struct ks_register reg = { 0 };

    (void) revision;
    (void) error;
    if (status == KAFSCALE_OK && entry_count == 1 && ks_log_status(log) == KAFSCALE_OK &&
        ks_register_decode(entries[0].value, &reg, &damage) == KAFSCALE_OK) {
        take_register(preparation, &reg);
    }
    ks_register_deinit(&reg);
    preparation_free(preparation);
    ks_log_end(log);
}

void
ks_log_prepare(struct ks_log *log, const struct ks_partition_name *name, const char *prefix)
{
    struct preparation *preparation = ks_alloc_zero(1, sizeof *preparation);

    if (preparation == NULL) {
        return;
    }
    preparation->log = log;
    preparation->name = *name;
    preparation->prefix = ks_copy_text(prefix);
    if (preparation->prefix == NULL) {
        ks_free(preparation);
        return;
    }
    ks_log_begin(log);
    ks_list_append(&log->preparations, &preparation->link);
    ks_register_key(name, preparation->key);
    preparation->read = (struct kafscale_meta_read){ .key = preparation->key };
    ks_meta_read(log->meta, &preparation->read, on_register, preparation);
}

void
ks_preparations_drop(struct ks_log *log)
{
    while (!ks_list_is_empty(&log->preparations)) {
        preparation_free(KS_CONTAINER(log->preparations.next, struct preparation, link));
    }
}
