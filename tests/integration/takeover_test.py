# SPDX-License-Identifier: Apache-2.0
"""Two daemons on one directory, and daemons that are killed, paused and stopped at bad moments.
Prints TAP.

Usage: takeover_test.py KAFSCALED FAULTY_DISK
"""
import errno
import os
import random
import select
import signal
import subprocess
import sys
import time
import types

from daemon import (Daemon, Disk, begin, free_address, kcat, main, numbers, run, start,
                    wait_until)
from rdkafka import Load, expect_all, judge

REPLACED = 3


def tree(root):
    """Every name below a directory with all that a change of it would change."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in [".", *names, *files]:
            path = os.path.join(directory, name)
            stat = os.stat(path)
            content = None
            if name in files:
                with open(path, "rb") as file:
                    content = file.read()
            found[path] = (stat.st_ino, stat.st_mode, stat.st_mtime_ns, stat.st_ctime_ns, content)
    return found


def read(daemon, topic="t"):
    return kcat(daemon.address, "-C", "-t", topic, "-o", "beginning", "-e", "-q")


def expect_replaced(daemon):
    """It ended by itself, said why in one line, and nothing else was wrong."""
    assert daemon.ended() == REPLACED, daemon.said()
    wrong = daemon.lines(level="error") + daemon.lines(level="warn")
    assert len(wrong) == 1 and "another broker was started on this store" in wrong[0], daemon.said()


def temporary_files(root):
    return os.listdir(os.path.join(root, "data", "tmp"))


# --- Tests: each gets a directory of its own ------------------------------------------------------

def the_judge_finds_what_it_must_find(_root):
    load = types.SimpleNamespace(sent=6, partitions=2, acknowledged={
        0: (0, 0), 1: (1, 0), 2: (0, 1), 3: (1, -1)})
    good = ["0 0 0", "0 1 2", "1 0 1", "1 1 3", "1 2 5"]
    assert judge(load, good) == {0: (0, 0), 1: (1, 0), 2: (0, 1), 3: (1, 1), 5: (1, 2)}
    for what, lines in (("lost", good[1:]), ("lost at the end", good[:3]),
                        ("twice", good + ["1 3 3"]), ("swapped", ["0 0 2", "0 1 0", *good[2:]]),
                        ("a hole", ["0 0 0", "0 2 2", *good[2:]]),
                        ("elsewhere", ["0 0 0", "0 1 1", "0 2 2", *good[3:]]),
                        ("never sent", good + ["1 3 7"])):
        try:
            judge(load, lines)
        except AssertionError:
            continue
        raise AssertionError("not found: " + what)


def a_second_daemon_on_the_port_fails_and_changes_nothing(root):
    first = start(root)
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    before = tree(os.path.join(root, "data"))
    done = run("--set", "listen=" + first.address,
               "--set", "store=dir:" + os.path.join(root, "data"), code=1)
    assert "listen: bind to %s: Address already in use" % first.address in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and done.stdout == "", done.stderr
    assert tree(os.path.join(root, "data")) == before
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    assert read(first) == numbers(10) * 2
    assert first.stop() == 0, first.said()


def daemons_take_over_from_each_other_under_load_and_lose_nothing(root):
    """Each with a node id of its own: librdkafka forgets the address of a node that moves."""
    addresses = [free_address(), free_address()]
    load = Load(addresses)
    last = None
    for number, address in enumerate(addresses * 2):
        daemon = start(root, "listen=" + address, "broker.id=%d" % (number % 2),
                       "num.partitions=4", name="log%d" % number)
        if last:
            expect_replaced(last)
        load.wait_more(1000)
        last = daemon
    load.stop()
    assert not load.refused, load.refused_reasons()
    expect_all(load, last.address)
    assert last.stop() == 0, last.said()


def a_daemon_that_is_only_read_from_notices_by_itself(root):
    first = start(root, "freshness.ms=200")
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    reader = subprocess.Popen(["kcat", "-b", first.address, "-C", "-t", "t", "-o", "end", "-q"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    second = start(root, name="second")
    try:
        expect_replaced(first)
    finally:
        reader.kill()
        reader.wait()
    assert read(second) == numbers(10)
    assert second.stop() == 0, second.said()


def an_idle_daemon_notices_at_its_first_request(root):
    first = start(root, "freshness.ms=10")
    kcat(first.address, "-P", "-t", "t", text=numbers(10))
    second = start(root, name="second")
    kcat(second.address, "-P", "-t", "t", text=numbers(10))
    assert first.process.poll() is None and not first.lines("another broker"), first.said()
    asking = subprocess.Popen(["kcat", "-b", first.address, "-L"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    expect_replaced(first)
    asking.kill()
    asking.wait()
    kcat(second.address, "-P", "-t", "t", text=numbers(10))
    assert read(second) == numbers(10) * 3
    assert second.stop() == 0, second.said()


def a_paused_daemon_acknowledges_only_what_its_successor_found(root):
    """An answer may be on its way when the pause comes; what it says must be true for ever."""
    first = start(root, "num.partitions=4")
    load = Load([first.address], settings={"message.timeout.ms": "1500"})
    load.wait_more(500)
    first.process.send_signal(signal.SIGSTOP)
    second = start(root, "num.partitions=4", name="second")
    found = expect_all(load, second.address)
    first.process.send_signal(signal.SIGCONT)
    expect_replaced(first)
    load.stop()
    assert load.refused and set(load.acknowledged) <= set(found), load.refused_reasons()
    assert expect_all(load, second.address) == found
    assert load.sent > len(found), "everything sent was stored"
    assert second.stop() == 0, second.said()


def kills_while_it_starts_lose_nothing(root):
    random.seed(os.path.basename(root))
    daemon = start(root)
    kcat(daemon.address, "-P", "-t", "t", text=numbers(100))
    daemon.stop(signal.SIGKILL)
    ready = 0
    for number in range(25):
        daemon = begin(root, name="log%d" % number)
        ready += bool(select.select([daemon.process.stdout], [], [], random.random() * 0.08)[0])
        daemon.stop(signal.SIGKILL)
    print("# %d of 25 were ready" % ready)
    daemon = start(root, name="last")
    assert read(daemon) == numbers(100)
    assert temporary_files(root) == []
    assert daemon.stop() == 0, daemon.said()


def temporary_files_of_the_killed_go_and_those_of_the_living_stay(root):
    """The file system has no files without a name, and each daemon dies in the middle of one."""
    disk = Disk(root)
    disk.fails(open_unnamed=errno.EOPNOTSUPP)
    for number in range(5):
        daemon = start(root, disk=disk, name="log%d" % number)
        removed = daemon.lines("removed temporary files")
        assert len(removed) == min(number, 1), daemon.said()
        assert temporary_files(root) == [], number
        disk.fails(open_unnamed=errno.EOPNOTSUPP, fsync_file="hang")
        writer = subprocess.Popen(["kcat", "-b", daemon.address, "-P", "-t", "t"],
                                  stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        writer.stdin.write(b"x\n")
        writer.stdin.close()
        wait_until(lambda: temporary_files(root), "a temporary file")
        if number == 4:
            break
        daemon.stop(signal.SIGKILL)
        writer.kill()
        writer.wait()
        disk.fails(open_unnamed=errno.EOPNOTSUPP)
    # The last one lives: whoever starts beside it leaves its file alone.
    living = temporary_files(root)
    other = begin(root, name="other")
    other.wait_ready()
    assert temporary_files(root) == living and not other.lines("removed"), other.said()
    disk.fails(open_unnamed=errno.EOPNOTSUPP)
    writer.wait()
    expect_replaced(daemon)
    assert temporary_files(root) == []
    assert other.stop() == 0, other.said()


def a_stop_while_the_store_is_away_takes_the_time_given_and_no_more(root):
    disk = Disk(root)
    daemon = start(root, "stop.timeout.ms=300", "num.partitions=4", disk=disk)
    load = Load([daemon.address], settings={"message.timeout.ms": "1500"})
    load.wait_more(100)
    disk.fails(write=errno.ENOSPC)
    wait_until(lambda: daemon.lines("can't write to"), "a full disk")
    assert daemon.stop() == 0, daemon.said()
    assert len(daemon.lines("stopping without the store's answers")) == 1, daemon.said()
    load.stop()
    disk.fails()
    again = start(root, disk=disk, name="again")
    expect_all(load, again.address)
    assert again.stop() == 0, again.said()


def a_stop_while_it_waits_for_the_store_to_start_is_obeyed(root):
    disk = Disk(root)
    assert start(root).stop() == 0
    disk.fails(write=errno.ENOSPC)
    daemon = begin(root, disk=disk, name="waiting")
    wait_until(lambda: daemon.lines("can't write to"), "a full disk")
    assert daemon.stop() == 0, daemon.said()
    daemon = begin(root, disk=disk, name="patient")
    wait_until(lambda: daemon.lines("can't write to"), "a full disk")
    disk.fails()
    daemon.wait_ready()
    assert daemon.stop() == 0, daemon.said()


def a_stop_while_calls_into_the_store_hang_leaves_them(root):
    disk = Disk(root)
    daemon = start(root, "stop.timeout.ms=100", disk=disk)
    kcat(daemon.address, "-P", "-t", "t", text=numbers(10))
    disk.fails(fsync_file="hang")
    load = Load([daemon.address], partitions=1, settings={"message.timeout.ms": "1500"})
    wait_until(lambda: load.sent > 0, "records")
    assert daemon.stop() == 1, daemon.said()
    assert len(daemon.lines("left without the store's answer")) == 1, daemon.said()
    load.stop()
    disk.fails()
    again = start(root, disk=disk, name="again")
    assert read(again).startswith(numbers(10))
    # A second signal, not at once, ends a stop that would take long.
    disk.fails(write=errno.ENOSPC)
    load = Load([again.address], partitions=1, settings={"message.timeout.ms": "1500"})
    wait_until(lambda: again.lines("can't write to"), "a full disk")
    again.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    wait_until(lambda: time.monotonic() - begun > 0.3, "a moment")
    assert again.stop(signal.SIGINT) == 1, again.said()
    assert len(again.lines("second signal")) == 1, again.said()
    load.stop()


TESTS = (
    the_judge_finds_what_it_must_find,
    a_second_daemon_on_the_port_fails_and_changes_nothing,
    daemons_take_over_from_each_other_under_load_and_lose_nothing,
    a_daemon_that_is_only_read_from_notices_by_itself,
    an_idle_daemon_notices_at_its_first_request,
    a_paused_daemon_acknowledges_only_what_its_successor_found,
    kills_while_it_starts_lose_nothing,
    temporary_files_of_the_killed_go_and_those_of_the_living_stay,
    a_stop_while_the_store_is_away_takes_the_time_given_and_no_more,
    a_stop_while_it_waits_for_the_store_to_start_is_obeyed,
    a_stop_while_calls_into_the_store_hang_leaves_them,
)

if __name__ == "__main__":
    sys.exit(main(TESTS))
