# SPDX-License-Identifier: Apache-2.0
"""Every client and tool that we know, as its users run it, against kafscaled. Prints TAP, a line
for each case; docs/compatibility.md is made of what it finds.

    run.py KAFSCALED [--tier quick|long] [--only WORD]... [--jobs N] [--list] [--write] [--kafka]

Without a WORD all of the tier run, else those with one of them in their line. Results are kept in
FILE (--results, build/compat.json), so that several runs make one page.
"""
import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile
import threading
import time
import traceback

import suite
from suite import Arena, Skip, Unavailable

import apache_kafka
import clients_connect
import clients_examples
import clients_frameworks
import clients_go
import clients_java
import clients_kcat
import clients_librdkafka
import clients_mirror
import clients_node
import clients_python
import page

ROOT = os.path.normpath(os.path.join(suite.HERE, "..", ".."))
FAMILIES = (clients_kcat, clients_python, clients_node, clients_go, clients_librdkafka,
            clients_java, clients_frameworks, clients_connect, clients_mirror,
            clients_examples)
JOBS = 2  # most cases wait most of the time


class Finder:
    """Clients by name, each found once, by whoever asks first."""

    def __init__(self, may_build):
        self.may_build = may_build
        self.found = {}
        self.lock = threading.Lock()

    def find(self, client):
        with self.lock:
            if client.name not in self.found:
                try:
                    self.found[client.name] = client.find(self.may_build)
                except Unavailable as reason:
                    self.found[client.name] = reason
            found = self.found[client.name]
        if isinstance(found, Unavailable):
            raise Skip(str(found))
        return found


class Result:
    """What became of one case."""

    def __init__(self, client, case):
        self.client = client
        self.case = case
        self.version = ""
        self.state = "passed"
        self.text = ""
        self.seconds = 0.0

    def lines(self, number):
        yield "%sok %d - %s%s" % ("not " if self.state == "failed" else "", number,
                                  page.key_of(self.client, self.case),
                                  " # SKIP " + self.text if self.state == "skipped" else "")
        yield "# %.1f s" % self.seconds
        if self.state == "failed":
            yield from ("# " + line for line in self.text.splitlines())


def attempt(client, case, finder, result, start_broker):
    """Runs a case on a broker of its own."""
    tool, result.version = finder.find(client)
    root = tempfile.mkdtemp(prefix="kafscale-compat-")
    arena = None
    try:
        arena = Arena(start_broker, root, suite.SETTINGS + tuple(case.settings), case.limit_s)
        need = suite.missing(case.needs, suite.served_keys(arena.address))
        if need:
            raise Skip("needs " + need)
        case.run(arena, tool)
        arena.end_well()
    except Exception:
        if arena is not None and arena.has_broker():
            result.text = "the broker said:\n" + suite.tail(arena.broker.said(), 10)
        raise
    finally:
        if arena is not None:
            arena.end()
            if arena.broker in suite.daemon.Daemon.running:
                arena.broker.stop(9)
        shutil.rmtree(root, ignore_errors=True)


def outcome(client, case, finder, start_broker):
    result = Result(client, case)
    begun = time.monotonic()
    try:
        attempt(client, case, finder, result, start_broker)
    except Skip as reason:
        result.state, result.text = "skipped", str(reason)
    except Exception:  # whatever it is, it is this case's failure
        result.state, result.text = "failed", traceback.format_exc() + result.text
    result.seconds = time.monotonic() - begun
    return result


def is_wanted(client, case, options):
    if options.tier == "quick" and case.tier != "quick":
        return False
    whole = page.key_of(client, case).lower()
    return not options.only or any(word.lower() in whole for word in options.only)


def chosen(options):
    return [(client, case) for family in FAMILIES for client in family.CLIENTS
            for case in client.cases if is_wanted(client, case, options)]


def run_all(cases, finder, jobs, start_broker):
    """Runs and prints them; those that are done first come first."""
    results = []
    print("1..%d" % len(cases))
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(outcome, client, case, finder, start_broker)
                   for client, case in cases]
        for number, done in enumerate(concurrent.futures.as_completed(waiting), 1):
            results.append(done.result())
            print("\n".join(results[-1].lines(number)), flush=True)
    return results


def options_of(arguments):
    parser = argparse.ArgumentParser(description="Real clients against kafscaled.")
    parser.add_argument("kafscaled")
    parser.add_argument("--tier", choices=("quick", "long"), default="quick")
    parser.add_argument("--only", action="append", metavar="WORD")
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--kafka", action="store_true",
                        help="against Apache Kafka instead, to see what a case does there")
    parser.add_argument("--results", default=os.path.join(ROOT, "build", "compat.json"))
    parser.add_argument("--write", action="store_true", help="write docs/compatibility.md")
    return parser.parse_args(arguments)


def main(arguments):
    options = options_of(arguments)
    cases = chosen(options)
    if options.list:
        for client, case in cases:
            print("%s: %s: %s (%s)" % (client.name, case.capability, case.name, case.tier))
        return 0
    suite.daemon.BINARY = os.path.abspath(options.kafscaled)
    start_broker = apache_kafka.ApacheKafka if options.kafka else suite.daemon.start
    results = run_all(cases, Finder(options.tier == "long"), options.jobs, start_broker)
    page.remember(options.results, results, FAMILIES)
    if options.write:
        page.write(os.path.join(ROOT, "docs", "compatibility.md"), options.results, FAMILIES)
    return 1 if any(result.state == "failed" for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
