# SPDX-License-Identifier: Apache-2.0
"""Our broker and others side by side: the same generator, the same load, in turn on one machine.

A peer is measured where its program is. Apache Kafka is found by KAFKA_HOME, its distribution or a
folder with its jars, or by kafka-server-start.sh on PATH, and needs Java. It runs as one node,
broker and controller in one, with the options of its own script and the defaults of its own
configuration.
"""
import glob
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time

from daemon import Broker
from measure import BATCH_BYTES, CONNECTIONS, GIB, MIB, PARTITIONS, RECORD_BYTES
from measure import SMALL_BATCH_BYTES, free_address
from page import text_of
from scenarios import GROUPS, Clock, follow, produce, size, warm

NONE_FOUND = ("no other broker is installed: KAFKA_HOME names no folder of Apache Kafka, "
              "kafka-server-start.sh is not on PATH, or there is no Java")
GIVE_UP_S = 60
QUIET_S = 0.5
QUIET_SHARE = 0.06  # of a processor: Kafka takes some of it even when nobody asks
SETTLE_S_MAX = 20

# What kafka-server-start.sh and what it calls give to Java.
KAFKA_JAVA = ("-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
              "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
              "-Djava.awt.headless=true")
KAFKA_CLUSTER = "kafscale-benchmarks-AA"  # 16 bytes in base64

