# SPDX-License-Identifier: Apache-2.0
"""What the cases of the compatibility suite share: what a case is, and where it runs. Each has a
broker of its own on a fresh directory, a time limit for all that it does, and no process of it
outlives it.
"""
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import namedtuple

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "..", "integration"), os.path.join(HERE, "..", "support")]
import daemon  # noqa: E402
import install  # noqa: E402,F401
from install import Unavailable  # noqa: E402

# In this order in the documents.
CAPABILITIES = ("records", "groups", "offsets", "admin", "tools", "frameworks", "transactions",
                "librdkafka's own tests", "examples")

# What a case may need and the broker does not have yet, as keys of the protocol that tell of it.
# Such a case is skipped, not failed.
NEEDS = {"transactions": (24, 25, 26, 28)}

SETTINGS = ("num.partitions=4", "group.initial.rebalance.delay.ms=0")


class Skip(Exception):
    """Why a case does not run here."""


class Case(namedtuple("Case", "capability name run tier needs settings limit_s kafka")):
    """One line of the result. `run(arena, tool)` returns nothing, or raises; `kafka` says what
    Apache Kafka itself does, where that is not to pass."""

    def __new__(cls, capability, name, run, tier="quick", needs=(), settings=(), limit_s=60,
                kafka=""):
        assert capability in CAPABILITIES and set(needs) <= set(NEEDS), (capability, needs)
        return super().__new__(cls, capability, name, run, tier, needs, settings, limit_s, kafka)


class Client:
    """A client, how it is found or installed, and its cases. `find(may_build)` returns what its
    cases are given and its version, or raises Unavailable."""

    def __init__(self, name, find, cases):
        self.name = name
        self.find = find
        self.cases = cases


class Process:
    """A program that runs beside a case; its lines are read as they come."""

    def __init__(self, command, environment, cwd, root, number):
        self.path = os.path.join(root, "said-%d" % number)
        with open(self.path, "w", encoding="utf-8") as said:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said,
                                            stderr=subprocess.STDOUT, cwd=cwd, env=environment,
                                            start_new_session=True)

    def said(self):
        with open(self.path, encoding="utf-8", errors="replace") as said:
            return said.read()

    def has_ended(self):
        return self.process.poll() is not None

    def kill(self, number=signal.SIGKILL):
        """With all that it started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


class Arena:
    """Where one case runs. `start_broker(root, *settings)` is daemon.start or what is like it."""

    def __init__(self, start_broker, root, settings, limit_s):
        self.start_broker = start_broker
        self.root = root
        self.settings = settings
        self.limit_s = limit_s
        self.processes = []
        self.broker = start_broker(root, *settings)
        self.deadline = time.monotonic() + limit_s
        self.address = self.broker.address

    def left_s(self):
        left = self.deadline - time.monotonic()
        assert left > 0, "took longer than %d s" % self.limit_s
        return left

    def start(self, *command, environment=None, cwd=None):
        process = Process([str(word) for word in command], {**os.environ, **(environment or {})},
                          cwd or self.root, self.root, len(self.processes))
        self.processes.append(process)
        return process

    def wait(self, process, code=0):
        """What a program said that was started here, when it has ended with this code."""
        try:
            ended = process.process.wait(self.left_s())
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError("took longer than %d s\n%s" % (
                self.limit_s, tail(process.said()))) from None
        assert code is None or ended == code, "exit code %d\n%s" % (ended, tail(process.said()))
        return process.said()

    def run(self, *command, text=None, code=0, environment=None, cwd=None):
        """What a program wrote to stdout; stderr is shown when it fails."""
        return self.run_both(*command, text=text, code=code, environment=environment, cwd=cwd)[0]

    def run_both(self, *command, text=None, code=0, environment=None, cwd=None):
        words = [str(word) for word in command]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace",
                              cwd=cwd or self.root, env={**os.environ, **(environment or {})},
                              start_new_session=True) as process:
            try:
                out, err = process.communicate(text, timeout=self.left_s())
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                raise AssertionError("%s: took longer than %d s\n%s\n%s" % (
                    words[:3], self.limit_s, tail(out), tail(err))) from None
        assert code is None or process.returncode == code, "%s: exit code %d\n%s\n%s" % (
            words, process.returncode, tail(out), tail(err))
        return out, err

    def kcat(self, *arguments, text=None):
        return self.run("kcat", "-b", self.address, *arguments, text=text)

    def wait_until(self, condition, what):
        return daemon.wait_until(condition, what, self.left_s())

    def restart_broker(self):
        """Killed, and back on the same directory and port."""
        self.broker.stop(signal.SIGKILL)
        self.broker = self.start_broker(self.root, *self.settings, "listen=" + self.address)

    def end(self):
        for process in self.processes:
            process.kill()
            process.process.wait()

    def has_broker(self):
        return self.broker in self.broker.running

    def end_well(self):
        """The broker is still there after all that, and stops as it should."""
        self.end()
        code = self.broker.stop()
        assert code == 0, "the broker ended with %d" % code


def tail(text, lines=40):
    return "\n".join(text.splitlines()[-lines:])


def served_keys(address):
    """The keys of the protocol that a broker lists (ApiVersions 0)."""
    host, port = address.rsplit(":", 1)
    request = struct.pack(">hhih", 18, 0, 1, -1)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb")
        (size,) = struct.unpack(">i", answer.read(4))
        body = answer.read(size)
    (count,) = struct.unpack_from(">i", body, 6)
    return {struct.unpack_from(">hhh", body, 10 + 6 * i)[0] for i in range(count)}


def missing(needs, keys):
    """The first of these needs that a broker with these keys does not meet, or None."""
    return next((need for need in needs if not set(NEEDS[need]) <= keys), None)


def words(text):
    return re.findall(r"\S+", text)
