# SPDX-License-Identifier: Apache-2.0
"""Kafka Connect in distributed mode, with the connectors that read and write files. A worker is
told what to do over HTTP; all that it knows is in three topics of the broker.
"""
import json
import os
import urllib.error
import urllib.request

import install
import versions
from suite import Case, Client, daemon, tail

# As config/connect-distributed.properties of Apache Kafka has it.
WORKER = """bootstrap.servers=%(broker)s
listeners=http://%(address)s
group.id=connect-cluster
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
offset.storage.topic=connect-offsets
offset.storage.replication.factor=1
offset.flush.interval.ms=10000
config.storage.topic=connect-configs
config.storage.replication.factor=1
status.storage.topic=connect-status
status.storage.replication.factor=1
%(more)s
"""
TOPICS = (("connect-configs", 1), ("connect-offsets", 25), ("connect-status", 5))
SOON = "scheduled.rebalance.max.delay.ms=1000"
FILE = "org.apache.kafka.connect.file.FileStream%sConnector"


class Worker:
    """One process of Connect; `more` are lines of its configuration."""

    def __init__(self, arena, jars, more=""):
        self.arena = arena
        self.address = daemon.free_address()
        path = os.path.join(arena.root, "worker-%s.properties" % self.address.split(":")[1])
        with open(path, "w", encoding="utf-8") as file:
            file.write(WORKER % {"broker": arena.address, "address": self.address, "more": more})
        self.process = arena.start(
            "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars,
            "org.apache.kafka.connect.cli.ConnectDistributed", path)

    def ask(self, method, path, body=None):
        """What it answers, or None while it can't."""
        assert not self.process.has_ended(), tail(self.process.said())
        request = urllib.request.Request(
            "http://%s%s" % (self.address, path), method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=self.arena.left_s()) as answer:
                return json.loads(answer.read() or b"{}")
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode()
            assert error.code in (404, 409, 500, 503), "%s: %s" % (error, said)
        except (urllib.error.URLError, ConnectionError):
            pass
        return None

    def tell(self, method, path, body=None):
        """It refuses what comes while it shares out its work, and before it is ready."""
        return self.arena.wait_until(lambda: self.ask(method, path, body) is not None,
                                     "%s %s" % (method, path))

    def connect(self, name, kind, path, **more):
        self.tell("PUT", "/connectors/%s/config" % name, {
            "connector.class": FILE % kind, "file": path, "tasks.max": "1", **more})

    def read(self, path):
        self.connect("source", "Source", path, **{
            "topic": "lines", "topic.creation.default.partitions": "1",
            "topic.creation.default.replication.factor": "-1"})

    def write(self, path):
        self.connect("sink", "Sink", path, topics="lines")

    def offset(self, connector, key):
        """The one that a connector has stored."""
        answer = self.ask("GET", "/connectors/%s/offsets" % connector) or {}
        found = [entry["offset"][key] for entry in answer.get("offsets", ()) if entry["offset"]]
        return found[0] if found else None

    def runs_at(self, connector):
        """Where its task runs, or None."""
        status = self.ask("GET", "/connectors/%s/status" % connector) or {}
        return next((task["worker_id"] for task in status.get("tasks", ())
                     if task["state"] == "RUNNING"), None)


def lines(first, count):
    return ["line %d" % i for i in range(first, first + count)]


def append(path, added):
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(line + "\n" for line in added))