# What a broker with one node can't do without; all else is left as it is.
KAFKA_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{controller}
listeners=PLAINTEXT://{address},CONTROLLER://{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
"""


# --- Brokers ----------------------------------------------------------------------------------


class Ours:
    """kafscaled on an empty store."""

    def __init__(self, name, store):
        self.name = name
        self.store = store

    def command(self, bench, address):
        setting = bench.directory() if self.store == "dir" else "store=" + self.store
        return [bench.kafscaled, "--set", "listen=" + address, "--set", setting]


OURS = (Ours("memory store", "memory"), Ours("directory store", "dir"))


class Kafka:
    """Apache Kafka on an empty directory."""

    def __init__(self, jars, java):
        self.java = java
        self.jars = os.path.join(jars, "*")
        self.name = "Apache Kafka " + kafka_version(jars)

    def command(self, bench, address):
        data, properties = bench.data, os.path.join(bench.root, "kafka.properties")
        shutil.rmtree(data, ignore_errors=True)
        with open(properties, "w", encoding="utf-8") as file:
            file.write(KAFKA_PROPERTIES.format(address=address, controller=free_address(),
                                               data=data))
        done = subprocess.run([self.java, "-cp", self.jars, "kafka.tools.StorageTool", "format",
                               "-t", KAFKA_CLUSTER, "-c", properties],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return [self.java, *KAFKA_JAVA, "-cp", self.jars, "kafka.Kafka", properties]


def kafka_version(folder):
    """Of the jars in a folder; empty without."""
    names = map(os.path.basename, glob.glob(os.path.join(glob.escape(folder), "kafka_*.jar")))
    matches = (re.fullmatch(r"kafka_[\d.]+-(\d+\.\d+\.\d+)\.jar", name) for name in names)
    return next((match.group(1) for match in matches if match), "")


def kafka_jars():
    """The folder that they are in, or None."""
    script = shutil.which("kafka-server-start.sh")
    homes = [os.environ.get("KAFKA_HOME"),
             script and os.path.dirname(os.path.dirname(os.path.realpath(script)))]
    folders = [os.path.join(home, *below) for home in homes if home for below in (["libs"], [])]
    return next(filter(kafka_version, folders), None)


def find_java():
    home = os.environ.get("JAVA_HOME")
    return shutil.which(os.path.join(home, "bin", "java") if home else "java")


def found():
    """The peers that can run here."""
    jars, java = kafka_jars(), find_java()
    return [Kafka(jars, java)] if jars and java else []


# --- Running them -----------------------------------------------------------------------------


class Running(Broker):
    """A broker that was just started and listens on `address`."""

    ends_with = (0, 128 + signal.SIGTERM)  # Java's

    def __init__(self, command, log_path, address):
        super().__init__(command, log_path, subprocess.DEVNULL)
        self.address = address
        host, _, port = address.rpartition(":")
        self.wait_until(lambda: can_connect(host, int(port)))

    def wait_until(self, is_true):
        begun = time.monotonic()
        while not is_true():
            if self.process.poll() is not None or time.monotonic() - begun > GIVE_UP_S:
                self.kill()
                self.fail_to_start()
            time.sleep(0.01)  # before a measurement, not in one


def can_connect(host, port):
    try:
        socket.create_connection((host, port)).close()
        return True
    except OSError:
        return False


def settle(bench, daemon):
    """What a load leaves behind, as segments to be made, is not to be charged to the next one."""
    begun = time.monotonic()
    while not bench.is_smoke and time.monotonic() - begun < SETTLE_S_MAX:
        clock = Clock(daemon)
        time.sleep(QUIET_S)
        if clock.cpu_seconds() < QUIET_SHARE * clock.seconds():
            break


def create(bench, daemon, topic, partitions):
    """Waits until each partition can be read too: Kafka answers before they have leaders."""
    bench.load(daemon, "create", topic, partitions)
    daemon.wait_until(lambda: can_read(bench, daemon, topic, partitions))
    settle(bench, daemon)


def can_read(bench, daemon, topic, partitions):
    try:
        bench.load(daemon, "consume", topic, partitions, 1)
        return True
    except AssertionError:
        return False


# --- What each of them does -------------------------------------------------------------------


def first_record(bench, broker):
    """From an empty store: a process, a topic, a record."""
    address = free_address()
    got = bench.run("start", address, "create", "bench", *broker.command(bench, address))
    return {"ms from exec to the first acknowledged record": json.loads(got)["ms"]}


def one_partition(bench, daemon, topic, mib):
    """Produced and followed at once."""
    create(bench, daemon, topic, 1)
    clock = Clock(daemon)
    reading = follow(bench, daemon, topic, 1, mib)
    produced = produce(bench, daemon, topic, 1, 64 << 10, RECORD_BYTES, mib)
    reading.end()
    return {"hot path, MB/s in and out": produced["bytes"] / clock.seconds() / 1e6,
            "hot path, broker CPU s/GiB in and out":
                clock.cpu_seconds() / (produced["bytes"] / GIB)}


def paced(bench, daemon):
    create(bench, daemon, "paced", 1)
    got = bench.load(daemon, "paced", "paced", 1, 1000, 1 if bench.is_smoke else 5)
    return {"p50 ms at 1,000/s": got["p50_ms"], "p99 ms at 1,000/s": got["p99_ms"]}


def many_partitions(bench, daemon, name, batch_bytes, mib):
    """Produced, then consumed."""
    create(bench, daemon, name.replace(" ", "-"), PARTITIONS)
    words = (name.replace(" ", "-"), PARTITIONS, CONNECTIONS)
    clock = Clock(daemon)
    produced = bench.load(daemon, "produce", *words, batch_bytes, RECORD_BYTES, mib)
    in_cpu = clock.cpu_seconds()
    settle(bench, daemon)
    clock = Clock(daemon)
    consumed = bench.load(daemon, "consume", *words)
    out_cpu, gib = clock.cpu_seconds(), produced["bytes"] / GIB
    assert consumed["bytes"] == produced["bytes"], (produced, consumed)
    return {name + ", MB/s in": produced["bytes"] / produced["seconds"] / 1e6,
            name + ", MB/s out": consumed["bytes"] / consumed["seconds"] / 1e6,
            name + ", broker CPU s/GiB in": in_cpu / gib,
            name + ", broker CPU s/GiB out": out_cpu / gib}


def fan_out(bench, daemon, mib):
    create(bench, daemon, "fan-out", 4)
    clock = Clock(daemon)
    readers = [follow(bench, daemon, "fan-out", 4, mib) for _ in range(GROUPS)]
    produce(bench, daemon, "fan-out", 4, 64 << 10, RECORD_BYTES, mib)
    read = sum(reader.end()["bytes"] for reader in readers)
    return {"fan-out to four, MB/s out": read / clock.seconds() / 1e6,
            "fan-out to four, broker CPU s/GiB out": clock.cpu_seconds() / (read / GIB)}


def measure_one(bench, broker):
    """A turn. Nothing that a turn wrote is left to be written while the next one is measured."""
    os.sync()
    warm(bench, 2560)
    figures = first_record(bench, broker)
    address = free_address()
    daemon = Running(broker.command(bench, address), os.path.join(bench.root, "log"), address)
    bench.daemons.append(daemon)
    one_partition(bench, daemon, "warm-up", size(bench, 1024))
    settle(bench, daemon)
    clock = Clock(daemon)
    sizes = [size(bench, mib) for mib in (512, 512, 256, 128)]
    figures.update(one_partition(bench, daemon, "hot", sizes[0]))
    figures.update(paced(bench, daemon))
    figures.update(many_partitions(bench, daemon, "large batches", BATCH_BYTES, sizes[1]))
    figures.update(many_partitions(bench, daemon, "small batches", SMALL_BATCH_BYTES, sizes[2]))
    figures.update(fan_out(bench, daemon, sizes[3]))
    settle(bench, daemon)
    figures["all, broker CPU s/GiB in, with what comes after"] = (
        clock.cpu_seconds() / (sum(sizes) * MIB / GIB))
    figures["MiB resident at the end"] = daemon.memory_mib()
    daemon.stop()
    shutil.rmtree(bench.data, ignore_errors=True)
    return figures


def side_by_side(bench):
    """The figures of each broker by its name. Who begins is drawn anew each round."""
    brokers = [*OURS, *found()]
    figures = {broker.name: None for broker in brokers}
    for broker in random.sample(brokers, len(brokers)):
        print("#   %s" % broker.name, file=sys.stderr, flush=True)
        figures[broker.name] = measure_one(bench, broker)
    return figures


# --- The table --------------------------------------------------------------------------------


def cell(values):
    median, lowest, highest = map(text_of, (statistics.median(values), min(values), max(values)))
    return median if len(values) == 1 else "%s (%s to %s)" % (median, lowest, highest)


def ratio(above, below):
    """Of what was measured in the same round."""
    return text_of(statistics.median(a / b for a, b in zip(above, below)))


def table(rounds):
    """A line for each figure, a column for each broker, then each peer against each of ours."""
    names = list(rounds[0])
    ours = [broker.name for broker in OURS]
    pairs = [(name, our) for name in names if name not in ours for our in ours]
    heads = ["figure", *names, *("%s to %s" % pair for pair in pairs)]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for figure in rounds[0][names[0]]:
        values = {name: [figures[name][figure] for figures in rounds] for name in names}
        lines.append("| " + " | ".join([
            figure, *(cell(values[name]) for name in names),
            *(ratio(values[peer], values[our]) for peer, our in pairs)]) + " |")
    return lines
