# SPDX-License-Identifier: Apache-2.0
"""MirrorMaker 2, which brings topics and groups from one cluster to another: how one moves here
from elsewhere. Both clusters are brokers of ours.
"""
import os
import re

import clients_java
import install
import versions
from suite import Case, Client

# As config/connect-mirror-maker.properties of Apache Kafka has it, but for intervals of a minute.
PROPERTIES = """clusters = old, new
old.bootstrap.servers = %(old)s
new.bootstrap.servers = %(new)s
old->new.enabled = true
old->new.topics = lines
old->new.sync.group.offsets.enabled = true
replication.factor = 1
checkpoints.topic.replication.factor = 1
heartbeats.topic.replication.factor = 1
offset-syncs.topic.replication.factor = 1
offset.storage.replication.factor = 1
status.storage.replication.factor = 1
config.storage.replication.factor = 1
refresh.topics.interval.seconds = 5
refresh.groups.interval.seconds = 5
emit.checkpoints.interval.seconds = 2
sync.group.offsets.interval.seconds = 2
sync.topic.configs.interval.seconds = 5
"""
PARTITIONS = 4


def fill(arena, address, first, count):
    for partition in range(PARTITIONS):
        arena.run("kcat", "-b", address, "-P", "-t", "lines", "-p", partition,
                  text="".join("%d\n" % i for i in range(first + partition, first + count,
                                                         PARTITIONS)))


def read(arena, address, *arguments):
    """Partition, offset and value of each record."""
    said = arena.run("kcat", "-b", address, "-e", "-q", "-f", "%p %o %s\n", *arguments)
    return sorted(tuple(map(int, line.split())) for line in said.splitlines())


def in_topic(arena, address, topic):
    return read(arena, address, "-C", "-t", topic, "-o", "beginning")


def start(arena, jars, old):
    path = os.path.join(arena.root, "mirror.properties")
    with open(path, "w", encoding="utf-8") as file:
        file.write(PROPERTIES % {"old": old.address, "new": arena.address})
    return arena.start(
        "java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars,
        "org.apache.kafka.connect.mirror.MirrorMaker", path)


def offsets_of(arena, group, topic):
    """Of each partition that the group has committed something for."""
    tools = clients_java.Tools(versions.KAFKA_4)
    said = tools.run(arena, "kafka-consumer-groups", "--describe", "--group", group, code=None)
    return {int(part): int(offset) for part, offset in
            re.findall(r"^%s +%s +(\d+) +(\d+) " % (group, re.escape(topic)), said, re.M)}


def moves(arena, jars):
    root = os.path.join(arena.root, "old")
    os.makedirs(root)
    old = arena.start_broker(root, *arena.settings)
    try:
        fill(arena, old.address, 0, 1000)
        had = read(arena, old.address, "-G", "g", "-X", "auto.offset.reset=earliest", "lines")
        assert [value for _, _, value in sorted(had, key=lambda record: record[2])] == \
            list(range(1000))
        mirror = start(arena, jars, old)
        arena.wait_until(lambda: '"old.lines" with 4 partitions' in arena.kcat("-L"), "the topic")
        arena.wait_until(lambda: in_topic(arena, arena.address, "old.lines") == had, "the records")
        arena.wait_until(lambda: len(offsets_of(arena, "g", "old.lines")) == PARTITIONS, "offsets")
        fill(arena, old.address, 1000, 1000)
        both = in_topic(arena, old.address, "lines")
        arena.wait_until(lambda: in_topic(arena, arena.address, "old.lines") == both, "all records")
        assert not mirror.has_ended(), mirror.said()
        goes_on(arena, mirror, both)
    finally:
        code = old.stop()
    assert code == 0, code


def goes_on(arena, mirror, both):
    """A member of the group here begins at most where the group had been there."""
    mirror.kill(15)
    arena.wait(mirror, code=None)
    begins = offsets_of(arena, "g", "old.lines")
    assert all(0 < offset <= 250 for offset in begins.values()), begins
    got = read(arena, arena.address, "-G", "g", "old.lines")
    assert got == [record for record in both if record[1] >= begins[record[0]]], (begins, got[:5])


def find(_):
    version, *coordinates = versions.MIRROR
    return install.java("mirror-maker-" + version, *coordinates), version


CLIENTS = (Client("MirrorMaker", find, (
    Case("frameworks", "a topic with its group moves from one cluster to another", moves,
         tier="long", limit_s=240),)),)
