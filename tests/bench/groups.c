/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load of consumer groups without records: members that send heartbeats, each on a connection of
 * its own as real ones do; commits at a given rate; and how long it takes until a broker that was
 * started on many groups answers for all of them.
 */
#include "requests.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define JOIN 11
#define HEARTBEAT 12
#define SYNC 14
#define COMMIT 8
#define FETCH 9
#define FIND 10
#define NAME_BYTES 32
#define HEARTBEAT_MS 3000
#define SESSION_MS 45000
#define COMMITS_UNDER_WAY 64
#define LOADING 14
#define NOT_AVAILABLE 15
#define NOT_COORDINATOR 16

static const char usage[] = "usage: groups ADDRESS beat GROUPS MEMBERS SECONDS\n"
                            "       groups ADDRESS commit TOPIC GROUPS PER_SECOND SECONDS\n"
                            "       groups ADDRESS fill TOPIC GROUPS PARTITIONS\n"
                            "       groups ADDRESS await TOPIC GROUPS PARTITIONS";

static struct kafscale_slice
text(const char *string)
{
    return (struct kafscale_slice){ (const uint8_t *) string, strlen(string) };
}

static int
number(const char *word, int lowest, int highest)
{
    char *end;
    long value = strtol(word, &end, 10);

    if (*end != '\0' || value < lowest || value > highest) {
        die("not a number from %d to %d: %s", lowest, highest, word);
    }
    return (int) value;
}

static void *
array(size_t count, size_t element_bytes)
{
    void *memory = calloc(count, element_bytes);

    if (memory == NULL) {
        die("no memory");
    }
    return memory;
}

/* The coordinator says for a while that it isn't there. */
static void
find_coordinator(struct wire *wire)
{
    for (;;) {
        struct kafka_find_coordinator_request request;
        struct kafka_find_coordinator_response response;
        struct ks_arena arena;
        int16_t code;

        kafka_message_init(&kafka_find_coordinator_request_message, &request);
        request.key = text("bench");
        wire_send(wire, FIND, 2, &request);
        ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
        wire_receive(wire, FIND, 2, &arena, &response);
        code = response.error_code;
        ks_arena_deinit(&arena);
        if (code == 0) {
            return;
        }
        if (code != LOADING && code != NOT_AVAILABLE) {
            die("no coordinator: error %d", code);
        }
    }
}

/* The offset of the last partition; LOADING and the like: the negative of the code. */
static int64_t
fetch(struct wire *wire, const char *group, const char *topic, int32_t partition)
{
    struct kafka_offset_fetch_request_topic asked;
    struct kafka_offset_fetch_request request;
    struct kafka_offset_fetch_response response;
    struct ks_arena arena;
    int64_t offset;

    kafka_message_init(&kafka_offset_fetch_request_message, &request);
    kafka_message_init(&kafka_offset_fetch_request_topic_message, &asked);
    asked.name = text(topic);
    asked.partition_indexes = &partition;
    asked.partition_indexes_count = 1;
    request.group_id = text(group);
    request.topics = &asked;
    request.topics_count = 1;
    wire_send(wire, FETCH, 7, &request);
    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_receive(wire, FETCH, 7, &arena, &response);
    if (response.error_code != 0) {
        offset = -response.error_code;
    } else if (response.topics_count != 1 || response.topics[0].partitions_count != 1) {
        die("an answer without the partition that was asked for");
    } else {
        offset = response.topics[0].partitions[0].committed_offset;
    }
    ks_arena_deinit(&arena);
    return offset;
}

/* Until the broker has read where it keeps these groups. */
static void
await_groups(struct wire *wire, int groups)
{
    char group[NAME_BYTES];

    for (int i = 0; i < groups; i++) {
        int64_t answer;

        snprintf(group, sizeof group, "bench-%d", i);
        do {
            answer = fetch(wire, group, "bench", 0);
        } while (answer == -LOADING || answer == -NOT_AVAILABLE || answer == -NOT_COORDINATOR);
    }
}

