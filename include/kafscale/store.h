/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object store as the broker sees it: five operations, in the terms of S3.
 *
 * What an implementation must give, and all the broker relies on: put-if-absent is atomic; an
 * object is visible whole or not at all; a GET after a finished PUT or DELETE sees it; LIST is
 * a hint. Nothing is assumed about time: a request may act long after it was sent.
 *
 * Every operation is a request struct and a completion. The completion comes exactly once, on
 * the loop thread, never before the call that submitted it has returned; KAFSCALE_NO_MEMORY
 * alone may come sooner, since there may be no memory to wait in. The implementer may keep what
 * the request points to (key, parts, request struct itself) until the completion has returned,
 * and no longer. `error` may be NULL; its text is then made from the status.
 */
#ifndef KAFSCALE_STORE_H
#define KAFSCALE_STORE_H

#include "kafscale/bytes.h"
#include "kafscale/loop.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KAFSCALE_STORE_OPS_VERSION 3u

/*
 * Keys are at most this long, of printable ASCII, without empty, "." or ".." components and
 * without a leading '/'.
 */
#define KAFSCALE_STORE_KEY_BYTES_MAX 900

/*
 * One piece of an object to be written. `owner` may be NULL; a store may keep a reference to it
 * instead of copying.
 */
struct kafscale_part {
    struct kafscale_slice bytes;
    struct kafscale_blob *owner;
};

/*
 * PUT. With `if_absent` the status is KAFSCALE_EXISTS when the key is taken, which may be by this
 * very request: a store may send one twice when its answer is late, and the second then meets the
 * first. Who needs to know reads the object. KAFSCALE_UNKNOWN means it may have happened, or may
 * still happen; the same bytes may then be sent again.
 * KAFSCALE_UNAVAILABLE means that it certainly did not and will not happen.
 */
struct kafscale_put {
    const char *key;
    const struct kafscale_part *parts;
    size_t part_count;
    bool if_absent;
};

/* The answer to a PUT. */
typedef void kafscale_put_done(void *arg, enum kafscale_status status,
                               const struct kafscale_error *error);

/*
 * GET of `size_max` bytes from `position` on (SIZE_MAX: to the end). A range that reaches
 * beyond the object's end is cut short; one that begins there is an empty body and KAFSCALE_OK.
 * `takes_copy`: the reader checks what it gets and asks again without this if it is wrong, so that
 * a copy will do which may lag behind, as a read replica. Without it the object itself is read.
 */
struct kafscale_get {
    const char *key;
    uint64_t position;
    size_t size_max;
    bool takes_copy;
};

/*
 * `body` is NULL on failure; the completion borrows it and takes a reference to keep it.
 * `object_bytes` is the size of the whole object. KAFSCALE_NOT_FOUND is the answer for an
 * absent key.
 */
typedef void kafscale_get_done(void *arg, enum kafscale_status status, struct kafscale_blob *body,
                               uint64_t object_bytes, const struct kafscale_error *error);

/*
 * LIST of keys that begin with `prefix` and come after `start_after` (NULL: from the first),
 * ascending by bytes.
 */
struct kafscale_list {
    const char *prefix;
    const char *start_after;
    size_t count_max;
};

/* An object in a list. */
struct kafscale_list_entry {
    const char *key;
    uint64_t object_bytes;
};

/*
 * The entries are borrowed until the completion returns. `is_truncated`: there is at least one
 * entry; go on with start_after = the last key. Objects whose keys do not have the form above
 * are left out.
 */
typedef void kafscale_list_done(void *arg, enum kafscale_status status,
                                const struct kafscale_list_entry *entries, size_t entry_count,
                                bool is_truncated, const struct kafscale_error *error);

/* DELETE of one key; deleting what does not exist is KAFSCALE_OK. */
struct kafscale_remove {
    const char *key;
};

/* The answer to a DELETE. */
typedef void kafscale_remove_done(void *arg, enum kafscale_status status,
                                  const struct kafscale_error *error);

/* The store has closed, and its object is gone. */
typedef void kafscale_close_done(void *arg);

/*
 * OK: nothing of the store's own takes objects under the prefix away. INVALID: `error` names what
 * does. UNSUPPORTED: that can't be told. Others: it may be asked again.
 */
