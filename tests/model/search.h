/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search that all models of tests/model share. A model is a state, a plain struct without
 * pointers, and a function that tells every state to which one step leads. The search goes through
 * all of them, nearest first, so that what it finds wrong is told by a shortest story; or it walks
 * at random where there are too many. States are told apart by a hash of 64 bits. One thread, one
 * search at a time: the rule that is switched off is a global.
 */
#ifndef MODEL_SEARCH_H
#define MODEL_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_BOUNDS_MAX 8

struct model_search;

/* A rule of the protocol, and the run that shows what happens without it. */
struct model_rule {
    const char *name;
    const char *without; /* what is done instead while it is off */
    const char *run;     /* the run whose bounds show it; NULL: the first of the model */
};

/* Bounds of one search; it is a walk where `walks` isn't 0. */
struct model_run {
    const char *name;
    bool is_long;
    int bounds[MODEL_BOUNDS_MAX];
    uint64_t states_max; /* 0: all must be seen */
    uint64_t walks;
    unsigned steps; /* of each walk */
};

struct model {
    const char *name;
    const char *const *bound_names; /* ends with NULL */
    const struct model_rule *rules; /* ends with a rule without name */
    const struct model_run *runs;   /* ends with a run without name */
    size_t state_bytes;

    /* Takes over the bounds and writes the state in which everything begins, from zeroes. */
    void (*start)(void *state, const int *bounds);

    /* Calls model_reach() for every state that one step leads to. */
    void (*expand)(const void *state, struct model_search *search);

    /* What must hold in every state: NULL, or what doesn't. */
    const char *(*broken)(const void *state);

    /* Makes one of states that differ in names only; may be NULL. */
    void (*normalize)(void *state);
};

/* Index of the rule that is off, or -1. */
extern int model_rule_off;

static inline bool
model_obeys(int rule)
{
    return rule != model_rule_off;
}

/* One step leads to `next`; the text tells the step. It is written only when a story is told. */
void model_reach(struct model_search *search, const void *next, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The step that is reached next breaks what is promised. Only the first such call of it counts. */
void model_break(struct model_search *search, const char *promise);

/* The step that is reached next is taken seldom in walks. */
void model_seldom(struct model_search *search);

/*
 * The program of a model: all its short runs, each rule off in turn; prints TAP.
 *   --long         the long runs too
 *   --run NAME     one run only
 *   --off RULE     what happens without this rule, told step by step
 *   --list         rules and runs
 */
int model_main(const struct model *model, int argc, char **argv);

#endif
