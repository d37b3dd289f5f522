# SPDX-License-Identifier: Apache-2.0
"""The daemon's log as those read it who operate it: each line an event, whatever clients send, and
never more lines than a person or a disk can take. Prints TAP.

Usage: log_test.py KAFSCALED
"""
import json
import os
import random
import re
import signal
import socket
import struct
import sys

from daemon import LIMIT_S, Daemon, kcat, main, numbers, run, wait_until

METADATA, FIND_COORDINATOR, JOIN_GROUP = 3, 10, 11
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
LEVELS = ("error", "warn", "info", "debug")

# What a client may call itself and its groups.
NAMES = (
    b"plain", b"two words", b'quo"te', b"back\\slash", b"line\nerror made up", b"a\0b",
    b"\x1b[2J\x1b[31mred", b"\xff\xfe\xfd", b"cut \xe2\x82",
    "gr\u00fc\u00df \U0001f600".encode(), b"\xed\xa0\x80", b"\xc2\x9b2J", "\u202egpj".encode(),
    b'","level":"error","x":"', b"{}", b"%s%n", b"=", b"x" * 3000)


class Client:
    """A connection that says what it is told to."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), LIMIT_S)

    def send(self, key, version, body, name=b"client"):
        head = struct.pack(">hhi", key, version, 7) + string(name)
        self.socket.sendall(struct.pack(">i", len(head + body)) + head + body)

    def receive(self):
        size = struct.unpack(">i", self.take(4))[0]
        return self.take(size)[4:]

    def take(self, size):
        got = b""
        while len(got) < size:
            more = self.socket.recv(size - len(got))
            assert more, "the broker has closed the connection"
            got += more
        return got

    def is_closed(self):
        return self.socket.recv(1) == b""

    def find_coordinator(self):
        self.send(FIND_COORDINATOR, 0, string(b"g"))
        return struct.unpack(">h", self.receive()[:2])[0] == 0

    def join(self, group, name=b"client"):
        """A member that gives no sign of life afterwards; true once it is one."""
        self.send(JOIN_GROUP, 2, string(group) + struct.pack(">ii", 50, 50) + string(b"") +
                  string(b"consumer") + struct.pack(">i", 1) + string(b"range") +
                  struct.pack(">i", 0), name)
        return struct.unpack(">ih", self.receive()[:6])[1] == 0

    def join_each(self, groups):
        wait_until(self.find_coordinator, "a coordinator")
        for group in groups:
            wait_until(lambda: self.join(group, group), "group %r" % group)

    def close(self):
        self.socket.close()


def string(data):
    return struct.pack(">h", len(data)) + data


def start(root, *settings, name="log", **more):
    return Daemon(root, "listen=127.0.0.1:0", "store=dir:" + os.path.join(root, "data"),
                  "group.initial.rebalance.delay.ms=0", "group.min.session.timeout.ms=0", *settings,
                  name=name, **more).wait_ready()


def parsed(path):
    """Every line of a log, each of which must be an event."""
    with open(path, "rb") as log:
        lines = log.read().split(b"\n")
    assert lines.pop() == b"", "the last line has no end"
    events = [json.loads(line.decode("utf-8")) for line in lines]
    for event in events:
        assert TIME.fullmatch(event["time"]) and event["level"] in LEVELS, event
        assert event["message"], event
        assert all(isinstance(value, (str, int)) for value in event.values()), event
    return events


def replaced(text):
    """How many replacements stand for what is no UTF-8 may differ."""
    return re.sub("\ufffd+", "\ufffd", text)


def messages(events):
    return [event["message"] for event in events]


# --- Tests ----------------------------------------------------------------------------------------

def every_line_of_a_busy_life_is_json(root):
    settings = ("log.format=json", "log.level=debug", "trace.kafka=true", "freshness.ms=100",
                "startup.timeout.sec=5")
    first = start(root, *settings, environment={"KAFSCALE_NO_SUCH": "1"})
    kcat(first.address, "-P", "-t", "t", text=numbers(100))
    client = Client(first.address)
    client.join_each(NAMES)
    unreadable = struct.pack(">ihhi", 12, 3, 1, 7) + string(b"") + b"\0\0"
    for request in (unreadable, b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        stranger = Client(first.address)
        stranger.socket.sendall(request)
        assert stranger.is_closed()
        stranger.close()
    wait_until(lambda: "member put out" in first.said(), "the end of a session")
    second = start(root, *settings, name="other")
    asker = Client(first.address)
    asker.send(METADATA, 1, struct.pack(">i", -1))
    assert first.ended() == 3
    asker.close()
    assert kcat(second.address, "-C", "-t", "t", "-o", "beginning", "-e", "-q") == numbers(100)
    assert second.stop(signal.SIGTERM) == 0
    client.close()
    first_said = parsed(os.path.join(root, "log"))
    for message in ("environment variable ignored", "option has no effect", "broker ready",
                    "connection closed", "request refused", "client disconnected", "broker fenced"):
        assert message in messages(first_said), (message, messages(first_said))
    assert "broker stopped" in messages(parsed(os.path.join(root, "other")))


def what_clients_call_themselves_is_said_as_it_is(root):
    daemon = start(root, "log.format=json")
    client = Client(daemon.address)
    client.join_each(NAMES[:9])
    wait_until(lambda: daemon.said().count("member put out") == 9, "nine sessions")
    client.close()
    assert daemon.stop() == 0
    events = parsed(os.path.join(root, "log"))
    groups = {replaced(event["group"]) for event in events if "group" in event}
    assert groups == {replaced(name.decode("utf-8", "replace")) for name in NAMES[:9]}, groups


def errors_before_the_start_are_json_too(root):
    config = os.path.join(root, "config")
    with open(config, "w", encoding="utf-8") as file:
        file.write("log.format=json\nnum.partitions=0\n")
    for arguments, environment in (
            (("--config", config), {}),
            (("--set", "log.format=json", "--set", "no.such.key=\n\xe9"), {}),
            (("--set", "log.format=JSON", "--set", "store=s3"), {}),
            ((), {"KAFSCALE_LOG_FORMAT": "json", "KAFSCALE_NUM_PARTITIONS": "many"})):
        done = run(*arguments, environment=environment, code=2)
        events = [json.loads(line) for line in done.stderr.splitlines()]
        assert events and events[-1]["level"] == "error", done.stderr


def requests_are_traced_whatever_their_clients_are_called(root):
    daemon = start(root, "log.format=json", "trace.kafka=true")
    dice = random.Random(6)
    client = Client(daemon.address)
    for size in range(300):
        client.send(METADATA, 1, struct.pack(">i", 1) + string(b"secret"), dice.randbytes(size))
        client.receive()
    client.close()
    assert daemon.stop() == 0
    assert "secret" not in daemon.said()
    traced = [event for event in parsed(os.path.join(root, "log"))
              if event["message"] == "kafka request"]
    assert len(traced) == 300
    for size, event in enumerate(traced):
        assert (event["api"], event["version"], event["correlation_id"]) == ("Metadata", 1, 7)
        assert event["outcome"] == "answered" and event["client"] == "127.0.0.1", event
        assert event["bytes_in"] == 4 + 10 + size + 12 and event["bytes_out"] > 4, event


def a_flood_of_members_that_are_put_out_is_a_few_lines(root):
    daemon = start(root, "log.format=json")
    client = Client(daemon.address)
    client.join_each([b"g%d" % i for i in range(500)])
    client.close()
    wait_until(lambda: daemon.said().count("member put out") > 0, "the first")
    assert daemon.stop() == 0
    events = [event for event in parsed(os.path.join(root, "log"))
              if event["message"].startswith("member put out")]
    assert len(events) <= 30, len(events)


def a_flood_of_requests_that_cannot_be_read_is_a_few_lines_also_with_debug(root):
    daemon = start(root, "log.format=json", "log.level=debug")
    for _ in range(1500):
        client = Client(daemon.address)
        client.send(METADATA, 1, b"\0\0")
        assert client.is_closed()
        client.close()
    assert daemon.stop() == 0
    said = messages(parsed(os.path.join(root, "log")))
    for message in ("request refused", "connection closed"):
        assert 100 <= said.count(message) <= 1000, (message, said.count(message))
    assert len(said) < 1200, len(said)


TESTS = (
    every_line_of_a_busy_life_is_json,
    what_clients_call_themselves_is_said_as_it_is,
    errors_before_the_start_are_json_too,
    requests_are_traced_whatever_their_clients_are_called,
    a_flood_of_members_that_are_put_out_is_a_few_lines,
    a_flood_of_requests_that_cannot_be_read_is_a_few_lines_also_with_debug,
)


if __name__ == "__main__":
    sys.exit(main(TESTS))