def content(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        return file.read().splitlines()


def in_topic(arena):
    said = arena.kcat("-C", "-t", "lines", "-o", "beginning", "-e", "-q")
    return [json.loads(line)["payload"] for line in said.splitlines()]


def check_repeats(got, known, new):
    """What had its offset stored came once; the rest came, in order, and may have come again."""
    assert got[:len(known)] == known, got[:5]
    later = got[len(known):]
    assert list(dict.fromkeys(later)) == new, (len(later), later[:5], later[-5:])


def files(arena):
    return os.path.join(arena.root, "in"), os.path.join(arena.root, "out")


def carried_on(arena, jars):
    source, sink = files(arena)
    known, lost, new = lines(0, 100), lines(100, 100), lines(200, 100)
    append(source, known)
    first = Worker(arena, jars)
    first.read(source)
    first.write(sink)
    arena.wait_until(lambda: content(sink) == known, "the lines")
    size = os.path.getsize(source)
    arena.wait_until(lambda: first.offset("source", "position") == size, "the source's offset")
    arena.wait_until(lambda: first.offset("sink", "kafka_offset") == 100, "the sink's offset")
    append(source, lost)
    arena.wait_until(lambda: content(sink) == known + lost, "more lines")
    first.process.kill()
    append(source, new)

    second = Worker(arena, jars)
    arena.wait_until(lambda: content(sink)[-1:] == new[-1:], "the last lines")
    check_repeats(in_topic(arena), known, lost + new)
    check_repeats(content(sink), known, lost + new)
    topics = arena.kcat("-L")
    for name, count in TOPICS:
        assert '"%s" with %d partitions' % (name, count) in topics, topics
    assert sorted(second.ask("GET", "/connectors")) == ["sink", "source"]


def shared(arena, jars):
    source, sink = files(arena)
    append(source, lines(0, 100))
    workers = [Worker(arena, jars, SOON) for _ in range(2)]
    workers[0].read(source)
    workers[1].write(sink)

    def homes():
        return {workers[0].runs_at(name) for name in ("source", "sink")}

    arena.wait_until(lambda: homes() == {worker.address for worker in workers}, "two homes")
    arena.wait_until(lambda: content(sink) == lines(0, 100), "the lines")
    workers[1].process.kill(15)
    arena.wait(workers[1].process, code=None)
    arena.wait_until(lambda: homes() == {workers[0].address}, "one home")
    append(source, lines(100, 100))
    arena.wait_until(lambda: content(sink) == lines(0, 200), "more lines")


def offsets_reset(arena, jars):
    source, sink = files(arena)
    append(source, lines(0, 100))
    worker = Worker(arena, jars, "offset.flush.interval.ms=1000")
    worker.read(source)
    worker.write(sink)
    arena.wait_until(lambda: worker.offset("sink", "kafka_offset") == 100, "the sink's offset")
    worker.tell("PUT", "/connectors/sink/stop")
    arena.wait_until(lambda: worker.runs_at("sink") is None, "the sink's end")
    worker.tell("PATCH", "/connectors/sink/offsets", {"offsets": [{
        "partition": {"kafka_topic": "lines", "kafka_partition": 0},
        "offset": {"kafka_offset": 90}}]})
    worker.tell("PUT", "/connectors/sink/resume")
    arena.wait_until(lambda: content(sink) == lines(0, 100) + lines(90, 10), "the last ten again")
    worker.tell("PUT", "/connectors/sink/stop")
    arena.wait_until(lambda: worker.runs_at("sink") is None, "the sink's end")
    worker.tell("DELETE", "/connectors/sink/offsets")
    worker.tell("PUT", "/connectors/sink/resume")
    arena.wait_until(lambda: len(content(sink)) == 210, "all again")
    assert content(sink)[110:] == lines(0, 100)
    worker.tell("DELETE", "/connectors/sink")
    arena.wait_until(lambda: worker.ask("GET", "/connectors") == ["source"], "a connector less")


def find(_):
    version, *coordinates = versions.CONNECT
    return install.java("kafka-connect-" + version, *coordinates), version


CLIENTS = (Client("Kafka Connect", find, (
    Case("frameworks", "lines of a file to a topic and to a file, over a killed worker",
         carried_on, tier="long", limit_s=300),
    Case("frameworks", "two workers share connectors, who leaves gives its own away", shared,
         tier="long", limit_s=240),
    Case("frameworks", "offsets of a connector are altered and reset", offsets_reset, tier="long",
         limit_s=240))),)
