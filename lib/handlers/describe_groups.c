/* SPDX-License-Identifier: Apache-2.0 */
/* DescribeGroups: the state and the members of groups, as tools parse and show them. */
#include "handlers/api.h"
#include "handlers/groups.h"

#include <stdio.h>

/* From this version on a group that isn't there is an error, with a text. */
#define NOT_FOUND_VERSION 6

/* What Kafka answers without an authorizer: read, delete, describe, and both of configurations. */
#define GROUP_OPERATIONS 3400

#define SHOWN_BYTES_MAX 200

static struct kafscale_slice
not_found_text(struct ks_request *request, struct kafscale_slice group_id)
{
    char text[SHOWN_BYTES_MAX + 32];
    size_t shown = group_id.size < SHOWN_BYTES_MAX ? group_id.size : SHOWN_BYTES_MAX;

    snprintf(text, sizeof text, "Group %.*s not found.", (int) shown, (const char *) group_id.data);
    return ks_request_text(request, text);
}

static void
fill_dead(struct ks_request *request, struct kafka_describe_groups_response_group *out)
{
    out->group_state = ks_slice_of_text(ks_group_state_name(KS_GROUP_DEAD));
    if (request->header.api_version >= NOT_FOUND_VERSION) {
        out->error_code = KAFKA_ERROR_GROUP_ID_NOT_FOUND;
        out->error_message = not_found_text(request, out->group_id);
    }
}

/* What a member subscribed to is of the protocol that was chosen, if one was. */
static void
fill_member(const struct ks_group_value_member *member, bool is_stable,
            struct kafka_describe_groups_response_group_member *out)
{
    out->member_id = member->member_id;
    out->group_instance_id = member->instance_id;
    out->client_id = member->client_id;
    out->client_host = member->client_host;
    if (is_stable) {
        out->member_metadata = member->subscription;
    }
    out->member_assignment = member->assignment;
}

static void
fill_found(struct ks_request *request, const struct ks_group *group,
           struct kafka_describe_groups_response_group *out)
{
    bool is_stable = ks_group_state(group) == KS_GROUP_STABLE;
    size_t count = ks_group_member_count(group);
    struct ks_group_value_member *members = ks_request_alloc(request, count, sizeof *members);
    struct ks_group_value value;

    out->members = kafka_array_new(&request->arena,
                                   &kafka_describe_groups_response_group_member_message, count);
    if (ks_arena_failed(&request->arena)) {
        return;
    }
    ks_group_describe(group, &value, members);
    out->group_state = ks_slice_of_text(ks_group_state_name(ks_group_state(group)));
    out->protocol_type = value.protocol_type;
    if (is_stable) {
        out->protocol_data = ks_text_or_empty(value.protocol);
    }
    for (size_t i = 0; i < count; i++) {
        fill_member(&members[i], is_stable, &out->members[i]);
    }
    out->members_count = (int32_t) count;
}

static void
fill_group(struct ks_request *request, int16_t doubt,
           struct kafka_describe_groups_response_group *out)
{
    const struct kafka_describe_groups_request *asked = request->body;
    struct ks_coordinated_group *found = NULL;
    enum ks_group_error error;

    out->error_code = doubt;
    if (doubt != KAFKA_ERROR_NONE) {
        return;
    }
    error = ks_coordinator_find(ks_request_coordinator(request), out->group_id, &found);
    if (error == KS_GROUP_NOT_FOUND) {
        fill_dead(request, out);
    } else if (error != KS_GROUP_OK) {
        out->error_code = ks_kafka_group_error(error);
    } else {
        fill_found(request, found->group, out);
        if (asked->include_authorized_operations) {
            out->authorized_operations = GROUP_OPERATIONS;
        }
    }
}

static void
run(struct ks_request *request)
{
    const struct kafka_describe_groups_request *asked = request->body;
    struct kafka_describe_groups_response response;
    int16_t doubt;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    doubt = ks_group_doubt(request);
    kafka_message_init(&kafka_describe_groups_response_message, &response);
    response.groups =
        kafka_array_new(&request->arena, &kafka_describe_groups_response_group_message,
                        (size_t) asked->groups_count);
    for (int32_t i = 0; response.groups != NULL && i < asked->groups_count; i++) {
        response.groups[i].group_id = asked->groups[i];
        fill_group(request, doubt, &response.groups[i]);
        response.groups_count = i + 1;
    }
    ks_request_answer(request, &response);
}

void
ks_handle_describe_groups(struct ks_request *request)
{
    run(request);
}
