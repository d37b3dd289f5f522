# SPDX-License-Identifier: Apache-2.0
"""Golden stores: where they lie, and how all records of a broker are read to be compared with
theirs.
"""
import glob
import json
import os

from daemon import kcat

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")


def folders():
    """Each golden store of every version."""
    found = sorted(glob.glob(os.path.join(DATA, "store-*")))
    assert found, "no golden stores in " + DATA
    return found


def expected(folder):
    with open(os.path.join(folder, "records.jsonl"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def place(record):
    return record["topic"], record["partition"], record["offset"]


def read_all(address, topics):
    """Every record with all that a client sees of it, by topic, partition and offset."""
    found = []
    for topic in topics:
        lines = kcat(address, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J", "-X",
                     "fetch.wait.max.ms=10")
        for record in map(json.loads, lines.splitlines()):
            del record["broker"]
            found.append(record)
    return sorted(found, key=place)
