# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: the daemon reads its configuration again, and what may change while it runs does. Prints
TAP.

Usage: reload_test.py KAFSCALED
"""
import os
import re
import signal
import socket
import struct
import subprocess
import sys

from daemon import LIMIT_S, Daemon, kcat, main, numbers, run, wait_until

METADATA, INCREMENTAL_ALTER_CONFIGS, BROKER = 3, 44, 4


class Reloaded:
    """A daemon with a configuration file that changes."""

    def __init__(self, root, **options):
        self.root = root
        self.path = os.path.join(root, "config")
        self.count = 0
        self.write(**options)
        self.daemon = Daemon(root, "listen=127.0.0.1:0",
                             "store=dir:" + os.path.join(root, "data"),
                             config=self.path).wait_ready()
        self.address = self.daemon.address

    def write(self, **options):
        with open(self.path, "w", encoding="utf-8") as file:
            file.writelines("%s=%s\n" % (name.replace("_", "."), value)
                            for name, value in options.items())

    def reload(self, **options):
        self.write(**options)
        self.hang_up()

    def hang_up(self):
        self.count += 1
        self.daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.said("configuration read again") +
                   self.said("configuration not changed") == self.count, "the reload")

    def said(self, words):
        return self.daemon.said().count(words)

    def connect(self):
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), LIMIT_S)

    def stop(self):
        assert self.daemon.stop() == 0, self.daemon.said()


def string(text):
    return struct.pack(">h", len(text)) + text.encode()


def ask(connection, key, version, body):
    request = struct.pack(">hhi", key, version, 1) + string("test") + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
    return connection.recv(size, socket.MSG_WAITALL)[4:]


def partitions(address, topic):
    kcat(address, "-P", "-t", topic, text="x\n")
    listed = kcat(address, "-L", "-t", topic)
    return int(re.search(r'topic "%s" with (\d+) partitions' % topic, listed).group(1))


def produces(address, topic, size):
    done = subprocess.run(["kcat", "-b", address, "-P", "-t", topic], input="x" * size + "\n",
                          text=True, timeout=LIMIT_S, capture_output=True, check=False)
    return "Message size too large" not in done.stderr


# --- Tests ----------------------------------------------------------------------------------------

def what_may_change_changes_and_is_told(root):
    it = Reloaded(root)
    assert partitions(it.address, "before") == 1
    it.reload(num_partitions=3, log_retention_hours=1, message_max_bytes=1000)
    assert partitions(it.address, "after") == 3
    assert partitions(it.address, "before") == 1
    assert produces(it.address, "after", 500) and not produces(it.address, "after", 5000)
    said = it.daemon.said()
    assert "option changed key=num.partitions value=3 was=1\n" in said, said
    assert "configuration read again changed=3 restart_needed=0\n" in said, said
    it.reload()
    assert partitions(it.address, "again") == 1
    assert produces(it.address, "after", 5000)
    assert it.said("option changed key=num.partitions value=1 was=3\n") == 1
    it.stop()


def requests_and_details_can_be_watched_for_a_while(root):
    it = Reloaded(root)
    kcat(it.address, "-L")
    assert it.said("kafka request") == it.said(" debug ") == 0
    it.reload(trace_kafka="true", log_level="debug", log_format="text")
    kcat(it.address, "-L")
    wait_until(lambda: it.said(" debug connection closed") > 0, "a detail")
    assert it.said(" info kafka request api=Metadata ") > 0
    it.reload(log_format="json")
    count = it.said("kafka request")
    kcat(it.address, "-L")
    assert it.said("kafka request") == count and it.said('"level":"debug"') == 0
    it.hang_up()
    assert it.said('"message":"configuration read again","changed":0,"restart_needed":0}') == 1
    it.stop()


def limits_of_the_network_hold_for_connections_that_there_are(root):
    it = Reloaded(root)
    connections = [it.connect() for _ in range(3)]
    for connection in connections:
        ask(connection, METADATA, 1, struct.pack(">i", 0))
    it.reload(max_connections_per_ip=3)
    late = it.connect()
    assert late.recv(1) == b"", "a connection too many is served"
    late.close()
    for connection in connections:
        ask(connection, METADATA, 1, struct.pack(">i", 0))
    it.reload(connections_max_idle_ms=1000)
    for connection in connections:
        assert connection.recv(1) == b"", "an idle connection stays"
        connection.close()
    it.reload(memory_bytes=200000000)
    kcat(it.address, "-P", "-t", "t", text=numbers(1000))
    it.stop()


def what_needs_a_restart_is_told_and_stays(root):
    it = Reloaded(root, broker_id=7)
    it.reload(broker_id=8, s3_secret_key="hunter2", num_partitions=2)
    assert "broker 7 at" in kcat(it.address, "-L")
    said = it.daemon.said()
    assert "option needs a restart key=broker.id wanted=8 in_force=7\n" in said, said
    assert "key=s3.secret.key wanted=... in_force=...\n" in said, said
    assert "configuration read again changed=1 restart_needed=2\n" in said and "hunter2" not in said
    it.stop()


def a_bad_configuration_changes_nothing(root):
    it = Reloaded(root, num_partitions=2)
    for options, reason in (
            ({"num_partitions": 5, "log_level": "loud"}, "line 2: option 'log.level'"),
            ({"num_partitions": 5, "no_such": 1}, "line 2: option 'no.such'"),
            ({"num_partitions": 5, "memory_bytes": 4194304}, "at least"),
            ({"num_partitions": 5, "memory_bytes": 4194304, "socket_request_max_bytes": 4194304},
             "beside what needs a restart"),
            ({"num_partitions": 5, "acl_enabled": "true"}, "acl.enabled")):
        it.reload(**options)
        said = it.daemon.said().splitlines()[-1]
        assert "configuration not changed" in said and reason in said, it.daemon.said()
    os.unlink(it.path)
    it.hang_up()
    assert it.said("No such file") > 0 and it.said("option changed") == 0
    assert partitions(it.address, "t") == 2
    it.stop()


def what_administrators_have_set_goes_before_the_file(root):
    it = Reloaded(root)
    connection = it.connect()
    answer = ask(connection, INCREMENTAL_ALTER_CONFIGS, 0,
                 struct.pack(">ib", 1, BROKER) + string("0") + struct.pack(">i", 1) +
                 string("message.max.bytes") + b"\0" + string("3000") + b"\0")
    assert struct.unpack(">h", answer[8:10])[0] == 0, answer
    connection.close()
    it.reload(message_max_bytes=1000)
    assert it.said("an administrator has set another value key=message.max.bytes value=1000 "
                   "was=1048588 in_force=3000\n") == 1, it.daemon.said()
    assert produces(it.address, "t", 2000) and not produces(it.address, "t", 5000)
    it.stop()


def it_may_come_at_any_time(root):
    it = Reloaded(root)
    for i in range(20):
        it.write(num_partitions=1 + i % 2)
        it.daemon.process.send_signal(signal.SIGHUP)
        if i % 5 == 0:
            kcat(it.address, "-P", "-t", "t", text=numbers(10))
    it.daemon.process.send_signal(signal.SIGTERM)
    it.daemon.process.send_signal(signal.SIGHUP)
    assert it.daemon.ended() == 0
    done = run("--check-config", "--config", it.path)
    assert "num.partitions=2" in done.stdout


TESTS = (
    what_may_change_changes_and_is_told,
    requests_and_details_can_be_watched_for_a_while,
    limits_of_the_network_hold_for_connections_that_there_are,
    what_needs_a_restart_is_told_and_stays,
    a_bad_configuration_changes_nothing,
    what_administrators_have_set_goes_before_the_file,
    it_may_come_at_any_time,
)


if __name__ == "__main__":
    sys.exit(main(TESTS))
