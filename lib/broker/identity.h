/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cluster a store belongs to. The object {ns}/__kafscale/cluster and the metadata key
 * `cluster` hold the same record; a broker that finds them different, or one without the other,
 * refuses to start: it would write into a store whose registers it can't see.
 *
 * The very first start writes the object, then the key. If it dies in between, the object stands
 * alone. That is told from lost metadata by looking: when the namespace holds nothing besides the
 * cluster object (and the metadata log), no record was ever accepted under it, and the key is
 * written from the object.
 */
#ifndef KS_BROKER_IDENTITY_H
#define KS_BROKER_IDENTITY_H

#include "meta/meta.h"
#include "store/store.h"

#define KS_IDENTITY_MAGIC 0x4b534349u /* "KSCI" */
#define KS_IDENTITY_BACKEND_BYTES_MAX 64
#define KS_IDENTITY_RECORD_BYTES_MAX 128

/* The newest level of stored formats this code reads and writes. */
#define KS_FORMAT_LEVEL 1

struct ks_identity_record {
    uint16_t format_level;
    struct ks_id cluster;
    char backend[KS_IDENTITY_BACKEND_BYTES_MAX + 1];
};

/* Returns how many bytes of `out` were written. The backend's name must fit. */
size_t ks_identity_encode(const struct ks_identity_record *record,
                          uint8_t out[KS_IDENTITY_RECORD_BYTES_MAX]);

KAFSCALE_MUST_CHECK enum kafscale_status ks_identity_decode(struct kafscale_slice bytes,
                                                            struct ks_identity_record *record_out,
                                                            struct kafscale_error *error);

/*
 * OK: `record` holds the identity. INVALID, CORRUPT, UNSUPPORTED: refused, for ever. Others: the
 * store could not tell; ask again.
 */
typedef void ks_identity_done(void *arg, enum kafscale_status status,
                              const struct kafscale_error *error);

/* One check. All pointers are borrowed until done. */
struct ks_identity {
    struct ks_env *env;
    struct ks_store *store;
    struct ks_meta *meta;
    const char *ns;
    const char *backend; /* name of the metadata backend */

    struct ks_identity_record record; /* out */

    /* The inside. */
    ks_identity_done *done;
    void *arg;
    uint32_t doubts;
    bool must_look; /* what is known of the key won't do */
    bool is_ended;
    bool has_object;
    struct ks_identity_record object;
    uint8_t bytes[KS_IDENTITY_RECORD_BYTES_MAX];
    char key[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    char start_after[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    struct kafscale_part part;
    struct kafscale_put put;
    struct kafscale_get get;
    struct kafscale_list list;
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operation;
    struct kafscale_meta_txn txn;
};

/* May be called again after done. */
void ks_identity_check(struct ks_identity *identity, ks_identity_done *done, void *arg);

/* A check under way sends no further request, and is answered STOPPED. */
void ks_identity_end(struct ks_identity *identity);

#endif
