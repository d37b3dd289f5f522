/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Breadth first, with a set of hashes of the states seen. Only the states still to be expanded are
 * kept; of all others the number of the state they came from and the number of the step, from
 * which the story is told by going the same way again.
 */
#include "model/search.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_STATES 4096
#define SEEN_BITS_FIRST 16
#define SELDOM_WEIGHT 1
#define USUAL_WEIGHT 12
#define RULE_STATES_MAX 12000000

int model_rule_off = -1;

enum search_mode {
    SEARCH_ALL,   /* every state reached is kept */
    SEARCH_WALK,  /* one of them is chosen at random */
    SEARCH_STORY, /* the one of a given number is wanted, and told */
};

/* How a state was first reached. */
struct origin {
    uint32_t parent;
    uint32_t step;
};

struct model_search {
    const struct model *model;
    const struct model_run *run;
    enum search_mode mode;
    uint32_t step;       /* number of the next step of the state that is expanded */
    const char *promise; /* broken by the step that is reached next */
    unsigned weight;

    /* all */
    uint64_t *seen;
    uint64_t seen_mask;
    struct origin *origins;
    uint64_t origins_size;
    unsigned char **blocks; /* states, BLOCK_STATES each; NULL when all are expanded */
    uint64_t count;         /* states seen */
    uint64_t head;          /* the one that is expanded */
    uint64_t steps;

    /* walk and story */
    const void *from;
    uint64_t random;
    uint64_t weights;
    bool has_chosen;
    struct origin chosen;
    unsigned char *next;
    const char *next_promise;
    char text[256];

    /* the step that broke something; the parent of an exhaustive search's */
    const char *found;
    struct origin found_at;
};