/* --- Members ---------------------------------------------------------------------------------- */

struct member {
    struct wire wire;
    char group[NAME_BYTES];
    char id[128];
    int32_t generation;
    bool is_leader;
};

static void
send_join(struct member *member)
{
    struct kafka_join_group_request request;
    struct kafka_join_group_request_protocol protocol;

    kafka_message_init(&kafka_join_group_request_message, &request);
    kafka_message_init(&kafka_join_group_request_protocol_message, &protocol);
    protocol.name = text("range");
    protocol.metadata = text("subscription");
    request.group_id = text(member->group);
    request.session_timeout_ms = SESSION_MS;
    request.rebalance_timeout_ms = SESSION_MS;
    request.protocol_type = text("bench");
    request.protocols = &protocol;
    request.protocols_count = 1;
    wire_send(&member->wire, JOIN, 3, &request);
}

static void
await_join(struct member *member)
{
    struct kafka_join_group_response response;
    struct ks_arena arena;

    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_receive(&member->wire, JOIN, 3, &arena, &response);
    if (response.error_code != 0 || response.member_id.size >= sizeof member->id) {
        die("join: error %d", response.error_code);
    }
    memcpy(member->id, response.member_id.data, response.member_id.size);
    member->id[response.member_id.size] = '\0';
    member->generation = response.generation_id;
    member->is_leader = ks_slice_equals(response.leader, response.member_id);
    ks_arena_deinit(&arena);
}

static void
send_sync(struct member *member)
{
    struct kafka_sync_group_request request;
    struct kafka_sync_group_request_assignment own;

    kafka_message_init(&kafka_sync_group_request_message, &request);
    kafka_message_init(&kafka_sync_group_request_assignment_message, &own);
    own.member_id = text(member->id);
    own.assignment = text("assignment");
    request.group_id = text(member->group);
    request.generation_id = member->generation;
    request.member_id = text(member->id);
    request.assignments = &own;
    request.assignments_count = member->is_leader ? 1 : 0;
    wire_send(&member->wire, SYNC, 3, &request);
}

static void
await_sync(struct member *member)
{
    struct kafka_sync_group_response response;
    struct ks_arena arena;

    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_receive(&member->wire, SYNC, 3, &arena, &response);
    if (response.error_code != 0) {
        die("sync: error %d", response.error_code);
    }
    ks_arena_deinit(&arena);
}

static void
send_heartbeat(struct member *member)
{
    struct kafka_heartbeat_request request;

    kafka_message_init(&kafka_heartbeat_request_message, &request);
    request.group_id = text(member->group);
    request.generation_id = member->generation;
    request.member_id = text(member->id);
    wire_send(&member->wire, HEARTBEAT, 3, &request);
}

static void
await_heartbeat(struct member *member)
{
    struct kafka_heartbeat_response response;
    struct ks_arena arena;

    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_receive(&member->wire, HEARTBEAT, 3, &arena, &response);
    if (response.error_code != 0) {
        die("heartbeat: error %d", response.error_code);
    }
    ks_arena_deinit(&arena);
}

static struct member *
make_members(const char *address, int groups, int size)
{
    size_t count = (size_t) groups * (size_t) size;
    struct member *members = array(count, sizeof *members);

    for (size_t i = 0; i < count; i++) {
        wire_connect(&members[i].wire, address);
        snprintf(members[i].group, sizeof members[i].group, "bench-%zu", i / (size_t) size);
    }
    find_coordinator(&members[0].wire);
    await_groups(&members[0].wire, groups);
    for (size_t i = 0; i < count; i++) {
        send_join(&members[i]);
    }
    for (size_t i = 0; i < count; i++) {
        await_join(&members[i]);
    }
    for (size_t i = 0; i < count; i++) {
        send_sync(&members[i]);
    }
    for (size_t i = 0; i < count; i++) {
        await_sync(&members[i]);
    }
    return members;
}

