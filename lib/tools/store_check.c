/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checks, each below a prefix of its own. They go on after one that failed: whoever writes a
 * store wants to know all that is wrong with it.
 */
#include "tools/store_check.h"

#include "tools/store_try.h"

#include <stdio.h>

#define RACERS 32
#define CROWD 48
#define CLOSING_GETS 8
#define PAGE_KEYS 57
#define LARGE_BYTES ((size_t) 16 << 20)
#define SHARED_BYTES ((size_t) 256 << 10)

static bool
put_text(struct ks_store_try *attempt, const char *name, const char *text)
{
    return ks_store_try_put(attempt, name, ks_slice_of_text(text), true, KAFSCALE_OK);
}

static bool
expect_text(struct ks_store_try *attempt, const char *name, uint64_t position, size_t size_max,
            const char *text, uint64_t object_bytes)
{
    return ks_store_try_range(attempt, name, position, size_max, ks_slice_of_text(text),
                              object_bytes);
}

static void
check_ranges(struct ks_store_try *attempt)
{
    static const struct {
        uint64_t position;
        size_t size_max;
        const char *text;
    } ranges[] = {
        { 0, SIZE_MAX, "0123456789" },
        { 0, 4, "0123" },
        { 3, 4, "3456" },
        { 9, 1, "9" },
        { 8, 100, "89" },
        { 10, 5, "" },
        { 1000, SIZE_MAX, "" },
    };

    if (!put_text(attempt, "object", "0123456789")) {
        return;
    }
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        if (!expect_text(attempt, "object", ranges[i].position, ranges[i].size_max, ranges[i].text,
                         10)) {
            return;
        }
    }
    (void) (put_text(attempt, "empty", "") && expect_text(attempt, "empty", 0, SIZE_MAX, "", 0));
}

static void
check_if_absent(struct ks_store_try *attempt)
{
    struct kafscale_slice second = ks_slice_of_text("second");

    (void) (put_text(attempt, "key", "first") &&
            ks_store_try_put(attempt, "key", second, true, KAFSCALE_EXISTS) &&
            expect_text(attempt, "key", 0, SIZE_MAX, "first", 5) && put_text(attempt, "nil", "") &&
            ks_store_try_put(attempt, "nil", second, true, KAFSCALE_EXISTS));
}

static void
check_overwriting(struct ks_store_try *attempt)
{
    (void) (ks_store_try_put(attempt, "key", ks_slice_of_text("first"), false, KAFSCALE_OK) &&
            ks_store_try_put(attempt, "key", ks_slice_of_text("2nd"), false, KAFSCALE_OK) &&
            expect_text(attempt, "key", 0, SIZE_MAX, "2nd", 3) &&
            ks_store_try_list(attempt, "", NULL, 10, "key:3 "));
}

static void
check_absence(struct ks_store_try *attempt)
{
    (void) (put_text(attempt, "a/b", "1") && ks_store_try_absent(attempt, "a") &&
            ks_store_try_absent(attempt, "a/b/c") && ks_store_try_absent(attempt, "a/c") &&
            ks_store_try_remove(attempt, "a/c") && ks_store_try_remove(attempt, "a/b") &&
            ks_store_try_absent(attempt, "a/b") && ks_store_try_list(attempt, "", NULL, 10, "") &&
            put_text(attempt, "a/b", "again") &&
            expect_text(attempt, "a/b", 0, SIZE_MAX, "again", 5));
}

static bool
put_names(struct ks_store_try *attempt, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (!put_text(attempt, *names, *names)) {
            return false;
        }
    }
    return true;
}

/* '-' and '.' come before '/', so an order by folder would be wrong. */
static void
check_order(struct ks_store_try *attempt)
{
    static const char *const names[] = {
        "a/z", "a-b", "a.b", "a0", "a/b/c", "b", "A", "a/b0", NULL
    };

    (void) (put_names(attempt, names) &&
            ks_store_try_list(attempt, "", NULL, 100,
                              "A:1 a-b:3 a.b:3 a/b/c:5 a/b0:4 a/z:3 a0:2 b:1 ") &&
            ks_store_try_list(attempt, "a/", NULL, 100, "a/b/c:5 a/b0:4 a/z:3 ") &&
            ks_store_try_list(attempt, "a/b", NULL, 100, "a/b/c:5 a/b0:4 ") &&
            ks_store_try_list(attempt, "nothing", NULL, 100, ""));
}

