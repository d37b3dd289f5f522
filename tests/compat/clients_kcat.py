# SPDX-License-Identifier: Apache-2.0
"""kcat, librdkafka on the command line. How it names offsets, and what its records look like in
the broker, is tested in tests/integration/clients/kcat_test.py."""
import re
import shutil
import subprocess

from suite import Case, Client, Unavailable

COUNT = 1000
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def numbers(first, count):
    return "".join("%d\n" % i for i in range(first, first + count))


def sorted_numbers(text):
    return sorted(int(word) for word in text.split())


def read(arena, topic, *more):
    return arena.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", *more)


def produce_and_consume(arena, _):
    arena.kcat("-P", "-t", "t", text=numbers(0, COUNT))
    assert sorted_numbers(read(arena, "t")) == list(range(COUNT))


def codecs(arena, _):
    for codec in CODECS:
        arena.kcat("-P", "-t", codec, "-z", codec, "-p", "0", text=numbers(0, COUNT))
        assert read(arena, codec) == numbers(0, COUNT), codec


def headers_and_keys(arena, _):
    arena.kcat("-P", "-t", "t", "-p", "0", "-K:", "-Z", "-H", "a=1", "-H", "b=",
               text="key:value\nno value:\n")
    got = read(arena, "t", "-Z", "-f", "%k|%s|%S|%h\n")
    assert got == "key|value|5|a=1,b=\nno value|NULL|-1|a=1,b=\n", got


def idempotence(arena, _):
    arena.kcat("-P", "-t", "t", "-p", "1", "-X", "enable.idempotence=true",
               text=numbers(0, 20 * COUNT))
    assert read(arena, "t") == numbers(0, 20 * COUNT)


def lists(arena, _):
    arena.kcat("-P", "-t", "t", text="x\n")
    said = arena.kcat("-L")
    assert re.search(r"broker 0 at %s \(controller\)" % arena.address, said), said
    assert 'topic "t" with 4 partitions' in said, said


def times(arena, _):
    arena.kcat("-P", "-t", "t", "-p", "0", text=numbers(0, 3))
    for time, offset in ((0, 0), (-1, 3), (-2, 0), (9999999999999, -1)):
        said = arena.kcat("-Q", "-t", "t:0:%d" % time)
        assert said == "t [0] offset %d\n" % offset, said


def member(arena, group, *more):
    """A consumer of a group that goes on until it is stopped."""
    return arena.start("kcat", "-b", arena.address, "-G", group, "-u", "-f", "%p %s\n", "-X",
                       "auto.offset.reset=earliest", *more, "t")


def records_of(*members):
    return [line.split() for process in members
            for line in process.said().splitlines() if re.fullmatch(r"\d+ \d+", line)]


def have_read(*members):
    return sorted(int(value) for _, value in records_of(*members))


def assigned(process):
    """How many partitions a member was last given."""
    found = re.findall(r"Group \S+ rebalanced \(memberid \S+\): assigned: (.*)", process.said())
    return len(re.findall(r"\[\d+\]", found[-1])) if found else 0


def group(arena, _):
    arena.kcat("-P", "-t", "t", text=numbers(0, 4))
    first, second = member(arena, "g"), member(arena, "g")
    arena.wait_until(lambda: (assigned(first), assigned(second)) == (2, 2), "two partitions each")
    for partition in range(4):
        arena.kcat("-P", "-t", "t", "-p", partition, text=numbers(100 + 250 * partition, 250))
    arena.wait_until(lambda: set(range(100, 1100)) <= set(have_read(first, second)), "all records")
    late = [i for i in have_read(first, second) if i >= 100]
    assert late == list(range(100, 1100)), len(late)


def killed_member(arena, _):
    """Its partitions go to the other when its session has ended, from what it committed."""
    arena.kcat("-P", "-t", "t", text=numbers(0, COUNT))
    short = ("-X", "session.timeout.ms=6000")
    first, second = member(arena, "g", *short), member(arena, "g", *short)
    arena.wait_until(lambda: (assigned(first), assigned(second)) == (2, 2), "two partitions each")
    first.kill()
    for partition in range(4):
        arena.kcat("-P", "-t", "t", "-p", partition, text=numbers(5000 + 10 * partition, 10))
    arena.wait_until(lambda: assigned(second) == 4, "all partitions")
    arena.wait_until(lambda: set(range(5000, 5040)) <= set(have_read(second)), "the late records")


def goes_on(arena, _):
    """Offsets that a member committed at its end are where the next begins."""
    arena.kcat("-P", "-t", "t", text=numbers(0, COUNT))
    said = arena.run("kcat", "-b", arena.address, "-G", "g", "-e", "-q", "-X",
                     "auto.offset.reset=earliest", "t")
    assert sorted_numbers(said) == list(range(COUNT)), len(said.split())
    arena.kcat("-P", "-t", "t", text=numbers(COUNT, 10))
    said = arena.run("kcat", "-b", arena.address, "-G", "g", "-e", "-q", "-X",
                     "auto.offset.reset=earliest", "t")
    assert sorted_numbers(said) == list(range(COUNT, COUNT + 10)), said


def find(_):
    if not shutil.which("kcat"):
        raise Unavailable("kcat: is not installed")
    said = subprocess.run(["kcat", "-V"], capture_output=True, text=True, check=True).stdout
    return None, "%s, librdkafka %s" % re.search(
        r"Version (\S+).*librdkafka (\S+)", said, re.S).groups()


CLIENTS = (Client("kcat (Debian)", find, (
    Case("records", "`-P` and `-C -e`", produce_and_consume),
    Case("records", "`-z` with every codec", codecs),
    Case("records", "`-K`, `-Z` and `-H`: keys, no values, headers", headers_and_keys),
    Case("records", "`-X enable.idempotence=true`", idempotence),
    Case("records", "`-Q`: offsets by time", times),
    Case("admin", "`-L`: brokers, topics and partitions", lists),
    Case("groups", "`-G`: two members share the partitions, each record comes once", group,),
    Case("groups", "`-G`: the partitions of a killed member go to the other", killed_member,),
    Case("offsets", "`-G -e`: the next member begins where the last one ended", goes_on,),
)),)