/* The members' heartbeats are spread evenly over time, as those of independent clients are. */
static void
beat(const char *address, char **words)
{
    int groups = number(words[0], 1, 100000);
    int size = number(words[1], 1, 1000);
    int64_t seconds = number(words[2], 1, 3600);
    size_t count = (size_t) groups * (size_t) size;
    struct member *members;
    int64_t begun_us;
    uint64_t sent = 0;
    uint64_t total = (uint64_t) seconds * 1000 / HEARTBEAT_MS * count;
    struct rlimit limit = { .rlim_cur = count + 64, .rlim_max = count + 64 };

    (void) setrlimit(RLIMIT_NOFILE, &limit);
    members = make_members(address, groups, size);
    printf("ready\n");
    fflush(stdout);
    begun_us = now_us();
    while (sent < total) {
        uint64_t due = (uint64_t) (now_us() - begun_us) * count / (HEARTBEAT_MS * 1000);
        uint64_t first = sent;

        for (; sent < due && sent < total; sent++) {
            send_heartbeat(&members[sent % count]);
        }
        for (uint64_t i = first; i < sent; i++) {
            await_heartbeat(&members[i % count]);
        }
        (void) wire_wait(&members[0].wire, now_us() + 10000);
    }
    printf("{\"heartbeats\": %llu, \"seconds\": %.3f}\n", (unsigned long long) sent,
           (double) (now_us() - begun_us) / 1e6);
    for (size_t i = 0; i < count; i++) {
        wire_close(&members[i].wire);
    }
    free(members);
}

/* --- Commits ---------------------------------------------------------------------------------- */

static void
send_commit(struct wire *wire, const char *group, const char *topic, int32_t first,
            int32_t partitions, int64_t offset)
{
    struct kafka_offset_commit_request_topic_partition *parts =
        array((size_t) partitions, sizeof *parts);
    struct kafka_offset_commit_request_topic asked;
    struct kafka_offset_commit_request request;

    kafka_message_init(&kafka_offset_commit_request_message, &request);
    kafka_message_init(&kafka_offset_commit_request_topic_message, &asked);
    for (int32_t i = 0; i < partitions; i++) {
        kafka_message_init(&kafka_offset_commit_request_topic_partition_message, &parts[i]);
        parts[i].partition_index = first + i;
        parts[i].committed_offset = offset;
        parts[i].committed_metadata = text("");
    }
    asked.name = text(topic);
    asked.partitions = parts;
    asked.partitions_count = partitions;
    request.group_id = text(group);
    request.topics = &asked;
    request.topics_count = 1;
    wire_send(wire, COMMIT, 7, &request);
    free(parts);
}

static void
await_commit(struct wire *wire)
{
    struct kafka_offset_commit_response response;
    struct ks_arena arena;

    ks_arena_init(&arena, WIRE_ARENA_BYTES_MAX);
    wire_receive(wire, COMMIT, 7, &arena, &response);
    for (int32_t i = 0; i < response.topics_count; i++) {
        for (int32_t j = 0; j < response.topics[i].partitions_count; j++) {
            if (response.topics[i].partitions[j].error_code != 0) {
                die("commit: error %d", response.topics[i].partitions[j].error_code);
            }
        }
    }
    ks_arena_deinit(&arena);
}

