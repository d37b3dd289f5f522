# SPDX-License-Identifier: Apache-2.0
"""What many connections cost: the silent ones, and those that attack (tests/hostile/attacks.py)."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ATTACKS = os.path.join(HERE, "..", "hostile", "attacks.py")


class Crowd:
    """Connections of another process."""

    def __init__(self, daemon, attack, count):
        self.process = subprocess.Popen(
            [sys.executable, "-B", ATTACKS, daemon.address, attack, str(count)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "attacking\n"

    def leave(self):
        self.process.communicate("\n")
        assert self.process.returncode == 0


def idle_connections(bench):
    """What a connection costs that has asked once and then says nothing."""
    count = 100 if bench.is_smoke else 10000
    daemon = bench.daemon("store=memory")
    Crowd(daemon, "say_hello_and_stay", 10).leave()
    before_mib = daemon.memory_mib()
    crowd = Crowd(daemon, "say_hello_and_stay", count)
    after_mib = daemon.memory_mib()
    crowd.leave()
    daemon.stop()
    return {"connections": count, "KiB each": (after_mib - before_mib) * 1024 / count}


def under_attack(bench):
    """
    A good client's produce latency alone, beside four attacks at once on another broker of this
    machine, and beside the same attacks on its own: attackers need processors too, and what they
    take is not what the broker does to its good clients.
    """
    count, seconds = (100, 1) if bench.is_smoke else (5000, 20)
    daemon = bench.daemon("store=memory")
    other = bench.daemon("store=memory")
    bench.load(daemon, "create", "bench", 1)
    alone = bench.load(daemon, "paced", "bench", 1, 100, seconds)
    crowd = Crowd(other, "attack_in_four_ways", count)
    elsewhere = bench.load(daemon, "paced", "bench", 1, 100, seconds)
    crowd.leave()
    other.stop()
    crowd = Crowd(daemon, "attack_in_four_ways", count)
    beside = bench.load(daemon, "paced", "bench", 1, 100, seconds)
    memory_mib = daemon.memory_mib()
    crowd.leave()
    daemon.stop()
    return {"attackers": count, "p99 ms alone": alone["p99_ms"],
            "p99 ms, another broker attacked": elsewhere["p99_ms"], "p50 ms": beside["p50_ms"],
            "p99 ms": beside["p99_ms"], "p99 to p99 alone": beside["p99_ms"] / alone["p99_ms"],
            "p99 to p99, another broker attacked": beside["p99_ms"] / elsewhere["p99_ms"],
            "MiB resident": memory_mib}
