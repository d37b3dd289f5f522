/* SPDX-License-Identifier: Apache-2.0 */
/* ListGroups: every group of this broker that the filters let through. */
#include "handlers/api.h"
#include "handlers/groups.h"

#include <strings.h>

/* The only kind there is: the groups of the protocol that all clients speak. */
static const char group_type[] = "classic";

/* Tools ask in any case. An empty list lets everything through. */
static bool
is_wanted(const struct kafscale_slice *wanted, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        if (wanted[i].size == strlen(name) &&
            strncasecmp((const char *) wanted[i].data, name, wanted[i].size) == 0) {
            return true;
        }
    }
    return count <= 0;
}

static bool
is_listed(const struct kafka_list_groups_request *asked, const struct ks_group *group)
{
    return is_wanted(asked->states_filter, asked->states_filter_count,
                     ks_group_state_name(ks_group_state(group))) &&
           is_wanted(asked->types_filter, asked->types_filter_count, group_type);
}

static void
fill(struct ks_request *request, struct kafka_list_groups_response *response)
{
    const struct ks_coordinator *coordinator = ks_request_coordinator(request);
    struct ks_coordinated_group *group = NULL;
    size_t capacity = 0;

    while ((group = ks_coordinator_next(coordinator, group)) != NULL) {
        struct kafka_list_groups_response_group *out;

        if (!is_listed(request->body, group->group)) {
            continue;
        }
        if (!KS_ARENA_RESERVE(&request->arena, response->groups, capacity,
                              (size_t) response->groups_count + 1)) {
            return;
        }
        out = &response->groups[response->groups_count++];
        kafka_message_init(&kafka_list_groups_response_group_message, out);
        out->group_id = ks_group_id(group->group);
        out->protocol_type = ks_group_protocol_type(group->group);
        out->group_state = ks_slice_of_text(ks_group_state_name(ks_group_state(group->group)));
        out->group_type = ks_slice_of_text(group_type);
    }
}

static void
run(struct ks_request *request)
{
    struct kafka_list_groups_response response;

    if (!ks_group_is_fresh(request, run)) {
        return;
    }
    kafka_message_init(&kafka_list_groups_response_message, &response);
    response.error_code = ks_group_doubt(request);
    if (response.error_code == KAFKA_ERROR_NONE) {
        response.error_code =
            ks_kafka_group_error(ks_coordinator_is_complete(ks_request_coordinator(request)));
        fill(request, &response);
    }
    ks_request_answer(request, &response);
}

void
ks_handle_list_groups(struct ks_request *request)
{
    run(request);
}
