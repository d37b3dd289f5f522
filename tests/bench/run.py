# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks, compares every figure with tests/bench/limits.json and prints tables.

Usage: run.py [--smoke] KAFSCALED LOAD

--smoke moves a few megabytes and compares nothing: it shows that the tools work. Fails when a
figure misses its limit. Build with --buildtype=release first.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TICKS = os.sysconf("SC_CLK_TCK")
GIB = 1 << 30
PARTITIONS = 32
CONNECTIONS = 2


class Daemon:
    """A kafscaled on a free port and what the system says about it."""

    def __init__(self, binary, root, *settings):
        arguments = [binary, "--set", "listen=127.0.0.1:0"]
        for setting in settings:
            arguments += ["--set", setting]
        self.log = open(os.path.join(root, "log"), "w", encoding="utf-8")
        self.begun = time.monotonic()
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log,
                                        text=True)
        self.address = self.process.stdout.readline().split()[-1]
        self.ready_ms = (time.monotonic() - self.begun) * 1000

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid, encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def status(self, *names):
        """The sum over all threads of these lines of /proc/PID/task/TID/status."""
        total = 0
        for task in os.listdir("/proc/%d/task" % self.process.pid):
            path = "/proc/%d/task/%s/status" % (self.process.pid, task)
            with open(path, encoding="utf-8") as file:
                for line in file:
                    if line.split(":")[0] in names:
                        total += int(line.split()[1])
        return total

    def memory_mib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="utf-8") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024

    def stop(self):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        self.log.close()
        assert code == 0, "kafscaled ended with %d" % code


def load(address, *words):
    done = subprocess.run([LOAD, address, *map(str, words)], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, (words, done.stderr)
    return json.loads(done.stdout)


def throughput(root, settings, total_mib):
    """In and out through our own generator: rates, and what it cost the broker."""
    daemon = Daemon(KAFSCALED, root, *settings)
    load(daemon.address, "create", "bench", PARTITIONS)
    before = daemon.cpu_seconds()
    produced = load(daemon.address, "produce", "bench", PARTITIONS, CONNECTIONS, 1024, total_mib)
    consumed = load(daemon.address, "consume", "bench", PARTITIONS, CONNECTIONS)
    spent = daemon.cpu_seconds() - before
    assert consumed["bytes"] == produced["bytes"], (produced, consumed)
    daemon.stop()
    return {"produce_mb_per_second": produced["mb_per_second"],
            "consume_mb_per_second": consumed["mb_per_second"],
            "cpu_seconds_per_gib": spent * GIB / produced["bytes"]}


def latency(root, settings, per_second, seconds):
    daemon = Daemon(KAFSCALED, root, *settings)
    load(daemon.address, "create", "bench", 1)
    got = load(daemon.address, "latency", "bench", per_second, seconds)
    daemon.stop()
    return {"latency_p50_ms": got["p50_ms"], "latency_p99_ms": got["p99_ms"]}


def idle(root, seconds):
    daemon = Daemon(KAFSCALED, root, "store=memory")
    load(daemon.address, "hello")
    names = ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches")
    before = daemon.status(*names)
    time.sleep(seconds)  # a measurement, not a wait for something
    wakeups = daemon.status(*names) - before
    memory_mib = daemon.memory_mib()
    daemon.stop()
    return {"idle_memory_mib": memory_mib, "idle_wakeups_per_second": wakeups / seconds}


def start(root, rounds):
    """From fork to the first answer on the wire; the best of several, for the machine is shared."""
    best = None
    for _ in range(rounds):
        daemon = Daemon(KAFSCALED, root, "store=memory", "log.level=error")
        load(daemon.address, "hello")
        best = daemon.ready_ms if best is None else min(best, daemon.ready_ms)
        daemon.stop()
    return {"start_to_ready_ms": best}


def missed(figures, limits):
    for key, limit in limits.items():
        name, _, bound = key.rpartition("_")
        if name in figures and (figures[name] < limit if bound == "min" else figures[name] > limit):
            yield "%s is %.2f, limit %s" % (name, figures[name], limit)


def report(title, figures):
    print("## %s\n\n| figure | value |\n|---|---|" % title)
    for name, value in figures.items():
        print("| %s | %.2f |" % (name.replace("_", " "), value))
    print()
    sys.stdout.flush()


def main(is_smoke):
    size_mib, seconds = (8, 1) if is_smoke else (4096, 10)
    wrong = []
    with open(os.path.join(HERE, "limits.json"), encoding="utf-8") as file:
        limits = {} if is_smoke else json.load(file)
    with tempfile.TemporaryDirectory(prefix="kafscale-bench-") as root:
        directory = "store=dir:" + os.path.join(root, "data")
        runs = (
            ("Memory store, %d MiB in and out" % size_mib, limits,
             lambda: throughput(root, ["store=memory"], size_mib)),
            ("Directory store, %d MiB in and out" % (size_mib // 4), {},
             lambda: throughput(root, [directory + "1"], size_mib // 4)),
            ("Memory store, 100 records a second", limits,
             lambda: latency(root, ["store=memory"], 100, seconds)),
            ("Directory store, 100 records a second", {},
             lambda: latency(root, [directory + "2"], 100, seconds)),
            ("Idle", limits, lambda: idle(root, seconds)),
            ("Start", limits, lambda: start(root, 1 if is_smoke else 20)),
        )
        for title, bounds, run in runs:
            figures = run()
            report(title, figures)
            wrong += ["%s: %s" % (title, text) for text in missed(figures, bounds)]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    smoke = sys.argv[1] == "--smoke"
    KAFSCALED, LOAD = map(os.path.abspath, sys.argv[2:4] if smoke else sys.argv[1:3])
    sys.exit(main(smoke))
