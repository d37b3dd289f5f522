# SPDX-License-Identifier: Apache-2.0
"""The stories that every client library of Python tells in the same words, each with its default
settings; clients_python.py runs them. A library is a module of this folder with the class Library.

    stories.py LIBRARY ADDRESS STORY
"""
import importlib
import os
import sys
import threading
import time

PARTITIONS = 4  # of a topic that is made unasked
LIMIT_S = 50


class Member(threading.Thread):
    """A consumer that reads all the time in a thread of its own, as an application does.
    `records` are (partition, offset, value), in the order in which they came."""

    def __init__(self, consumer):
        super().__init__(daemon=True)
        self.consumer = consumer
        self.records = []
        self.assigned = set()
        self.ending = False
        self.failure = None
        self.start()

    def run(self):
        try:
            while not self.ending:
                self.records += self.consumer.poll()
                self.assigned = self.consumer.assignment()
            self.consumer.close()
        except Exception as failure:  # told by whoever waits
            self.failure = failure

    def leave(self):
        self.ending = True
        self.join(LIMIT_S)
        assert not self.is_alive() and not self.failure, self.failure


def until(condition, what, *members):
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        for member in members:
            if member.failure:
                raise member.failure
        assert time.monotonic() < deadline, "waited for %s: %s" % (
            what, [(member.assigned, len(member.records)) for member in members])
        time.sleep(0.02)


def numbered(first, count):
    """Records for all partitions in turn."""
    return [(i % PARTITIONS, None, b"%d" % i, []) for i in range(first, first + count)]


def all_of(*members):
    return sorted(int(value) for member in members for _, _, value in member.records)


def shared(library, topic, count, group="g"):
    """Members that have settled on an equal share each."""
    members = [Member(library.member(group, [topic])) for _ in range(count)]
    settle(members)
    return members


