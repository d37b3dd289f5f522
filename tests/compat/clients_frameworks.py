# SPDX-License-Identifier: Apache-2.0
"""Frameworks on the Java client."""
import os
import re
import time

import install
import versions
from suite import HERE, Case, Client


def java(jars, memory="256m", opens=()):
    """How a program begins; `opens` are packages of Java that a framework looks into."""
    return ("java", "-Xmx" + memory, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
            *("--add-opens=java.base/%s=ALL-UNNAMED" % package for package in opens),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars)


def source(name):
    return os.path.join(HERE, "java", name)


def lines(first, count):
    return ["line %d" % i for i in range(first, first + count)]


def create(arena, *topics):
    for topic in topics:
        arena.kcat("-L", "-t", topic, "-X", "allow.auto.create.topics=true")


def produce(arena, wanted):
    arena.kcat("-P", "-t", "lines", text="".join(line + "\n" for line in wanted))


def read(arena, topic):
    return arena.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q").splitlines()


def capitals(wanted):
    return sorted(line.upper() for line in wanted)


def end(arena, process):
    process.kill(15)
    arena.wait(process, code=None)


# --- Kafka Streams ---------------------------------------------------------------------------

LINES = ("one two three", "two three", "three")


def counts(arena):
    """The newest count of each word."""
    said = arena.kcat("-C", "-t", "counts", "-o", "beginning", "-e", "-q", "-K", ":")
    return dict(line.split(":") for line in said.splitlines())


def start_counting(arena, jars, name):
    return arena.start(*java(jars), source("WordCount.java"), arena.address,
                       os.path.join(arena.root, name))


def word_count(arena, jars):
    """A second one, without the first one's state, goes on from the changelog topic."""
    create(arena, "lines", "counts")
    arena.kcat("-P", "-t", "lines", text="".join(line + "\n" for line in LINES))
    first = start_counting(arena, jars, "first")
    arena.wait_until(lambda: counts(arena) == {"one": "1", "two": "2", "three": "3"}, "counts")
    end(arena, first)
    arena.kcat("-P", "-t", "lines", text="three four\n")
    start_counting(arena, jars, "second")
    arena.wait_until(
        lambda: counts(arena) == {"one": "1", "two": "2", "three": "4", "four": "1"}, "counts")
    topics = arena.kcat("-L")
    for ending in ("repartition", "changelog"):
        assert re.search(r"word-count-KSTREAM-AGGREGATE-STATE-STORE-\d+-%s\" with 4 partitions" %
                         ending, topics), topics


# --- Spring for Apache Kafka -----------------------------------------------------------------

POISON = 13


def start_listening(arena, jars, mode, first, count, *last):
    return arena.start(*java(jars), source("SpringListeners.java"), arena.address, mode, first,
                       count, *last)


def told(process, what):
    """The numbers that one of its listeners was given, with the thread that heard."""
    return [(int(number), thread) for number, thread in
            re.findall(r"^%s (\d+) (\S+)$" % what, process.said(), re.M)]


def heard(process):
    return [number for number, _ in told(process, "heard")]


def wait_heard(arena, process, wanted):
    """All of these, and the dead letter."""
    arena.wait_until(lambda: set(heard(process)) >= wanted, "all numbers")
    if POISON in wanted:
        arena.wait_until(lambda: told(process, "buried"), "the dead letter")


def listens(arena, jars):
    """Commits when all of a poll is done, the default."""
    first = start_listening(arena, jars, "BATCH", 0, 300)
    wait_heard(arena, first, set(range(300)))
    end(arena, first)
    assert sorted(heard(first)) == sorted([*range(300), POISON, POISON]), heard(first)
    assert [number for number, _ in told(first, "buried")] == [POISON]
    assert len({thread for _, thread in told(first, "heard")}) == 3, told(first, "heard")[::20]

    second = start_listening(arena, jars, "BATCH", 300, 300)
    wait_heard(arena, second, set(range(300, 600)))
    end(arena, second)
    assert sorted(heard(second)) == list(range(300, 600)), heard(second)
    assert not told(second, "buried")