typedef void kafscale_expiry_done(void *arg, enum kafscale_status status,
                                  const struct kafscale_error *error);

/*
 * What an implementer fills in. `version` is KAFSCALE_STORE_OPS_VERSION of the headers it was
 * compiled with; members are only ever appended. `window` is how many PUTs at once make sense
 * (memory 1, directory 2, S3 8). `flush_interval_ms` is the default wait before a write-ahead
 * object is cut.
 *
 * Since version 2: `find_expiry`, which may be NULL, tells whether the store deletes or archives
 * objects under a prefix by itself, as lifecycle rules of buckets do. The prefix is borrowed until
 * the completion has returned.
 *
 * Since version 2: `place`, which may be NULL, names where the store is and by what it is served,
 * as far as the answers so far tell. A store that has one is probed for what it must give before it
 * is used, and the verdict is remembered for that place. The text is valid until the next call.
 *
 * Since version 3: `is_slowed`, which may be NULL, tells whether the store asks for fewer requests
 * than there are. Clients are then told to hold back.
 */
struct kafscale_store_ops {
    uint32_t version;
    const char *name;
    uint32_t window;
    uint32_t flush_interval_ms;
    void (*put)(void *self, const struct kafscale_put *put, kafscale_put_done *done, void *arg);
    void (*get)(void *self, const struct kafscale_get *get, kafscale_get_done *done, void *arg);
    void (*list)(void *self, const struct kafscale_list *list, kafscale_list_done *done, void *arg);
    void (*remove)(void *self, const struct kafscale_remove *remove, kafscale_remove_done *done,
                   void *arg);
    /* Completes once every earlier operation has; then frees `self`. */
    void (*close)(void *self, kafscale_close_done *done, void *arg);
    void (*find_expiry)(void *self, const char *prefix, kafscale_expiry_done *done, void *arg);
    const char *(*place)(void *self);
    bool (*is_slowed)(void *self);
};

/* A store: the operations and their object. Copied freely; owned by whoever closes it. */
struct kafscale_store {
    const struct kafscale_store_ops *ops;
    void *self;
};

struct kafscale_options;

/*
 * Opens a store on a loop, which is valid until the store has closed; what it needs of time,
 * descriptors and other threads it asks of that (kafscale/loop.h). Whoever called takes the store
 * over, and closes it. On failure `error` is filled in, and nothing is left.
 */
typedef enum kafscale_status kafscale_store_open(void *arg, struct kafscale_loop loop,
                                                 struct kafscale_store *store_out,
                                                 struct kafscale_error *error);

/*
 * The store that the options name, in memory, in a directory or on S3: for stores of one's own that
 * stand before one of these, and count, encrypt, or copy. Called while such a one is opened, with
 * its loop, on the same thread. The options are borrowed for the call.
 *
 * KAFSCALE_INVALID: a loop that isn't the library's; other failures are those of the store.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_store_open_builtin(
    const struct kafscale_options *options, struct kafscale_loop loop,
    struct kafscale_store *store_out, struct kafscale_error *error);

/*
 * Told of each check when it is over; `error` is NULL if the store has passed, else it says what
 * was expected and what came. `what` is a constant text.
 */
typedef void kafscale_store_checked(void *arg, const char *what,
                                    const struct kafscale_error *error);

/*
 * Tries all that brokers rely on: opens the store, puts, overwrites, reads in ranges, lists,
 * removes, large and many at once, races for one key, and closes it with requests under way. All
 * keys begin with `prefix`, which is empty or ends with '/', has at most 200 characters, and below
 * which nothing may be; what the checks wrote is removed. Waits for the end, on the calling thread,
 * which serves the loop; `checked` may be NULL.
 *
 * KAFSCALE_OK: fit for brokers. KAFSCALE_UNSUPPORTED: it broke its contract, and `error` is the
 * first failure. KAFSCALE_INVALID: the table of the store isn't complete, or that is no prefix.
 * Others: it could not be opened, or did not answer well enough to be judged.
 */
KAFSCALE_EXPORT KAFSCALE_MUST_CHECK enum kafscale_status kafscale_store_check(
    kafscale_store_open *open, void *arg, const char *prefix, kafscale_store_checked *checked,
    void *checked_arg, struct kafscale_error *error);

#ifdef __cplusplus
}
#endif

#endif
