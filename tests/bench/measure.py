# SPDX-License-Identifier: Apache-2.0
"""What is measured: one function a benchmark; each returns its figures by name."""
import glob
import json
import mmap
import os
import re
import shutil
import socket
import subprocess
import time

from daemon import Daemon

GIB = 1 << 30
MIB = 1 << 20
PARTITIONS = 32
CONNECTIONS = 2
BATCH_BYTES = 256 << 10
SMALL_BATCH_BYTES = 16 << 10
CONNECTIONS_TO_FILL_OBJECTS = 16  # what they have under way at once must be more than an object
RECORD_BYTES = 1024


def touch_memory(size):
    """
    Takes so much memory and gives it back. A virtual machine gets a page from its host when it
    is first used, which costs three times what the page costs later; no broker is to pay that.
    """
    with mmap.mmap(-1, size) as memory:
        memory[::mmap.PAGESIZE] = bytes(size // mmap.PAGESIZE)


class Bench:
    """Where the programs are, and a directory for what they write."""

    def __init__(self, build, root, is_smoke):
        self.kafscaled = os.path.join(build, "daemon", "kafscaled")
        self.programs = os.path.join(build, "tests", "bench")
        self.root = root
        self.data = os.path.join(root, "data")
        self.is_smoke = is_smoke
        self.daemons = []
        self.pictures = []  # paths
        self.pictures_taken = 0

    def picture(self, name, text):
        """Keeps a picture of what is measured now."""
        self.pictures.append(os.path.join(self.root, name))
        with open(self.pictures[-1], "w", encoding="utf-8") as file:
            file.write(text)

    def take_pictures(self):
        """Those that are new."""
        begin, self.pictures_taken = self.pictures_taken, len(self.pictures)
        return self.pictures[begin:]

    def daemon(self, *settings):
        self.daemons.append(Daemon(self.kafscaled, os.path.join(self.root, "log"), *settings))
        return self.daemons[-1]

    def end_daemons(self):
        """Those that a failed benchmark has left."""
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.kill()

    def directory(self):
        """The setting for an empty directory store."""
        shutil.rmtree(self.data, ignore_errors=True)
        return "store=dir:" + self.data

    def can_run(self, function):
        """
        Without librdkafka's examples there is no rdkafka_performance, without libcurl neither S3
        nor a bare client.
        """
        program = "load"
        if function is librdkafka:
            program = "rdkafka_performance"
        if function.__module__ == "bucket":
            program = "bare"
        return os.path.exists(os.path.join(self.programs, program))

    def run(self, program, *words):
        done = subprocess.run([os.path.join(self.programs, program), *map(str, words)],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, (program, words, done.stdout, done.stderr)
        return done.stdout

    def begin(self, program, *words):
        return subprocess.Popen([os.path.join(self.programs, program), *map(str, words)],
                                stdout=subprocess.DEVNULL)

    def load(self, daemon, *words):
        return json.loads(self.run("load", daemon.address, *words))

    def begin_load(self, daemon, *words):
        """The same beside others: end() waits for it."""
        return Load([os.path.join(self.programs, "load"), daemon.address, *map(str, words)])

    def wal_objects(self):
        return glob.glob(self.data + "/**/wal/*/*", recursive=True)


class Load:
    """A load generator that runs."""

    def __init__(self, command):
        self.command = command
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(self):
        output, _ = self.process.communicate()
        assert self.process.returncode == 0, self.command
        return json.loads(output)


def free_address():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return "127.0.0.1:%d" % probe.getsockname()[1]


def percentile(values, percent):
    return sorted(values)[len(values) * percent // 100]


# --- Throughput -------------------------------------------------------------------------------


def throughput(bench, daemon, batch_bytes, total_mib):
    """Produces and then consumes everything once."""
    bench.load(daemon, "create", "bench", PARTITIONS)
    begun = daemon.cpu_seconds()
    produced = bench.load(daemon, "produce", "bench", PARTITIONS, CONNECTIONS, batch_bytes,
                          RECORD_BYTES, total_mib)
    middle = daemon.cpu_seconds()
    consumed = bench.load(daemon, "consume", "bench", PARTITIONS, CONNECTIONS)
    end = daemon.cpu_seconds()
    assert consumed["bytes"] == produced["bytes"], (produced, consumed)
    gib = produced["bytes"] / GIB
    return {"MB/s in": produced["bytes"] / produced["seconds"] / 1e6,
            "MB/s out": consumed["bytes"] / consumed["seconds"] / 1e6,
            "broker CPU s/GiB in": (middle - begun) / gib,
            "broker CPU s/GiB out": (end - middle) / gib,
            "broker CPU s/GiB in and out": (end - begun) / gib,
            "generator CPU s/GiB in": produced["cpu_seconds"] / gib,
            "generator CPU s/GiB out": consumed["cpu_seconds"] / gib}


def throughput_in_memory(bench, batch_bytes, total_mib):
    total_mib = 8 if bench.is_smoke else total_mib
    touch_memory((total_mib + 512) * MIB)
    daemon = bench.daemon("store=memory")
    figures = throughput(bench, daemon, batch_bytes, total_mib)
    daemon.stop()
    return figures


def memory_throughput(bench):
    return throughput_in_memory(bench, BATCH_BYTES, 4096)


def memory_throughput_of_small_batches(bench):
    return throughput_in_memory(bench, SMALL_BATCH_BYTES, 2048)


def write_like(bench, sizes):
    """Bytes a second of one writer that writes and syncs files of these sizes in turn."""
    directory = os.path.join(bench.root, "reference")
    data = os.urandom(max(sizes))
    os.mkdir(directory)
    begun = time.monotonic()
    for i, size in enumerate(sizes):
        file = os.open(os.path.join(directory, str(i)), os.O_WRONLY | os.O_CREAT, 0o640)
        assert os.write(file, data[:size] if size < len(data) else data) == size
        os.fsync(file)
        os.close(file)
    seconds = time.monotonic() - begun
    shutil.rmtree(directory)
    return sum(sizes) / seconds


def directory_throughput(bench):
    daemon = bench.daemon(bench.directory())
    figures = throughput(bench, daemon, BATCH_BYTES, 8 if bench.is_smoke else 1024)
    daemon.stop()
    reference = write_like(bench, [os.path.getsize(path) for path in bench.wal_objects()])
    figures["MB/s of write and fsync"] = reference / 1e6
    figures["share of write and fsync"] = figures["MB/s in"] * 1e6 / reference
    return figures


def librdkafka(bench):
    """rdkafka_performance, one partition; it reports only once what it was told to send."""
    count = 8 << 10 if bench.is_smoke else 1 << 20
    gib = count * RECORD_BYTES / GIB
    touch_memory(2 * count * RECORD_BYTES)
    daemon = bench.daemon("store=memory")
    bench.load(daemon, "create", "bench", 1)
    common = ["-t", "bench", "-b", daemon.address, "-p", 0, "-q"]
    begun = daemon.cpu_seconds()
    begun_s = time.monotonic()
    bench.run("rdkafka_performance", "-P", *common, "-s", RECORD_BYTES, "-c", count, "-a", -1)
    middle_s = time.monotonic()
    middle = daemon.cpu_seconds()
    bench.run("rdkafka_performance", "-C", *common, "-o", "beginning", "-c", count)
    end_s = time.monotonic()
    end = daemon.cpu_seconds()
    daemon.stop()
    return {"MB/s in": gib * GIB / (middle_s - begun_s) / 1e6,
            "MB/s out": gib * GIB / (end_s - middle_s) / 1e6,
            "broker CPU s/GiB in": (middle - begun) / gib,
            "broker CPU s/GiB out": (end - middle) / gib}


# --- Latency ----------------------------------------------------------------------------------


def latency(bench, daemon):
    bench.load(daemon, "create", "bench", 1)
    got = bench.load(daemon, "paced", "bench", 1, 100, 1 if bench.is_smoke else 20)
    return {"p50 ms": got["p50_ms"], "p99 ms": got["p99_ms"], "worst ms": got["max_ms"]}


def memory_latency(bench):
    daemon = bench.daemon("store=memory")
    figures = latency(bench, daemon)
    daemon.stop()
    return figures


def put_like(bench, size, per_second, count):
    """Milliseconds of durable creates of such a file, as often as the broker made them."""
    directory_path = os.path.join(bench.root, "reference")
    data = os.urandom(size)
    times_ms = []
    os.mkdir(directory_path)
    directory = os.open(directory_path, os.O_RDONLY)
    for i in range(count):
        time.sleep(1 / per_second)  # a measurement, not a wait for something
        begun = time.monotonic()
        file = os.open(directory_path, os.O_TMPFILE | os.O_WRONLY, 0o640)
        os.write(file, data)
        os.fsync(file)
        # With a descriptor: else Python takes link(), which doesn't follow.
        os.link("/proc/self/fd/%d" % file, str(i), src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        times_ms.append((time.monotonic() - begun) * 1000)
        os.close(file)
    os.close(directory)
    shutil.rmtree(directory_path)
    return times_ms


def directory_latency(bench):
    daemon = bench.daemon(bench.directory())
    figures = latency(bench, daemon)
    daemon.stop()
    size = percentile([os.path.getsize(path) for path in bench.wal_objects()], 50)
    reference = put_like(bench, size, 100, 20 if bench.is_smoke else 1000)
    figures["p50 ms of a durable create"] = percentile(reference, 50)
    figures["p50 ms above a durable create"] = figures["p50 ms"] - percentile(reference, 50)
    return figures


# --- Starting and idling ----------------------------------------------------------------------


def exec_to_answer(bench):
    address = free_address()
    got = json.loads(bench.run("start", address, "hello", bench.kafscaled, "--set",
                               "listen=" + address, "--set", "store=memory"))
    return {"ms": got["ms"]}


def fixture(bench):
    """Brokers for tests: one after the other up to a first acknowledged record, then many."""
    one_by_one, threads, in_each = (20, 2, 2) if bench.is_smoke else (1000, 10, 10)
    said = bench.run("../../examples/test_fixture", one_by_one, threads, in_each)
    median, p99, each, at_once = map(float, re.search(
        r"median (\S+) ms, p99 (\S+) ms; with stop (\S+) ms.*: (\S+) ms in all", said,
        re.DOTALL).groups())
    return {"median ms to the first acknowledged produce": median, "p99 ms": p99,
            "ms of start and stop": each, "ms of %d at once" % (threads * in_each): at_once}


def restart(bench, object_bytes):
    """Kills a broker that has 1 GB on 1,000 partitions, and starts it again."""
    total_mib, partitions = (8, 100) if bench.is_smoke else (954, 1000)
    store = bench.directory()
    flush = "flush.bytes=%d" % object_bytes
    daemon = bench.daemon(store, flush, "flush.interval.ms=1000")
    bench.load(daemon, "create", "bench", partitions)
    bench.load(daemon, "produce", "bench", partitions, CONNECTIONS_TO_FILL_OBJECTS,
               SMALL_BATCH_BYTES, RECORD_BYTES, total_mib)
    daemon.kill()
    objects = len(bench.wal_objects())
    address = free_address()
    got = json.loads(bench.run("start", address, "produce", "bench", bench.kafscaled, "--set",
                               "listen=" + address, "--set", store, "--set", flush))
    return {"objects": objects, "ms to the first acknowledged produce": got["ms"]}


def restart_of_large_objects(bench):
    return restart(bench, 4 << 20)


def restart_of_small_objects(bench):
    return restart(bench, 64 << 10)


def idle(bench):
    seconds = 1 if bench.is_smoke else 10
    daemon = bench.daemon(bench.directory())
    latency(bench, daemon)
    time.sleep(2)  # what the load left behind is done
    wakeups, calls = daemon.wakeups(), daemon.reads_and_writes()
    time.sleep(seconds)  # a measurement, not a wait for something
    wakeups, calls = daemon.wakeups() - wakeups, daemon.reads_and_writes() - calls
    memory_mib = daemon.memory_mib()
    daemon.stop()
    # A timer's wake-up reads its descriptor; a request to the store also reads or writes a file.
    return {"MiB resident": memory_mib, "wake-ups a second": wakeups / seconds,
            "reads and writes beyond one a wake-up": max(0, calls - wakeups)}


# --- Requests ---------------------------------------------------------------------------------


def puts(bench):
    """Objects a second at the same rate of records over more and more partitions."""
    per_second, seconds = (100, 1) if bench.is_smoke else (2000, 10)
    figures = {}
    daemon = bench.daemon(bench.directory(), "flush.interval.ms=100")
    for partitions in (1, 100, 10000):
        topic = "bench-%d" % partitions
        bench.load(daemon, "create", topic, partitions)
        before = len(bench.wal_objects())
        begun = time.monotonic()
        bench.load(daemon, "paced", topic, partitions, per_second, seconds)
        objects = len(bench.wal_objects()) - before
        figures["PUTs/s, %d partitions" % partitions] = objects / (time.monotonic() - begun)
    daemon.stop()
    figures["10,000 partitions to 1"] = (figures["PUTs/s, 10000 partitions"] /
                                         figures["PUTs/s, 1 partitions"])
    return figures