/* Committers, one for each group, in turn; one that has no answer yet is waited for. */
static void
commit(const char *address, char **words)
{
    const char *topic = words[0];
    int groups = number(words[1], 1, 10000);
    int per_second = number(words[2], 1, 1000000);
    int64_t seconds = number(words[3], 1, 3600);
    struct wire *wires = array((size_t) groups, sizeof *wires);
    int *under_way = array((size_t) groups, sizeof *under_way);
    char group[NAME_BYTES];
    uint64_t total = (uint64_t) per_second * (uint64_t) seconds;
    uint64_t sent = 0;
    int64_t begun_us;

    for (int i = 0; i < groups; i++) {
        wire_connect(&wires[i], address);
    }
    find_coordinator(&wires[0]);
    await_groups(&wires[0], groups);
    begun_us = now_us();
    while (sent < total) {
        uint64_t due = (uint64_t) (now_us() - begun_us) * (uint64_t) per_second / 1000000;

        for (; sent < due && sent < total; sent++) {
            size_t i = sent % (size_t) groups;

            snprintf(group, sizeof group, "bench-%zu", i);
            while (under_way[i] >= COMMITS_UNDER_WAY ||
                   (under_way[i] > 0 && wire_wait(&wires[i], 0))) {
                await_commit(&wires[i]);
                under_way[i]--;
            }
            send_commit(&wires[i], group, topic, 0, 1, (int64_t) sent);
            under_way[i]++;
        }
        (void) wire_wait(&wires[0], now_us() + 1000);
    }
    for (int i = 0; i < groups; i++) {
        for (; under_way[i] > 0; under_way[i]--) {
            await_commit(&wires[i]);
        }
        wire_close(&wires[i]);
    }
    printf("{\"commits\": %llu, \"seconds\": %.3f}\n", (unsigned long long) total,
           (double) (now_us() - begun_us) / 1e6);
    free(under_way);
    free(wires);
}

static void
fill(const char *address, char **words)
{
    int groups = number(words[1], 1, 1000000);
    int partitions = number(words[2], 1, 10000);
    char group[NAME_BYTES];
    struct wire wire;
    int answered = 0;

    wire_connect(&wire, address);
    create_topic(&wire, words[0], partitions);
    find_coordinator(&wire);
    await_groups(&wire, groups);
    for (int i = 0; i < groups; i++) {
        snprintf(group, sizeof group, "bench-%d", i);
        send_commit(&wire, group, words[0], 0, partitions, i);
        for (; i - answered >= COMMITS_UNDER_WAY; answered++) {
            await_commit(&wire);
        }
    }
    for (; answered < groups; answered++) {
        await_commit(&wire);
    }
    wire_close(&wire);
    printf("{\"offsets\": %lld}\n", (long long) groups * partitions);
}

/* --- The wait for a coordinator --------------------------------------------------------------- */

/* Asks from when the broker can be reached until every group has answered. */
static void
await_all(const char *address, char **words)
{
    int groups = number(words[1], 1, 1000000);
    int partitions = number(words[2], 1, 10000);
    char group[NAME_BYTES];
    int64_t begun_us = now_us();
    int64_t first_us = 0;
    struct wire wire;

    while (!wire_try_connect(&wire, address)) {
    }
    for (int i = 0; i < groups; i++) {
        int64_t offset;

        snprintf(group, sizeof group, "bench-%d", i);
        do {
            offset = fetch(&wire, group, words[0], partitions - 1);
        } while (offset == -LOADING || offset == -NOT_AVAILABLE || offset == -NOT_COORDINATOR);
        if (offset != i) {
            die("group %s: offset %lld", group, (long long) offset);
        }
        first_us = i == 0 ? now_us() : first_us;
    }
    wire_close(&wire);
    printf("{\"groups\": %d, \"first_ms\": %.1f, \"all_ms\": %.1f}\n", groups,
           (double) (first_us - begun_us) / 1e3, (double) (now_us() - begun_us) / 1e3);
}

static const struct command {
    const char *name;
    int word_count;
    void (*run)(const char *address, char **words);
} commands[] = {
    { "beat", 3, beat },
    { "commit", 4, commit },
    { "fill", 3, fill },
    { "await", 3, await_all },
};

int
main(int argc, char **argv)
{
    for (size_t i = 0; argc > 2 && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[2], commands[i].name) == 0 && argc == 3 + commands[i].word_count) {
            commands[i].run(argv[1], argv + 3);
            return EXIT_SUCCESS;
        }
    }
    die("%s", usage);
}
