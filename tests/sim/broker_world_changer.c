/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two more administrators, who change the topic that stays: add partitions to it, change its
 * configurations, each his own, and look at both. Each has one request at a time. Each change has a
 * number of its own, so that a value tells which change is in force. What a change without an
 * answer did is open; what was acknowledged holds, at once where it was acknowledged and everywhere
 * at the end, whatever the other one changes meanwhile.
 */
#include "sim/broker_world_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PATIENCE_MS 4000

enum changer_call { CALL_GROW, CALL_CHANGE, CALL_COUNT, CALL_DESCRIBE };

/* Tags: their addresses say what was asked. */
static char tags[CALL_DESCRIBE + 1];

/*
 * Change number n sets the key at n % CHANGER_KEYS to its base and n; all act, none hurts. With so
 * small a segment.ms the records of a few batches only share a segment.
 */
static const struct {
    const char *name;
    int64_t base;
} keys[WORLD_CHANGERS][CHANGER_KEYS] = {
    { { "max.message.bytes", 1000000 }, { "retention.bytes", 1000000000000 } },
    { { "retention.ms", 1000000000000 }, { "segment.ms", 60000 } },
};

static void
send(struct changer *c, enum changer_call call, int16_t key, int16_t version, const void *request)
{
    struct world *w = c->client.world;

    w->events->operations++;
    c->sent_at_ms = w->v.now_ms;
    c->client.damaged_before = world_damaged_answers(w);
    c->client.waits_since_ms = w->v.now_ms;
    line_send(c->client.line, key, version, request, &tags[call]);
}

/* --- Partitions ------------------------------------------------------------------------------- */

int
world_partitions(const struct world *w)
{
    int count = 0;

    while (count < WORLD_PARTITIONS && w->partitions_since_ms[count] >= 0) {
        count++;
    }
    return count;
}

void
world_know_partitions(struct world *w, int32_t count)
{
    for (int32_t i = 0; i < count && i < WORLD_PARTITIONS; i++) {
        if (w->partitions_since_ms[i] < 0) {
            w->partitions_since_ms[i] = w->v.now_ms;
        }
    }
}

void
world_check_partition_error(struct world *w, const char *api, int32_t index, int16_t code,
                            int64_t sent_at_ms)
{
    if (code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION && index >= 0 && index < WORLD_PARTITIONS &&
        sent_at_ms <= w->partitions_since_ms[index] + WORLD_FRESHNESS_MS) {
        return;
    }
    world_check_error(w, api, code, sent_at_ms);
}

/* The most that anybody has asked for, but for the request of this one that is under way. */
static int32_t
asked_before(const struct changer *c)
{
    const struct world *w = c->client.world;
    int32_t most =
        w->admin.first_partitions > c->count_before ? w->admin.first_partitions : c->count_before;

    for (int i = 0; i < WORLD_CHANGERS; i++) {
        if (&w->changers[i] != c && w->changers[i].partitions_asked > most) {
            most = w->changers[i].partitions_asked;
        }
    }
    return most;
}

/* More than there are known to be; at the end of what there is room for, any number. */
static void
grow(struct changer *c)
{
    struct world *w = c->client.world;
    int known = world_partitions(w);
    struct kafka_create_partitions_request_topic topic;
    struct kafka_create_partitions_request request;

    c->count_before = c->partitions_asked;
    c->count_asked =
        known < WORLD_PARTITIONS
            ? known + 1 + (int32_t) world_draw(w, (uint64_t) (WORLD_PARTITIONS - known))
            : 1 + (int32_t) world_draw(w, WORLD_PARTITIONS);
    if (c->count_asked > c->partitions_asked) {
        c->partitions_asked = c->count_asked;
    }
    kafka_message_init(&kafka_create_partitions_request_message, &request);
    kafka_message_init(&kafka_create_partitions_request_topic_message, &topic);
    topic.name = ks_slice_of_text("stays");
    topic.count = c->count_asked;
    topic.assignments_count = -1;
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = 2000;
    send(c, CALL_GROW, KAFKA_API_CREATE_PARTITIONS, (int16_t) world_draw(w, 4), &request);
}

static bool
take_grown(struct changer *c, const struct kafka_create_partitions_response *response)
{
    struct world *w = c->client.world;
    int16_t code = response->results[0].error_code;
    int64_t since_ms = w->partitions_since_ms[c->count_asked - 1];

    if (code == KAFKA_ERROR_INVALID_PARTITIONS) {
        if (c->count_asked > asked_before(c)) {
            world_broken(w, "partitions are there that nobody has asked for", c->count_asked,
                         asked_before(c));
        }
        w->events->partitions_refused++;
    } else if (code != 0) {
        world_check_error(w, "CreatePartitions", code, c->sent_at_ms);
        return false;
    } else {
        if (since_ms >= 0 && since_ms + WORLD_FRESHNESS_MS < c->sent_at_ms) {
            world_broken(w, "partitions were added that were there already", c->count_asked,
                         since_ms);
        }
        w->events->partitions_added++;
    }
    world_know_partitions(w, c->count_asked);
    c->count_here = c->count_asked > c->count_here ? c->count_asked : c->count_here;
    return true;
}

