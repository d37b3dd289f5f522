/* SPDX-License-Identifier: Apache-2.0 */
/* An interpreter of one line at a time; what the group says is gathered as text and compared. */
#include "group_script.h"

#include "support/main.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CLIENTS_MAX 8
#define WORDS_MAX 16
#define TEXT_BYTES 64
#define SAID_BYTES 4096
#define MEMBERS_MAX 16

struct client {
    char name[TEXT_BYTES];
    char member_id[TEXT_BYTES];
    int32_t generation;
    int id_count;
    struct request *last;
};

/* Waits in the group; kept until the end, so that a late answer is noticed. */
struct request {
    struct client *client;
    bool is_answered;
    struct request *next;
};

struct player {
    struct group_story story;
    struct ks_group_options options;
    struct ks_group_events events;
    struct ks_group *group;
    int64_t now_ms;
    struct client clients[CLIENTS_MAX];
    size_t client_count;
    struct request *requests;
    char said[SAID_BYTES];
    size_t said_bytes;
    bool starves;
    struct client *named; /* an id for it was counted by the last event */
    char words_text[256];
    char *words[WORDS_MAX];
    size_t word_count;
};

static const char *const error_names[KS_GROUP_ERROR_COUNT] = {
    [KS_GROUP_OK] = "ok",
    [KS_GROUP_UNKNOWN_MEMBER] = "unknown member",
    [KS_GROUP_ILLEGAL_GENERATION] = "illegal generation",
    [KS_GROUP_REBALANCE_IN_PROGRESS] = "rebalance in progress",
    [KS_GROUP_FENCED_INSTANCE] = "fenced instance",
    [KS_GROUP_MEMBER_ID_REQUIRED] = "member id required",
    [KS_GROUP_INCONSISTENT_PROTOCOL] = "inconsistent protocol",
    [KS_GROUP_FULL] = "full",
    [KS_GROUP_NOT_AVAILABLE] = "not available",
};

