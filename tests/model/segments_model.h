/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model of one partition's segments (docs/durability.md 2): compaction by any number of
 * compactors, adoption, retention, deletion of the topic and its next lives, readers old and new.
 * A PUT or DELETE that was sent acts at any later moment, any number of times; an answer comes at
 * once or never. What is in the log counts as correct (log_model.c): it holds the committed records
 * from `log_from` to the end. An offset stands for a record.
 */
#ifndef MODEL_SEGMENTS_MODEL_H
#define MODEL_SEGMENTS_MODEL_H

#include "model/search.h"

#include <string.h>

#define OFFSETS_MAX 5
#define COMPACTORS_MAX 3
#define LIVES_MAX 3
#define NAMES_MAX 3 /* prefixes: a life's own, or one that it shares */

enum segment_bound {
    BOUND_OFFSETS,
    BOUND_COMPACTORS,
    BOUND_LIVES,
    BOUND_READER,
    BOUND_RETENTION,
    BOUND_FOREIGN,
};

enum segment_rule {
    RULE_PUT_IF_ABSENT,
    RULE_ADOPT,
    RULE_FOLLOW_INDEX,
    RULE_INDEX_FIRST,
    RULE_CAS_AFTER_BOTH,
    RULE_BASE_FROM_REGISTER,
    RULE_COMPARE_COMPACTED,
    RULE_LOG_UNTIL_CAS,
    RULE_COMMITTED_ONLY,
    RULE_START_FIRST,
    RULE_START_LIFTS,
    RULE_START_RISES,
    RULE_READ_REGISTER_AGAIN,
    RULE_COMPARE_TOPIC,
    RULE_OWN_PREFIX,
    RULE_READER_CHECKS_ID,
    RULE_COMPACTOR_CHECKS_ID,
    RULE_FOREIGN_STAYS,
};

enum compactor_phase { IDLE, FIRST_SENT, SECOND_SENT, BOTH_DURABLE };
enum object_kind { INDEX, BODY };
enum reader_phase { READER_IDLE, READER_FINDS, READER_GETS };

/* An object is told by its life, its last offset, and whether its last record is committed. */
#define OBJECTS (LIVES_MAX * OFFSETS_MAX)

struct keys {
    uint32_t sent[2][OFFSETS_MAX]; /* objects of PUTs sent, as bits */
    uint8_t object[2][OFFSETS_MAX];
    uint8_t deleted; /* bases for which a DELETE was sent */
};

struct compactor {
    uint8_t phase, life, base, object;
};

struct life {
    uint8_t end, compacted, start; /* high watermark, compacted_upto, log_start */
    uint8_t log_from;
    uint8_t is_closed; /* the topic id is gone, and all registers with it */
    uint8_t name;      /* its prefix */
};

struct segment_state {
    struct keys names[NAMES_MAX];
    uint8_t alive; /* number of the life that is, + 1 */
    uint8_t made;
    struct life lives[LIVES_MAX];
    struct compactor compactors[COMPACTORS_MAX];
    struct {
        uint8_t phase, life, offset, compacted, base;
    } reader;
};

struct segment_bounds {
    int offsets, compactors, lives;
    bool has_reader, has_retention, has_foreign;
};

extern struct segment_bounds segment_bounds;

/* --- Objects -------------------------------------------------------------------------------- */

static inline uint8_t
object_of(int life, int last, bool is_uncommitted)
{
    return (uint8_t) (1 + life * OFFSETS_MAX + last + (is_uncommitted ? OBJECTS : 0));
}

static inline int
life_of(uint8_t object)
{
    return (object - 1) % OBJECTS / OFFSETS_MAX;
}

static inline int
last_of(uint8_t object)
{
    return (object - 1) % OFFSETS_MAX;
}

static inline bool
is_uncommitted(uint8_t object)
{
    return object > OBJECTS;
}

static inline bool
has(uint32_t set, int bit)
{
    return set >> bit & 1;
}

/* The kind that is put first decides the last offset of its base. */
static inline enum object_kind
kind_of(enum compactor_phase phase)
{
    return (phase == FIRST_SENT) == model_obeys(RULE_INDEX_FIRST) ? INDEX : BODY;
}

static inline const char *
kind_name(enum object_kind kind)
{
    return kind == INDEX ? ".index" : ".kfs";
}

/* The highest base of a segment not above `from`, or -1. */
static inline int
find_base(const struct keys *keys, int from)
{
    while (from >= 0 && keys->object[BODY][from] == 0) {
        from--;
    }
    return from;
}

static inline bool
is_of(uint8_t object, int life)
{
    return object != 0 && life_of(object) == life;
}

void segment_model_reader(const struct segment_state *state, struct model_search *search);

/* What must hold in every state: NULL, or what doesn't. */
const char *segment_model_broken(const void *state);

#endif
