/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a witness, shared by its files. */
#ifndef KS_TESTS_SIM_WITNESS_INTERNAL_H
#define KS_TESTS_SIM_WITNESS_INTERNAL_H

#include "log/format/bundle_format.h"
#include "log/format/index_format.h"
#include "meta/entry.h"
#include "sim/witness.h"

#define WITNESS_KEY_BYTES 900

enum witness_kind {
    WITNESS_OTHER,
    WITNESS_SLOT,
    WITNESS_BUNDLE,
    WITNESS_INDEX,
    WITNESS_BODY,
    WITNESS_ENTRY,
    WITNESS_STATE, /* of producers */
};

/* An object of the store, with what it held last after it has gone. */
struct witness_object {
    struct ks_table_node node;
    struct ks_list link; /* in order of their first PUT */
    enum witness_kind kind;
    struct kafscale_blob *bytes;
    bool exists;
    bool was_deleted;
    bool is_seal;
    struct ks_id incarnation; /* of a slot or bundle */
    uint64_t first;           /* slot, the first of a bundle, or the number of an entry */
    uint64_t last;
    struct ks_bundle_name bundle;  /* of a bundle or a part of one */
    struct ks_partition_name name; /* of a segment or state; its topic is zero when not known */
    int64_t base_offset;           /* of a state its offset */
    char key[];
};

struct witness_home {
    char prefix[300];
    struct ks_id topic;
};

/* A mark that moved: what it passed is judged when the transaction is whole. */
struct witness_passed {
    struct ks_list link;
    struct ks_id incarnation;
    uint64_t from, to;
};

struct witness {
    struct witness_options options;
    struct kafscale_store_ops ops;
    struct kafscale_store inner;
    struct kafscale_meta meta;
    struct ks_table objects;
    struct ks_list object_list;
    struct witness_object **numbered; /* the same */
    struct ks_table registers;        /* key to value, as last told */
    struct ks_list passed;
    struct ks_table appends; /* witness_producers.c's */
    struct ks_meta_state state;
    struct witness_home *homes;
    size_t home_count;
    struct witness_counts counts;
};

void witness_broken(struct witness *witness, const char *what, const char *key);

/* The object of this key, there or gone, or NULL. */
struct witness_object *witness_find(const struct witness *witness, const char *key);

/* The register's value as it is now; false: there is none. */
bool witness_register(const struct witness *witness, const char *key,
                      struct kafscale_slice *value_out);

uint64_t witness_mark(const struct witness *witness, const struct ks_id *incarnation);
bool witness_topic_lives(const struct witness *witness, const struct ks_id *topic);

/* False: there is no such register. Deinit it afterwards. */
bool witness_part(const struct witness *witness, const struct ks_partition_name *name,
                  struct ks_register *reg_out);

/* A slot of this log holds a seal that is not void. */
bool witness_is_sealed(const struct witness *witness, const struct ks_id *incarnation,
                       uint64_t below);

/* --- witness_registers.c --- */
/* Whether the register of its first slot names this bundle. */
bool witness_is_registered(const struct witness *witness, const struct witness_object *bundle);
void witness_watch(struct witness *witness);
void witness_unwatch(struct witness *witness);

/* A register was changed, or deleted. */
void witness_changed(struct witness *witness, const struct kafscale_meta_entry *entry,
                     bool is_delete);

/* A slot with data was put. */
void witness_check_epochs(struct witness *witness, const struct witness_object *slot);

/* --- witness_producers.c --- */
/* An object was put; it may hold states of producers. */
void witness_check_producers(struct witness *witness, const struct witness_object *object);
/* A slot with data was put. */
void witness_note_appends(struct witness *witness, const struct witness_object *slot);
void witness_forget_appends(struct witness *witness);

/* --- witness_meta.c --- */
void witness_see_entry(struct witness *witness, const struct witness_object *object);

#endif
