# SPDX-License-Identifier: Apache-2.0
"""Frameworks on the Java client."""
import os
import re

import install
import versions
from suite import HERE, Case, Client

LINES = ("one two three", "two three", "three")


def counts(arena):
    """The newest count of each word."""
    said = arena.kcat("-C", "-t", "counts", "-o", "beginning", "-e", "-q", "-K", ":")
    return dict(line.split(":") for line in said.splitlines())


def start_counting(arena, jars, name):
    return arena.start(
        "java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars,
        os.path.join(HERE, "java", "WordCount.java"), arena.address,
        os.path.join(arena.root, name))


def word_count(arena, jars):
    """A second one, without the first one's state, goes on from the changelog topic."""
    for topic in ("lines", "counts"):
        arena.kcat("-L", "-t", topic, "-X", "allow.auto.create.topics=true")
    arena.kcat("-P", "-t", "lines", text="".join(line + "\n" for line in LINES))
    first = start_counting(arena, jars, "first")
    arena.wait_until(lambda: counts(arena) == {"one": "1", "two": "2", "three": "3"}, "counts")
    first.kill(15)
    arena.wait(first, code=None)
    arena.kcat("-P", "-t", "lines", text="three four\n")
    start_counting(arena, jars, "second")
    arena.wait_until(
        lambda: counts(arena) == {"one": "1", "two": "2", "three": "4", "four": "1"}, "counts")
    topics = arena.kcat("-L")
    for ending in ("repartition", "changelog"):
        assert re.search(r"word-count-KSTREAM-AGGREGATE-STATE-STORE-\d+-%s\" with 4 partitions" %
                         ending, topics), topics


def find(_):
    version, *coordinates = versions.STREAMS
    return install.java("kafka-streams-" + version, *coordinates), version


CLIENTS = (Client("Kafka Streams", find, (
    Case("frameworks", "word count, restarted without its state", word_count, tier="long",
         limit_s=180),)),)
