# SPDX-License-Identifier: Apache-2.0
"""What earlier versions wrote is read by this one: each golden store (tests/data/store-*, made by
golden_store.py) is copied, checked, read, written on and read again. Prints TAP.

Usage: golden_test.py KAFSCALED KAFSCALE-CLI
"""
import os
import shutil
import socket
import struct
import subprocess
import sys

import daemon
import golden
from daemon import kcat, report, start, wait_until

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients"))

import wire  # found by the line above

CLI = os.path.abspath(sys.argv[2])
PRODUCE = 0
# Only what the topics were made with keeps their records, and no producer is too old.
SETTINGS = ("log.retention.ms=1", "log.retention.check.interval.ms=1",
            "producer.id.expiration.ms=9223372036854775807")


def cli(root, *words):
    place = "store=dir:" + os.path.join(root, "data")
    done = subprocess.run([CLI, "--set", place, *words], capture_output=True, text=True,
                          timeout=daemon.LIMIT_S, check=False, env=daemon.clean_environment())
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def copied(root, folder):
    """As git has it: without empty directories, with modes of the copy's owner."""
    shutil.copytree(os.path.join(folder, "store"), os.path.join(root, "data"),
                    copy_function=shutil.copyfile)
    return golden.expected(folder)


def topics_of(records):
    return sorted({record["topic"] for record in records})


def places_of(records):
    """Topics and partitions with the offset after the last record."""
    return {(record["topic"], record["partition"]): record["offset"] + 1 for record in records}


def expect_records(broker, wanted):
    found = golden.read_all(broker.address, topics_of(wanted))
    for got, record in zip(found, wanted):
        assert got == record, (got, record)
    assert len(found) == len(wanted), (len(found), len(wanted))


def append(broker, records):
    """One more record in each partition; all that is there then."""
    more = []
    for (topic, partition), end in places_of(records).items():
        kcat(broker.address, "-P", "-t", topic, "-p", str(partition), "-X", "linger.ms=0",
             text="one more\n")
        more.append((topic, partition, end, "one more"))
    found = golden.read_all(broker.address, topics_of(records))
    news = [(*golden.place(record), record["payload"]) for record in found
            if (*golden.place(record), record.get("payload")) in more]
    assert sorted(news) == sorted(more), (news, more)
    assert len(found) == len(records) + len(more)
    return found


# --- Producers ------------------------------------------------------------------------------------

def produce(connection, topic, partition, records):
    """(error, base offset) of a batch that is sent as its producer did, from offset 0 on."""
    records = bytes(8) + records[8:]
    body = struct.pack(">hhii", -1, -1, 30000, 1) + wire.string(topic)
    body += struct.pack(">iii", 1, partition, len(records)) + records
    request = struct.pack(">hhi", PRODUCE, 3, 1) + wire.string("golden") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    answer = wire.receive(connection, *struct.unpack(">i", wire.receive(connection, 4)))
    return struct.unpack_from(">hq", answer, 4 + 4 + 2 + len(topic.encode()) + 4 + 4)


def batches(connection, topic, partition, offset):
    """(header, bytes) of each batch."""
    end = offset + 1
    while offset < end:
        end, records = wire.fetch(connection, topic, partition, offset)
        at = 0
        for batch in wire.headers(records):
            yield batch, records[at:at + batch.bytes]
            at += batch.bytes
            offset = batch.last_offset + 1


def send_again(broker, records):
    """Every batch of an idempotent producer once more: each is known. How many there were."""
    count = 0
    host, port = broker.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=daemon.LIMIT_S) as connection:
        for topic, partition in places_of(records):
            first = next(record["offset"] for record in records
                         if (record["topic"], record["partition"]) == (topic, partition))
            for batch, data in list(batches(connection, topic, partition, first)):
                if batch.producer_id >= 0:
                    got = produce(connection, topic, partition, data)
                    assert got == (0, batch.base_offset), (topic, partition, batch, got)
                    count += 1
    return count


# --- Tests: each gets a directory of its own and the folder of a golden store ---------------------

def all_records_are_there_and_nothing_is_damaged(root, folder):
    records = copied(root, folder)
    assert "damage 0, odd 0, garbage 0" in cli(root, "verify")
    broker = start(root, *SETTINGS)
    expect_records(broker, records)
    assert broker.stop() == 0
    assert "damage 0, odd 0" in cli(root, "verify")


def it_is_written_on_and_read_again(root, folder):
    records = copied(root, folder)
    broker = start(root, *SETTINGS)
    records = append(broker, records)
    assert broker.stop() == 0
    broker = start(root, *SETTINGS)
    expect_records(broker, records)
    records = append(broker, records)
    broker.process.kill()
    broker.ended()
    broker = start(root, *SETTINGS)
    expect_records(broker, records)
    assert broker.stop() == 0
    assert "damage 0, odd 0" in cli(root, "verify")


def its_idempotent_producers_are_known(root, folder):
    records = copied(root, folder)
    broker = start(root, *SETTINGS)
    assert send_again(broker, records) >= 5
    expect_records(broker, records)
    assert broker.stop() == 0


def a_time_is_found_in_it(root, folder):
    records = copied(root, folder)
    broker = start(root, *SETTINGS)
    timed = [record for record in records if record["topic"] == "timed"]
    for record in timed[::7]:
        first = next(other for other in timed if other["ts"] >= record["ts"] - 1 and
                     other["partition"] == record["partition"])
        said = kcat(broker.address, "-Q", "-t", "timed:%d:%d" % (record["partition"],
                                                                record["ts"] - 1))
        assert said.split()[-1] == str(first["offset"]), (said, first)
    assert broker.stop() == 0


def all_of_it_becomes_segments(root, folder):
    """What this version makes of the bundles and write-ahead objects of an earlier one."""
    records = copied(root, folder)
    broker = start(root, *SETTINGS, "compact.interval.ms=1000", "segment.object.bytes=1024")
    wait_until(lambda: "/bundle/" not in cli(root, "ls", "__kafscale/"), "the end of the bundles")
    records = append(broker, records)
    expect_records(broker, records)
    assert broker.stop() == 0
    broker = start(root, *SETTINGS)
    expect_records(broker, records)
    assert broker.stop() == 0
    assert "damage 0, odd 0" in cli(root, "verify")


TESTS = (all_records_are_there_and_nothing_is_damaged, it_is_written_on_and_read_again,
         its_idempotent_producers_are_known, a_time_is_found_in_it, all_of_it_becomes_segments)


def on(test, folder):
    return (os.path.basename(folder) + ": " + test.__name__.replace("_", " "),
            daemon.in_own_directory(lambda root: test(root, folder)))


if __name__ == "__main__":
    daemon.BINARY = os.path.abspath(sys.argv[1])
    sys.exit(report([on(test, folder) for folder in golden.folders() for test in TESTS]))
