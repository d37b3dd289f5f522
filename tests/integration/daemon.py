# SPDX-License-Identifier: Apache-2.0
"""What the integration tests share: the daemon as a process, kcat, and tests that print TAP.

Every test is a function that takes a directory of its own and returns None, or why it is skipped.
"""
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(1, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support"))
from tap import report, title  # noqa: E402

LIMIT_S = 60
BINARY = None
FAULTY_DISK = None


def wait_until(condition, what, limit_s=LIMIT_S):
    """Polls until `condition()` is true and returns what it gave; fails after the limit."""
    deadline = time.monotonic() + limit_s
    while True:
        got = condition()
        if got:
            return got
        assert time.monotonic() < deadline, "waited %d s for %s" % (limit_s, what)
        time.sleep(0.01)


class Daemon:
    """One kafscaled with a log file of its own; `name` tells several in one directory apart."""

    running = []

    def __init__(self, root, *settings, environment=None, cwd=None, name="log", disk=None,
                 config=None):
        self.log = open(os.path.join(root, name), "a+", encoding="utf-8")
        arguments = [BINARY] + [word for setting in settings for word in ("--set", setting)]
        arguments += ["--config", config] if config else []
        more = {**(environment or {}), **(disk.environment() if disk else {})}
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.PIPE, stderr=self.log, text=True, cwd=cwd,
            env={**clean_environment(), **more})
        self.address = None
        Daemon.running.append(self)

    def wait_ready(self):
        has_spoken = select.select([self.process.stdout], [], [], LIMIT_S)[0]
        line = self.process.stdout.readline() if has_spoken else ""
        found = re.fullmatch(r"broker listening on (\S+)\n", line)
        if not found:
            raise AssertionError("no ready line but %r\n%s" % (line, self.said()))
        self.address = found.group(1)
        return self

    def said(self):
        with open(self.log.name, encoding="utf-8") as log:
            return log.read()

    def lines(self, part="", level=None):
        """What it said with this in it, on this level, without the time."""
        lines = [line.split(" ", 1)[1] for line in self.said().splitlines() if part in line]
        return [line for line in lines if level in (None, line.split(" ", 1)[0])]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.ended()

    def ended(self):
        code = self.process.wait(timeout=LIMIT_S)
        self.process.stdout.close()
        self.log.close()
        Daemon.running.remove(self)
        return code

    @classmethod
    def end_all(cls):
        for daemon in list(cls.running):
            daemon.process.kill()
            daemon.ended()


class Disk:
    """What faulty_disk.c does to the daemons that are started on it."""

    def __init__(self, root):
        self.path = os.path.join(root, "plan")

    def environment(self):
        sanitizer = os.environ.get("ASAN_OPTIONS", "")
        return {"LD_PRELOAD": FAULTY_DISK, "FAULTY_DISK": self.path,
                "ASAN_OPTIONS": sanitizer + ":verify_asan_link_order=0"}

    def fails(self, **calls):
        """Each named call fails with this errno, or hangs ("hang"); the others work."""
        with open(self.path + ".new", "w", encoding="utf-8") as plan:
            plan.writelines("%s %s\n" % item for item in calls.items())
        os.rename(self.path + ".new", self.path)


def clean_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("KAFSCALE_", "POD_NAME"))}


def run(*arguments, environment=None, code=0, **more):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=LIMIT_S,
                          check=False, env={**clean_environment(), **(environment or {})}, **more)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done


def free_address():
    """Nobody listens there now; for a daemon whose address must be known before it starts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def kcat(address, *arguments, text=None):
    done = subprocess.run(["kcat", "-b", address, *arguments], input=text, capture_output=True,
                          text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, (arguments, done.returncode, done.stderr)
    return done.stdout


def request(connection, key, version, body=b""):
    """One request of Kafka's, with a header of version 1; the answer from its correlation id on."""
    frame = struct.pack(">hhihs", key, version, 1, 1, b"t") + body
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
    return connection.recv(size, socket.MSG_WAITALL)


def begin(root, *settings, **more):
    """A daemon on root/data that may not become ready."""
    defaults = ("listen=127.0.0.1:0", "store=dir:" + os.path.join(root, "data"))
    return Daemon(root, *defaults, *settings, **more)


def start(root, *settings, **more):
    return begin(root, *settings, **more).wait_ready()


def numbers(count):
    return "".join("%d\n" % i for i in range(count))


def in_own_directory(test):
    """The test, given a directory that goes, with all daemons, when it has ended."""
    def run_there():
        root = tempfile.mkdtemp(prefix="kafscaled-")
        try:
            return test(root)
        finally:
            Daemon.end_all()
            shutil.rmtree(root)
    return run_there


def main(tests):
    """Runs the tests against the daemon named first on the command line; the exit code."""
    global BINARY, FAULTY_DISK
    BINARY = os.path.abspath(sys.argv[1])
    FAULTY_DISK = os.path.abspath(sys.argv[2]) if len(sys.argv) > 2 else None
    return report([(title(test), in_own_directory(test)) for test in tests])
