/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole broker talks to a client while allocations fail: for each k, the k-th alone, and all
 * from the k-th on. The client may be hung up on or told to come again; nothing may crash, hang or
 * leak, what was acknowledged stays, and once there is memory again the broker serves as before.
 */
#include "support/conversation.h"
#include "support/main.h"

#define ALLOCATIONS_MAX 20000
#define ATTEMPTS_MAX 100
#define RETRY_MS 100
#define WAIT_MS 120000
#define SHORTAGE_MS 3000

/* --- While memory fails ----------------------------------------------------------------------- */

static void
expect_no_hang(struct conversation *conversation, enum conversation_step step, uint64_t k)
{
    ck_assert_msg(conversation_step(conversation, step) != CONVERSATION_HANGS,
                  "step %d hangs when allocation %llu fails", (int) step, (unsigned long long) k);
}

/* Returns how many records were acknowledged. */
static size_t
talk(struct conversation *conversation, uint64_t k, bool fails_once)
{
    if (fails_once) {
        ks_alloc_fail_once_after(k);
    } else {
        ks_alloc_fail_after(k);
    }
    expect_no_hang(conversation, STEP_API_VERSIONS, k);
    expect_no_hang(conversation, STEP_METADATA, k);
    expect_no_hang(conversation, STEP_FETCH, k);
    if (conversation_step(conversation, STEP_PRODUCE) != CONVERSATION_ANSWERED) {
        return 0;
    }
    return 1;
}

/* --- When there is memory again --------------------------------------------------------------- */

static int16_t
produce_code(struct conversation *conversation)
{
    const struct kafka_produce_response *response;
    struct ks_arena arena;
    int16_t code;

    ks_arena_init(&arena, SIZE_MAX / 2);
    response = conversation_answer(conversation, STEP_PRODUCE, &arena);
    ck_assert_int_eq(response->topics_count, 1);
    ck_assert_int_eq(response->topics[0].partitions_count, 1);
    code = response->topics[0].partitions[0].error_code;
    ks_arena_deinit(&arena);
    return code;
}

static int16_t
metadata_code(struct conversation *conversation)
{
    const struct kafka_metadata_response *response;
    struct ks_arena arena;
    int16_t code;

    ks_arena_init(&arena, SIZE_MAX / 2);
    response = conversation_answer(conversation, STEP_METADATA, &arena);
    ck_assert_int_eq(response->topics_count, 1);
    code = response->topics[0].error_code;
    if (code == KAFKA_ERROR_NONE) {
        code = response->topics[0].partitions[0].error_code;
    }
    ks_arena_deinit(&arena);
    return code;
}

/* As clients do: again after a while, for as long as the error says so. */
static void
insist(struct conversation *conversation, enum conversation_step step,
       int16_t (*code_of)(struct conversation *conversation), uint64_t k)
{
    int16_t code = KAFKA_ERROR_NONE;

    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        if (conversation_step(conversation, step) == CONVERSATION_ANSWERED) {
            code = code_of(conversation);
            if (code == KAFKA_ERROR_NONE) {
                return;
            }
        }
        conversation_pass(conversation, RETRY_MS);
    }
    ck_abort_msg("step %d still says %s after allocation %llu failed", (int) step,
                 kafka_error_name(code), (unsigned long long) k);
}

static size_t
fetched_records(struct conversation *conversation)
{
    const struct kafka_fetch_response *response;
    struct ks_arena arena;
    size_t count;

    ck_assert_int_eq(conversation_step(conversation, STEP_FETCH), CONVERSATION_ANSWERED);
    ks_arena_init(&arena, SIZE_MAX / 2);
    response = conversation_answer(conversation, STEP_FETCH, &arena);
    ck_assert_int_eq(response->topics[0].partitions[0].error_code, KAFKA_ERROR_NONE);
    count = client_count_records(&response->topics[0].partitions[0].records);
    ks_arena_deinit(&arena);
    return count;
}

