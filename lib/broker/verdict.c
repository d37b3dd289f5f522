/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A good verdict is an empty object `{ns}/__kafscale/probed/{day}-{place}`: the day on which it was
 * found, in days since 1970, and a checksum of what the store says of its place. They are never
 * removed: there are a dozen in a year. Should a clock be wrong, one more probe is all that comes
 * of it.
 */
#include "broker/verdict.h"

#include <inttypes.h>
#include <stdio.h>

#define DAY_MS (24 * 60 * 60 * 1000)
#define GOOD_FOR_DAYS 30
#define VERDICTS_MAX 1000

static void
end(struct ks_verdict *verdict, enum kafscale_status status, const struct kafscale_error *error)
{
    verdict->done(verdict->arg, status, error);
}

static int64_t
today(const struct ks_verdict *verdict)
{
    return ks_env_wall_ms(verdict->env) / DAY_MS;
}

static uint32_t
place_of(const struct ks_verdict *verdict)
{
    const char *place = ks_store_place(verdict->store);

    return ks_crc32c(0, place, strlen(place));
}

/* A verdict that can't be remembered is found again at the next start. */
static void
on_remembered(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    (void) status;
    (void) error;
    end(arg, KAFSCALE_OK, NULL);
}

static void
remember(struct ks_verdict *verdict)
{
    (void) snprintf(verdict->key, sizeof verdict->key, "%.800s%010" PRId64 "-%08" PRIx32,
                    verdict->prefix, today(verdict), place_of(verdict));
    verdict->put = (struct kafscale_put){ .key = verdict->key, .if_absent = true };
    ks_store_put(verdict->store, &verdict->put, on_remembered, verdict);
}

static void
on_probed(void *arg, enum kafscale_status status, const struct kafscale_error *error)
{
    struct ks_verdict *verdict = arg;

    if (ks_store_is_closing(verdict->store)) {
        end(verdict, KAFSCALE_STOPPED, NULL);
        return;
    }
    if (status == KAFSCALE_OK) {
        remember(verdict);
        return;
    }
    if (status == KAFSCALE_UNSUPPORTED && verdict->is_single_writer) {
        ks_log(&verdict->env->logger, KAFSCALE_LOG_WARN,
               "used in spite of it, since there is one writer error=%s", error->text);
        end(verdict, KAFSCALE_OK, NULL);
        return;
    }
    end(verdict, status, error);
}

static void
probe(struct ks_verdict *verdict)
{
    char prefix[KAFSCALE_STORE_KEY_BYTES_MAX + 1];
    enum kafscale_status status;

    (void) snprintf(prefix, sizeof prefix, "%.800s/__kafscale/", verdict->ns);
    status = ks_store_probe(verdict->store, verdict->env, prefix, on_probed, verdict);
    if (status != KAFSCALE_OK) {
        end(verdict, status, NULL);
    }
}

static void
on_listed(void *arg, enum kafscale_status status, const struct kafscale_list_entry *entries,
          size_t entry_count, bool is_truncated, const struct kafscale_error *error)
{
    struct ks_verdict *verdict = arg;
    char ending[16];

    (void) is_truncated;
    if (status != KAFSCALE_OK || ks_store_is_closing(verdict->store)) {
        end(verdict, status == KAFSCALE_OK ? KAFSCALE_STOPPED : status, error);
        return;
    }
    (void) snprintf(ending, sizeof ending, "-%08" PRIx32, place_of(verdict));
    for (size_t i = 0; i < entry_count; i++) {
        size_t size = strlen(entries[i].key);

        if (size > 9 && strcmp(entries[i].key + size - 9, ending) == 0) {
            end(verdict, KAFSCALE_OK, NULL);
            return;
        }
    }
    probe(verdict);
}

void
ks_verdict_ask(struct ks_verdict *verdict,
               void (*done)(void *arg, enum kafscale_status status,
                            const struct kafscale_error *error),
               void *arg)
{
    verdict->done = done;
    verdict->arg = arg;
    if (ks_store_place(verdict->store) == NULL) {
        end(verdict, KAFSCALE_OK, NULL);
        return;
    }
    (void) snprintf(verdict->prefix, sizeof verdict->prefix, "%.800s/__kafscale/probed/",
                    verdict->ns);
    (void) snprintf(verdict->start_after, sizeof verdict->start_after, "%.800s%010" PRId64,
                    verdict->prefix, today(verdict) - GOOD_FOR_DAYS);
    verdict->list = (struct kafscale_list){ .prefix = verdict->prefix,
                                            .start_after = verdict->start_after,
                                            .count_max = VERDICTS_MAX };
    ks_store_list(verdict->store, &verdict->list, on_listed, verdict);
}
