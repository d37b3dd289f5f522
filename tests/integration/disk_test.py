# SPDX-License-Identifier: Apache-2.0
"""The directory of a loaded daemon gets full, read-only, slow to tell, lost or replaced: what was
acknowledged stays, what can't be stored is not acknowledged, and the operator reads one line.
Prints TAP.

Usage: disk_test.py KAFSCALED FAULTY_DISK
"""
import ctypes
import errno
import os
import shutil
import subprocess
import sys

from daemon import Disk, begin, free_address, main, start, wait_until
from rdkafka import Load, expect_all

NEW_NAMESPACE_OF_MOUNTS = 0x00020000
NEW_NAMESPACE_OF_USERS = 0x10000000
READ_ONLY = 1
REMOUNT = 32
FAILED = 1
CAN_MOUNT = False


def may_mount():
    """Takes this process, before it has threads, to where its mounts are its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    users, groups = os.getuid(), os.getgid()
    if libc.unshare(NEW_NAMESPACE_OF_MOUNTS) != 0:
        if libc.unshare(NEW_NAMESPACE_OF_MOUNTS | NEW_NAMESPACE_OF_USERS) != 0:
            return False
        for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % users),
                           ("gid_map", "0 %d 1" % groups)):
            with open("/proc/self/" + name, "w", encoding="utf-8") as file:
                file.write(text)
    return subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True,
                          check=False).returncode == 0


class Mount:
    """A tmpfs at root/data."""

    def __init__(self, root, size):
        self.path = os.path.join(root, "data")
        os.mkdir(self.path)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "none", self.path],
                       check=True)

    def change(self, flags=0, options=None):
        """By the system call: mount(8) repeats options that users' namespaces don't allow."""
        wait_until(lambda: self.has_changed(flags, options), "a moment without writers")

    def has_changed(self, flags, options):
        """Whether it could: a file system is busy while somebody writes a file."""
        libc = ctypes.CDLL(None, use_errno=True)
        changed = libc.mount(b"none", self.path.encode(), None, ctypes.c_ulong(REMOUNT | flags),
                             options) == 0
        assert changed or ctypes.get_errno() == errno.EBUSY, os.strerror(ctypes.get_errno())
        return changed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)


def expect_quiet(daemon, warnings):
    """So many warnings, each with its end, and no error."""
    wait_until(lambda: len(daemon.lines("works again")) >= warnings, "word of the end")
    assert len(daemon.lines("works again")) == warnings, daemon.said()
    assert len(daemon.lines(level="warn")) == warnings, daemon.said()
    assert not daemon.lines(level="error"), daemon.said()


def expect_failed(daemon, part):
    """It ended by itself and said why in one line."""
    assert daemon.ended() == FAILED, daemon.said()
    errors = daemon.lines(level="error")
    assert len(errors) == 1 and part in errors[0], daemon.said()
    assert not daemon.lines(level="warn"), daemon.said()


def wait_for_trouble(daemon):
    wait_until(lambda: daemon.lines("can't write to the store"), "trouble")


def read_meanwhile(load, daemon):
    wait_for_trouble(daemon)
    expect_all(load, daemon.address)
    assert not load.refused, load.refused_reasons()


def end_well(load, daemon):
    """Everything that was sent was acknowledged in the end, and all of it is there."""
    load.stop()
    assert len(load.acknowledged) == load.sent and not load.refused, load.refused_reasons()
    expect_all(load, daemon.address)
    assert daemon.stop() == 0, daemon.said()


def go_through(load, daemon, heal):
    """What can't be stored is acknowledged after it could."""
    wait_for_trouble(daemon)
    heal()
    load.wait_more(500)
    expect_quiet(daemon, 1)
    end_well(load, daemon)


# --- Tests: each gets a directory of its own ------------------------------------------------------

def a_full_disk_is_waited_for(root):
    if not CAN_MOUNT:
        return "mounting is not allowed here"
    with Mount(root, "1m") as disk:
        daemon = start(root, "num.partitions=4")
        load = Load([daemon.address], size=500)
        read_meanwhile(load, daemon)
        go_through(load, daemon, lambda: disk.change(options=b"size=64m"))
    return None


def a_read_only_disk_is_waited_for(root):
    if not CAN_MOUNT:
        return "mounting is not allowed here"
    with Mount(root, "64m") as disk:
        daemon = start(root, "num.partitions=4")
        load = Load([daemon.address])
        load.wait_more(200)
        disk.change(READ_ONLY)
        read_meanwhile(load, daemon)
        go_through(load, daemon, disk.change)
    return None


