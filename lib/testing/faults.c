/* SPDX-License-Identifier: Apache-2.0 */
#include "testing/faults.h"

#include "testing/testing.h"

#include <ctype.h>
#include <stdio.h>

/* --- Names ------------------------------------------------------------------------------------ */

/* As Kafka writes it: "ListOffsets" for list_offsets. */
static void
spell(const char *name, char out[KS_API_NAME_BYTES])
{
    bool is_first = true;
    size_t size = 0;

    for (; *name != '\0' && size < KS_API_NAME_BYTES - 1; name++) {
        if (*name == '_') {
            is_first = true;
            continue;
        }
        out[size++] = is_first ? (char) toupper((unsigned char) *name) : *name;
        is_first = false;
    }
    out[size] = '\0';
}

int16_t
ks_api_key_of(const char *name)
{
    char spelt[KS_API_NAME_BYTES];

    for (size_t i = 0; i < kafka_api_count; i++) {
        spell(kafka_apis[i].name, spelt);
        if (strcmp(spelt, name) == 0) {
            return kafka_apis[i].key;
        }
    }
    return -1;
}

void
ks_api_name_of(int16_t key, char out[KS_API_NAME_BYTES])
{
    const struct kafka_api_schema *api = kafka_api_find(key);

    spell(api == NULL ? "?" : api->name, out);
}

/* --- Requests --------------------------------------------------------------------------------- */

static const enum ks_fate_kind kinds[] = {
    [KAFSCALE_TESTING_PASSES] = KS_FATE_NONE,
    [KAFSCALE_TESTING_ERROR] = KS_FATE_ERROR,
    [KAFSCALE_TESTING_ERROR_AFTER] = KS_FATE_ERROR_AFTER,
    [KAFSCALE_TESTING_CLOSE] = KS_FATE_CLOSE,
    [KAFSCALE_TESTING_CLOSE_AFTER] = KS_FATE_CLOSE_AFTER,
};

static enum kafscale_status
check_fault(const struct kafscale_testing_fault *fault, struct kafscale_error *error)
{
    bool tells =
        fault->fate == KAFSCALE_TESTING_ERROR || fault->fate == KAFSCALE_TESTING_ERROR_AFTER;

    if (fault->size != sizeof *fault) {
        return ks_error_set(error, KAFSCALE_INVALID, "a fault of another version: size is wrong");
    }
    if ((size_t) fault->fate >= sizeof kinds / sizeof kinds[0]) {
        return ks_error_set(error, KAFSCALE_INVALID, "no such fate: %d", (int) fault->fate);
    }
    if (tells &&
        (fault->error == KAFKA_ERROR_NONE || strcmp(kafka_error_name(fault->error), "?") == 0)) {
        return ks_error_set(error, KAFSCALE_INVALID, "%d is no error code of Kafka",
                            (int) fault->error);
    }
    if (fault->before_ms < 0 || fault->after_ms < 0 || fault->throttle_ms < 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "a time is negative");
    }
    if (fault->api != NULL && ks_api_key_of(fault->api) < 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "Kafka has no API '%.60s'", fault->api);
    }
    if (fault->client_id != NULL && strlen(fault->client_id) >= KS_RULE_CLIENT_BYTES) {
        return ks_error_set(error, KAFSCALE_INVALID, "the client id is too long");
    }
    return KAFSCALE_OK;
}

enum kafscale_status
ks_testing_take_fault(struct ks_testing *testing, const struct kafscale_testing_fault *fault,
                      struct kafscale_error *error)
{
    enum kafscale_status status = check_fault(fault, error);
    struct ks_rule rule = { .api_key = KS_RULE_ANY_API };

    if (status != KAFSCALE_OK) {
        return status;
    }
    if (fault->api != NULL) {
        rule.api_key = ks_api_key_of(fault->api);
    }
    if (fault->client_id != NULL) {
        snprintf(rule.client_id, sizeof rule.client_id, "%s", fault->client_id);
    }
    rule.count = fault->count;
    rule.kind = kinds[fault->fate];
    rule.error = fault->error;
    rule.before_ms = fault->before_ms;
    rule.after_ms = fault->after_ms;
    rule.throttle_ms = fault->throttle_ms;
    status = ks_rules_add(&testing->rules, &rule);
    return status == KAFSCALE_OK ? status : ks_error_set(error, status, "no room for a fault");
}

/* --- The store -------------------------------------------------------------------------------- */

