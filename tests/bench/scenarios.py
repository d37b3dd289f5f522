# SPDX-License-Identifier: Apache-2.0
"""The scenarios that KafScale's own benchmark names, and the broker inside a program: one function
a benchmark, as in measure.py. Large ones take half a minute a round; run.py says where it is.
"""
import json
import time

import plot
from daemon import TICKS
from measure import BATCH_BYTES, GIB, MIB, RECORD_BYTES, percentile, touch_memory

SWEEP_BYTES = (100, 1 << 10, 10 << 10, 100 << 10, 1 << 20)
SCALE = (1, 3, 6, 12)
LARGE_BYTES = (1 << 20, 5 << 20, 10 << 20)
GROUPS = 4


def size(bench, mib):
    return 4 if bench.is_smoke else mib


def warm(bench, mib):
    """Memory for so much, and half a GiB for the rest."""
    if not bench.is_smoke:
        touch_memory((mib + 512) * MIB)


class Clock:
    """Seconds that have passed, and CPU seconds of a broker meanwhile."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.begun = time.monotonic()
        self.begun_cpu = daemon.cpu_seconds()

    def seconds(self):
        return time.monotonic() - self.begun

    def cpu_seconds(self):
        """In ticks of the system, at least one."""
        return max(self.daemon.cpu_seconds() - self.begun_cpu, 1 / TICKS)


def follow(bench, daemon, topic, partitions, mib, connections=1):
    """Begins to read a topic as it grows; end() gives what was read."""
    return bench.begin_load(daemon, "follow", topic, partitions, connections, mib)


def produce(bench, daemon, topic, partitions, batch_bytes, record_bytes, mib):
    return bench.load(daemon, "produce", topic, partitions, 1, batch_bytes, record_bytes, mib)


# --- Inside a program -------------------------------------------------------------------------


def in_process(bench):
    """Records of 100 bytes from a producer to a consumer in the broker's own process."""
    count = 100000 if bench.is_smoke else 10000000
    warm(bench, count * 120 // MIB)
    got = json.loads(bench.run("local", count, 100, 1, "num.partitions", 1))
    return {"million records/s": got["records/s"] / 1e6,
            "million records a CPU second": got["records per CPU second"] / 1e6}


def over_loopback(bench):
    """The same through TCP, all threads of generator and broker counted."""
    mib = size(bench, 1024)
    warm(bench, mib)
    daemon = bench.daemon("store=memory")
    bench.load(daemon, "create", "bench", 1)
    clock = Clock(daemon)
    reading = follow(bench, daemon, "bench", 1, mib)
    produced = produce(bench, daemon, "bench", 1, BATCH_BYTES, 100, mib)
    consumed = reading.end()
    cpu = clock.cpu_seconds() + produced["cpu_seconds"] + consumed["cpu_seconds"]
    figures = {"million records/s": produced["records"] / clock.seconds() / 1e6,
               "million records a CPU second": produced["records"] / cpu / 1e6,
               "million records a CPU second of the broker":
                   produced["records"] / clock.cpu_seconds() / 1e6}
    daemon.stop()
    return figures


# --- KafScale's scenarios ---------------------------------------------------------------------


def hot_path(bench):
    """One partition produced and consumed at once; then how long records are under way."""
    mib = size(bench, 1024)
    warm(bench, mib)
    daemon = bench.daemon("store=memory")
    bench.load(daemon, "create", "bench-hot", 1)
    clock = Clock(daemon)
    reading = follow(bench, daemon, "bench-hot", 1, mib)
    produced = produce(bench, daemon, "bench-hot", 1, 64 << 10, RECORD_BYTES, mib)
    reading.end()
    seconds, cpu = clock.seconds(), clock.cpu_seconds()
    got = bench.load(daemon, "paced", "bench-hot", 1, 1000, 1 if bench.is_smoke else 5)
    daemon.stop()
    return {"MB/s in and out": produced["bytes"] / seconds / 1e6,
            "records/s": produced["records"] / seconds,
            "broker CPU s/GiB in and out": cpu / (produced["bytes"] / GIB),
            "p50 ms at 1,000/s": got["p50_ms"], "p99 ms at 1,000/s": got["p99_ms"]}


def backlog(bench):
    """A backlog on disk, read from its beginning by a broker that was started again."""
    mib = size(bench, 1024)
    store = bench.directory()
    daemon = bench.daemon(store)
    bench.load(daemon, "create", "bench-s3", 4)
    produced = produce(bench, daemon, "bench-s3", 4, BATCH_BYTES, RECORD_BYTES, mib)
    daemon.stop()
    daemon = bench.daemon(store)
    clock = Clock(daemon)
    consumed = bench.load(daemon, "consume", "bench-s3", 4, 2)
    assert consumed["bytes"] == produced["bytes"], (produced, consumed)
    figures = {"MB/s in": produced["bytes"] / produced["seconds"] / 1e6,
               "MB/s out, cold": consumed["bytes"] / consumed["seconds"] / 1e6,
               "records/s out, cold": consumed["records"] / consumed["seconds"],
               "broker CPU s/GiB out": clock.cpu_seconds() / (consumed["bytes"] / GIB)}
    daemon.stop()
    return figures


def partition_scale(bench):
    """The same bytes over more and more partitions of one topic."""
    mib, figures, points = size(bench, 512), {}, []
    for partitions in SCALE:
        warm(bench, mib)
        daemon = bench.daemon("store=memory")
        bench.load(daemon, "create", "bench", partitions)
        reading = follow(bench, daemon, "bench", partitions, mib)
        clock = Clock(daemon)
        produced = produce(bench, daemon, "bench", partitions, 64 << 10, RECORD_BYTES, mib)
        reading.end()
        rate = produced["bytes"] / clock.seconds() / 1e6
        figures["MB/s in and out, %d partitions" % partitions] = rate
        points.append((partitions, rate))
        daemon.stop()
    bench.picture("partitions.svg", plot.svg("partitions", plot.Panel(
        "Produced and consumed at once", "MB/s", {"": points}, False)))
    return figures


def message_sizes(bench):
    """Records of growing size in batches of 64 KiB, or alone."""
    mib, figures, records, bytes_ = size(bench, 512), {}, [], []
    for record_bytes in SWEEP_BYTES:
        warm(bench, mib)
        daemon = bench.daemon("store=memory", "message.max.bytes=%d" % (2 << 20))
        bench.load(daemon, "create", "bench", 1)
        reading = follow(bench, daemon, "bench", 1, mib)
        clock = Clock(daemon)
        produced = produce(bench, daemon, "bench", 1, max(64 << 10, record_bytes), record_bytes,
                           mib)
        reading.end()
        rate = produced["bytes"] / clock.seconds() / 1e6
        figures["MB/s in and out, %d bytes" % record_bytes] = rate
        records.append((record_bytes, produced["records"] / clock.seconds()))
        bytes_.append((record_bytes, rate))
        daemon.stop()
    bench.picture("sizes.svg", plot.svg(
        "bytes a record", plot.Panel("Records", "a second", {"": records}, True),
        plot.Panel("Bytes", "MB/s", {"": bytes_}, False)))
    return figures


def large_records(bench):
    """One record a batch, of 1 to 10 MB, on disk."""
    mib, figures = size(bench, 512) * (5 if bench.is_smoke else 1), {}
    daemon = bench.daemon(bench.directory(), "message.max.bytes=%d" % (12 << 20))
    for record_bytes in LARGE_BYTES:
        topic = "bench-%d" % record_bytes
        bench.load(daemon, "create", topic, 1)
        produced = produce(bench, daemon, topic, 1, record_bytes, record_bytes, mib)
        consumed = bench.load(daemon, "consume", topic, 1, 1)
        assert consumed["bytes"] == produced["bytes"], (produced, consumed)
        name = "%d MiB" % (record_bytes >> 20)
        figures["MB/s in, " + name] = produced["bytes"] / produced["seconds"] / 1e6
        figures["MB/s out, " + name] = consumed["bytes"] / consumed["seconds"] / 1e6
    figures["MiB resident at the end"] = daemon.memory_mib()
    daemon.stop()
    return figures


def mixed_load(bench):
    """Three topics at once, of small, middling and large records; each is followed."""
    kinds = (("small", 12, 16 << 10, 100), ("middling", 6, 64 << 10, RECORD_BYTES),
             ("large", 1, 1 << 20, 1 << 20))
    mib, figures = size(bench, 256), {}
    warm(bench, 3 * mib)
    daemon = bench.daemon("store=memory", "message.max.bytes=%d" % (2 << 20))
    for topic, partitions, _, _ in kinds:
        bench.load(daemon, "create", topic, partitions)
    clock = Clock(daemon)
    readers = [follow(bench, daemon, topic, partitions, mib) for topic, partitions, _, _ in kinds]
    writers = [bench.begin_load(daemon, "produce", topic, partitions, 1, batch_bytes, record_bytes,
                                mib) for topic, partitions, batch_bytes, record_bytes in kinds]
    produced = [writer.end() for writer in writers]
    for reader in readers:
        reader.end()
    for (topic, _, _, _), got in zip(kinds, produced):
        figures["MB/s in, %s" % topic] = got["bytes"] / got["seconds"] / 1e6
    total = sum(got["bytes"] for got in produced)
    figures["MB/s in and out, all"] = total / clock.seconds() / 1e6
    figures["broker CPU s/GiB in and out"] = clock.cpu_seconds() / (total / GIB)
    daemon.stop()
    return figures


def fan_out(bench):
    """Several consumers that each read all of it, while it is produced."""
    mib = size(bench, 256)
    warm(bench, mib)
    daemon = bench.daemon("store=memory")
    bench.load(daemon, "create", "bench", 4)
    clock = Clock(daemon)
    readers = [follow(bench, daemon, "bench", 4, mib) for _ in range(GROUPS)]
    produced = produce(bench, daemon, "bench", 4, 64 << 10, RECORD_BYTES, mib)
    read = sum(reader.end()["bytes"] for reader in readers)
    seconds = clock.seconds()
    figures = {"MB/s in": produced["bytes"] / seconds / 1e6, "MB/s out, all": read / seconds / 1e6,
               "broker CPU s/GiB out": clock.cpu_seconds() / (read / GIB)}
    daemon.stop()
    return figures


def offset_recovery(bench):
    """From the start of a broker that was killed until a group has its committed offsets back."""
    times = []
    store = bench.directory()
    daemon = bench.daemon(store)
    bench.run("groups", daemon.address, "fill", "bench", 1, 10)
    for _ in range(2 if bench.is_smoke else 11):
        daemon.kill()
        begun = time.monotonic()
        daemon = bench.daemon(store)
        bench.run("groups", daemon.address, "await", "bench", 1, 10)
        times.append((time.monotonic() - begun) * 1000)
    daemon.stop()
    return {"ms to the offsets, median": percentile(times, 50), "ms, worst": max(times)}
