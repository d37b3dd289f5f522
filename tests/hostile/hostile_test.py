# SPDX-License-Identifier: Apache-2.0
"""The daemon under attack, with good clients beside the bad ones. Prints TAP.

Usage: hostile_test.py [--connections N] [--sanitized] KAFSCALED

After each attack the daemon lives, has closed every descriptor again, and has kept its memory
within the account; the good client was served all the time. How fast is printed, not judged:
tests/bench does that. A sanitizer's own memory can't be told from the daemon's: --sanitized leaves
out the figures of memory.
"""
import argparse
import functools
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import attacks
import wire

LIMIT_S = 60
REQUESTS = 100  # of the good client while an attack goes on
READS_PER_PRODUCE = 9
BATCH_BYTES_GIVEN = 16  # its offset, length and epoch: for the broker to fill in
MIB = 1 << 20
MEMORY_MIB = 64
FRAME_MIB = 16
CACHE_MIB = 8
UNFLUSHED_MIB = 16
# Beside the account: the reserve, the daemon itself, and what malloc keeps for later.
SLACK_MIB = 24
SETTINGS = (
    "listen=127.0.0.1:0", "memory.bytes=%d" % (MEMORY_MIB * MIB), "freshness.ms=10000",
    "socket.request.max.bytes=%d" % (FRAME_MIB * MIB), "cache.bytes=%d" % (CACHE_MIB * MIB),
    "unflushed.bytes=%d" % (UNFLUSHED_MIB * MIB))


# Its checksum takes a tenth of a second.
@functools.lru_cache
def batch_of_zeros(size):
    return wire.batch(bytes(size))