/* False: there was no k-th allocation. */
static bool
survives(uint64_t k, bool fails_once)
{
    struct conversation *conversation = conversation_new();
    size_t answered_count = talk(conversation, k, fails_once);
    uint64_t left = ks_alloc_fail_after(UINT64_MAX);
    bool has_failed = left == 0 || left == UINT64_MAX;
    size_t count = 0;

    if (answered_count > 0 && produce_code(conversation) == KAFKA_ERROR_NONE) {
        count++;
    }
    insist(conversation, STEP_METADATA, metadata_code, k);
    insist(conversation, STEP_PRODUCE, produce_code, k);
    ck_assert_uint_ge(fetched_records(conversation), count + 1);
    conversation_free(conversation);
    return has_failed;
}

static uint64_t
survive_all(bool fails_once)
{
    uint64_t k = 0;

    while (k < ALLOCATIONS_MAX && survives(k, fails_once)) {
        k++;
    }
    ck_assert_uint_gt(k, 50);
    ck_assert_uint_lt(k, ALLOCATIONS_MAX);
    return k;
}

START_TEST(each_allocation_of_a_conversation_may_fail_once)
{
    survive_all(true);
}
END_TEST

START_TEST(memory_may_run_out_at_any_point_of_a_conversation)
{
    survive_all(false);
}
END_TEST

/* --- Starting --------------------------------------------------------------------------------- */

/*
 * False: there was no k-th allocation. A start waits for memory, and the next one finds all in
 * order.
 */
static bool
start_survives(uint64_t k, bool fails_once)
{
    struct broker_fixture fixture;
    struct client_batch batch = client_batch("a", 0);
    struct test_broker *broker;
    uint64_t left;

    broker_fixture_init(&fixture, 3);
    broker = test_broker_start(&fixture);
    ck_assert_int_eq(client_create(broker, "a", 2), KAFKA_ERROR_NONE);
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    test_broker_stop(broker);

    broker = test_broker_begin(&fixture, NULL);
    if (fails_once) {
        ks_alloc_fail_once_after(k);
    } else {
        ks_alloc_fail_after(k);
    }
    virtual_env_run_until(&fixture.v, &broker->is_started, SHORTAGE_MS);
    left = ks_alloc_fail_after(UINT64_MAX);
    ck_assert_msg(virtual_env_run_until(&fixture.v, &broker->is_started, WAIT_MS),
                  "the start hangs when allocation %llu fails", (unsigned long long) k);
    ck_assert_msg(broker->start_status == KAFSCALE_OK, "allocation %llu ends the start: %s",
                  (unsigned long long) k, broker->start_error.text);
    test_broker_stop(broker);

    broker = test_broker_start(&fixture);
    batch.sequence = 0;
    ck_assert_int_eq(client_produce(broker, &batch, NULL), KAFKA_ERROR_NONE);
    test_broker_stop(broker);
    broker_fixture_deinit(&fixture);
    return left == 0 || left == UINT64_MAX;
}

START_TEST(each_allocation_of_a_start_may_fail)
{
    for (int fails_once = 0; fails_once < 2; fails_once++) {
        uint64_t k = 0;

        while (k < ALLOCATIONS_MAX && start_survives(k, fails_once != 0)) {
            k++;
        }
        ck_assert_uint_gt(k, 50);
        ck_assert_uint_lt(k, ALLOCATIONS_MAX);
    }
}
END_TEST

Suite *
suite_new(void)
{
    Suite *suite = suite_create("crash allocation");
    TCase *cases = tcase_create("allocation");

    tcase_set_timeout(cases, 300);
    tcase_add_test(cases, each_allocation_of_a_conversation_may_fail_once);
    tcase_add_test(cases, memory_may_run_out_at_any_point_of_a_conversation);
    tcase_add_test(cases, each_allocation_of_a_start_may_fail);
    suite_add_tcase(suite, cases);
    return suite;
}
