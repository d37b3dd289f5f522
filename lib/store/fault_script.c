/* SPDX-License-Identifier: Apache-2.0 */
/* The randomness is splitmix64 of the seed, drawn in the order of the requests. */
#include "store/fault_script.h"

#include <assert.h>

#define MILLION 1000000u

struct script_line {
    struct ks_list link;
    enum ks_store_operation operation;
    char *key_part;
    struct ks_fate fate;
    uint32_t count;
};

uint64_t
ks_fault_script_random(struct ks_fault_script *script)
{
    uint64_t z = (script->random_state += 0x9e3779b97f4a7c15u);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

int64_t
ks_fault_script_random_ms(struct ks_fault_script *script, int64_t ms_max)
{
    return ms_max <= 0 ? 0 : (int64_t) (ks_fault_script_random(script) % ((uint64_t) ms_max + 1));
}

void
ks_fault_script_init(struct ks_fault_script *script)
{
    *script = (struct ks_fault_script){ 0 };
    ks_list_init(&script->lines);
}

void
ks_fault_script_clear(struct ks_fault_script *script)
{
    struct ks_list *node;

    while ((node = ks_list_take_first(&script->lines)) != NULL) {
        struct script_line *line = KS_CONTAINER(node, struct script_line, link);

        ks_free(line->key_part);
        ks_free(line);
    }
    script->line_count = 0;
    script->rates = (struct ks_fault_rates){ 0 };
}

struct ks_fault_script *
ks_fault_script_new(void)
{
    struct ks_fault_script *script = ks_alloc_zero(1, sizeof *script);

    if (script != NULL) {
        ks_fault_script_init(script);
    }
    return script;
}

void
ks_fault_script_free(struct ks_fault_script *script)
{
    if (script != NULL) {
        ks_fault_script_clear(script);
        ks_free(script);
    }
}

bool
ks_fault_script_next(struct ks_fault_script *script, enum ks_store_operation operation,
                     const char *key_part, struct ks_fate fate, uint32_t count)
{
    struct script_line *line = ks_alloc_zero(1, sizeof *line);

    assert(count > 0);
    if (line == NULL) {
        return false;
    }
    line->operation = operation;
    line->fate = fate;
    line->count = count;
    line->key_part = key_part == NULL ? NULL : ks_copy_text(key_part);
    if (key_part != NULL && line->key_part == NULL) {
        ks_free(line);
        return false;
    }
    ks_list_append(&script->lines, &line->link);
    script->line_count++;
    return true;
}

size_t
ks_fault_script_line_count(const struct ks_fault_script *script)
{
    return script->line_count;
}

static bool
line_matches(const struct script_line *line, enum ks_store_operation kind, const char *key)
{
    if (line->operation != KS_STORE_OPERATION_COUNT && line->operation != kind) {
        return false;
    }
    return line->key_part == NULL || strstr(key, line->key_part) != NULL;
}

static bool
fate_of_script(struct ks_fault_script *script, enum ks_store_operation kind, const char *key,
               struct ks_fate *fate_out)
{
    for (struct ks_list *node = script->lines.next; node != &script->lines; node = node->next) {
        struct script_line *line = KS_CONTAINER(node, struct script_line, link);

        if (!line_matches(line, kind, key)) {
            continue;
        }
        *fate_out = line->fate;
        if (line->count != UINT32_MAX && --line->count == 0) {
            ks_list_remove(&line->link);
            script->line_count--;
            ks_free(line->key_part);
            ks_free(line);
        }
        return true;
    }
    return false;
}

static struct ks_fate
draw_fate(struct ks_fault_script *script)
{
    const struct ks_fault_rates *rates = &script->rates;
    struct ks_fate fate = { 0 };
    uint64_t draw = ks_fault_script_random(script) % MILLION;

    for (int fault = KS_FAULT_NONE + 1; fault < KS_FAULT_COUNT; fault++) {
        if (draw < rates->faults[fault]) {
            fate.fault = (enum ks_fault) fault;
            break;
        }
        draw -= rates->faults[fault];
    }
    if (ks_fault_script_random(script) % MILLION < rates->slow) {
        fate.effect_ms = ks_fault_script_random_ms(script, rates->slow_ms_max);
        fate.answer_ms = ks_fault_script_random_ms(script, rates->slow_ms_max);
    }
    if (fate.fault == KS_FAULT_LATE || fate.fault == KS_FAULT_ECHO) {
        fate.effect_ms = ks_fault_script_random_ms(script, rates->late_ms_max);
    }
    return fate;
}

struct ks_fate
ks_fault_script_draw(struct ks_fault_script *script, enum ks_store_operation kind, const char *key)
{
    struct ks_fate fate;

    return fate_of_script(script, kind, key, &fate) ? fate : draw_fate(script);
}