static void
check_pages(struct ks_store_try *attempt)
{
    static const char *const names[] = { "p/a", "p/b/1", "p/b/2", "p/c", NULL };

    (void) (put_names(attempt, names) && ks_store_try_list(attempt, "p/", NULL, 1, "p/a:3 ...") &&
            ks_store_try_list(attempt, "p/", NULL, 3, "p/a:3 p/b/1:5 p/b/2:5 ...") &&
            ks_store_try_list(attempt, "p/", NULL, 4, "p/a:3 p/b/1:5 p/b/2:5 p/c:3 ") &&
            ks_store_try_list(attempt, "p/", "p/b/1", 4, "p/b/2:5 p/c:3 ") &&
            ks_store_try_list(attempt, "p/", "p/b", 4, "p/b/1:5 p/b/2:5 p/c:3 ") &&
            ks_store_try_list(attempt, "p/", "p/b/zzz", 4, "p/c:3 ") &&
            ks_store_try_list(attempt, "p/", "q", 4, ""));
}

/* Begun where the page before ended, pages join without gap or repeat. */
static void
check_many_keys(struct ks_store_try *attempt)
{
    char wanted[512];
    char after[32] = "";

    for (int i = 0; i < PAGE_KEYS; i++) {
        char name[32];

        (void) snprintf(name, sizeof name, "many/%03d", i);
        if (!put_text(attempt, name, "x")) {
            return;
        }
    }
    for (int begin = 0; begin < PAGE_KEYS; begin += 10) {
        int end = begin + 10 < PAGE_KEYS ? begin + 10 : PAGE_KEYS;
        size_t size = 0;

        for (int i = begin; i < end; i++) {
            size += (size_t) snprintf(wanted + size, sizeof wanted - size, "many/%03d:1 ", i);
        }
        (void) snprintf(wanted + size, sizeof wanted - size, "%s", end < PAGE_KEYS ? "..." : "");
        if (!ks_store_try_list(attempt, "many/", begin == 0 ? NULL : after, 10, wanted)) {
            return;
        }
        (void) snprintf(after, sizeof after, "many/%03d", end - 1);
    }
}

static void
check_keys(struct ks_store_try *attempt)
{
    char name[KS_STORE_TRY_KEY_BYTES] = { 0 };
    size_t room = KAFSCALE_STORE_KEY_BYTES_MAX - strlen(attempt->base);

    for (size_t i = 0; i < room; i++) {
        name[i] = i % 100 == 99 && i + 1 < room ? '/' : 'k';
    }
    (void) (put_text(attempt, name, "long") && expect_text(attempt, name, 0, SIZE_MAX, "long", 4) &&
            put_text(attempt, "%41_b/~@*?'&<+", "odd") &&
            expect_text(attempt, "%41_b/~@*?'&<+", 0, SIZE_MAX, "odd", 3) &&
            ks_store_try_list(attempt, "%", NULL, 10, "%41_b/~@*?'&<+:3 ") &&
            ks_store_try_absent(attempt, "A_b/~@*?'&<+"));
}

/* --- Several pieces, much, and many at once --- */

/* One of several requests under way. */
struct runner {
    struct ks_store_try *attempt;
    size_t *left;
    char key[KS_STORE_TRY_KEY_BYTES];
    char text[24];
    struct kafscale_part part;
    struct kafscale_put put;
    struct kafscale_get get;
    enum kafscale_status status;
    struct kafscale_error error;
    struct kafscale_blob *body;
};

static void
on_run(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct runner *runner = arg;

    runner->status = status;
    runner->error = error == NULL ? (struct kafscale_error){ 0 } : *error;
    ks_store_try_wake(runner->attempt, runner->left);
}

static void
on_runner_got(void *arg, enum kafscale_status status, struct kafscale_blob *body,
              uint64_t object_bytes, const struct kafscale_error *error)
{
    struct runner *runner = arg;

    (void) object_bytes;
    runner->body = status == KAFSCALE_OK ? kafscale_blob_ref(body) : NULL;
    on_run(runner, status, error);
}

static void
start_put(struct runner *runner, const char *name, struct kafscale_slice bytes,
          struct kafscale_blob *owner, bool if_absent)
{
    struct ks_store_try *attempt = runner->attempt;

    ks_store_try_key(attempt, name, runner->key);
    runner->part = (struct kafscale_part){ .bytes = bytes, .owner = owner };
    runner->put = (struct kafscale_put){
        .key = runner->key, .parts = &runner->part, .part_count = 1, .if_absent = if_absent
    };
    ++*runner->left;
    ks_store_put(attempt->session->store, &runner->put, on_run, runner);
}