def settle(members):
    def is_equal():
        parts = [member.assigned for member in members]
        return set().union(*parts) == set(range(PARTITIONS)) and \
            all(len(part) == PARTITIONS // len(members) for part in parts)
    until(is_equal, "an equal share for each", *members)


def reads(members, wanted):
    until(lambda: len(all_of(*members)) >= len(wanted), "all records", *members)
    assert all_of(*members) == sorted(wanted), (len(all_of(*members)), len(wanted))


# --- Records ---------------------------------------------------------------------------------

def round_trip(library):
    odd = [(0, None, b"", []), (0, b"", b"value", []), (0, b"deleted", None, []),
           (0, bytes(range(256)), b"x" * 900000, [("h", b"1"), ("h", b"2")])]
    library.send("t", odd)
    got = library.read("t", 0, len(odd))
    assert got == [(key, value, headers) for _, key, value, headers in odd], got


def codecs(library):
    for codec in library.codecs:
        library.send(codec, [(0, None, b"%d " % i * 20, []) for i in range(1000)], codec=codec)
        got = library.read(codec, 0, 1000)
        assert [value for _, value, _ in got] == [b"%d " % i * 20 for i in range(1000)], got[:3]


def idempotence(library):
    library.send("t", numbered(0, 4000), is_idempotent=True)
    for partition in range(PARTITIONS):
        got = [int(value) for _, value, _ in library.read("t", partition, 1000)]
        assert got == list(range(partition, 4000, PARTITIONS)), got[:10]


# --- Groups ----------------------------------------------------------------------------------

def group(library):
    """Two members share the partitions; each record comes to one of them, once."""
    library.send("t", numbered(0, 4))
    members = shared(library, "t", 2)
    until(lambda: set(all_of(*members)) == set(range(4)), "the first records", *members)
    library.send("t", numbered(4, 996))
    until(lambda: set(all_of(*members)) == set(range(1000)), "all records", *members)
    late = [[(part, int(value)) for part, _, value in member.records if int(value) >= 4]
            for member in members]
    assert sorted(i for _, i in sum(late, [])) == list(range(4, 1000)), list(map(len, late))
    assert [len({part for part, _ in records}) for records in late] == [2, 2], late
    for member in members:
        member.leave()


def handover(library):
    """Who leaves hands over what it has read: nothing is lost, nothing comes twice."""
    library.send("t", numbered(0, 1000))
    leaver, stayer = members = shared(library, "t", 2)
    until(lambda: len(set(all_of(*members))) == 1000, "all records", *members)
    leaver.leave()
    until(lambda: len(stayer.assigned) == PARTITIONS, "all partitions", stayer)
    library.send("t", numbered(1000, 1000))
    before = all_of(*members)
    until(lambda: set(all_of(*members)) == set(range(2000)), "all records", stayer)
    after = all_of(*members)
    assert [i for i in after if i >= 1000] == list(range(1000, 2000)), len(after) - len(before)
    stayer.leave()


def many(library):
    """Four members come one after the other, and go so; all the while somebody sends."""
    library.send("t", numbered(0, 100))
    members = []
    for count in (1, 2, 4):
        members += [Member(library.member("g", ["t"])) for _ in range(count - len(members))]
        library.send("t", numbered(100 * count, 100))
        settle(members)
    sent = set(range(300)) | set(range(400, 500))
    until(lambda: set(all_of(*members)) == sent, "all records", *members)
    for member in members:
        member.leave()


def cooperative(library):
    """A second member takes half; the first keeps the other half all the time."""
    library.send("t", numbered(0, 100))
    first = Member(library.cooperative_member("g", ["t"]))
    until(lambda: len(first.assigned) == PARTITIONS, "all partitions", first)
    second = Member(library.cooperative_member("g", ["t"]))
    settle([first, second])
    library.send("t", numbered(100, 900))
    until(lambda: set(all_of(first, second)) == set(range(1000)), "all records", first, second)
    first.leave()
    until(lambda: len(second.assigned) == PARTITIONS, "all partitions", second)
    second.leave()


def static_member(library):
    """It comes back under its name and has its partitions again; the other notices nothing."""
    library.send("t", numbered(0, 100))
    names = ("a", "b")
    members = [Member(library.static_member("g", ["t"], name)) for name in names]
    settle(members)
    had = members[0].assigned
    generation = library.group_generation(members[1].consumer)
    members[0].leave()
    back = Member(library.static_member("g", ["t"], names[0]))
    until(lambda: back.assigned == had, "its partitions", back, members[1])
    assert library.group_generation(members[1].consumer) == generation
    back.leave()
    members[1].leave()


def restarted(library):
    """The broker is killed and restarted (by clients_python.py): its groups are as they were."""
    library.send("t", numbered(0, 100))
    members = shared(library, "t", 2)
    until(lambda: set(all_of(*members)) == set(range(100)), "all records", *members)
    generations = [library.group_generation(member.consumer) for member in members]
    print("kill the broker", flush=True)
    until(lambda: os.path.exists("restarted"), "another broker", *members)
    library.send("t", numbered(100, 100))
    until(lambda: set(all_of(*members)) == set(range(200)), "all records", *members)
    assert [library.group_generation(member.consumer) for member in members] == generations
    for member in members:
        member.leave()


def several_topics(library):
    """A pattern finds the topics that are there."""
    for name in ("log-a", "log-b", "other"):
        library.send(name, numbered(0, 100))
    member = Member(library.member("g", "^log-.*"))
    until(lambda: len(member.records) >= 200, "the records of two topics", member)
    assert len(member.records) == 200, len(member.records)
    member.leave()


# --- Offsets ---------------------------------------------------------------------------------

def committed(library):
    """What was committed, with its metadata, is where the next member begins."""
    library.send("t", numbered(0, 1000))
    consumer = library.member("g", ["t"], commits_unasked=False)
    while not consumer.assignment():
        consumer.poll()
    consumer.commit({("t", partition): (100 + partition, "note %d" % partition)
                     for partition in range(PARTITIONS)})
    for partition in range(PARTITIONS):
        assert consumer.committed("t", partition) == 100 + partition
    consumer.close()
    library.settle_metadata("g", {("t", p): (100 + p, "note %d" % p) for p in range(PARTITIONS)})
    member = Member(library.member("g", ["t"]))
    wanted = [i for i in range(1000) if i // PARTITIONS >= 100 + i % PARTITIONS]
    reads([member], wanted)
    member.leave()


def unasked(library):
    """Default settings: what was read before a close is committed by it."""
    library.send("t", numbered(0, 1000))
    first = Member(library.member("g", ["t"]))
    reads([first], range(1000))
    first.leave()
    library.send("t", numbered(1000, 100))
    second = Member(library.member("g", ["t"]))
    reads([second], range(1000, 1100))
    second.leave()


# --- Administration --------------------------------------------------------------------------

def topics(library):
    library.create_topic("a", 3, {"retention.ms": "3600000"})
    assert library.partitions("a") == 3
    assert library.config("a", "retention.ms") == "3600000"
    assert library.config("a", "cleanup.policy") == "delete"
    assert "a" in library.list_topics()
    library.delete_topic("a")
    until(lambda: "a" not in library.list_topics(), "the topic's end")


def more_partitions(library):
    library.create_topic("a", 1, {})
    library.add_partitions("a", 5)
    until(lambda: library.partitions("a") == 5, "five partitions")
    library.send("a", [(4, None, b"here", [])])
    assert library.read("a", 4, 1) == [(None, b"here", [])]


def configs(library):
    library.create_topic("a", 1, {"retention.ms": "3600000"})
    library.alter_config("a", "max.message.bytes", "2000")
    until(lambda: library.config("a", "max.message.bytes") == "2000", "the configuration")
    assert library.keeps_others is False or library.config("a", "retention.ms") == "3600000"
    assert library.refuses_large("a", 3000)


def groups_admin(library):
    library.send("t", numbered(0, 100))
    member = Member(library.member("g", ["t"]))
    reads([member], range(100))
    assert "g" in library.list_groups()
    state, members = library.describe_group("g")
    assert (state.lower(), members) == ("stable", 1), (state, members)
    member.leave()
    state, members = library.describe_group("g")
    assert (state.lower(), members) == ("empty", 0), (state, members)
    assert library.group_offsets("g") == {("t", partition): 25 for partition in range(PARTITIONS)}


def group_offsets_altered(library):
    library.send("t", numbered(0, 100))
    member = Member(library.member("g", ["t"]))
    reads([member], range(100))
    member.leave()
    library.alter_group_offsets("g", {("t", 0): 5})
    assert library.group_offsets("g")[("t", 0)] == 5
    again = Member(library.member("g", ["t"]))
    reads([again], range(20, 100, PARTITIONS))
    again.leave()


def group_deleted(library):
    library.send("t", numbered(0, 100))
    member = Member(library.member("g", ["t"]))
    reads([member], range(100))
    member.leave()
    library.delete_group("g")
    assert "g" not in library.list_groups()
    again = Member(library.member("g", ["t"]))
    reads([again], range(100))
    again.leave()


def records_deleted(library):
    library.send("t", numbered(0, 100))
    assert library.delete_records("t", 0, 10) == 10
    got = [int(value) for _, value, _ in library.read("t", 0, 15, offset=10)]
    assert got == list(range(40, 100, PARTITIONS)), got


# --- Transactions ----------------------------------------------------------------------------

def transactions(library):
    """What was committed is read, what was aborted is not."""
    library.send_in_transactions("t", [(b"kept", True), (b"dropped", False), (b"last", True)])
    got = [value for _, value, _ in library.read("t", 0, 2, is_committed=True)]
    assert got == [b"kept", b"last"], got


if __name__ == "__main__":
    globals()[sys.argv[3]](importlib.import_module(sys.argv[1]).Library(sys.argv[2]))
