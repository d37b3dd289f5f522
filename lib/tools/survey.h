/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A survey of a store: what the registers say, which objects there are, which batches lie in the
 * logs of all incarnations, and what looks wrong about it. Tools that need the whole picture begin
 * with one. Everything lies in one arena and goes with it.
 */
#ifndef KS_TOOLS_SURVEY_H
#define KS_TOOLS_SURVEY_H

#include "kafscale/tools.h"
#include "log/formats.h"
#include "tools/session.h"

struct ks_survey_finding {
    struct ks_list link;
    struct kafscale_finding finding;
};

/* A segment's two objects, as the listing shows them. */
struct ks_survey_segment {
    int64_t base_offset;
    bool has_index;
    bool has_body;
};

/* Batches without a gap between them, from one element of the partition's chain. */
struct ks_survey_range {
    int64_t base_offset;
    int64_t last_offset;
};

/* Where a batch lies that counts for a partition. */
struct ks_survey_place {
    struct ks_stored_batch batch;
    int64_t last_offset;
    const char *key; /* of the object, from whose first byte the position counts */
};

struct ks_survey_partition {
    struct ks_list link;
    struct ks_table_node by_name;
    struct ks_table_node by_home; /* "{prefix}/{partition}" */
    struct ks_partition_name name;
    char *topic_name;
    char *prefix;
    char *register_key;
    struct ks_register reg; /* zeroed: there is none */
    struct ks_survey_segment *segments;
    size_t segment_count;
    size_t segment_capacity;
    struct ks_survey_range *ranges;
    size_t range_count;
    size_t range_capacity;
    struct ks_survey_place *places; /* of the topic that is collected, in no order */
    size_t place_count;
    size_t place_capacity;
};

/*
 * A write-ahead object or a bundle in the listing; slots have first == last. Each part of a merged
 * bundle is one.
 */
struct ks_survey_slots {
    uint64_t first;
    uint64_t last;
    struct ks_bundle_name name; /* of a bundle */
    uint32_t part_count;        /* of a merged one, once all its parts are known */
};

struct ks_survey_log {
    struct ks_list link;
    struct ks_table_node node;
    struct ks_id incarnation;
    uint64_t trim;
    uint64_t end; /* first slot that holds nothing */
    struct ks_survey_slots *slots;
    size_t slot_count;
    size_t slot_capacity;
    struct ks_survey_slots *bundles;
    size_t bundle_count;
    size_t bundle_capacity;
};

/* A batch in a bundle or a write-ahead object, whatever the registers say of it. */
struct ks_survey_batch {
    struct ks_partition_name name;
    struct kafscale_slice topic_name; /* empty: it stands in an earlier object */
    struct ks_id incarnation;
    int32_t leader_epoch;
    int64_t created_ms; /* of the object */
    struct ks_wal_entry entry;
};

typedef void ks_survey_on_batch(void *arg, const struct ks_survey_batch *batch);

struct ks_survey {
    struct ks_session *session;
    /*
     * Set for a store whose registers are lost: every whole bundle counts, a log begins with its
     * first slot that no bundle holds, segments are noted by the prefix they lie under, and all
     * batches are told.
     */
    ks_survey_on_batch *on_batch;
    void *on_batch_arg;
    struct ks_arena arena;
    struct ks_session_entries registers;
    struct ks_table partitions_by_name;
    struct ks_table partitions_by_home;
    struct ks_list partitions;
    struct ks_table logs_by_incarnation;
    struct ks_list logs;
    struct ks_list findings;
    struct kafscale_verify_summary summary;
    struct ks_id collected; /* topic whose batches are wanted one by one; zero: none */
    bool is_short;          /* memory ran out: the survey fails */
};

/* Borrows the session. */
void ks_survey_init(struct ks_survey *survey, struct ks_session *session);
void ks_survey_deinit(struct ks_survey *survey);

/* Notes something that was come upon. */
void ks_survey_find(struct ks_survey *survey, enum kafscale_finding_weight weight, const char *key,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/*
 * Room for one more at the end of an array in the survey's arena, zeroed and counted; NULL, and the
 * survey is short, without memory. `array` is the address of the pointer to the elements.
 */
void *ks_survey_add(struct ks_survey *survey, void *array, size_t *count, size_t *capacity,
                    size_t element_bytes);

/* The log of an incarnation, made if it is new; NULL without memory. */
struct ks_survey_log *ks_survey_log(struct ks_survey *survey, const struct ks_id *incarnation);

/* NULL: of no topic that lives. */
struct ks_survey_partition *ks_survey_partition(struct ks_survey *survey,
                                                const struct ks_partition_name *name);

/* --- survey_objects.c: the registers, then the listing of the namespace --- */
KAFSCALE_MUST_CHECK enum kafscale_status ks_survey_read_registers(struct ks_survey *survey,
                                                                  struct kafscale_error *error);
KAFSCALE_MUST_CHECK enum kafscale_status ks_survey_list_objects(struct ks_survey *survey,
                                                                struct kafscale_error *error);

/* --- survey_logs.c: bundles and write-ahead objects, and which records they hold --- */
KAFSCALE_MUST_CHECK enum kafscale_status ks_survey_read_logs(struct ks_survey *survey,
                                                             struct kafscale_error *error);

#endif
