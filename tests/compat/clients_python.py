# SPDX-License-Identifier: Apache-2.0
"""The client libraries of Python, through python/stories.py."""
import os
import subprocess

import install
import versions
from stories import cases, tell
from suite import HERE, Client, Unavailable

PROGRAM = os.path.join(HERE, "python", "stories.py")
DEBIAN_PYTHON = "/usr/bin/python3"


def telling(module):
    return lambda story: lambda arena, python: tell(
        arena, story, python, "-B", PROGRAM, module, arena.address, story)


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
        version = requirements[0].split("==")[1]
        return install.python("%s-%s" % (name, version), *requirements), version
    return find


CLIENTS = (
    # It can neither delete records nor administer groups.
    Client("confluent-kafka (Debian)", debian(
        "python3-confluent-kafka", "confluent_kafka",
        "import confluent_kafka as c; print('%s, librdkafka %s' % "
        "(c.version()[0], c.libversion()[0]))"),
        cases(telling("confluent"), untold=(
            "records_deleted", "groups_admin", "group_offsets_altered", "group_deleted"))),
    Client("python3-kafka (Debian)", debian(
        "python3-kafka", "kafka, lz4, snappy, zstandard",
        "import kafka; print(kafka.__version__)"),
        cases(telling("kafka_python"), untold=(
            "idempotence", "cooperative", "static_member", "records_deleted",
            "group_offsets_altered", "transactions"))),
    Client("confluent-kafka", pypi("confluent-kafka"),
           cases(telling("confluent"), long=("round_trip", "codecs", "idempotence"))),
    Client("kafka-python", pypi("kafka-python"), cases(telling("kafka_python"), tier="long")),
    # It has no cooperative assignor, and neither changes the offsets of a group nor deletes one.
    Client("aiokafka", pypi("aiokafka"), cases(telling("aiokafka_library"), tier="long", untold=(
        "cooperative", "group_offsets_altered", "group_deleted"))),
)