def loses_its_process(arena, jars):
    """Commits each record: what a thread was at is all that may come again."""
    first = start_listening(arena, jars, "RECORD", 0, 300, 150)
    arena.wait(first, code=9)
    second = start_listening(arena, jars, "RECORD", 300, 300)
    left = set(range(600)) - set(heard(first))
    wait_heard(arena, second, left)
    end(arena, second)
    again = sorted(set(heard(first)) & set(heard(second)))
    assert 150 in again and len(again) <= 3, again
    assert max(heard(second).count(i) for i in range(600) if i != POISON) == 1


# --- Flink -----------------------------------------------------------------------------------

def compiled(arena, jars):
    """Flink finds classes in files alone."""
    arena.run("javac", "-cp", jars, "-d", arena.root, source("FlinkCopy.java"))
    return (*java(jars + ":" + arena.root, "400m", ("java.lang", "java.util")), "FlinkCopy",
            arena.address)


def copies(arena, jars):
    """The second run begins where the first one has committed, which does not wait for the commits
    of its last checkpoint when it ends: of one partition what was copied may come again."""
    program = compiled(arena, jars)
    produce(arena, lines(0, 1000))
    arena.run(*program, "bounded")
    assert sorted(read(arena, "copies")) == capitals(lines(0, 1000))
    produce(arena, lines(1000, 100))
    arena.run(*program, "bounded")
    copied = read(arena, "copies")
    assert sorted(set(copied)) == capitals(lines(0, 1100))
    assert len(copied) < 2000, "nothing was committed"


def copies_on(arena, jars):
    """The broker is killed while there is much to copy."""
    program = compiled(arena, jars)
    create(arena, "lines", "copies")
    produce(arena, lines(0, 1000))
    job = arena.start(*program, "endless")
    arena.wait_until(lambda: len(read(arena, "copies")) >= 1000, "copies")
    produce(arena, lines(1000, 50000))
    arena.restart_broker()
    arena.wait_until(lambda: len(set(read(arena, "copies"))) >= 51000, "more copies")
    assert sorted(set(read(arena, "copies"))) == capitals(lines(0, 51000))
    assert not job.has_ended(), job.said()


# --- Spark -----------------------------------------------------------------------------------

SPARK_OPENS = ("java.lang", "java.lang.invoke", "java.nio", "java.util", "java.util.concurrent",
               "sun.nio.ch", "sun.util.calendar")


def spark_copies(arena, jars):
    """The second run begins where the checkpoint of the first one is."""
    program = (*java(jars, "512m", SPARK_OPENS), source("SparkCopy.java"), arena.address,
               os.path.join(arena.root, "checkpoint"))
    create(arena, "lines", "copies")
    produce(arena, lines(0, 1000))
    said = arena.run(*program, 0)
    assert said.split() == ["copies", "1000", "late", "1000"], said
    between_ms = int(time.time() * 1000)
    produce(arena, lines(1000, 100))
    said = arena.run(*program, between_ms)
    assert said.split() == ["copies", "1100", "late", "100"], said
    assert sorted(read(arena, "copies")) == capitals(lines(0, 1100))


def find(name, pinned):
    version, *coordinates = pinned
    return lambda _: (install.java("%s-%s" % (name, version), *coordinates, needs_compiler=True),
                      version)


CLIENTS = (
    Client("Kafka Streams", find("kafka-streams", versions.STREAMS), (
        Case("frameworks", "word count, restarted without its state", word_count, tier="long",
             limit_s=180),)),
    Client("Spring for Apache Kafka", find("spring-kafka", versions.SPRING), (
        Case("frameworks", "a listener in three threads; what it can't take becomes a dead letter",
             listens, tier="long", limit_s=180),
        Case("frameworks", "a commit for each record, a process that dies", loses_its_process,
             tier="long", limit_s=180))),
    Client("Flink", find("flink", versions.FLINK), (
        Case("frameworks", "source and sink up to the end; the next job goes on there", copies,
             tier="long", limit_s=180),
        Case("frameworks", "source and sink over a broker that is killed and restarted", copies_on,
             tier="long", limit_s=180))),
    Client("Spark", find("spark", versions.SPARK), (
        Case("frameworks", "a stream from topic to topic, twice with one checkpoint", spark_copies,
             tier="long", limit_s=240),)),
)
