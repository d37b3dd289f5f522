/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the segment of an offset lies (durability 2, rules 7 and 9): the only place that knows. The
 * search goes from the newest segment, which the register names, back along the ancestors that each
 * index names; where these end, and below an imported end, the store is asked what there is.
 *
 * What it finds is of this partition and holds the offset. Whatever is missing or doesn't fit sends
 * it back to the register: another broker may have moved the start of the log meanwhile.
 */
#ifndef KS_LOG_READ_SEGMENT_FIND_H
#define KS_LOG_READ_SEGMENT_FIND_H

#include "log/partition.h"
#include "log/read/segment.h"

/* In the memory of whoever asks, until `done`. */
struct ks_segment_search {
    struct ks_log *log;
    struct ks_segment_owner owner; /* whose prefix is `prefix` */
    char *prefix;
    int64_t offset;
    int64_t newest; /* base of the newest segment, -1: not known */
    int64_t guess;  /* base to try first, -1: none */
    /*
     * OK, the caller has become a user of `segment`; NOT_FOUND, the log begins above the offset;
     * FENCED, the partition is another broker's; CORRUPT, an object that must be there is missing
     * or damaged, which the error names; or another status that says nothing about the offset.
     */
    void (*done)(struct ks_segment_search *search, enum kafscale_status status,
                 struct ks_segment *segment, const struct kafscale_error *error);

    struct ks_list link;
    struct ks_segment_wait wait;
    uint32_t steps;
    uint32_t restarts;
    enum kafscale_status status; /* of the last step that failed */
    struct kafscale_error error;
    char key[KS_SEGMENT_KEY_BYTES];
    char list_prefix[KS_SEGMENT_KEY_BYTES];
    char list_after[KS_SEGMENT_KEY_BYTES];
    struct kafscale_list list;
    int64_t list_from; /* the base where the last listing began */
    int64_t found;     /* greatest base at or below the offset seen so far, -1: none */
    struct kafscale_meta_read read;
    struct ks_timer retry;
};

/* What is searched. */
struct ks_segment_question {
    struct ks_segment_owner owner; /* its prefix is copied */
    int64_t offset;                /* below compacted_upto */
    int64_t newest;                /* the register's segment_base */
    int64_t guess;                 /* base to try first, -1: none */
};

typedef void ks_segment_search_done(struct ks_segment_search *search, enum kafscale_status status,
                                    struct ks_segment *segment, const struct kafscale_error *error);

/*
 * NO_MEMORY: nothing was begun. OK with a segment: it was at hand and the caller has become its
 * user; OK with NULL: `done` will come.
 */
KAFSCALE_MUST_CHECK enum kafscale_status ks_segment_search_start(
    struct ks_segment_search *search, struct ks_log *log,
    const struct ks_segment_question *question, ks_segment_search_done *done,
    struct ks_segment **segment_out);

/* Frees what it has; it must be over, or dropped with the log. */
void ks_segment_search_deinit(struct ks_segment_search *search);

/* For a log that is going. */
void ks_segment_searches_silence(struct ks_log *log);
void ks_segment_searches_drop(struct ks_log *log);

#endif
