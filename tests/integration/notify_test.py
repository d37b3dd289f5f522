# SPDX-License-Identifier: Apache-2.0
"""What the daemon tells a service manager: that it serves, that it stops, that its loop turns.
Prints TAP.

Usage: notify_test.py KAFSCALED
"""
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys

from daemon import LIMIT_S, begin, kcat, main, start

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_FOR_THREADS = 0x40000000


class Manager:
    """The socket of a service manager, at a path or in the abstract namespace."""

    def __init__(self, name):
        self.name = name
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(("\0" + name[1:]) if name.startswith("@") else name)

    def environment(self, **more):
        return {"NOTIFY_SOCKET": self.name, **more}

    def has_more(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def next(self):
        """The lines of the next message; fails when none comes."""
        assert select.select([self.socket], [], [], LIMIT_S)[0], "the manager hears nothing"
        return self.socket.recv(4096).decode().split("\n")

    def drain(self):
        while self.has_more():
            self.next()


class Frozen:
    """All threads of a process but the first, stopped one by one as a debugger does."""

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        self.threads = [int(t) for t in os.listdir("/proc/%d/task" % pid) if int(t) != pid]

    def __enter__(self):
        for thread in self.threads:
            if self.libc.ptrace(PTRACE_SEIZE, thread, None, None) != 0:
                raise PermissionError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            self.libc.ptrace(PTRACE_INTERRUPT, thread, None, None)
            os.waitpid(thread, WAIT_FOR_THREADS)
        return self

    def __exit__(self, *_):
        for thread in self.threads:
            self.libc.ptrace(PTRACE_DETACH, thread, None, None)


# --- Tests: each gets a directory of its own ------------------------------------------------------

def it_says_when_it_serves_and_when_it_stops(root):
    for name in (os.path.join(root, "manager"), "@kafscaled-test-%d" % os.getpid()):
        manager = Manager(name)
        daemon = start(root, environment=manager.environment())
        assert manager.next() == ["READY=1", "STATUS=serving on " + daemon.address]
        assert daemon.stop() == 0, daemon.said()
        assert manager.next() == ["STOPPING=1", "STATUS=stopping"]
        assert not manager.has_more(), manager.next()


def it_is_not_ready_before_it_can_be_used(root):
    """The other way round than above: who hears READY may connect at once."""
    manager = Manager(os.path.join(root, "manager"))
    daemon = begin(root, environment=manager.environment())
    assert manager.next()[0] == "READY=1"
    daemon.wait_ready()
    kcat(daemon.address, "-P", "-t", "t", text="x\n")
    assert daemon.stop() == 0, daemon.said()


def one_that_is_replaced_says_that_it_stops(root):
    manager = Manager(os.path.join(root, "manager"))
    first = start(root, "freshness.ms=200", environment=manager.environment())
    assert manager.next()[0] == "READY=1"
    kcat(first.address, "-P", "-t", "t", text="x\n")
    with subprocess.Popen(["kcat", "-b", first.address, "-C", "-t", "t", "-q"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as reader:
        second = start(root, name="second")
        assert manager.next()[0] == "STOPPING=1"
        assert first.ended() == 3
        reader.kill()
    assert second.stop() == 0, second.said()


def a_configuration_read_again_is_told_when_it_begins_and_ends(root):
    manager = Manager(os.path.join(root, "manager"))
    daemon = start(root, environment=manager.environment())
    assert manager.next()[0] == "READY=1"
    for _ in range(2):
        daemon.process.send_signal(signal.SIGHUP)
        lines = manager.next()
        assert lines[0] == "RELOADING=1" and lines[1].startswith("MONOTONIC_USEC="), lines
        assert manager.next() == ["READY=1"]
    assert daemon.stop() == 0


def a_manager_that_cannot_be_told_is_a_warning_once(root):
    for name in ("vsock:2:1234", os.path.join(root, "nobody"), "@" + "x" * 200, "/", "relative"):
        daemon = start(root, environment={"NOTIFY_SOCKET": name})
        kcat(daemon.address, "-L")
        assert daemon.stop() == 0, daemon.said()
        with open(daemon.log.name, "r+", encoding="utf-8") as log:
            said = log.read()
            log.truncate(0)
        assert said.count("can't tell the service manager") == 1, said
    daemon = start(root, environment={"NOTIFY_SOCKET": ""})
    assert daemon.stop() == 0 and "manager" not in daemon.said(), daemon.said()


def it_shows_life_as_often_as_the_watchdog_wants(root):
    manager = Manager(os.path.join(root, "manager"))
    daemon = start(root, environment=manager.environment(WATCHDOG_USEC="20000"))
    heard = [manager.next() for _ in range(11)]
    assert sum(lines[0] == "READY=1" for lines in heard) == 1, heard
    assert heard.count(["WATCHDOG=1"]) == 10, heard
    assert daemon.stop() == 0, daemon.said()


def it_keeps_silent_where_the_watchdog_is_not_for_it(root):
    """Another daemon, which does show life, stands for the time that passes."""
    manager, other = (Manager(os.path.join(root, name)) for name in ("manager", "other"))
    for watchdog in ({"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "0"},
                     {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "-5"}, {}):
        quiet = start(root, environment=manager.environment(**watchdog))
        clock = start(root, "store=memory", name="clock",
                      environment=other.environment(WATCHDOG_USEC="20000"))
        assert manager.next()[0] == "READY=1"
        for _ in range(10):
            other.next()
        assert not manager.has_more(), (watchdog, manager.next())
        assert quiet.stop() == 0 and clock.stop() == 0
        assert manager.next()[0] == "STOPPING=1"
        other.drain()


def a_loop_that_hangs_shows_no_life(root):
    manager, other = (Manager(os.path.join(root, name)) for name in ("manager", "other"))
    daemon = start(root, "store=memory", environment=manager.environment(WATCHDOG_USEC="20000"))
    clock = start(root, "store=memory", name="clock",
                  environment=other.environment(WATCHDOG_USEC="20000"))
    try:
        with Frozen(daemon.process.pid):
            for _ in range(5):
                other.next()
            manager.drain()
            for _ in range(20):
                other.next()
            assert not manager.has_more(), "it shows life without its loop"
    except PermissionError as error:
        return "threads can't be stopped here: %s" % error
    assert manager.next() == ["WATCHDOG=1"]
    assert daemon.stop() == 0 and clock.stop() == 0, daemon.said()
    return None


if __name__ == "__main__":
    sys.exit(main([
        it_says_when_it_serves_and_when_it_stops,
        it_is_not_ready_before_it_can_be_used,
        one_that_is_replaced_says_that_it_stops,
        a_configuration_read_again_is_told_when_it_begins_and_ends,
    a_manager_that_cannot_be_told_is_a_warning_once,
        it_shows_life_as_often_as_the_watchdog_wants,
        it_keeps_silent_where_the_watchdog_is_not_for_it,
        a_loop_that_hangs_shows_no_life,
    ]))
