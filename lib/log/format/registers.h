/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partition register in the metadata store: who owns a partition, and whose logs hold its
 * records (docs/storage-format.md). A register that does not exist means epoch 0, unowned,
 * empty.
 */
#ifndef KS_LOG_FORMAT_REGISTERS_H
#define KS_LOG_FORMAT_REGISTERS_H

#include "log/log.h"

#define KS_REGISTER_KEY_BYTES 64
#define KS_CHAIN_ELEMENTS_MAX 10000

enum ks_register_state {
    KS_REGISTER_UNOWNED = 0,
    KS_REGISTER_CLAIMED = 1,
    KS_REGISTER_ACTIVE = 2,
    KS_REGISTER_RELEASED = 3,
};

#define KS_END_OPEN UINT64_MAX

/*
 * One owner's part of a partition: its records lie in the log of `incarnation`, in sections of
 * `epoch`.
 */
struct ks_chain_element {
    int32_t epoch;
    struct ks_id incarnation;
    bool is_activated;
    int64_t base_offset; /* once activated */
    uint64_t
        closed_end; /* first slot that holds nothing of it; KS_END_OPEN: not closed by its owner */
};

/* The offset from which on batches have this leader epoch. */
struct ks_epoch_start {
    int32_t epoch;
    int64_t offset;
};

struct ks_register {
    int32_t epoch;
    enum ks_register_state state;
    struct ks_id owner;
    int64_t log_start;
    int64_t compacted_upto;
    int64_t imported_end;
    int64_t cleaned_upto;           /* for topic compaction */
    uint32_t clean_generation;      /* for topic compaction */
    int64_t segment_base;           /* of the newest segment, -1: none is known; spares a search */
    struct ks_chain_element *chain; /* oldest first; owned */
    size_t chain_count;
};

/* Frees the chain; accepts the zeroed register, and zeroes. */
void ks_register_deinit(struct ks_register *reg);

KAFSCALE_MUST_CHECK enum kafscale_status ks_register_copy(const struct ks_register *reg,
                                                          struct ks_register *copy_out);

/* Appends an element; NO_MEMORY leaves the chain as it was. */
KAFSCALE_MUST_CHECK enum kafscale_status ks_register_add(struct ks_register *reg,
                                                         const struct ks_chain_element *element);

/*
 * The offset where the records of an element end: the base of the next activated one; INT64_MAX
 * for the last.
 */
int64_t ks_register_element_end(const struct ks_register *reg, size_t index);

/*
 * Drops elements that hold no record, all but the last: never activated, or the next activated
 * begins where they do.
 */
void ks_register_drop_empty(struct ks_register *reg);

void ks_register_encode(const struct ks_register *reg, struct ks_buffer *out);

KAFSCALE_MUST_CHECK enum kafscale_status ks_register_decode(struct kafscale_slice bytes,
                                                            struct ks_register *reg_out,
                                                            struct kafscale_error *error);

/* `part/{topic id}/{partition}`, `topic/{topic id}` and `trim/{incarnation}`. */
void ks_register_key(const struct ks_partition_name *name, char key_out[KS_REGISTER_KEY_BYTES]);
void ks_topic_key(const struct ks_id *topic, char key_out[KS_REGISTER_KEY_BYTES]);
void ks_trim_key(const struct ks_id *incarnation, char key_out[KS_REGISTER_KEY_BYTES]);

/* The mark in what a read of a trim key brought; a key that does not exist says 0. */
uint64_t ks_trim_mark_of(const struct kafscale_meta_entry *entries, size_t entry_count);

/* The entry with this key among those of a reading, which ascend by key; NULL: it isn't there. */
const struct kafscale_meta_entry *ks_find_entry(const struct kafscale_meta_entry *entries,
                                                size_t entry_count, const char *key);

/* Whether any of their keys begins so. */
bool ks_has_entry_below(const struct kafscale_meta_entry *entries, size_t entry_count,
                        const char *prefix);

#endif
