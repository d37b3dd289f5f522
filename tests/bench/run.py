# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmarks, compares every figure with limits.json and prints tables.

Usage: run.py [--smoke] [--only WORD] [--write] BUILD

BUILD is a build directory of --buildtype=release. --only takes the benchmarks with this word in
their names. --write puts what was measured into docs/benchmarks.md. --smoke moves a few megabytes
and compares nothing: it shows that the tools work. Fails when a figure misses its limit.

Each benchmark runs in several rounds. A figure is the median of its rounds, or the best one where
limits.json says so: rates of a machine that others use too say what it could do at most.
"""
import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import traceback

import bucket
import crowd
import groups
import measure
import page
import peers
import scenarios
from page import text_of

HERE = os.path.dirname(os.path.abspath(__file__))

# Name as in limits.json, what runs, rounds.
BENCHMARKS = (
    ("memory store", measure.memory_throughput, 3),
    ("memory store, small batches", measure.memory_throughput_of_small_batches, 3),
    ("memory store, librdkafka", measure.librdkafka, 3),
    ("inside a program", scenarios.in_process, 5),
    ("over loopback, 100 bytes", scenarios.over_loopback, 5),
    ("hot path", scenarios.hot_path, 3),
    ("backlog after a restart", scenarios.backlog, 3),
    ("partitions", scenarios.partition_scale, 1),
    ("record sizes", scenarios.message_sizes, 1),
    ("large records", scenarios.large_records, 3),
    ("mixed load", scenarios.mixed_load, 3),
    ("fan-out", scenarios.fan_out, 3),
    ("offset recovery", scenarios.offset_recovery, 1),
    ("peers", peers.side_by_side, 3),
    ("directory store", measure.directory_throughput, 3),
    ("latency, memory store", measure.memory_latency, 3),
    ("latency, directory store", measure.directory_latency, 3),
    ("exec to first answer", measure.exec_to_answer, 21),
    ("brokers for tests", measure.fixture, 3),
    ("restart, objects of 4 MiB", measure.restart_of_large_objects, 3),
    ("restart, objects of 64 KiB", measure.restart_of_small_objects, 3),
    ("idle", measure.idle, 1),
    ("PUTs", measure.puts, 1),
    ("idle connections", crowd.idle_connections, 1),
    ("5,000 hostile connections", crowd.under_attack, 3),
    ("groups, heartbeats", groups.heartbeats, 3),
    ("groups, commits", groups.commits, 3),
    ("groups, start", groups.start, 3),
    ("S3, latency", bucket.latency, 3),
    ("S3, throughput", bucket.throughput, 1),
    ("S3, cold reads", bucket.cold_read, 3),
    ("S3, requests", bucket.requests, 1),
    ("S3, idle", bucket.idle, 1),
)


def choose(values, limit):
    """One value for all rounds."""
    if limit.get("of rounds") == "best":
        return max(values) if "at least" in limit else min(values)
    return statistics.median(values)


def judge(value, limit):
    """The limit as text, and whether it was missed."""
    if "at least" in limit:
        return "at least %g" % limit["at least"], value < limit["at least"]
    if "at most" in limit:
        return "at most %g" % limit["at most"], value > limit["at most"]
    return "", False


def table(rounds, name, limits):
    """The lines of a table, and the figures that missed their limits."""
    lines = ["| figure | value | rounds | limit |", "|---|---|---|---|"]
    missed = []
    for figure in rounds[0]:
        values = [figures[figure] for figures in rounds]
        limit = limits.get(figure, {})
        value = choose(values, limit)
        text, is_missed = judge(value, limit)
        each = " to ".join(map(text_of, (min(values), max(values)))) if len(values) > 1 else ""
        lines.append("| %s | %s | %s | %s%s |" % (figure, text_of(value), each, text,
                                                  " **missed**" if is_missed else ""))
        if is_missed:
            missed.append("%s: %s is %s, limit %s" % (name, figure, text_of(value), text))
    return lines, missed


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return "%d x %s" % (len(names), names[0] if names else platform.machine())


def commit_name():
    """Of what is measured: the pages that this writes don't make it another one."""
    if shutil.which("git") is None:
        return "unknown"
    name = git("describe", "--always")
    return name + "-dirty" if git("status", "--porcelain", "--", ":/", ":!/docs") else name


def git(*words):
    return subprocess.run(["git", "-C", HERE, *words], capture_output=True, text=True,
                          check=False).stdout.strip()


def machine():
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory_gib = int(file.readline().split()[1]) / (1 << 20)
    return "On %s, %.0f GiB, Linux %s." % (processor(), memory_gib, platform.release())


def provenance(commit, seconds, load):
    return "Commit %s, %s; %.0f s, load average %.1f before." % (
        commit, time.strftime("%Y-%m-%d"), seconds, load)


def run_one(bench, commit, name, function, count, limits):
    """The lines of a benchmark's section, and the figures that missed their limits."""
    load, begun = os.getloadavg()[0], time.monotonic()
    count = 1 if bench.is_smoke else count
    rounds = []
    for i in range(count):
        print("# %s, round %d of %d" % (name, i + 1, count), file=sys.stderr, flush=True)
        rounds.append(function(bench))
    if function is peers.side_by_side:
        lines, missed = peers.table(rounds), []
    else:
        lines, missed = table(rounds, name, limits.get(name, {}))
    lines = [page.HEAD + page.title(name), "",
             provenance(commit, time.monotonic() - begun, load), "", *lines]
    for picture in bench.take_pictures():
        lines += ["", "![%s](benchmarks/%s)" % (name, os.path.basename(picture))]
    return lines, missed


def missing(bench, function):
    """Why a benchmark can't run, or nothing."""
    if not bench.can_run(function):
        return "a program is missing"
    if function is peers.side_by_side and not peers.found():
        return peers.NONE_FOUND
    return ""


def write(bench, name, lines):
    page.write(machine(), [one for one, _, _ in BENCHMARKS], {name: lines}, bench.pictures)


def run_all(bench, options, limits):
    """What went wrong. A benchmark that fails doesn't keep the others from running."""
    commit, wrong = commit_name(), []
    for name, function, count in BENCHMARKS:
        if options.only not in name:
            continue
        lack = missing(bench, function)
        if lack:
            print("\n### %s: skipped, %s" % (name, lack))
            continue
        try:
            lines, missed = run_one(bench, commit, name, function, count, limits)
        except Exception:  # whatever it is, it is this one's failure
            print("\n### %s\n\n%s" % (page.title(name), traceback.format_exc()), flush=True)
            wrong.append(name + ": failed")
            bench.end_daemons()
            continue
        print("\n" + "\n".join(lines), flush=True)
        wrong += missed
        if options.write:
            write(bench, name, lines)
    return wrong


def main(options):
    with open(os.path.join(HERE, "limits.json"), encoding="utf-8") as file:
        limits = {} if options.smoke else json.load(file)
    print(machine())
    with tempfile.TemporaryDirectory(prefix="kafscale-bench-") as root:
        wrong = run_all(measure.Bench(options.build, root, options.smoke), options, limits)
    kept = "The tools work." if options.smoke else "Every limit is kept."
    print("\n" + "\n".join(wrong or [kept]))
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Runs the benchmarks.")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("build", type=os.path.abspath)
    arguments = parser.parse_args()
    if arguments.smoke and arguments.write:
        parser.error("--smoke measures nothing to be written")
    sys.exit(main(arguments))
