/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over a store, shared by the files that make up verify: what the registers say, which
 * objects there are, and what was found. Everything lies in one arena and goes with it.
 */
#ifndef KS_TOOLS_VERIFY_PASS_H
#define KS_TOOLS_VERIFY_PASS_H

#include "log/formats.h"
#include "tools/verify.h"

struct verify_finding {
    struct ks_list link;
    struct kafscale_finding finding;
};

/* A segment's two objects, as the listing shows them. */
struct verify_segment {
    int64_t base_offset;
    bool has_index;
    bool has_body;
};

/* Batches without a gap between them, from one element of the partition's chain. */
struct verify_range {
    int64_t base_offset;
    int64_t last_offset;
};

struct verify_partition {
    struct ks_list link;
    struct ks_table_node by_name;
    struct ks_table_node by_home; /* "{prefix}/{partition}" */
    struct ks_partition_name name;
    char *topic_name;
    char *prefix;
    char *register_key;
    struct ks_register reg; /* zeroed: there is none */
    struct verify_segment *segments;
    size_t segment_count;
    size_t segment_capacity;
    struct verify_range *ranges;
    size_t range_count;
    size_t range_capacity;
};

/* A write-ahead object or a bundle in the listing; slots have first == last. */
struct verify_slots {
    uint64_t first;
    uint64_t last;
    bool is_registered; /* of a bundle */
    struct ks_bundle_register reg;
};

struct verify_log {
    struct ks_list link;
    struct ks_table_node node;
    struct ks_id incarnation;
    uint64_t trim;
    uint64_t end; /* first slot that holds nothing */
    struct verify_slots *slots;
    size_t slot_count;
    size_t slot_capacity;
    struct verify_slots *bundles;
    size_t bundle_count;
    size_t bundle_capacity;
};

struct verify_pass {
    struct ks_session *session;
    bool is_quick;
    struct ks_arena arena;
    struct ks_session_entries registers;
    struct ks_table partitions_by_name;
    struct ks_table partitions_by_home;
    struct ks_list partitions;
    struct ks_table logs_by_incarnation;
    struct ks_list logs;
    struct ks_list findings;
    struct kafscale_verify_summary summary;
    bool is_short; /* memory ran out: the pass fails */
};

/* --- verify.c --- */
void verify_find(struct verify_pass *pass, enum kafscale_finding_weight weight, const char *key,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Room for one more at the end of an array, zeroed and counted; NULL, and the pass is short,
 * without memory.
 */
void *verify_add(struct verify_pass *pass, void **array, size_t *count, size_t *capacity,
                 size_t element_bytes);

/* The log of an incarnation, made if it is new; NULL without memory. */
struct verify_log *verify_log_of(struct verify_pass *pass, const struct ks_id *incarnation);

struct verify_partition *verify_partition_of(struct verify_pass *pass,
                                             const struct ks_partition_name *name);

/* --- verify_objects.c --- */
/* Reads the registers, then lists the namespace and sorts its objects. */
KAFSCALE_MUST_CHECK enum kafscale_status verify_read_registers(struct verify_pass *pass,
                                                               struct kafscale_error *error);
KAFSCALE_MUST_CHECK enum kafscale_status verify_list_objects(struct verify_pass *pass,
                                                             struct kafscale_error *error);

/* --- verify_logs.c: bundles and write-ahead objects, and which records they hold --- */
KAFSCALE_MUST_CHECK enum kafscale_status verify_logs(struct verify_pass *pass,
                                                     struct kafscale_error *error);

/* --- verify_partitions.c: whether each partition has all its records --- */
KAFSCALE_MUST_CHECK enum kafscale_status verify_partitions(struct verify_pass *pass,
                                                           struct kafscale_error *error);

#endif