static void
start_get(struct runner *runner, const char *name)
{
    struct ks_store_try *attempt = runner->attempt;

    ks_store_try_key(attempt, name, runner->key);
    runner->get = (struct kafscale_get){ .key = runner->key, .size_max = SIZE_MAX };
    ++*runner->left;
    ks_store_get(attempt->session->store, &runner->get, on_runner_got, runner);
}

static struct runner *
runners_new(struct ks_store_try *attempt, size_t count, size_t *left)
{
    struct runner *runners = ks_alloc_zero(count, sizeof *runners);

    for (size_t i = 0; runners != NULL && i < count; i++) {
        runners[i].attempt = attempt;
        runners[i].left = left;
        (void) snprintf(runners[i].text, sizeof runners[i].text, "runner %zu", i);
    }
    if (runners == NULL) {
        ks_error_set(&attempt->failure, KAFSCALE_NO_MEMORY, "no memory for a check");
    }
    return runners;
}

static void
judge_race(struct ks_store_try *attempt, const struct runner *racers)
{
    size_t winners = 0;
    const struct runner *winner = NULL;

    for (size_t i = 0; i < RACERS; i++) {
        if (racers[i].status == KAFSCALE_OK) {
            winners++;
            winner = &racers[i];
        } else if (!ks_store_try_expect(attempt, "PUT if absent in a race", racers[i].status,
                                        &racers[i].error, KAFSCALE_EXISTS)) {
            return;
        }
    }
    if (winners > 1) {
        ks_store_try_fail(attempt, "of %d PUTs if absent of one key at once, %zu succeeded", RACERS,
                          winners);
    } else if (winner != NULL) {
        (void) expect_text(attempt, "race", 0, SIZE_MAX, winner->text, strlen(winner->text));
    }
}

static void
check_race(struct ks_store_try *attempt)
{
    size_t left = 0;
    struct runner *racers = runners_new(attempt, RACERS, &left);

    if (racers == NULL) {
        return;
    }
    for (size_t i = 0; i < RACERS; i++) {
        start_put(&racers[i], "race", ks_slice_of_text(racers[i].text), NULL, true);
    }
    ks_store_try_wait(attempt, &left);
    judge_race(attempt, racers);
    ks_free(racers);
}

/* Each of many requests gets its own answer. */
static void
check_crowd(struct ks_store_try *attempt)
{
    size_t left = 0;
    struct runner *runners = runners_new(attempt, CROWD, &left);
    bool is_good = runners != NULL;

    for (size_t i = 0; is_good && i < CROWD; i++) {
        start_put(&runners[i], runners[i].text, ks_slice_of_text(runners[i].text), NULL, false);
    }
    ks_store_try_wait(attempt, &left);
    for (size_t i = 0; is_good && i < CROWD; i++) {
        is_good = ks_store_try_expect(attempt, "PUT, many at once", runners[i].status,
                                      &runners[i].error, KAFSCALE_OK);
    }
    for (size_t i = 0; is_good && i < CROWD; i++) {
        start_get(&runners[i], runners[i].text);
    }
    ks_store_try_wait(attempt, &left);
    for (size_t i = 0; is_good && i < CROWD; i++) {
        is_good = ks_store_try_expect(attempt, "GET, many at once", runners[i].status,
                                      &runners[i].error, KAFSCALE_OK);
        if (is_good && !ks_slice_equals(kafscale_blob_slice(runners[i].body),
                                        ks_slice_of_text(runners[i].text))) {
            is_good = ks_store_try_fail(attempt, "GET, many at once: the bytes of another key");
        }
    }
    for (size_t i = 0; runners != NULL && i < CROWD; i++) {
        kafscale_blob_unref(runners[i].body);
    }
    ks_free(runners);
}

static bool
is_all(struct kafscale_slice bytes, uint8_t value)
{
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] != value) {
            return false;
        }
    }
    return bytes.size == SHARED_BYTES;
}

