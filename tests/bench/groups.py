# SPDX-License-Identifier: Apache-2.0
"""What consumer groups cost: their heartbeats, their commits, and a start on many of them."""
import json
import os
import subprocess
import time

SESSION = ("store=memory", "group.initial.rebalance.delay.ms=2000")


def heartbeats(bench):
    """A thousand groups of five members, each with a connection and a heartbeat every 3 s."""
    groups, members, seconds = (10, 5, 3) if bench.is_smoke else (1000, 5, 30)
    daemon = bench.daemon(*SESSION)
    command = [os.path.join(bench.programs, "groups"), daemon.address, "beat", str(groups),
               str(members), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        assert load.stdout.readline() == "ready\n"
        cpu, begun = daemon.cpu_seconds(), time.monotonic()
        got = json.loads(load.stdout.readline())
        cpu, wall = daemon.cpu_seconds() - cpu, time.monotonic() - begun
        assert load.wait() == 0
    memory_mib = daemon.memory_mib()
    daemon.stop()
    return {"members": groups * members, "heartbeats/s": got["heartbeats"] / wall,
            "% of a core": 100 * cpu / wall, "MiB resident": memory_mib}


def commits(bench):
    """Ten thousand commits a second of a hundred groups, with a flush window of 100 ms."""
    groups, per_second, seconds = (10, 1000, 2) if bench.is_smoke else (100, 10000, 10)
    daemon = bench.daemon(bench.directory(), "flush.interval.ms=100")
    bench.load(daemon, "create", "bench", 1)
    before, cpu = len(bench.wal_objects()), daemon.cpu_seconds()
    got = json.loads(bench.run("groups", daemon.address, "commit", "bench", str(groups),
                               str(per_second), str(seconds)))
    cpu, objects = daemon.cpu_seconds() - cpu, len(bench.wal_objects()) - before
    daemon.stop()
    return {"commits/s": got["commits"] / got["seconds"],
            "PUTs for each flush window": objects / (got["seconds"] * 10),
            "% of a core": 100 * cpu / got["seconds"]}


def start(bench):
    """Kills a broker with a million offsets of ten thousand groups, and starts it again."""
    groups, partitions = (100, 10) if bench.is_smoke else (10000, 100)
    store = bench.directory()
    daemon = bench.daemon(store, "flush.interval.ms=50")
    offsets = json.loads(bench.run("groups", daemon.address, "fill", "bench", str(groups),
                                   str(partitions)))["offsets"]
    daemon.kill()
    begun = time.monotonic()
    daemon = bench.daemon(store)
    ready_ms = (time.monotonic() - begun) * 1000
    got = json.loads(bench.run("groups", daemon.address, "await", "bench", str(groups),
                               str(partitions)))
    memory_mib = daemon.memory_mib()
    daemon.stop()
    return {"groups": groups, "offsets": offsets,
            "ms to the first group": ready_ms + got["first_ms"],
            "ms to all groups": ready_ms + got["all_ms"], "MiB resident": memory_mib}