static const struct {
    enum ks_fault fault;
    const char *why;
} store_fates[] = {
    [KAFSCALE_TESTING_STORE_SLOW] = { KS_FAULT_NONE, NULL },
    [KAFSCALE_TESTING_STORE_UNAVAILABLE] = { KS_FAULT_UNAVAILABLE, "can't be reached" },
    [KAFSCALE_TESTING_STORE_BUSY] = { KS_FAULT_UNAVAILABLE, "503 SlowDown" },
    [KAFSCALE_TESTING_STORE_DENIED] = { KS_FAULT_UNAVAILABLE, "403 AccessDenied" },
    [KAFSCALE_TESTING_STORE_FULL] = { KS_FAULT_UNAVAILABLE, "no space left" },
    [KAFSCALE_TESTING_STORE_TIMEOUT] = { KS_FAULT_ERROR_AFTER, NULL },
    [KAFSCALE_TESTING_STORE_LOST] = { KS_FAULT_ERROR_BEFORE, NULL },
};

/* KS_STORE_OPERATION_COUNT: any; false: there is none of this name. */
static bool
operation_of(const char *name, enum ks_store_operation *operation_out)
{
    *operation_out = KS_STORE_OPERATION_COUNT;
    for (int i = 0; name != NULL && i < KS_STORE_OPERATION_COUNT; i++) {
        if (strcmp(ks_store_operation_name((enum ks_store_operation) i), name) == 0) {
            *operation_out = (enum ks_store_operation) i;
            return true;
        }
    }
    return name == NULL;
}

enum kafscale_status
ks_testing_take_store_fault(struct ks_testing *testing,
                            const struct kafscale_testing_store_fault *fault,
                            struct kafscale_error *error)
{
    struct ks_fate fate = { 0 };
    enum ks_store_operation operation;
    enum kafscale_status status;

    if (fault->size != sizeof *fault) {
        return ks_error_set(error, KAFSCALE_INVALID, "a fault of another version: size is wrong");
    }
    if ((size_t) fault->fate >= sizeof store_fates / sizeof store_fates[0]) {
        return ks_error_set(error, KAFSCALE_INVALID, "no such fate: %d", (int) fault->fate);
    }
    if (!operation_of(fault->operation, &operation)) {
        return ks_error_set(error, KAFSCALE_INVALID, "'%.60s' is none of PUT, GET, LIST and DELETE",
                            fault->operation);
    }
    if (fault->delay_ms < 0) {
        return ks_error_set(error, KAFSCALE_INVALID, "a time is negative");
    }
    fate.fault = store_fates[fault->fate].fault;
    fate.why = store_fates[fault->fate].why;
    fate.answer_ms = fault->delay_ms;
    status = ks_testing_fail_store(testing, operation, fault->key_part, fate, fault->count);
    return status == KAFSCALE_OK ? status : ks_error_set(error, status, "no room for a fault");
}

/* --- Conditions ------------------------------------------------------------------------------- */

bool
ks_testing_group_is(struct ks_broker *broker, const char *group, size_t member_count)
{
    struct ks_coordinator *coordinator = ks_broker_coordinator(broker);
    struct ks_coordinated_group *found = NULL;
    enum ks_group_state state = KS_GROUP_EMPTY;
    size_t count = 0;

    if (ks_broker_state(broker) != KS_BROKER_READY) {
        return false;
    }
    if (coordinator->topic == NULL) {
        return member_count == 0; /* there never was a group */
    }
    switch (ks_coordinator_find(coordinator, ks_slice_of_text(group), &found)) {
    case KS_GROUP_OK:
        state = ks_group_state(found->group);
        count = ks_group_member_count(found->group);
        break;
    case KS_GROUP_NOT_FOUND:
        break;
    default:
        return false;
    }
    return count == member_count && state == (member_count == 0 ? KS_GROUP_EMPTY : KS_GROUP_STABLE);
}

static int64_t
watermark(struct ks_topic *topic, int32_t index)
{
    const struct ks_topic_partition *partition = ks_topic_partition(topic, index);

    return partition == NULL || partition->log == NULL
               ? 0
               : ks_partition_high_watermark(partition->log);
}

bool
ks_testing_has_records(struct ks_broker *broker, const char *topic, int32_t partition,
                       int64_t high_watermark)
{
    struct ks_topic *found;
    int64_t sum = 0;

    if (ks_broker_state(broker) != KS_BROKER_READY) {
        return false;
    }
    found = ks_topics_find(ks_broker_topics(broker), ks_slice_of_text(topic));
    if (found == NULL) {
        return false;
    }
    if (partition >= 0) {
        return watermark(found, partition) >= high_watermark;
    }
    for (int32_t i = 0; i < found->record.partition_count; i++) {
        sum += watermark(found, i);
    }
    return sum >= high_watermark;
}