/* --- What the group says ---------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
say(struct player *player, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    player->said_bytes += (size_t) vsnprintf(player->said + player->said_bytes,
                                             SAID_BYTES - player->said_bytes, format, arguments);
    va_end(arguments);
    ck_assert_uint_lt(player->said_bytes, SAID_BYTES);
}

static void
say_slice(struct player *player, const char *before, struct kafscale_slice text)
{
    say(player, "%s%.*s", before, (int) text.size, (const char *) text.data);
}

static void
say_members(struct player *player)
{
    struct ks_group_value_member members[MEMBERS_MAX];
    struct ks_group_value value;

    ck_assert_uint_le(ks_group_member_count(player->group), MEMBERS_MAX);
    ks_group_describe(player->group, &value, members);
    ck_assert_uint_eq(value.member_count, ks_group_member_count(player->group));
    say(player, " %" PRId32, value.generation);
    if (value.protocol.data != NULL) {
        say_slice(player, " ", value.protocol);
    }
    if (value.leader.data != NULL) {
        say_slice(player, " leader ", value.leader);
    }
    for (size_t i = 0; i < value.member_count; i++) {
        say_slice(player, i == 0 ? ": " : " ", members[i].member_id);
        say_slice(player, "=", members[i].assignment);
    }
    say(player, "\n");
}

static struct client *
close_request(struct request *request)
{
    ck_assert_msg(!request->is_answered, "%s is answered twice", request->client->name);
    request->is_answered = true;
    if (request->client->last == request) {
        request->client->last = NULL;
    }
    return request->client;
}

static void
keep_id(struct client *client, struct kafscale_slice id)
{
    ck_assert_uint_lt(id.size, TEXT_BYTES);
    memcpy(client->member_id, id.data, id.size);
    client->member_id[id.size] = '\0';
}

static void
on_joined(void *arg, void *waiter, const struct ks_group_join_answer *answer)
{
    struct player *player = arg;
    struct client *client = close_request(waiter);

    if (answer->error != KS_GROUP_OK) {
        say(player, "%s not joined: %s", client->name, error_names[answer->error]);
        ck_assert_int_eq(answer->generation, -1);
        ck_assert_uint_eq(answer->member_count, 0);
        if (answer->error == KS_GROUP_MEMBER_ID_REQUIRED) {
            keep_id(client, answer->member_id);
            say(player, " %s", client->member_id);
        }
        say(player, "\n");
        return;
    }
    keep_id(client, answer->member_id);
    client->generation = answer->generation;
    say(player, "%s joined as %s %" PRId32, client->name, client->member_id, answer->generation);
    say_slice(player, " ", answer->protocol);
    say_slice(player, " leader ", answer->leader_id);
    say(player, "%s", answer->is_assignment_skipped ? " skips" : "");
    for (size_t i = 0; i < answer->member_count; i++) {
        say_slice(player, i == 0 ? ": " : " ", answer->members[i].member_id);
        say_slice(player, answer->members[i].instance_id.data == NULL ? "" : "/",
                  answer->members[i].instance_id);
        say_slice(player, "=", answer->members[i].metadata);
    }
    say(player, "\n");
}

static void
on_synced(void *arg, void *waiter, const struct ks_group_sync_answer *answer)
{
    struct player *player = arg;
    struct client *client = close_request(waiter);

    if (answer->error != KS_GROUP_OK) {
        say(player, "%s not synced: %s\n", client->name, error_names[answer->error]);
        ck_assert_uint_eq(answer->assignment.size, 0);
        return;
    }
    say(player, "%s synced ", client->name);
    say_slice(player, "", answer->protocol);
    say_slice(player, "=", answer->assignment);
    say(player, "\n");
}

static void
on_store(void *arg, struct ks_group *group, uint64_t number)
{
    struct player *player = arg;

    ck_assert_ptr_eq(group, player->group);
    say(player, "store %" PRIu64 ":", number);
    say_members(player);
}

static void
on_expelled(void *arg, const struct ks_group *group, struct kafscale_slice member_id,
            enum ks_group_expulsion why)
{
    struct player *player = arg;

    ck_assert_ptr_eq(group, player->group);
    say_slice(player, "", member_id);
    say(player, " expelled: %s\n", ks_group_expulsion_text(why));
}

/* --- Words ------------------------------------------------------------------------------------ */

static void
split(struct player *player, const char *line, size_t bytes)
{
    char *state = NULL;

    ck_assert_uint_lt(bytes, sizeof player->words_text);
    memcpy(player->words_text, line, bytes);
    player->words_text[bytes] = '\0';
    player->word_count = 0;
    for (char *word = strtok_r(player->words_text, " ", &state); word != NULL;
         word = strtok_r(NULL, " ", &state)) {
        ck_assert_uint_lt(player->word_count, WORDS_MAX);
        player->words[player->word_count++] = word;
    }
}

/* What is behind "key=", or NULL. */
static const char *
option(const struct player *player, const char *key)
{
    size_t bytes = strlen(key);

    for (size_t i = 1; i < player->word_count; i++) {
        if (strncmp(player->words[i], key, bytes) == 0 && player->words[i][bytes] == '=') {
            return player->words[i] + bytes + 1;
        }
    }
    return NULL;
}

static struct kafscale_slice
option_or(const struct player *player, const char *key, const char *otherwise)
{
    const char *text = option(player, key);

    text = text == NULL ? otherwise : text;
    return text == NULL ? ks_slice(NULL, 0) : ks_slice_of_text(text);
}

static int32_t
number_or(const struct player *player, const char *key, int32_t otherwise)
{
    const char *text = option(player, key);

    return text == NULL ? otherwise : atoi(text);
}