static void
ask_count(struct changer *c)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request request;

    kafka_message_init(&kafka_metadata_request_message, &request);
    kafka_message_init(&kafka_metadata_request_topic_message, &topic);
    topic.name = ks_slice_of_text("stays");
    request.topics = &topic;
    request.topics_count = 1;
    send(c, CALL_COUNT, KAFKA_API_METADATA, (int16_t) (1 + world_draw(c->client.world, 9)),
         &request);
}

static bool
take_count(struct changer *c, const struct kafka_metadata_response *response)
{
    struct world *w = c->client.world;
    const struct kafka_metadata_response_topic *topic = &response->topics[0];
    int32_t count = topic->partitions_count;

    if (topic->error_code != 0) {
        world_check_error(w, "Metadata", topic->error_code, c->sent_at_ms);
        return false;
    }
    if (count > c->partitions_asked && count > asked_before(c)) {
        world_broken(w, "a topic has more partitions than anybody has asked for", count,
                     c->partitions_asked);
    }
    if (count < c->count_here) {
        world_broken(w, "the number of partitions goes back", count, c->count_here);
    }
    if (w->is_over && c->must_check && count < world_partitions(w)) {
        world_broken(w, "partitions that were acknowledged are gone", count, world_partitions(w));
    }
    world_know_partitions(w, count);
    c->count_here = count;
    c->has_counted = w->is_over && c->must_check;
    return true;
}

/* --- Configurations --------------------------------------------------------------------------- */

static void
change(struct changer *c)
{
    struct kafka_incremental_alter_configs_request_resource_config config;
    struct kafka_incremental_alter_configs_request_resource resource;
    struct kafka_incremental_alter_configs_request request;
    int32_t number = c->change_count;
    char value[32];

    if (number == CHANGES_MAX) {
        return;
    }
    c->change_count++;
    snprintf(value, sizeof value, "%" PRId64, keys[c->index][number % CHANGER_KEYS].base + number);
    kafka_message_init(&kafka_incremental_alter_configs_request_message, &request);
    kafka_message_init(&kafka_incremental_alter_configs_request_resource_message, &resource);
    kafka_message_init(&kafka_incremental_alter_configs_request_resource_config_message, &config);
    config.name = ks_slice_of_text(keys[c->index][number % CHANGER_KEYS].name);
    config.value = ks_slice_of_text(value);
    resource.resource_type = 2;
    resource.resource_name = ks_slice_of_text("stays");
    resource.configs = &config;
    resource.configs_count = 1;
    request.resources = &resource;
    request.resources_count = 1;
    send(c, CALL_CHANGE, KAFKA_API_INCREMENTAL_ALTER_CONFIGS,
         (int16_t) world_draw(c->client.world, 2), &request);
}

static bool
take_changed(struct changer *c, const struct kafka_incremental_alter_configs_response *response)
{
    struct world *w = c->client.world;
    int16_t code = response->responses[0].error_code;
    int32_t number = c->change_count - 1;

    if (code != 0) {
        world_check_error(w, "IncrementalAlterConfigs", code, c->sent_at_ms);
        return false;
    }
    c->is_acknowledged[number] = true;
    c->newest[number % CHANGER_KEYS] = number;
    c->newest_here[number % CHANGER_KEYS] = number;
    w->events->configs_changed++;
    return true;
}

static void
describe(struct changer *c)
{
    struct kafka_describe_configs_request_resource resource;
    struct kafscale_slice names[CHANGER_KEYS];
    struct kafka_describe_configs_request request;

    kafka_message_init(&kafka_describe_configs_request_message, &request);
    kafka_message_init(&kafka_describe_configs_request_resource_message, &resource);
    for (int i = 0; i < CHANGER_KEYS; i++) {
        names[i] = ks_slice_of_text(keys[c->index][i].name);
    }
    resource.resource_type = 2;
    resource.resource_name = ks_slice_of_text("stays");
    resource.configuration_keys = names;
    resource.configuration_keys_count = CHANGER_KEYS;
    request.resources = &resource;
    request.resources_count = 1;
    send(c, CALL_DESCRIBE, KAFKA_API_DESCRIBE_CONFIGS,
         (int16_t) (1 + world_draw(c->client.world, 4)), &request);
}

