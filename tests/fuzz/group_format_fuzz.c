/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of groups from anywhere. The first byte of an input says what the rest is: a key, a
 * committed offset, a group, or the id of a group. What can be read must be the same again when it
 * is read from what is written of it.
 */
#include "fuzz/fuzz.h"
#include "group/group_format.h"

#define ARENA_BYTES (16u << 20)

static bool
same_nullable(struct kafscale_slice a, struct kafscale_slice b)
{
    return (a.data == NULL) == (b.data == NULL) && ks_slice_equals(a, b);
}

static void
try_key(struct kafscale_slice bytes)
{
    struct ks_group_key key;
    struct ks_group_key again;
    struct kafscale_error error = { 0 };
    struct ks_buffer buffer;

    if (ks_group_key_decode(bytes, &key, &error) != KAFSCALE_OK || key.kind == KS_GROUP_KEY_OTHER) {
        return;
    }
    ks_buffer_init(&buffer, SIZE_MAX);
    if (key.kind == KS_GROUP_KEY_OFFSET) {
        ks_group_key_encode_offset(&buffer, key.group, key.topic, key.partition);
    } else {
        ks_group_key_encode_group(&buffer, key.group);
    }
    demand(ks_group_key_decode(ks_buffer_slice(&buffer), &again, &error) == KAFSCALE_OK);
    demand(again.kind == key.kind && again.partition == key.partition);
    demand(same_nullable(again.group, key.group) && same_nullable(again.topic, key.topic));
    ks_buffer_deinit(&buffer);
}

static void
try_offset(struct kafscale_slice bytes)
{
    struct ks_offset_value value;
    struct ks_offset_value again;
    struct kafscale_error error = { 0 };
    struct ks_buffer buffer;

    if (ks_offset_value_decode(bytes, &value, &error) != KAFSCALE_OK) {
        return;
    }
    ks_buffer_init(&buffer, SIZE_MAX);
    ks_offset_value_encode(&buffer, &value);
    demand(ks_offset_value_decode(ks_buffer_slice(&buffer), &again, &error) == KAFSCALE_OK);
    demand(again.offset == value.offset && again.leader_epoch == value.leader_epoch);
    demand(again.committed_ms == value.committed_ms && again.expires_ms == value.expires_ms);
    demand(same_nullable(again.metadata, value.metadata));
    demand(ks_id_equals(&again.topic_id, &value.topic_id));
    ks_buffer_deinit(&buffer);
}

static void
demand_same_member(const struct ks_group_value_member *a, const struct ks_group_value_member *b)
{
    demand(same_nullable(a->member_id, b->member_id));
    demand(same_nullable(a->instance_id, b->instance_id));
    demand(same_nullable(a->client_id, b->client_id));
    demand(same_nullable(a->client_host, b->client_host));
    demand(a->rebalance_timeout_ms == b->rebalance_timeout_ms);
    demand(a->session_timeout_ms == b->session_timeout_ms);
    demand(same_nullable(a->subscription, b->subscription));
    demand(same_nullable(a->assignment, b->assignment));
}

static void
demand_same_group(const struct ks_group_value *a, const struct ks_group_value *b)
{
    demand(same_nullable(a->protocol_type, b->protocol_type) && a->generation == b->generation);
    demand(same_nullable(a->protocol, b->protocol) && same_nullable(a->leader, b->leader));
    demand(a->since_ms == b->since_ms && a->member_count == b->member_count);
    for (size_t i = 0; i < a->member_count; i++) {
        demand_same_member(&a->members[i], &b->members[i]);
    }
}

static void
try_group(struct kafscale_slice bytes)
{
    struct ks_group_value value;
    struct ks_group_value again;
    struct kafscale_error error = { 0 };
    struct ks_arena arena;
    struct ks_buffer buffer;

    ks_arena_init(&arena, ARENA_BYTES);
    ks_buffer_init(&buffer, SIZE_MAX);
    if (ks_group_value_decode(bytes, &arena, &value, &error) == KAFSCALE_OK) {
        ks_group_value_encode(&buffer, &value);
        demand(ks_group_value_decode(ks_buffer_slice(&buffer), &arena, &again, &error) ==
               KAFSCALE_OK);
        demand_same_group(&value, &again);
    }
    ks_buffer_deinit(&buffer);
    ks_arena_deinit(&arena);
}

static void
try_partition(struct kafscale_slice bytes)
{
    int32_t partition = ks_group_partition(bytes, 50);

    demand(partition >= 0 && partition < 50);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kafscale_slice bytes;
    uint8_t *copy;

    if (size < 1) {
        return 0;
    }
    copy = copy_bytes(ks_slice(data + 1, size - 1));
    bytes = ks_slice(copy, size - 1);
    if (data[0] == 'k') {
        try_key(bytes);
    } else if (data[0] == 'o') {
        try_offset(bytes);
    } else if (data[0] == 'g') {
        try_group(bytes);
    } else {
        try_partition(bytes);
    }
    free(copy);
    return 0;
}