def a_producer_hears_of_a_full_disk_in_its_own_time(root):
    disk = Disk(root)
    daemon = start(root, "num.partitions=4", disk=disk)
    load = Load([daemon.address], settings={
        "enable.idempotence": "false", "retries": "0", "request.timeout.ms": "300"})
    load.wait_more(200)
    disk.fails(write=errno.ENOSPC)
    wait_until(lambda: load.refused, "a refusal")
    disk.fails()
    load.stop()
    assert set(load.refused_reasons()) == {"REQUEST_TIMED_OUT"}, load.refused_reasons()
    expect_all(load, daemon.address)
    expect_quiet(daemon, 1)
    assert daemon.stop() == 0, daemon.said()


def what_passes_at_any_call_is_waited_for(root):
    disk = Disk(root)
    address = free_address()
    load = Load([address])
    for number, (call, code) in enumerate((
            ("write", errno.EDQUOT), ("write", errno.EIO), ("fsync_file", errno.ENOSPC),
            ("link_unnamed", errno.EDQUOT), ("link_unnamed", errno.ETIMEDOUT),
            ("open_unnamed", errno.EMFILE))):
        daemon = start(root, "num.partitions=4", "listen=" + address, disk=disk,
                       name="log%d" % number)
        load.wait_more(100)
        disk.fails(**{call: code})
        wait_for_trouble(daemon)
        disk.fails()
        load.wait_more(100)
        expect_quiet(daemon, 1)
        assert daemon.stop() == 0, daemon.said()
    daemon = start(root, "listen=" + address, name="last")
    end_well(load, daemon)


def a_new_store_on_a_full_disk_is_an_error_and_an_old_one_waits(root):
    disk = Disk(root)
    disk.fails(mkdir=errno.EDQUOT)
    daemon = begin(root, disk=disk, name="new")
    assert daemon.ended() == FAILED, daemon.said()
    assert len(daemon.lines("Disk quota exceeded")) == 1, daemon.said()
    assert not os.path.exists(os.path.join(root, "data"))
    disk.fails()
    daemon = start(root, disk=disk, name="made")
    assert daemon.stop() == 0, daemon.said()
    disk.fails(mkdir=errno.ENOSPC)
    daemon = start(root, "num.partitions=4", disk=disk, name="old")
    load = Load([daemon.address])
    go_through(load, daemon, disk.fails)


def an_fsync_that_fails_for_good_ends_the_daemon(root):
    disk = Disk(root)
    daemon = start(root, "num.partitions=4", disk=disk)
    load = Load([daemon.address])
    for number, (call, code) in enumerate((("fsync_file", errno.EIO),
                                           ("fsync_directory", errno.ENOSPC))):
        load.wait_more(200)
        disk.fails(**{call: code})
        expect_failed(daemon, "its state is unknown")
        disk.fails()
        daemon = start(root, "listen=" + daemon.address, disk=disk, name="again%d" % number)
    load.wait_more(200)
    end_well(load, daemon)


def a_directory_that_is_gone_or_another_needs_a_restart(root):
    data = os.path.join(root, "data")
    away = os.path.join(root, "away")
    other = os.path.join(root, "other")
    assert start(root, "store=dir:" + other, name="other_log").stop() == 0
    daemon = start(root, "num.partitions=4", name="log")
    load = Load([daemon.address])
    for number, replacement in enumerate((None, "empty", "other store")):
        load.wait_more(200)
        os.rename(data, away)
        if replacement == "empty":
            os.mkdir(data)
        if replacement == "other store":
            os.rename(other, data)
        expect_failed(daemon, "vanished or was replaced; restart when it is back")
        assert os.path.exists(data) == bool(replacement)
        assert replacement != "empty" or os.listdir(data) == []
        if replacement:
            shutil.rmtree(data)
        os.rename(away, data)
        daemon = start(root, "num.partitions=4", "listen=" + daemon.address,
                       name="again%d" % number)
    load.wait_more(200)
    end_well(load, daemon)


TESTS = (
    a_full_disk_is_waited_for,
    a_read_only_disk_is_waited_for,
    a_producer_hears_of_a_full_disk_in_its_own_time,
    what_passes_at_any_call_is_waited_for,
    a_new_store_on_a_full_disk_is_an_error_and_an_old_one_waits,
    an_fsync_that_fails_for_good_ends_the_daemon,
    a_directory_that_is_gone_or_another_needs_a_restart,
)

if __name__ == "__main__":
    CAN_MOUNT = may_mount()
    sys.exit(main(TESTS))