/* The change that a value tells of; -1: none yet. */
static int32_t
number_of(int64_t base, bool is_default, struct kafscale_slice value)
{
    char text[32] = { 0 };

    if (is_default) {
        return -1;
    }
    memcpy(text, value.data, value.size < sizeof text ? value.size : sizeof text - 1);
    return (int32_t) (strtoll(text, NULL, 10) - base);
}

/* What a change without an answer did may come at any time. */
static bool
is_open(const struct changer *c, int32_t number)
{
    return number >= 0 && !c->is_acknowledged[number];
}

static void
check_value(struct changer *c, int key, int32_t number)
{
    struct world *w = c->client.world;

    if (number < -1 || number >= c->change_count || (number >= 0 && number % CHANGER_KEYS != key)) {
        world_broken(w, "a configuration that nobody has set", key, number);
    } else if (!is_open(c, number) && number < c->newest_here[key]) {
        world_broken(w, "a configuration goes back where it was acknowledged", number,
                     c->newest_here[key]);
    } else if (!is_open(c, number) && w->is_over && c->must_check && number != c->newest[key]) {
        world_broken(w, "a configuration that was acknowledged is lost", number, c->newest[key]);
    }
}

static bool
take_described(struct changer *c, const struct kafka_describe_configs_response *response)
{
    const struct kafka_describe_configs_response_result *result = &response->results[0];
    struct world *w = c->client.world;

    if (result->error_code != 0) {
        world_check_error(w, "DescribeConfigs", result->error_code, c->sent_at_ms);
        return false;
    }
    if (result->configs_count != CHANGER_KEYS) {
        world_broken(w, "a configuration is not described", result->configs_count, CHANGER_KEYS);
        return false;
    }
    for (int32_t i = 0; i < result->configs_count && !w->is_broken; i++) {
        bool is_default = result->configs[i].config_source == 5;

        for (int key = 0; key < CHANGER_KEYS; key++) {
            if (ks_slice_equals(result->configs[i].name,
                                ks_slice_of_text(keys[c->index][key].name))) {
                check_value(
                    c, key,
                    number_of(keys[c->index][key].base, is_default, result->configs[i].value));
            }
        }
    }
    w->events->configs_described++;
    c->has_described = w->is_over && c->must_check;
    return true;
}

/* --- The client ------------------------------------------------------------------------------- */

static void
on_answered(struct client *client, void *tag, const void *response)
{
    struct changer *c = KS_CONTAINER(client, struct changer, client);
    bool is_good = false;

    client->waits_since_ms = -1;
    switch ((enum changer_call)((char *) tag - tags)) {
    case CALL_GROW:
        is_good = take_grown(c, response);
        break;
    case CALL_CHANGE:
        is_good = take_changed(c, response);
        break;
    case CALL_COUNT:
        is_good = take_count(c, response);
        break;
    case CALL_DESCRIBE:
        is_good = take_described(c, response);
        break;
    }
    if (!is_good) {
        client_leave(client);
    }
}

/* At the end both are looked at once more. */
static void
check_last(struct changer *c)
{
    if (c->must_check && !c->has_counted) {
        ask_count(c);
    } else if (c->must_check && !c->has_described) {
        describe(c);
    }
}

static void
act(struct client *client)
{
    struct changer *c = KS_CONTAINER(client, struct changer, client);
    struct world *w = client->world;
    uint64_t dice = world_draw(w, 120);

    if (w->admin.stays_since_ms < 0 || !client_is_patient(client, PATIENCE_MS) ||
        client->waits_since_ms >= 0 || !client_connect(client)) {
        return;
    }
    if (w->is_over) {
        check_last(c);
    } else if (dice < 3) {
        grow(c);
    } else if (dice < 8) {
        change(c);
    } else if (dice < 10) {
        ask_count(c);
    } else if (dice < 13) {
        describe(c);
    }
}

/* Another broker may know less than the one that was left. */
static void
on_lost(struct client *client)
{
    struct changer *c = KS_CONTAINER(client, struct changer, client);

    c->count_here = 0;
    for (int i = 0; i < CHANGER_KEYS; i++) {
        c->newest_here[i] = -1;
    }
}

void
changer_init(struct changer *c, struct world *world, int index)
{
    c->index = index;
    for (int i = 0; i < CHANGER_KEYS; i++) {
        c->newest[i] = -1;
        c->newest_here[i] = -1;
    }
    c->client.lost = on_lost;
    c->client.answered = on_answered;
    c->client.act = act;
    client_init(&c->client, world);
}

void
changer_deinit(struct changer *c)
{
    client_deinit(&c->client);
}