class Daemon:
    """A kafscaled and what /proc says about it."""

    def __init__(self, root, *settings, descriptors=None):
        self.log = open(os.path.join(root, "log"), "a+", encoding="utf-8")
        words = ["store=dir:" + os.path.join(root, "data"), *SETTINGS, *settings]
        arguments = [BINARY] + [word for setting in words for word in ("--set", setting)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KAFSCALE_")}
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment,
            preexec_fn=lambda: descriptors and resource.setrlimit(
                resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        self.address = self.process.stdout.readline().split()[-1]

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def proc(self, name):
        return "/proc/%d/%s" % (self.process.pid, name)

    def descriptors(self):
        return len(os.listdir(self.proc("fd")))

    def status(self, name):
        with open(self.proc("status"), encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith(name + ":"))

    def wakeups(self):
        total = 0
        for task in os.listdir(self.proc("task")):
            with open(self.proc("task/%s/status" % task), encoding="utf-8") as file:
                total += sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)
        return total

    def cpu_ticks(self):
        with open(self.proc("stat"), encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def expect_alive(self):
        assert self.process.poll() is None, "ended with %s\n%s" % (self.process.poll(), self.said())

    def await_descriptors(self, count):
        deadline = time.monotonic() + LIMIT_S
        while self.descriptors() > count:
            self.expect_alive()
            assert time.monotonic() < deadline, (self.descriptors(), count)
            time.sleep(0.01)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=LIMIT_S)
        self.process.stdout.close()
        assert code == 0, "ended with %d\n%s" % (code, self.said())


class GoodClient(threading.Thread):
    """Produces a record and reads it again and again, until it is told to end: on two connections,
    since a broker short of memory may let whoever produces wait for a second."""

    def __init__(self, address):
        super().__init__()
        self.connection = wire.Connection(address)
        self.reader = wire.Connection(address)
        self.waits_ms = []
        self.failure = None
        self.must_end = threading.Event()
        wire.make_topic(self.connection, "good")
        batch = wire.batch(b"good")
        self.data = wire.produce("good", batch)
        self.batch_end = batch[BATCH_BYTES_GIVEN:]
        self.large = wire.produce("good", batch_of_zeros(100000))
        self.ask(self.large)

    def ask(self, data, connection=None):
        begun = time.monotonic()
        answer = (connection or self.connection).ask(data)
        self.waits_ms.append((time.monotonic() - begun) * 1000)
        return answer

    def run(self):
        try:
            while not self.must_end.wait(0.005):
                error, offset = wire.produced(self.ask(self.data))
                assert error == 0, "produce: error %d" % error
                self.ask(wire.fetch("good", size=4096), self.reader)
                for _ in range(READS_PER_PRODUCE - 1):
                    answer = self.ask(wire.fetch("good", offset, size=4096), self.reader)
                    assert answer.endswith(self.batch_end), "%d: not read" % offset
        except Exception:  # told by the main thread
            self.failure = traceback.format_exc()

    def await_served(self, count):
        """That often from now on, while the attack goes on."""
        deadline = time.monotonic() + LIMIT_S
        count += len(self.waits_ms)
        while len(self.waits_ms) < count:
            assert self.failure is None, self.failure
            assert time.monotonic() < deadline, "%d to go" % (count - len(self.waits_ms))
            time.sleep(0.01)

    def finish(self):
        self.must_end.set()
        self.join()
        # Larger ones may have to wait for memory, but not for ever.
        assert self.failure is None, self.failure
        assert wire.produced_error(self.ask(self.large)) == 0
        self.connection.close()
        self.reader.close()
        waits = sorted(self.waits_ms[1:-1])
        return waits[len(waits) // 2], waits[len(waits) * 99 // 100]


def raise_descriptor_limit():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def expect_memory(daemon, before_mib):
    most_mib = daemon.status("VmHWM") / 1024
    allowed_mib = before_mib + MEMORY_MIB + CACHE_MIB + UNFLUSHED_MIB + SLACK_MIB
    note("memory at most %d MiB, allowed %d MiB" % (most_mib, allowed_mib))
    assert OPTIONS.sanitized or most_mib <= allowed_mib, (most_mib, allowed_mib)


def note(line):
    print("# " + line)


# --- Tests: each gets a directory of its own ------------------------------------------------------

def under(attack):
    def test(root):
        daemon = Daemon(root)
        filler = wire.Connection(daemon.address)
        wire.make_topic(filler, attacks.TOPIC)
        for _ in range(12):
            filler.ask(wire.produce(attacks.TOPIC, batch_of_zeros(1000000)))
        filler.close()
        client = GoodClient(daemon.address)
        count = daemon.descriptors()
        memory_mib = daemon.status("VmRSS") / 1024
        client.start()
        attacker = attacks.Attacker(daemon.address, OPTIONS.connections, FRAME_MIB * MIB)
        attack(attacker)
        client.await_served(REQUESTS)
        daemon.expect_alive()
        attacker.close()
        daemon.await_descriptors(count)
        p50_ms, p99_ms = client.finish()
        note("good client p50 %.2f ms, p99 %.2f ms" % (p50_ms, p99_ms))
        expect_memory(daemon, memory_mib)
        lines = daemon.said().count("\n")
        assert lines < 20, "%d lines of log\n%s" % (lines, daemon.said()[:2000])
        daemon.stop()
    test.__name__ = "stands " + attack.__name__.replace("_", " ")
    return test


def strangers_are_named_in_one_line(root):
    for first_bytes, hint in ((b"\x16\x03\x01\x02\x00", "TLS"), (b"GET / HTTP/1.1\r\n", "HTTP")):
        daemon = Daemon(os.path.join(root))
        before = daemon.said().count("client disconnected")
        attacker = attacks.Attacker(daemon.address, 50, FRAME_MIB * MIB)
        idle = daemon.descriptors()
        attacker.all_say(first_bytes)
        for connection in attacker.sockets:
            connection.settimeout(LIMIT_S)
            try:
                assert connection.recv(1) == b""
            except ConnectionResetError:
                pass
        attacker.close()
        daemon.await_descriptors(idle)
        said = daemon.said()
        assert said.count("client disconnected") == before + 1, said
        assert hint in said, said
        daemon.stop()


def with_few_descriptors_those_who_are_in_are_served(root):
    daemon = Daemon(root, descriptors=100)
    client = GoodClient(daemon.address)
    client.start()
    ticks = daemon.cpu_ticks()
    attacker = attacks.Attacker(daemon.address, 300, FRAME_MIB * MIB)
    for _ in range(attacker.count):
        attacker.connect()
    time.sleep(2)  # long enough for a loop that spins to show
    burnt_s = (daemon.cpu_ticks() - ticks) / os.sysconf("SC_CLK_TCK")
    note("%.2f s of processor in 2 s" % burnt_s)
    assert burnt_s < 1.5, burnt_s
    assert daemon.descriptors() <= 100
    assert daemon.said().count("connection refused") == 1, daemon.said()
    client.await_served(REQUESTS)
    attacker.close()
    late = wire.Connection(daemon.address)
    late.ask(wire.api_versions())
    late.close()
    client.finish()
    daemon.stop()


def idle_connections_wake_nobody(root):
    daemon = Daemon(root)
    attacker = attacks.Attacker(daemon.address, OPTIONS.connections, FRAME_MIB * MIB)
    for count in (0, attacker.count):
        for _ in range(count):
            attacker.connect()
        late = wire.Connection(daemon.address)
        late.ask(wire.api_versions())
        before = daemon.wakeups()
        time.sleep(3)  # what happens meanwhile is what is tested: nothing
        woken = daemon.wakeups() - before
        note("%d idle connections: woken %d times in 3 s" % (count, woken))
        assert woken <= 30, woken
        late.close()
    attacker.close()
    daemon.stop()


def addresses_have_a_limit_of_their_own(root):
    daemon = Daemon(root, "max.connections.per.ip=10")
    attacker = attacks.Attacker(daemon.address, 100, FRAME_MIB * MIB)
    for _ in range(attacker.count):
        attacker.connect()
    served = 0
    for connection in attacker.sockets:
        attacker.say(wire.api_versions(), connection)
        connection.settimeout(LIMIT_S)
        try:
            served += len(connection.recv(1))
        except ConnectionError:
            pass
    assert served == 10, served
    attacker.close()
    daemon.stop()


TESTS = (*map(under, attacks.ATTACKS), strangers_are_named_in_one_line,
         with_few_descriptors_those_who_are_in_are_served, idle_connections_wake_nobody,
         addresses_have_a_limit_of_their_own)


def run_test(test):
    root = tempfile.mkdtemp(prefix="kafscale-hostile-")
    try:
        test(root)
        return None
    except Exception:  # whatever it is, it is this test's failure
        return traceback.format_exc()
    finally:
        shutil.rmtree(root)


def main():
    failed = 0
    tests = [test for test in TESTS if OPTIONS.only in test.__name__]
    raise_descriptor_limit()
    print("1..%d" % len(tests))
    for number, test in enumerate(tests, 1):
        failure = run_test(test)
        failed += failure is not None
        print("%sok %d - %s" % ("not " if failure else "", number,
                                test.__name__.replace("_", " ")))
        for line in (failure or "").splitlines():
            note(line)
        sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--sanitized", action="store_true")
    parser.add_argument("--only", default="", help="tests whose names contain this")
    parser.add_argument("kafscaled")
    OPTIONS = parser.parse_args()
    BINARY = os.path.abspath(OPTIONS.kafscaled)
    sys.exit(main())
