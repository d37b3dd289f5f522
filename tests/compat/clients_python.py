# SPDX-License-Identifier: Apache-2.0
"""The client libraries of Python. All tell the stories of python/stories.py, as far as they have
words for it; what a library can't say is listed with it.
"""
import os
import subprocess

import install
import versions
from suite import HERE, Case, Client, Unavailable

STORIES = os.path.join(HERE, "python", "stories.py")
DEBIAN_PYTHON = "/usr/bin/python3"
GROUPS = ("consumer groups",)
ADMIN = GROUPS + ("group administration",)

# name in stories.py: capability, what it shows, what it needs of the broker
STORY = {
    "round_trip": ("records", "keys, headers, absent values and large records come back", ()),
    "codecs": ("records", "every codec that it has", ()),
    "idempotence": ("records", "an idempotent producer's records come once and in order", ()),
    "records_deleted": ("admin", "records before an offset are deleted", ()),
    "topics": ("admin", "topics are created, listed, described and deleted", ()),
    "more_partitions": ("admin", "a topic gets more partitions", ("CreatePartitions",)),
    "configs": ("admin", "a configuration is changed and acts", ("AlterConfigs",)),
    "group": ("groups", "two members share the partitions, each record comes once", GROUPS),
    "handover": ("groups", "who leaves hands over what it has read", GROUPS),
    "many": ("groups", "members come and go while records come", GROUPS),
    "cooperative": ("groups", "a cooperative group shares without a stop", GROUPS),
    "static_member": ("groups", "a static member comes back to its partitions", GROUPS),
    "several_topics": ("groups", "a pattern finds its topics", GROUPS),
    "committed": ("offsets", "the next member begins at what was committed", GROUPS),
    "unasked": ("offsets", "offsets are committed unasked", GROUPS),
    "groups_admin": ("admin", "groups and their offsets are listed and described", ADMIN),
    "group_offsets_altered": ("admin", "the offsets of a group are changed", ADMIN),
    "group_deleted": ("admin", "a group is deleted", ADMIN),
    "transactions": ("transactions", "what was committed is read, what was aborted is not",
                     ("transactions",)),
}


def telling(module, story):
    def run(arena, python):
        arena.run(python, "-B", STORIES, module, arena.address, story)
    return run


def cases(module, *untold, tier="quick", long=()):
    return [Case(capability, name, telling(module, story), needs=needs,
                 tier="long" if story in long else tier)
            for story, (capability, name, needs) in STORY.items() if story not in untold]


def debian(package, module, about):
    def find(_):
        found = subprocess.run([DEBIAN_PYTHON, "-c", "import " + module], capture_output=True,
                               check=False) if os.path.exists(DEBIAN_PYTHON) else None
        if found is None or found.returncode != 0:
            raise Unavailable(package + ": is not installed")
        said = subprocess.run([DEBIAN_PYTHON, "-c", about], capture_output=True, text=True,
                              check=True)
        return DEBIAN_PYTHON, said.stdout.strip()
    return find


def pypi(name):
    def find(_):
        requirements = versions.PYPI[name]
        return install.python(name, *requirements), requirements[0].split("==")[1]
    return find


# confluent-kafka 1.7 can neither delete records nor administer groups; aiokafka has no cooperative
# assignor and neither changes the offsets of a group nor deletes one.
GROUP_ADMIN = ("groups_admin", "group_offsets_altered", "group_deleted")
CLIENTS = (
    Client("confluent-kafka (Debian)", debian(
        "python3-confluent-kafka", "confluent_kafka",
        "import confluent_kafka as c; print('%s, librdkafka %s' % "
        "(c.version()[0], c.libversion()[0]))"),
        cases("confluent", "records_deleted", *GROUP_ADMIN)),
    Client("python3-kafka (Debian)", debian(
        "python3-kafka", "kafka, lz4, snappy, zstandard",
        "import kafka; print(kafka.__version__)"),
        cases("kafka_python", "records_deleted", "idempotence", "cooperative", "static_member",
              "group_offsets_altered", "transactions")),
    Client("confluent-kafka", pypi("confluent-kafka"),
           cases("confluent", long=("round_trip", "codecs", "idempotence"))),
    Client("kafka-python", pypi("kafka-python"), cases("kafka_python", tier="long")),
    Client("aiokafka", pypi("aiokafka"),
           cases("aiokafka_library", "cooperative", "group_offsets_altered", "group_deleted",
                 tier="long")),
)
