# SPDX-License-Identifier: Apache-2.0
"""The stories that client libraries of all languages tell, and how they become cases. What a story
does is in python/stories.py, once more in the same words in node/stories.js.
"""
from suite import Case

GROUPS = ("consumer groups",)
ADMIN = GROUPS + ("group administration",)

# name of the story: capability, what it shows, what it needs of the broker
STORIES = {
    "round_trip": ("records", "keys, headers, absent values and large records come back", ()),
    "codecs": ("records", "every codec that it has", ()),
    "idempotence": ("records", "an idempotent producer's records come once and in order", ()),
    "group": ("groups", "two members share the partitions, each record comes once", GROUPS),
    "handover": ("groups", "who leaves hands over what it has read", GROUPS),
    "many": ("groups", "members come and go while records come", GROUPS),
    "cooperative": ("groups", "a cooperative group shares without a stop", GROUPS),
    "static_member": ("groups", "a static member comes back to its partitions", GROUPS),
    "restarted": ("groups", "a broker that is killed and restarted costs no rebalance", GROUPS),
    "several_topics": ("groups", "a pattern finds its topics", GROUPS),
    "committed": ("offsets", "the next member begins at what was committed", GROUPS),
    "unasked": ("offsets", "offsets are committed unasked", GROUPS),
    "topics": ("admin", "topics are created, listed, described and deleted", ()),
    "more_partitions": ("admin", "a topic gets more partitions", ("CreatePartitions",)),
    "configs": ("admin", "a configuration is changed and acts", ("AlterConfigs",)),
    "records_deleted": ("admin", "records before an offset are deleted", ()),
    "groups_admin": ("admin", "groups and their offsets are listed and described", ADMIN),
    "group_offsets_altered": ("admin", "the offsets of a group are changed", ADMIN),
    "group_deleted": ("admin", "a group is deleted", ADMIN),
    "transactions": ("transactions", "what was committed is read, what was aborted is not",
                     ("transactions",)),
}


def cases(telling, untold=(), tier="quick", long=(), needs=()):
    """A case for each story but those that a library has no words for; `telling(story)` is what
    runs it. Those of `long` are left to the long tier."""
    return [Case(capability, name, telling(story), needs=tuple(needs) + wanted,
                 tier="long" if story in long else tier)
            for story, (capability, name, wanted) in STORIES.items() if story not in untold]
