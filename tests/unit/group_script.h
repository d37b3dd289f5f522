/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stories about one group, as text. A line is an event; the lines behind it that begin with "->"
 * are everything that the group says then, in this order: a line more, less or other fails the
 * test.
 *
 *     join a range              "-> a not joined: member id required a-1"
 *     sync a a-1=x              a brings an assignment, if it leads
 *     heartbeat a               or commit, or leave: "-> ok"
 *     gone a                    nobody waits for a's last request any more
 *     forget a                  a starts again: it knows neither id nor generation
 *     wait 3000                 so many ms pass
 *     stored 1, not stored 1    what "-> store 1: ..." has asked for
 *     extend 3000, end, restart
 *     state                     "-> Stable 1 range leader a-1: a-1=x b-1="
 *
 * A client's name is a word. Its id and generation are what it was told last; words behind say
 * otherwise: id= static= generation= type= protocol= session= rebalance= (ms), v3 v4 v9 (v4
 * unless told). Other words of a join are protocols, with metadata behind '=' or without.
 */
#ifndef KS_TESTS_UNIT_GROUP_SCRIPT_H
#define KS_TESTS_UNIT_GROUP_SCRIPT_H

#include "group/group.h"

struct group_story {
    int64_t initial_delay_ms;
    size_t size_max; /* 0: no limit */
};

/*
 * Plays the whole story to one new group, which is ended then; and again for each allocation, which
 * fails: the request that needed it must be refused, and can be made again as if nothing had been.
 */
void group_story_play(const struct group_story *story, const char *text);

/* With neither initial delay nor limit. */
void play(const char *text);

#endif