/* An object that is replaced while it is read is seen as it was or as it becomes. */
static void
check_wholeness(struct ks_store_try *attempt)
{
    size_t left = 0;
    struct runner *runners = runners_new(attempt, 16, &left);
    struct kafscale_blob *blobs[2] = { kafscale_blob_new(SHARED_BYTES),
                                       kafscale_blob_new(SHARED_BYTES) };
    bool is_good = runners != NULL && blobs[0] != NULL && blobs[1] != NULL;

    for (size_t i = 0; is_good && i < 2; i++) {
        memset(kafscale_blob_data(blobs[i]), (int) ('a' + i), SHARED_BYTES);
    }
    is_good = is_good && ks_store_try_put(attempt, "shared", kafscale_blob_slice(blobs[0]), false,
                                          KAFSCALE_OK);
    for (size_t i = 0; is_good && i < 16; i++) {
        if (i % 4 == 0) {
            struct kafscale_blob *blob = blobs[(i / 4 + 1) % 2];

            start_put(&runners[i], "shared", kafscale_blob_slice(blob), blob, false);
        } else {
            start_get(&runners[i], "shared");
        }
    }
    ks_store_try_wait(attempt, &left);
    for (size_t i = 0; is_good && i < 16; i++) {
        is_good = ks_store_try_expect(attempt, "requests while an object is replaced",
                                      runners[i].status, &runners[i].error, KAFSCALE_OK);
        if (is_good && runners[i].body != NULL &&
            !is_all(kafscale_blob_slice(runners[i].body), 'a') &&
            !is_all(kafscale_blob_slice(runners[i].body), 'b')) {
            is_good = ks_store_try_fail(attempt, "GET saw an object that was half replaced");
        }
    }
    for (size_t i = 0; runners != NULL && i < 16; i++) {
        kafscale_blob_unref(runners[i].body);
    }
    kafscale_blob_unref(blobs[0]);
    kafscale_blob_unref(blobs[1]);
    ks_free(runners);
}

/* As write-ahead objects are: many slices of one block, beside bytes without an owner. */
static void
check_parts(struct ks_store_try *attempt)
{
    struct kafscale_blob *blob = kafscale_blob_new(1000);
    struct kafscale_part parts[201] = { { .bytes = ks_slice("x", 1) } };
    size_t left = 0;
    struct runner *runner = runners_new(attempt, 1, &left);
    char wanted[1002] = "x";

    if (blob == NULL || runner == NULL) {
        ks_error_set(&attempt->failure, KAFSCALE_NO_MEMORY, "no memory for a check");
        goto out;
    }
    for (size_t i = 0; i < 1000; i++) {
        wanted[i + 1] = (char) ('a' + i % 26);
        kafscale_blob_data(blob)[i] = (uint8_t) wanted[i + 1];
    }
    for (size_t i = 0; i < 200; i++) {
        parts[i + 1] =
            (struct kafscale_part){ .bytes = ks_slice(kafscale_blob_data(blob) + 5 * i, 5),
                                    .owner = blob };
    }
    ks_store_try_key(attempt, "parts", runner->key);
    runner->put = (struct kafscale_put){ .key = runner->key, .parts = parts, .part_count = 201 };
    left = 1;
    ks_store_put(attempt->session->store, &runner->put, on_run, runner);
    ks_store_try_wait(attempt, &left);
    if (ks_store_try_expect(attempt, "PUT of 201 parts", runner->status, &runner->error,
                            KAFSCALE_OK)) {
        (void) expect_text(attempt, "parts", 0, SIZE_MAX, wanted, 1001);
    }

out:
    kafscale_blob_unref(blob);
    ks_free(runner);
}

static void
check_large(struct ks_store_try *attempt)
{
    struct kafscale_blob *blob = kafscale_blob_new(LARGE_BYTES);
    struct kafscale_slice all;

    if (blob == NULL) {
        ks_error_set(&attempt->failure, KAFSCALE_NO_MEMORY, "no memory for a check");
        return;
    }
    for (size_t i = 0; i < LARGE_BYTES; i++) {
        kafscale_blob_data(blob)[i] = (uint8_t) (i * 2654435761u >> 13);
    }
    all = kafscale_blob_slice(blob);
    (void) (ks_store_try_put(attempt, "large", all, true, KAFSCALE_OK) &&
            ks_store_try_range(attempt, "large", 0, SIZE_MAX, all, LARGE_BYTES) &&
            ks_store_try_range(attempt, "large", LARGE_BYTES - 77, SIZE_MAX,
                               ks_slice(all.data + LARGE_BYTES - 77, 77), LARGE_BYTES) &&
            ks_store_try_range(attempt, "large", 5000001, 3000000,
                               ks_slice(all.data + 5000001, 3000000), LARGE_BYTES));
    kafscale_blob_unref(blob);
}

/* --- All of them --- */

