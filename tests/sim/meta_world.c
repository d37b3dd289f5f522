/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each transaction also writes a key of its own, t/{token}, so that the final state tells which
 * ones happened. A counter's value and the number of tokens committed on it must agree, which
 * shows any transaction that happened twice, or on a stale state.
 */
#include "sim/meta_world.h"

#include "store/store.h"
#include "support/virtual_env.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENTS 2 /* of each broker */
#define KEYS 3
#define TOKENS_MAX 4096
#define VERSIONS_MAX 8192
#define LIMIT_MS 4000000

enum kind { KIND_SWAP, KIND_WRITE, KIND_REMOVE, KIND_READ, KIND_COUNT };

struct world;

struct client {
    struct world *world;
    uint32_t broker;
    struct ks_timer think;
    bool is_busy;
    enum kind kind;
    uint32_t token;
    uint64_t told;      /* highest revision anybody was told when the request was made */
    uint64_t told_here; /* and by this broker */
    uint64_t known_version;
    uint64_t known_count;
    uint32_t known_key;
    bool knows;
    char key[48];
    char value[32];
    char token_key[16];
    struct kafscale_meta_read read;
    struct kafscale_meta_compare compare;
    struct kafscale_meta_operation operations[2];
    struct kafscale_meta_txn txn;
};

struct broker {
    struct world *world;
    struct ks_fault_store *faults;
    struct ks_store *store;
    struct kafscale_meta log;
    struct ks_meta *meta;
    struct client clients[CLIENTS];
    struct ks_id incarnation;
    bool is_registered;
    struct ks_timer crash;
    uint64_t version_heard;
    uint64_t told;
};

/* What became of a transaction, as its client was told. */
struct record {
    enum kind kind;
    uint32_t key;
    uint64_t version; /* compared */
    enum kafscale_status status;
    uint64_t revision;
};

struct world {
    struct virtual_env v;
    const struct meta_world_options *options;
    struct meta_world_counts *counts;
    struct ks_memory_bucket *bucket;
    struct broker brokers[META_WORLD_BROKERS];
    uint32_t started_count;
    uint64_t random_state;
    uint32_t operations_left;
    uint32_t busy_count;
    uint64_t told;
    uint32_t token_count;
    struct record records[TOKENS_MAX];
    uint32_t token_of_version[VERSIONS_MAX];
    struct ks_id dead; /* the last broker that died, until its register is removed */
    char broken[300];
};

static struct world world;

