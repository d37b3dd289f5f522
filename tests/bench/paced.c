/* SPDX-License-Identifier: Apache-2.0 */
/* One connection: Kafka answers in order, so what is answered is always the oldest one. */
#include "batches.h"
#include "load.h"
#include "requests.h"

#include <stdio.h>
#include <stdlib.h>

#define UNDER_WAY_MAX 48
#define RECORD_BYTES 100

struct paced {
    struct wire wire;
    int64_t begun_us;
    int64_t interval_us;
    int64_t *times_us; /* how long each answer took */
    size_t sent;
    size_t answered;
};

static int64_t
due_us(const struct paced *paced, size_t index)
{
    return paced->begun_us + (int64_t) (index + 1) * paced->interval_us;
}

static void
await_one(struct paced *paced)
{
    await_produce(&paced->wire);
    paced->times_us[paced->answered] = now_us() - due_us(paced, paced->answered);
    paced->answered++;
}

/* Takes the answers that come until it is time for the next record. */
static void
pass_time(struct paced *paced)
{
    int64_t until_us = due_us(paced, paced->sent);

    while (wire_wait(&paced->wire, until_us)) {
        await_one(paced);
    }
    while (paced->sent - paced->answered >= UNDER_WAY_MAX) {
        await_one(paced);
    }
}

static int
compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *) a;
    int64_t right = *(const int64_t *) b;

    return left < right ? -1 : left > right;
}

static void
print_times(int64_t *times_us, size_t count)
{
    qsort(times_us, count, sizeof *times_us, compare);
    printf("{\"records\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", count,
           (double) times_us[count / 2] / 1e3, (double) times_us[count * 99 / 100] / 1e3,
           (double) times_us[count - 1] / 1e3);
}

void
run_paced(const char *address, const char *topic, int32_t partitions, int32_t per_second,
          int32_t seconds)
{
    size_t count = (size_t) per_second * (size_t) seconds;
    struct paced paced = { .interval_us = 1000000 / per_second };
    struct load_batch batch;
    uint64_t seed = 1;

    paced.times_us = calloc(count, sizeof *paced.times_us);
    if (paced.times_us == NULL) {
        die("no memory");
    }
    load_batch_init(&batch, RECORD_BYTES, RECORD_BYTES, &seed);
    wire_connect(&paced.wire, address);
    paced.begun_us = now_us();
    while (paced.sent < count) {
        int32_t partition = (int32_t) (paced.sent % (size_t) partitions);

        pass_time(&paced);
        send_produce(&paced.wire, topic, partition, load_batch_next(&batch));
        paced.sent++;
    }
    while (paced.answered < count) {
        await_one(&paced);
    }
    print_times(paced.times_us, count);
    wire_close(&paced.wire);
    load_batch_deinit(&batch);
    free(paced.times_us);
}