static const struct {
    const char *what;
    void (*run)(struct ks_store_try *attempt);
} checks[] = {
    { "objects are read whole, in ranges, and empty", check_ranges },
    { "PUT if absent leaves what exists alone", check_if_absent },
    { "PUT replaces an object", check_overwriting },
    { "what isn't there, or not any more, isn't found", check_absence },
    { "LIST is in the order of the bytes of whole keys, with sizes", check_order },
    { "LIST goes on after a key, and says when there is more", check_pages },
    { "pages of a LIST join", check_many_keys },
    { "long and odd keys are kept apart", check_keys },
    { "an object of many parts keeps their order", check_parts },
    { "a large object is kept", check_large },
    { "of PUTs if absent at once, one succeeds", check_race },
    { "many requests at once get their own answers", check_crowd },
    { "an object is seen whole while it is replaced", check_wholeness },
};

/* A broken promise counts more than a check that came to no end. */
static bool
counts_more(const struct kafscale_error *failure, const struct kafscale_error *first)
{
    return failure->status != KAFSCALE_OK &&
           (first->status == KAFSCALE_OK ||
            (failure->status == KAFSCALE_UNSUPPORTED && first->status != KAFSCALE_UNSUPPORTED));
}

static void
tell(kafscale_store_checked *checked, void *arg, const char *what,
     const struct kafscale_error *failure, struct kafscale_error *first)
{
    if (counts_more(failure, first)) {
        *first = *failure;
        ks_error_wrap(first, "%s", what);
    }
    if (checked != NULL) {
        checked(arg, what, failure->status == KAFSCALE_OK ? NULL : failure);
    }
}

struct ending {
    struct ks_store_try *attempt;
    size_t left; /* requests under way */
    size_t left_at_close;
    size_t closing; /* 1 until it has closed */
};

static void
on_closed(void *arg)
{
    struct ending *ending = arg;

    ending->left_at_close = ending->left;
    ks_store_try_wake(ending->attempt, &ending->closing);
}

/*
 * Requests under way are answered before a store has closed. What isn't answered by then may be
 * yet: what that would touch is left where it is.
 */
static void
check_close(struct ks_store_try *attempt, struct ending *ending, struct runner *runners)
{
    for (size_t i = 0; i < CLOSING_GETS; i++) {
        start_get(&runners[i], runners[i].text);
    }
    ks_store_close(attempt->session->store, on_closed, ending);
    ks_store_try_wait(attempt, &ending->closing);
    if (ending->left_at_close > 0) {
        ks_store_try_fail(attempt, "it has closed with %zu of %d requests under way",
                          ending->left_at_close, CLOSING_GETS);
        return;
    }
    for (size_t i = 0; i < CLOSING_GETS; i++) {
        kafscale_blob_unref(runners[i].body);
        if (runners[i].status == KAFSCALE_FAILED) {
            ks_store_try_fail(attempt, "%s", runners[i].error.text);
        }
    }
    ks_free(runners);
    ks_free(ending);
}

/* Closes the store in any case. */
static void
end_with_requests(struct ks_store_try *attempt)
{
    struct ending *ending = ks_alloc_zero(1, sizeof *ending);
    struct ending poor = { .attempt = attempt, .closing = 1 };
    struct runner *runners = NULL;

    if (ending != NULL) {
        *ending = poor;
        runners = runners_new(attempt, CLOSING_GETS, &ending->left);
    }
    if (runners != NULL) {
        check_close(attempt, ending, runners);
        return;
    }
    ks_free(ending);
    ks_store_close(attempt->session->store, on_closed, &poor);
    ks_store_try_wait(attempt, &poor.closing);
}

enum kafscale_status
ks_store_check(struct ks_session *session, const char *prefix, kafscale_store_checked *checked,
               void *arg, struct kafscale_error *error)
{
    struct ks_store_try attempt = { .session = session, .prefix = prefix };
    struct kafscale_error first = { 0 };

    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        ks_store_try_begin(&attempt, (int) i + 1);
        checks[i].run(&attempt);
        ks_store_try_end(&attempt);
        tell(checked, arg, checks[i].what, &attempt.failure, &first);
        if (ks_store_try_failed(&attempt) && attempt.failure.status != KAFSCALE_UNSUPPORTED) {
            break; /* it doesn't answer */
        }
    }
    ks_store_try_begin(&attempt, 0);
    end_with_requests(&attempt);
    tell(checked, arg, "requests under way are answered before the store has closed",
         &attempt.failure, &first);
    session->store = NULL;
    ks_store_try_deinit(&attempt);
    if (first.status != KAFSCALE_OK) {
        return ks_error_set(error, first.status, "%s", first.text);
    }
    return KAFSCALE_OK;
}
