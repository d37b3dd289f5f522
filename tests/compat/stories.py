# SPDX-License-Identifier: Apache-2.0
"""The stories that client libraries of all languages tell, and how they become cases. What a story
does is in python/stories.py, once more in the same words in node/stories.js and go/main.go.
"""
import os

from suite import Case

# name of the story: capability, what it shows, what it needs of the broker
STORIES = {
    "round_trip": ("records", "keys, headers, absent values and large records come back", ()),
    "codecs": ("records", "every codec that it has", ()),
    "idempotence": ("records", "an idempotent producer's records come once and in order", ()),
    "group": ("groups", "two members share the partitions, each record comes once", ()),
    "handover": ("groups", "who leaves hands over what it has read", ()),
    "many": ("groups", "members come and go while records come", ()),
    "cooperative": ("groups", "a cooperative group shares without a stop", ()),
    "static_member": ("groups", "a static member comes back to its partitions", ()),
    "restarted": ("groups", "a broker that is killed and restarted costs no rebalance", ()),
    "several_topics": ("groups", "a pattern finds its topics", ()),
    "committed": ("offsets", "the next member begins at what was committed", ()),
    "unasked": ("offsets", "offsets are committed unasked", ()),
    "topics": ("admin", "topics are created, listed, described and deleted", ()),
    "more_partitions": ("admin", "a topic gets more partitions", ()),
    "configs": ("admin", "a configuration is changed and acts", ()),
    "records_deleted": ("admin", "records before an offset are deleted", ()),
    "groups_admin": ("admin", "groups and their offsets are listed and described", ()),
    "group_offsets_altered": ("admin", "the offsets of a group are changed", ()),
    "group_deleted": ("admin", "a group is deleted", ()),
    "transactions": ("transactions", "what was committed is read, what was aborted is not",
                     ("transactions",)),
}


def cases(telling, untold=(), tier="quick", long=()):
    """A case for each story but those that a library has no words for; `telling(story)` is what
    runs it. Those of `long` are left to the long tier."""
    return [Case(capability, name, telling(story), needs=wanted,
                 tier="long" if story in long else tier)
            for story, (capability, name, wanted) in STORIES.items() if story not in untold]


def tell(arena, story, *command):
    """Runs the program that tells it. The broker is killed and restarted for the story that says
    when, and waits for a file in its directory."""
    if story != "restarted":
        arena.run(*command)
        return
    process = arena.start(*command)
    arena.wait_until(lambda: "kill the broker" in process.said() or process.has_ended(), "members")
    arena.restart_broker()
    with open(os.path.join(arena.root, "restarted"), "w", encoding="utf-8"):
        pass
    arena.wait(process)