static void *
allocate(void *old, size_t size)
{
    void *memory = realloc(old, size);

    if (memory == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    return memory;
}

static uint64_t
hash(const unsigned char *bytes, size_t size)
{
    uint64_t value = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word;

    for (size_t i = 0; i < size; i += sizeof word) {
        size_t part = size - i < sizeof word ? size - i : sizeof word;
        word = 0;
        memcpy(&word, bytes + i, part);
        value = (value ^ word) * UINT64_C(0xff51afd7ed558ccd);
        value ^= value >> 32;
    }
    value *= UINT64_C(0xc4ceb9fe1a85ec53);
    value ^= value >> 29;
    return value != 0 ? value : 1;
}

/* --- All states ----------------------------------------------------------------------------- */

static void
place_hash(uint64_t *seen, uint64_t mask, uint64_t value)
{
    uint64_t i = value & mask;

    while (seen[i] != 0) {
        i = (i + 1) & mask;
    }
    seen[i] = value;
}

static void
grow_seen(struct model_search *search)
{
    uint64_t mask = search->seen_mask * 2 + 1;
    uint64_t *seen = calloc(mask + 1, sizeof *seen);

    if (seen == NULL) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    for (uint64_t i = 0; i <= search->seen_mask; i++) {
        if (search->seen[i] != 0) {
            place_hash(seen, mask, search->seen[i]);
        }
    }
    free(search->seen);
    search->seen = seen;
    search->seen_mask = mask;
}

/* Whether the state is new; it counts as seen from now on. */
static bool
is_first_seen(struct model_search *search, uint64_t value)
{
    uint64_t i = value & search->seen_mask;

    while (search->seen[i] != 0) {
        if (search->seen[i] == value) {
            return false;
        }
        i = (i + 1) & search->seen_mask;
    }
    search->seen[i] = value;
    if ((search->count + 1) * 5 > search->seen_mask * 3) {
        grow_seen(search);
    }
    return true;
}

static unsigned char *
state_at(struct model_search *search, uint64_t i)
{
    return search->blocks[i / BLOCK_STATES] + i % BLOCK_STATES * search->model->state_bytes;
}

static void
grow_states(struct model_search *search)
{
    uint64_t block = search->count / BLOCK_STATES;

    search->blocks = allocate(search->blocks, (block + 1) * sizeof *search->blocks);
    search->blocks[block] = allocate(NULL, BLOCK_STATES * search->model->state_bytes);
    if (search->count == search->origins_size) {
        search->origins_size = search->origins_size * 2 + BLOCK_STATES;
        search->origins = allocate(search->origins, search->origins_size * sizeof *search->origins);
    }
}

static void
keep_state(struct model_search *search, const void *state)
{
    if (search->count % BLOCK_STATES == 0) {
        grow_states(search);
    }
    memcpy(state_at(search, search->count), state, search->model->state_bytes);
    search->origins[search->count] = (struct origin){ (uint32_t) search->head, search->step };
    search->count++;
}

static void
reach_any(struct model_search *search, const void *next)
{
    unsigned char normal[1024];
    size_t size = search->model->state_bytes;

    assert(size <= sizeof normal);
    search->steps++;
    memcpy(normal, next, size);
    if (search->model->normalize != NULL) {
        search->model->normalize(normal);
    }
    if (is_first_seen(search, hash(normal, size))) {
        keep_state(search, next);
    }
}

/* --- Walks and stories ---------------------------------------------------------------------- */

static uint32_t
draw(struct model_search *search, uint64_t below)
{
    search->random ^= search->random << 13;
    search->random ^= search->random >> 7;
    search->random ^= search->random << 17;
    return (uint32_t) ((search->random >> 32) % below);
}

static void
choose(struct model_search *search, const void *next, const char *promise)
{
    search->has_chosen = true;
    search->chosen.step = search->step;
    search->next_promise = promise;
    memcpy(search->next, next, search->model->state_bytes);
}

static void
reach_at_random(struct model_search *search, const void *next, const char *promise)
{
    if (promise == NULL && memcmp(next, search->from, search->model->state_bytes) == 0) {
        return;
    }
    search->weights += search->weight;
    if (draw(search, search->weights) < search->weight) {
        choose(search, next, promise);
    }
}

void
model_reach(struct model_search *search, const void *next, const char *format, ...)
{
    const char *promise = search->promise;
    va_list arguments;

    if (promise == NULL && search->model->broken != NULL) {
        promise = search->model->broken(next);
    }
    if (search->mode == SEARCH_WALK) {
        reach_at_random(search, next, promise);
    } else if (search->mode == SEARCH_STORY && search->step == search->chosen.step) {
        choose(search, next, promise);
        va_start(arguments, format);
        vsnprintf(search->text, sizeof search->text, format, arguments);
        va_end(arguments);
    } else if (search->mode == SEARCH_ALL && promise != NULL && search->found == NULL) {
        search->found = promise;
        search->found_at = (struct origin){ (uint32_t) search->head, search->step };
    } else if (search->mode == SEARCH_ALL && promise == NULL) {
        reach_any(search, next);
    }
    search->promise = NULL;
    search->weight = USUAL_WEIGHT;
    search->step++;
}

void
model_break(struct model_search *search, const char *promise)
{
    if (search->promise == NULL) {
        search->promise = promise;
    }
}

void
model_seldom(struct model_search *search)
{
    search->weight = SELDOM_WEIGHT;
}

static void
expand(struct model_search *search, const void *state)
{
    search->step = 0;
    search->promise = NULL;
    search->weight = USUAL_WEIGHT;
    search->from = state;
    search->weights = 0;
    search->has_chosen = false;
    search->model->expand(state, search);
}

/* Goes the way of these steps again and prints each. */
static void
tell(struct model_search *search, const uint32_t *path, size_t length)
{
    unsigned char *state = allocate(NULL, search->model->state_bytes);

    memset(state, 0, search->model->state_bytes);
    search->model->start(state, search->run->bounds);
    search->mode = SEARCH_STORY;
    for (size_t i = 0; i < length; i++) {
        search->chosen.step = path[i];
        expand(search, state);
        assert(search->has_chosen);
        memcpy(state, search->next, search->model->state_bytes);
        printf("#   %3zu  %s\n", i + 1, search->text);
    }
    free(state);
}

/* --- Runs ----------------------------------------------------------------------------------- */

static void
search_init(struct model_search *search, const struct model *model, const struct model_run *run)
{
    *search = (struct model_search){ .model = model, .run = run };
    search->next = allocate(NULL, model->state_bytes);
    search->seen_mask = (UINT64_C(1) << SEEN_BITS_FIRST) - 1;
    search->seen = allocate(NULL, (search->seen_mask + 1) * sizeof *search->seen);
    memset(search->seen, 0, (search->seen_mask + 1) * sizeof *search->seen);
}

static void
search_deinit(struct model_search *search)
{
    for (uint64_t i = 0; i * BLOCK_STATES < search->count; i++) {
        free(search->blocks[i]);
    }
    free(search->blocks);
    free(search->origins);
    free(search->seen);
    free(search->next);
}

/* The steps that lead to what was found, the last one included. */
static size_t
path_to_found(const struct model_search *search, uint32_t *path, size_t size)
{
    size_t length = 0;

    for (uint32_t i = search->found_at.parent; i != 0; i = search->origins[i].parent) {
        length++;
    }
    assert(length + 1 <= size);
    path[length] = search->found_at.step;
    for (uint32_t i = search->found_at.parent, left = (uint32_t) length; i != 0;
         i = search->origins[i].parent) {
        path[--left] = search->origins[i].step;
    }
    return length + 1;
}

/* Returns whether all states were seen, or something broken. */
static bool
search_all(struct model_search *search, uint64_t states_max)
{
    unsigned char *state = allocate(NULL, search->model->state_bytes);

    memset(state, 0, search->model->state_bytes);
    search->mode = SEARCH_ALL;
    search->model->start(state, search->run->bounds);
    reach_any(search, state);
    search->steps = 0;
    while (search->head < search->count && search->found == NULL && search->count < states_max) {
        memcpy(state, state_at(search, search->head), search->model->state_bytes);
        expand(search, state);
        if (search->head % BLOCK_STATES == BLOCK_STATES - 1) {
            free(search->blocks[search->head / BLOCK_STATES]);
            search->blocks[search->head / BLOCK_STATES] = NULL;
        }
        search->head++;
    }
    free(state);
    return search->head == search->count || search->found != NULL;
}

/* One walk; returns its length. */
static size_t
walk(struct model_search *search, uint64_t seed, uint32_t *path)
{
    unsigned char *state = allocate(NULL, search->model->state_bytes);
    size_t length = 0;

    memset(state, 0, search->model->state_bytes);
    search->mode = SEARCH_WALK;
    search->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    search->model->start(state, search->run->bounds);
    while (length < search->run->steps && search->found == NULL) {
        expand(search, state);
        if (!search->has_chosen) {
            break;
        }
        path[length++] = search->chosen.step;
        search->found = search->next_promise;
        memcpy(state, search->next, search->model->state_bytes);
    }
    search->steps += length;
    free(state);
    return length;
}

struct outcome {
    bool is_complete;
    bool is_broken;
    size_t story; /* steps until something is broken */
};

static void
report(const struct model_search *search, const struct outcome *outcome, size_t length)
{
    if (outcome->is_broken) {
        printf("#   after %zu steps: %s\n", length, search->found);
    } else if (search->run->walks != 0) {
        printf("#   %" PRIu64 " walks, %" PRIu64 " steps\n", search->run->walks, search->steps);
    } else {
        printf("#   %" PRIu64 " states, %" PRIu64 " steps, %s\n", search->count, search->steps,
               outcome->is_complete ? "complete" : "to the bound");
    }
}

static struct outcome
run_search(const struct model *model, const struct model_run *run, uint64_t states_max,
           bool must_tell)
{
    struct model_search search;
    struct outcome outcome = { 0 };
    size_t path_size = run->walks != 0 ? run->steps : 10000;
    uint32_t *path = allocate(NULL, path_size * sizeof *path);
    size_t length = 0;

    search_init(&search, model, run);
    if (run->walks == 0) {
        outcome.is_complete = search_all(&search, states_max);
        length = search.found != NULL ? path_to_found(&search, path, path_size) : 0;
    }
    for (uint64_t i = 0; i < run->walks && search.found == NULL; i++) {
        length = walk(&search, i + 1, path);
    }
    outcome.is_broken = search.found != NULL;
    report(&search, &outcome, length);
    if (outcome.is_broken && must_tell) {
        tell(&search, path, length);
    }
    search_deinit(&search);
    free(path);
    return outcome;
}

/* --- The program ---------------------------------------------------------------------------- */

static const struct model_run *
find_run(const struct model *model, const char *name)
{
    for (const struct model_run *run = model->runs; run->name != NULL; run++) {
        if (name == NULL || strcmp(run->name, name) == 0) {
            return run;
        }
    }
    fprintf(stderr, "no run '%s'\n", name);
    exit(2);
}

static int
find_rule(const struct model *model, const char *name)
{
    for (int i = 0; model->rules[i].name != NULL; i++) {
        if (strcmp(model->rules[i].name, name) == 0) {
            return i;
        }
    }
    fprintf(stderr, "no rule '%s'\n", name);
    exit(2);
}

static void
list(const struct model *model)
{
    for (const struct model_rule *rule = model->rules; rule->name != NULL; rule++) {
        printf("%-28s off: %s\n", rule->name, rule->without);
    }
    for (const struct model_run *run = model->runs; run->name != NULL; run++) {
        printf("%-28s%s", run->name, run->is_long ? " long" : "");
        for (int i = 0; model->bound_names[i] != NULL; i++) {
            printf(" %s %d", model->bound_names[i], run->bounds[i]);
        }
        printf("\n");
    }
}

/* Nothing may be broken while all rules hold. */
static bool
passes(const struct model *model, const struct model_run *run, int number)
{
    struct outcome outcome;
    bool is_good;

    model_rule_off = -1;
    outcome = run_search(model, run, run->states_max != 0 ? run->states_max : UINT32_MAX, true);
    is_good =
        !outcome.is_broken && (outcome.is_complete || run->walks != 0 || run->states_max != 0);
    printf("%s %d - %s: %s\n", is_good ? "ok" : "not ok", number, model->name, run->name);
    fflush(stdout);
    return is_good;
}

/* Something must be broken without the rule: one that nobody misses is decoration. */
static bool
is_needed(const struct model *model, int rule, int number)
{
    struct outcome outcome;

    model_rule_off = rule;
    outcome = run_search(model, find_run(model, model->rules[rule].run), RULE_STATES_MAX, false);
    printf("%s %d - %s: without %s\n", outcome.is_broken ? "ok" : "not ok", number, model->name,
           model->rules[rule].name);
    fflush(stdout);
    return outcome.is_broken;
}

static int
run_all(const struct model *model, bool is_long)
{
    int number = 0;
    bool is_good = true;

    for (const struct model_run *run = model->runs; run->name != NULL; run++) {
        if (!run->is_long || is_long) {
            is_good &= passes(model, run, ++number);
        }
    }
    for (int i = 0; model->rules[i].name != NULL; i++) {
        is_good &= is_needed(model, i, ++number);
    }
    printf("1..%d\n", number);
    return is_good ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
model_main(const struct model *model, int argc, char **argv)
{
    const char *run = NULL;
    bool is_long = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--list") == 0) {
            list(model);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--long") == 0) {
            is_long = true;
        } else if (strcmp(argv[i], "--run") == 0 && i + 1 < argc) {
            run = argv[++i];
        } else if (strcmp(argv[i], "--off") == 0 && i + 1 < argc) {
            model_rule_off = find_rule(model, argv[++i]);
        } else {
            fprintf(stderr, "unknown argument '%s'\n", argv[i]);
            return 2;
        }
    }
    if (model_rule_off >= 0) {
        const struct model_run *shown =
            find_run(model, run != NULL ? run : model->rules[model_rule_off].run);
        return run_search(model, shown, RULE_STATES_MAX, true).is_broken ? EXIT_SUCCESS
                                                                         : EXIT_FAILURE;
    }
    if (run != NULL) {
        return passes(model, find_run(model, run), 1) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return run_all(model, is_long);
}