static void break_promise(struct world *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
break_promise(struct world *w, const char *format, ...)
{
    va_list arguments;

    if (w->broken[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    vsnprintf(w->broken, sizeof w->broken, format, arguments);
    va_end(arguments);
}

static uint64_t
draw(struct world *w, uint64_t below)
{
    uint64_t z = (w->random_state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

/* --- What is seen ---------------------------------------------------------------------------- */

static uint64_t
larger_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* What needn't be fresh is told by its broker alone. */
static void
told(struct client *client, uint64_t revision, bool is_fresh)
{
    struct broker *broker = &client->world->brokers[client->broker];

    broker->told = larger_of(broker->told, revision);
    if (is_fresh) {
        client->world->told = larger_of(client->world->told, revision);
    }
}

/*
 * A key of the counters or cells was seen with this version: whoever sees that version must see
 * that token.
 */
static void
see(struct world *w, const struct kafscale_meta_entry *entry)
{
    char text[48];
    unsigned token = 0;

    snprintf(text, sizeof text, "%.*s", (int) entry->value.size, (const char *) entry->value.data);
    if (entry->key[0] == 't' || sscanf(text, "%*u %u", &token) != 1) {
        return;
    }
    if (entry->version >= VERSIONS_MAX) {
        break_promise(w, "version %llu of %s", (unsigned long long) entry->version, entry->key);
        return;
    }
    if (w->token_of_version[entry->version] == 0) {
        w->token_of_version[entry->version] = token;
    }
    if (w->token_of_version[entry->version] != token) {
        break_promise(w, "version %llu is of tokens %u and %u", (unsigned long long) entry->version,
                      w->token_of_version[entry->version], token);
    }
}

static void
on_changed(void *arg, const struct kafscale_meta_entry *entry, bool is_delete)
{
    struct broker *broker = arg;

    if (entry->version < broker->version_heard) {
        break_promise(broker->world, "watcher hears version %llu after %llu",
                      (unsigned long long) entry->version,
                      (unsigned long long) broker->version_heard);
    }
    broker->version_heard = entry->version;
    if (!is_delete) {
        see(broker->world, entry);
    }
}

/* --- Clients --------------------------------------------------------------------------------- */

static void
think(struct client *client)
{
    struct world *w = client->world;
    int64_t pause_ms = (int64_t) draw(w, 120);

    if (draw(w, 25) == 0) {
        pause_ms += (int64_t) draw(w, 8000);
    }
    ks_env_set_timer(&w->v.env, &client->think, ks_env_now_ms(&w->v.env) + pause_ms);
}

static void
finish(struct client *client)
{
    client->is_busy = false;
    client->world->busy_count--;
    think(client);
}

static void
learn(struct client *client, const struct kafscale_meta_entry *entries, size_t count)
{
    char key[16];
    char text[48];

    client->known_key = (uint32_t) draw(client->world, KEYS);
    client->known_version = 0;
    client->known_count = 0;
    client->knows = true;
    snprintf(key, sizeof key, "c/%u", client->known_key);
    for (size_t i = 0; i < count; i++) {
        see(client->world, &entries[i]);
        if (strcmp(entries[i].key, key) == 0) {
            snprintf(text, sizeof text, "%.*s", (int) entries[i].value.size,
                     (const char *) entries[i].value.data);
            client->known_version = entries[i].version;
            client->known_count = strtoull(text, NULL, 10);
        }
    }
}

static void
on_read(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct client *client = arg;
    struct world *w = client->world;

    (void) error;
    if (status == KAFSCALE_OK) {
        w->counts->reads++;
        if (client->read.is_fresh && revision < client->told) {
            break_promise(w, "fresh read of revision %llu after %llu was told",
                          (unsigned long long) revision, (unsigned long long) client->told);
        }
        if (revision < client->told_here) {
            break_promise(w, "read of revision %llu after this broker told of %llu",
                          (unsigned long long) revision, (unsigned long long) client->told_here);
        }
        told(client, revision, client->read.is_fresh);
        learn(client, entries, entry_count);
    } else if (status == KAFSCALE_CORRUPT) {
        break_promise(w, "read: %s", error->text);
    }
    finish(client);
}

static void
on_txn(void *arg, enum kafscale_status status, uint64_t revision,
       const struct kafscale_error *error)
{
    struct client *client = arg;
    struct world *w = client->world;
    struct record *record = &w->records[client->token];

    record->status = status;
    record->revision = revision;
    if (status == KAFSCALE_OK) {
        w->counts->ok++;
        if (revision <= client->told) {
            break_promise(w, "committed at revision %llu after %llu was told",
                          (unsigned long long) revision, (unsigned long long) client->told);
        }
        told(client, revision, true);
        if (revision < VERSIONS_MAX && w->token_of_version[revision] != client->token) {
            if (w->token_of_version[revision] != 0) {
                break_promise(w, "revision %llu was told to two transactions",
                              (unsigned long long) revision);
            }
            w->token_of_version[revision] = client->token;
        }
    } else if (status == KAFSCALE_CORRUPT) {
        break_promise(w, "transaction: %s", error->text);
    }
    w->counts->conflict += status == KAFSCALE_CONFLICT;
    w->counts->unknown += status == KAFSCALE_UNKNOWN;
    w->counts->refused +=
        status != KAFSCALE_OK && status != KAFSCALE_CONFLICT && status != KAFSCALE_UNKNOWN;
    finish(client);
}

static void
begin_read(struct client *client)
{
    struct broker *broker = &client->world->brokers[client->broker];

    client->read = (struct kafscale_meta_read){
        .key = "c/",
        .is_prefix = true,
        .is_fresh = draw(client->world, 4) > 0,
    };
    ks_meta_read(broker->meta, &client->read, on_read, client);
}

/* A broker registers with its first write; the register of one that died is removed by another. */
static void
choose_key(struct client *client, uint32_t key)
{
    struct world *w = client->world;
    struct broker *broker = &w->brokers[client->broker];
    char hex[KS_ID_HEX_BYTES];

    if (client->kind == KIND_WRITE && !broker->is_registered) {
        broker->is_registered = true;
        ks_id_to_hex(&broker->incarnation, hex);
        snprintf(client->key, sizeof client->key, "inc/%s", hex);
        return;
    }
    if (client->kind == KIND_REMOVE && !ks_id_is_zero(&w->dead)) {
        ks_id_to_hex(&w->dead, hex);
        snprintf(client->key, sizeof client->key, "inc/%s", hex);
        w->dead = (struct ks_id){ 0 };
        return;
    }
    snprintf(client->key, sizeof client->key, "%c/%u", client->kind == KIND_SWAP ? 'c' : 'b', key);
}

static void
begin_txn(struct client *client)
{
    struct world *w = client->world;
    struct broker *broker = &w->brokers[client->broker];
    uint32_t key = client->kind == KIND_SWAP ? client->known_key : (uint32_t) draw(w, KEYS);

    client->token = ++w->token_count;
    w->records[client->token] = (struct record){
        .kind = client->kind,
        .key = key,
        .version = client->known_version,
        .status = KAFSCALE_UNKNOWN,
    };
    choose_key(client, key);
    snprintf(client->token_key, sizeof client->token_key, "t/%06u", client->token);
    snprintf(client->value, sizeof client->value, "%llu %u",
             (unsigned long long) (client->kind == KIND_SWAP ? client->known_count + 1 : 0),
             client->token);
    client->compare =
        (struct kafscale_meta_compare){ .key = client->key, .version = client->known_version };
    client->operations[0] = (struct kafscale_meta_operation){
        .key = client->key,
        .value = ks_slice_of_text(client->value),
        .is_delete = client->kind == KIND_REMOVE,
    };
    client->operations[1] = (struct kafscale_meta_operation){
        .key = client->token_key,
        .value = ks_slice_of_text(client->key),
    };
    client->txn = (struct kafscale_meta_txn){
        .compares = &client->compare,
        .compare_count = client->kind == KIND_SWAP ? 1 : 0,
        .operations = client->operations,
        .operation_count = 2,
    };
    ks_meta_txn(broker->meta, &client->txn, on_txn, client);
}

static void
on_think(void *arg)
{
    struct client *client = arg;
    struct world *w = client->world;

    if (w->operations_left == 0 || w->brokers[client->broker].meta == NULL) {
        return;
    }
    w->operations_left--;
    w->busy_count++;
    client->is_busy = true;
    client->told = w->told;
    client->told_here = w->brokers[client->broker].told;
    client->kind = (enum kind) draw(w, KIND_COUNT);
    if (client->kind == KIND_SWAP && !client->knows) {
        client->kind = KIND_READ;
    }
    if (client->kind == KIND_READ) {
        begin_read(client);
    } else {
        begin_txn(client);
        client->knows = false;
    }
}

/* --- Brokers --------------------------------------------------------------------------------- */

static void
set_faults(struct broker *broker)
{
    static const struct ks_fault_rates rates = {
        .faults = {
            [KS_FAULT_ERROR_BEFORE] = 20000,
            [KS_FAULT_ERROR_AFTER] = 40000,
            [KS_FAULT_UNAVAILABLE] = 10000,
            [KS_FAULT_LATE] = 40000,
            [KS_FAULT_TWICE] = 20000,
            [KS_FAULT_ECHO] = 30000,
            [KS_FAULT_SHORT] = 1000,
            [KS_FAULT_DAMAGE] = 1000,
        },
        .slow = 300000,
        .slow_ms_max = 400,
        .late_ms_max = 6000,
    };

    if (!broker->world->options->is_calm) {
        ks_fault_store_set_rates(broker->faults, &rates, draw(broker->world, UINT64_MAX));
    }
}

static void start_broker(struct broker *broker);

static void
crash_broker(struct broker *broker)
{
    struct world *w = broker->world;

    for (uint32_t i = 0; i < KS_META_LOG_EVENT_COUNT; i++) {
        w->counts->events[i] += ks_meta_log_counts(&broker->log)[i];
    }
    ks_fault_store_crash(broker->faults);
    ks_meta_abandon(broker->meta);
    ks_store_abandon(broker->store);
    broker->meta = NULL;
    w->dead = broker->incarnation;
    w->counts->crashes++;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *client = &broker->clients[i];

        ks_env_cancel_timer(&w->v.env, &client->think);
        w->busy_count -= client->is_busy;
        w->counts->unknown += client->is_busy && client->kind != KIND_READ;
        client->is_busy = false;
        client->knows = false;
    }
    start_broker(broker);
}

static void
on_crash(void *arg)
{
    crash_broker(arg);
}

static void
start_broker(struct broker *broker)
{
    struct world *w = broker->world;
    struct ks_env *env = &w->v.env;
    struct ks_meta_log_options options = {
        .ns = "sim",
        .chunk_entries = w->options->chunk_entries,
        .step_entries = 1 + w->options->chunk_entries / 4,
        .retry_ms = 20,
        .retry_ms_max = 200,
        .timeout_ms = 4000,
        .trim_delay_ms = 100,
#ifdef KS_PLANTED_FAULTS
        .planted_fault = w->options->planted_fault,
#endif
    };

    w->started_count++;
    options.incarnation.bytes[0] = (uint8_t) w->started_count;
    options.incarnation.bytes[1] = (uint8_t) (w->started_count >> 8);
    options.incarnation.bytes[15] = 1;
    broker->incarnation = options.incarnation;
    broker->is_registered = false;
    broker->store = ks_store_new(
        env, ks_fault_store_new(env, ks_memory_store_new(env, w->bucket), &broker->faults));
    set_faults(broker);
    broker->log = ks_meta_log_new(env, broker->store, &options);
    broker->meta = ks_meta_new(env, broker->log);
    broker->version_heard = 0;
    broker->told = 0;
    ks_meta_watch(broker->meta, on_changed, broker);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        think(&broker->clients[i]);
    }
    if (!w->options->is_calm && w->options->crash_call == 0 && w->operations_left > 0) {
        ks_env_set_timer(env, &broker->crash, ks_env_now_ms(env) + 5000 + (int64_t) draw(w, 60000));
    }
}

static void
init_broker(struct world *w, uint32_t index)
{
    struct broker *broker = &w->brokers[index];

    broker->world = w;
    broker->crash.on_due = on_crash;
    broker->crash.arg = broker;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        broker->clients[i] = (struct client){ .world = w, .broker = index };
        broker->clients[i].think.on_due = on_think;
        broker->clients[i].think.arg = &broker->clients[i];
    }
    start_broker(broker);
}

/* --- The end --------------------------------------------------------------------------------- */

struct dump {
    bool is_done;
    enum kafscale_status status;
    uint64_t revision;
    uint32_t hash;
    uint64_t counters[KEYS];
    uint64_t swaps[KEYS];
    bool happened[TOKENS_MAX];
};

static void
count_token(struct world *w, struct dump *dump, const struct kafscale_meta_entry *entry)
{
    unsigned token = (unsigned) strtoul(entry->key + 2, NULL, 10);
    struct record *record = &w->records[token];

    dump->happened[token] = true;
    dump->swaps[record->key] += record->kind == KIND_SWAP;
    if (record->status == KAFSCALE_OK && record->revision != entry->version) {
        break_promise(w, "token %u is of version %llu, told %llu", token,
                      (unsigned long long) entry->version, (unsigned long long) record->revision);
    }
}

static void
on_dump(void *arg, enum kafscale_status status, const struct kafscale_meta_entry *entries,
        size_t entry_count, uint64_t revision, const struct kafscale_error *error)
{
    struct dump *dump = arg;

    (void) error;
    dump->is_done = true;
    dump->status = status;
    dump->revision = revision;
    for (size_t i = 0; i < entry_count; i++) {
        const struct kafscale_meta_entry *entry = &entries[i];

        dump->hash = ks_crc32c(dump->hash, entry->key, strlen(entry->key) + 1);
        dump->hash = ks_crc32c(dump->hash, entry->value.data, entry->value.size);
        dump->hash = ks_crc32c(dump->hash, &entry->version, sizeof entry->version);
        see(&world, entry);
        if (entry->key[0] == 't') {
            count_token(&world, dump, entry);
        }
        if (entry->key[0] == 'c') {
            dump->counters[entry->key[2] - '0'] =
                strtoull((const char *) entry->value.data, NULL, 10);
        }
    }
}

static void
take_dump(struct world *w, struct ks_meta *meta, struct dump *dump)
{
    static const struct kafscale_meta_read all = { .key = "", .is_prefix = true, .is_fresh = true };

    memset(dump, 0, sizeof *dump);
    ks_meta_read(meta, &all, on_dump, dump);
    virtual_env_run_until(&w->v, &dump->is_done, LIMIT_MS);
    if (!dump->is_done || dump->status != KAFSCALE_OK) {
        break_promise(w, "a calm store gives no state: status %d", (int) dump->status);
    }
}

static void
check_record(struct world *w, const struct dump *dump, uint32_t token)
{
    const struct record *record = &w->records[token];
    bool happened = dump->happened[token];

    if (record->status == KAFSCALE_OK && !happened) {
        break_promise(w, "token %u was told committed and is not there", token);
    }
    if (record->status != KAFSCALE_OK && record->status != KAFSCALE_UNKNOWN && happened) {
        break_promise(w, "token %u was told %d and is there", token, (int) record->status);
    }
    w->counts->unknown_committed += record->status == KAFSCALE_UNKNOWN && happened;
    if (record->kind != KIND_SWAP || record->status != KAFSCALE_OK) {
        return;
    }
    for (uint64_t version = record->version + 1;
         version < record->revision && version < VERSIONS_MAX; version++) {
        const struct record *other = &w->records[w->token_of_version[version]];

        if (w->token_of_version[version] != 0 && other->kind == KIND_SWAP &&
            other->key == record->key) {
            break_promise(w, "token %u swapped version %llu though %llu was there", token,
                          (unsigned long long) record->version, (unsigned long long) version);
        }
    }
}

static void
check_end(struct world *w)
{
    static struct dump first;
    static struct dump other;

    take_dump(w, w->brokers[0].meta, &first);
    for (uint32_t i = 1; i < META_WORLD_BROKERS && w->broken[0] == '\0'; i++) {
        take_dump(w, w->brokers[i].meta, &other);
        if (other.hash != first.hash || other.revision != first.revision) {
            break_promise(w, "brokers 0 and %u hold different states", i);
        }
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        if (first.counters[key] != first.swaps[key]) {
            break_promise(w, "counter %u is %llu after %llu increments", key,
                          (unsigned long long) first.counters[key],
                          (unsigned long long) first.swaps[key]);
        }
    }
    for (uint32_t token = 1; token <= w->token_count; token++) {
        check_record(w, &first, token);
    }
}

static void
on_closed(void *arg)
{
    *(bool *) arg = true;
}

static void
close_broker(struct world *w, struct broker *broker)
{
    bool is_closed = false;

    for (uint32_t i = 0; i < KS_META_LOG_EVENT_COUNT; i++) {
        w->counts->events[i] += ks_meta_log_counts(&broker->log)[i];
    }
    ks_meta_close(broker->meta, on_closed, &is_closed);
    virtual_env_run_until(&w->v, &is_closed, LIMIT_MS);
    if (!is_closed) {
        break_promise(w, "close does not end");
    }
    is_closed = false;
    ks_store_close(broker->store, on_closed, &is_closed);
    virtual_env_run_until(&w->v, &is_closed, LIMIT_MS);
}

/* From here on the store is good, and everything that was under way comes to its end. */
static void
calm_down(struct world *w)
{
    for (uint32_t i = 0; i < META_WORLD_BROKERS; i++) {
        ks_env_cancel_timer(&w->v.env, &w->brokers[i].crash);
        ks_fault_store_clear(w->brokers[i].faults);
    }
    if (!virtual_env_run_until_idle(&w->v, LIMIT_MS) || w->busy_count > 0) {
        break_promise(w, "the world does not come to rest");
    }
}

static uint64_t
count_calls(const struct broker *broker)
{
    const struct ks_store_counters *counters = ks_store_counters(broker->store);
    uint64_t count = 0;

    for (int i = 0; i < KS_STORE_OPERATION_COUNT; i++) {
        count += counters->requests[i];
    }
    return count;
}

static void
run_operations(struct world *w)
{
    int64_t until_ms = w->v.now_ms + LIMIT_MS;
    bool has_crashed = w->options->crash_call == 0;

    while ((w->operations_left > 0 || w->busy_count > 0) && w->broken[0] == '\0') {
        if (!has_crashed && count_calls(&w->brokers[0]) >= w->options->crash_call) {
            has_crashed = true;
            crash_broker(&w->brokers[0]);
        }
        if (!virtual_env_step(&w->v) || w->v.now_ms > until_ms) {
            break_promise(w, "stuck with %u requests under way", w->busy_count);
        }
    }
}

uint32_t
meta_world_chunk_entries(uint64_t seed)
{
    static const uint32_t sizes[] = { 2, 2, 1, 2, 5, 3, 2, 11 };

    return sizes[seed % (sizeof sizes / sizeof sizes[0])];
}

const char *
meta_world_run(const struct meta_world_options *options, struct meta_world_counts *counts)
{
    struct world *w = &world;

    memset(w, 0, sizeof *w);
    virtual_env_init(&w->v, options->seed);
    w->options = options;
    w->counts = counts;
    w->random_state = options->seed * 0x2545f4914f6cdd1du + 1;
    w->operations_left = options->operation_count;
    w->bucket = ks_memory_bucket_new();
    for (uint32_t i = 0; i < META_WORLD_BROKERS; i++) {
        init_broker(w, i);
    }
    run_operations(w);
    if (w->broken[0] == '\0') {
        calm_down(w);
    }
    if (w->broken[0] == '\0') {
        check_end(w);
    }
    counts->calls += count_calls(&w->brokers[0]);
    if (w->broken[0] != '\0') {
        /* The world is left as it is: a broken promise ends the test. */
        return w->broken;
    }
    for (uint32_t i = 0; i < META_WORLD_BROKERS; i++) {
        close_broker(w, &w->brokers[i]);
    }
    virtual_env_run_until_idle(&w->v, LIMIT_MS);
    ks_memory_bucket_unref(w->bucket);
    return w->broken[0] == '\0' ? NULL : w->broken;
}