static bool
has_word(const struct player *player, const char *word)
{
    for (size_t i = 1; i < player->word_count; i++) {
        if (strcmp(player->words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool
is_setting(const char *word)
{
    static const char *const settings[] = { "id=",       "static=",  "generation=", "type=",
                                            "protocol=", "session=", "rebalance=" };

    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (strncmp(word, settings[i], strlen(settings[i])) == 0) {
            return true;
        }
    }
    return strcmp(word, "v3") == 0 || strcmp(word, "v4") == 0 || strcmp(word, "v9") == 0;
}

static struct client *
client_of(struct player *player)
{
    const char *name = player->words[1];

    ck_assert_uint_ge(player->word_count, 2);
    for (size_t i = 0; i < player->client_count; i++) {
        if (strcmp(player->clients[i].name, name) == 0) {
            return &player->clients[i];
        }
    }
    ck_assert_uint_lt(player->client_count, CLIENTS_MAX);
    player->clients[player->client_count] = (struct client){ .generation = -1 };
    snprintf(player->clients[player->client_count].name, TEXT_BYTES, "%s", name);
    return &player->clients[player->client_count++];
}

static struct request *
open_request(struct player *player, struct client *client)
{
    struct request *request = calloc(1, sizeof *request);

    ck_assert_ptr_nonnull(request);
    request->client = client;
    request->next = player->requests;
    player->requests = request;
    client->last = request;
    return request;
}

/* --- Events ----------------------------------------------------------------------------------- */

static size_t
read_protocols(const struct player *player, struct ks_group_protocol *protocols)
{
    size_t count = 0;

    for (size_t i = 2; i < player->word_count; i++) {
        const char *word = player->words[i];
        const char *metadata = strchr(word, '=');
        size_t bytes = metadata == NULL ? strlen(word) : (size_t) (metadata - word);

        if (!is_setting(word)) {
            protocols[count].name = ks_slice(word, bytes);
            protocols[count++].metadata = ks_slice_of_text(metadata == NULL ? "" : metadata + 1);
        }
    }
    return count;
}

static void
do_join(struct player *player)
{
    struct client *client = client_of(player);
    struct ks_group_protocol protocols[WORDS_MAX];
    char new_id[2 * TEXT_BYTES];
    struct ks_group_join join = {
        .waiter = open_request(player, client),
        .member_id = option_or(player, "id", client->member_id),
        .instance_id = option_or(player, "static", NULL),
        .new_member_id = ks_slice(new_id, 0),
        .client_id = ks_slice_of_text(client->name),
        .client_host = ks_slice_of_text("/127.0.0.1"),
        .protocol_type = option_or(player, "type", "consumer"),
        .protocols = protocols,
        .protocol_count = read_protocols(player, protocols),
        .session_timeout_ms = number_or(player, "session", 10000),
        .rebalance_timeout_ms = number_or(player, "rebalance", 60000),
        .must_know_member_id = !has_word(player, "v3"),
        .can_skip_assignment = has_word(player, "v9"),
    };

    snprintf(new_id, sizeof new_id, "%s-%d", client->name, client->id_count + 1);
    join.new_member_id = ks_slice_of_text(new_id);
    if (join.member_id.size == 0) {
        client->id_count++;
        player->named = client;
    }
    ks_group_join(player->group, &join, player->now_ms);
}

static struct ks_group_claim
claim_of(const struct player *player, const struct client *client)
{
    return (struct ks_group_claim){
        .member_id = option_or(player, "id", client->member_id),
        .instance_id = option_or(player, "static", NULL),
        .generation = number_or(player, "generation", client->generation),
    };
}

static void
do_sync(struct player *player)
{
    struct client *client = client_of(player);
    struct ks_group_assignment assignments[WORDS_MAX];
    struct ks_group_sync sync = {
        .waiter = open_request(player, client),
        .claim = claim_of(player, client),
        .protocol_type = option_or(player, "type", NULL),
        .protocol = option_or(player, "protocol", NULL),
        .assignments = assignments,
    };

    for (size_t i = 2; i < player->word_count; i++) {
        const char *word = player->words[i];
        const char *value = strchr(word, '=');

        if (value != NULL && !is_setting(word)) {
            assignments[sync.assignment_count++] = (struct ks_group_assignment){
                .member_id = ks_slice(word, (size_t) (value - word)),
                .assignment = ks_slice_of_text(value + 1),
            };
        }
    }
    ks_group_sync(player->group, &sync, player->now_ms);
}

static void
do_heartbeat(struct player *player)
{
    struct ks_group_claim claim = claim_of(player, client_of(player));

    say(player, "%s\n", error_names[ks_group_heartbeat(player->group, &claim, player->now_ms)]);
}

static void
do_commit(struct player *player)
{
    struct ks_group_claim claim = claim_of(player, client_of(player));

    say(player, "%s\n", error_names[ks_group_check_commit(player->group, &claim, player->now_ms)]);
}

static void
do_leave(struct player *player)
{
    struct ks_group_claim claim = claim_of(player, client_of(player));
    enum ks_group_error error =
        ks_group_leave(player->group, claim.member_id, claim.instance_id, player->now_ms);

    say(player, "%s\n", error_names[error]);
}

static void
do_gone(struct player *player)
{
    struct client *client = client_of(player);
    struct request *request = client->last;

    ck_assert_msg(request != NULL, "%s has no request that waits", client->name);
    close_request(request);
    ks_group_waiter_gone(player->group, request, player->now_ms);
}

static void
do_forget(struct player *player)
{
    struct client *client = client_of(player);

    client->member_id[0] = '\0';
    client->generation = -1;
}

/* Each moment at which something is due comes by itself. */
static void
do_wait(struct player *player)
{
    int64_t end_ms = player->now_ms + atoi(player->words[1]);

    while (ks_group_due_ms(player->group) <= end_ms) {
        player->now_ms = ks_group_due_ms(player->group);
        ks_group_tick(player->group, player->now_ms);
        ck_assert_int_gt(ks_group_due_ms(player->group), player->now_ms);
    }
    player->now_ms = end_ms;
}

static void
do_stored(struct player *player)
{
    ks_group_stored(player->group, (uint64_t) atoi(player->words[1]), true, player->now_ms);
}

static void
do_not(struct player *player)
{
    ck_assert_str_eq(player->words[1], "stored");
    ks_group_stored(player->group, (uint64_t) atoi(player->words[2]), false, player->now_ms);
}

/* For so long nothing is seen of time passing. */
static void
do_extend(struct player *player)
{
    player->now_ms += atoi(player->words[1]);
    ks_group_extend(player->group, atoi(player->words[1]));
}

static void
do_end(struct player *player)
{
    ks_group_end(player->group, KS_GROUP_NOT_AVAILABLE);
}

static void
do_state(struct player *player)
{
    say(player, "%s", ks_group_state_name(ks_group_state(player->group)));
    say_members(player);
}

/* Another broker takes it over from what is stored, taken to be as it is now. */
static void
do_restart(struct player *player)
{
    struct ks_group_value_member members[MEMBERS_MAX];
    struct ks_group_value value;
    struct ks_group *before = player->group;
    uint64_t left = ks_alloc_fail_after(UINT64_MAX);

    ck_assert_uint_le(ks_group_member_count(before), MEMBERS_MAX);
    ks_group_describe(before, &value, members);
    player->group = ks_group_new(ks_group_id(before), &player->options, &player->events);
    ck_assert_ptr_nonnull(player->group);
    ck_assert_int_eq(ks_group_restore(player->group, &value, player->now_ms), KAFSCALE_OK);
    ks_group_end(before, KS_GROUP_NOT_AVAILABLE);
    ks_group_free(before);
    if (left != UINT64_MAX) {
        ks_alloc_fail_once_after(left);
    }
}

/* --- Playing ---------------------------------------------------------------------------------- */

static const struct event {
    const char *name;
    void (*happen)(struct player *player);
} events[] = {
    { "join", do_join },       { "sync", do_sync },     { "heartbeat", do_heartbeat },
    { "commit", do_commit },   { "leave", do_leave },   { "gone", do_gone },
    { "forget", do_forget },   { "wait", do_wait },     { "stored", do_stored },
    { "not", do_not },         { "extend", do_extend }, { "end", do_end },
    { "restart", do_restart }, { "state", do_state },
};

static void
happen(struct player *player, const char *line, size_t bytes)
{
    player->named = NULL;
    split(player, line, bytes);
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        if (strcmp(player->words[0], events[i].name) == 0) {
            events[i].happen(player);
            return;
        }
    }
    ck_abort_msg("no such event: %.*s", (int) bytes, line);
}

static void
hush(struct player *player)
{
    player->said_bytes = 0;
    player->said[0] = '\0';
}

/* An allocation failed, so the group has refused the request, and is asked again. */
static bool
is_starved(const struct player *player)
{
    const char *end = strstr(player->said, ": not available\n");

    return player->starves && end != NULL && end[strlen(": not available\n")] == '\0';
}

/* Everything that was said is to be what was expected. */
static void
compare(struct player *player, const char *event, size_t event_bytes, const char *expected)
{
    if (strcmp(player->said, expected) != 0 && is_starved(player)) {
        hush(player);
        if (player->named != NULL) {
            player->named->id_count--;
        }
        happen(player, event, event_bytes);
    }
    ck_assert_msg(strcmp(player->said, expected) == 0,
                  "after \"%.*s\" the group says\n%sinstead of\n%s", (int) event_bytes, event,
                  player->said, expected);
    hush(player);
}

static void
tell(struct player *player, const char *text)
{
    static const char arrow[] = "-> ";
    char expected[SAID_BYTES] = "";
    size_t expected_bytes = 0;
    const char *event = NULL;
    size_t event_bytes = 0;

    while (*text != '\0') {
        size_t bytes = strcspn(text, "\n");

        if (strncmp(text, arrow, strlen(arrow)) == 0) {
            expected_bytes +=
                (size_t) snprintf(expected + expected_bytes, SAID_BYTES - expected_bytes, "%.*s\n",
                                  (int) (bytes - strlen(arrow)), text + strlen(arrow));
            ck_assert_uint_lt(expected_bytes, SAID_BYTES);
        } else {
            compare(player, event, event_bytes, expected);
            expected[0] = '\0';
            expected_bytes = 0;
            event = text;
            event_bytes = bytes;
            happen(player, event, event_bytes);
        }
        text += bytes + (text[bytes] == '\n');
    }
    compare(player, event, event_bytes, expected);
}

/* Whoever still waits is told; then nobody does. */
static void
end(struct player *player)
{
    ks_group_end(player->group, KS_GROUP_NOT_AVAILABLE);
    ks_group_free(player->group);
    while (player->requests != NULL) {
        struct request *request = player->requests;

        ck_assert_msg(request->is_answered, "%s was never answered", request->client->name);
        player->requests = request->next;
        free(request);
    }
}

/* The k-th allocation fails; UINT64_MAX: none. False: there was no k-th. */
static bool
play_once(const struct group_story *story, const char *text, uint64_t k)
{
    struct player player = {
        .options = { .initial_delay_ms = story->initial_delay_ms,
                     .size_max = story->size_max == 0 ? SIZE_MAX : story->size_max,
                     .seed = 7 },
        .events = { .joined = on_joined,
                    .synced = on_synced,
                    .store = on_store,
                    .expelled = on_expelled },
        .now_ms = 1000000,
        .starves = k != UINT64_MAX,
    };
    uint64_t left;

    player.events.arg = &player;
    player.group = ks_group_new(ks_slice_of_text("g"), &player.options, &player.events);
    ck_assert_ptr_nonnull(player.group);
    ks_alloc_fail_once_after(k);
    tell(&player, text);
    left = ks_alloc_fail_after(UINT64_MAX);
    end(&player);
    return left == UINT64_MAX;
}

void
group_story_play(const struct group_story *story, const char *text)
{
    uint64_t k = 0;

    play_once(story, text, UINT64_MAX);
    while (play_once(story, text, k)) {
        k++;
    }
}

void
play(const char *text)
{
    static const struct group_story story = { 0 };

    group_story_play(&story, text);
}
