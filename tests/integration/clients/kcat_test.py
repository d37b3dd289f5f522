# SPDX-License-Identifier: Apache-2.0
"""What is kcat's own: its ways to name an offset, its options for producers, its lists. Prints TAP.

Usage: kcat_test.py KAFSCALED
"""
import os
import re
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import daemon  # noqa: E402
import wire  # noqa: E402
from clients import Unavailable, debian_kafka_python  # noqa: E402
from daemon import kcat, numbers, start  # noqa: E402

COUNT = 20000
FIRST_MS = 1700000000000


def read(address, topic, offset, *more):
    """To the end, which a Fetch that waits not so long finds sooner."""
    return kcat(address, "-C", "-t", topic, "-o", offset, "-e", "-q",
                "-X", "fetch.wait.max.ms=10", *more)


def every_way_to_name_an_offset(root):
    broker = start(root)
    kcat(broker.address, "-P", "-t", "t", "-z", "zstd", text=numbers(COUNT))
    batch = max(wire.batches(broker.address, "t"), key=lambda batch: batch.count)
    inside = (batch.base_offset + batch.last_offset) // 2
    assert batch.base_offset < inside < batch.last_offset, batch
    lines = numbers(COUNT).splitlines(True)
    for offset, expected in (
            ("beginning", lines), ("end", []), ("0", lines), (str(inside), lines[inside:]),
            (str(batch.last_offset), lines[batch.last_offset:]), (str(COUNT - 1), lines[-1:]),
            ("-1", lines[-1:]), ("-3", lines[-3:]), ("-%d" % COUNT, lines),
            ("s@0", lines), ("s@9999999999999", [])):
        got = read(broker.address, "t", offset)
        assert got == "".join(expected), (offset, len(got), got[:100])


def an_offset_behind_the_end_is_reset_to_the_end_as_it_says(root):
    broker = start(root)
    kcat(broker.address, "-P", "-t", "t", text=numbers(10))
    got = kcat(broker.address, "-C", "-t", "t", "-o", "1000", "-e")
    assert got == "", got


def times_are_exact_to_the_record_in_every_codec(root):
    """s@ begins and ends between records of one batch; the timestamps are locally out of order."""
    try:
        other = debian_kafka_python()
    except Unavailable as reason:
        return str(reason)
    times = [FIRST_MS + 10 * i + 7919 * i % 500 for i in range(COUNT // 10)]
    path = os.path.join(root, "records")
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join("%d %s\n" % (time, "." * 100) for time in times))
    broker = start(root)
    for codec in wire.CODECS:
        other.produce(broker.address, codec, codec, path)
        assert max(batch.count for batch in wire.batches(broker.address, codec)) > 50
        for asked in (times[0], times[777], times[777] + 1, times[1500] - 1, max(times)):
            first = next(i for i, time in enumerate(times) if time >= asked)
            said = kcat(broker.address, "-Q", "-t", "%s:0:%d" % (codec, asked))
            assert said == "%s [0] offset %d\n" % (codec, first), (codec, asked, first, said)
            got = read(broker.address, codec, "s@%d" % asked, "-f", "%o %T\n", "-c", "1")
            assert got == "%d %d\n" % (first, times[first]), (codec, asked, first, got)
        said = kcat(broker.address, "-Q", "-t", "%s:0:%d" % (codec, max(times) + 1))
        assert said == codec + " [0] offset -1\n", said
    return None


def an_idempotent_producer_numbers_its_batches(root):
    broker = start(root)
    for codec in wire.CODECS:
        kcat(broker.address, "-P", "-t", codec, "-z", codec, "-X", "enable.idempotence=true",
             text=numbers(COUNT))
        assert read(broker.address, codec, "beginning") == numbers(COUNT)
        batches = wire.batches(broker.address, codec)
        assert len({batch.producer_id for batch in batches}) == 1, batches[:3]
        assert batches[0].producer_id >= 0, batches[0]
        assert [b.base_sequence for b in batches] == [b.base_offset for b in batches], batches[:3]


def keys_headers_and_absent_values_come_back(root):
    broker = start(root)
    kcat(broker.address, "-P", "-t", "t", "-K:", "-Z", "-H", "a=1", "-H", "a=2", "-H", "b=",
         text="key:value\n:no key\nno value:\n")
    got = read(broker.address, "t", "beginning", "-Z", "-f", "%o|%k|%s|%S|%h|%p\n")
    assert got == ("0|key|value|5|a=1,a=2,b=|0\n1|NULL|no key|6|a=1,a=2,b=|0\n"
                   "2|no value|NULL|-1|a=1,a=2,b=|0\n"), got


def acknowledgements_of_one_and_none_are_served(root):
    broker = start(root)
    for acks in ("1", "0"):
        kcat(broker.address, "-P", "-t", "t" + acks, "-X", "acks=" + acks, text=numbers(COUNT))
        got = kcat(broker.address, "-C", "-t", "t" + acks, "-o", "beginning", "-q", "-c",
                   str(COUNT))
        assert got == numbers(COUNT), (acks, len(got))


def lists_name_the_broker_and_every_partition(root):
    broker = start(root, "num.partitions=3")
    kcat(broker.address, "-P", "-t", "t", text=numbers(10))
    listed = kcat(broker.address, "-L")
    assert "broker 0 at %s (controller)" % broker.address in listed, listed
    assert 'topic "t" with 3 partitions' in listed, listed
    assert len(re.findall(r"partition \d, leader 0, replicas: 0, isrs: 0", listed)) == 3, listed


TESTS = (
    every_way_to_name_an_offset,
    an_offset_behind_the_end_is_reset_to_the_end_as_it_says,
    times_are_exact_to_the_record_in_every_codec,
    an_idempotent_producer_numbers_its_batches,
    keys_headers_and_absent_values_come_back,
    acknowledgements_of_one_and_none_are_served,
    lists_name_the_broker_and_every_partition,
)

if __name__ == "__main__":
    sys.exit(daemon.main(TESTS))
