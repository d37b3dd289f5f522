# SPDX-License-Identifier: Apache-2.0
"""A read replica (s3.read.*): two stubs, the second of which has what a replication would have
brought there by then. Readers get the right bytes in any case, and from the replica where it has
them. Prints TAP.

Usage: s3_replica_test.py KAFSCALED
"""
import os
import sys

from daemon import main, numbers, wait_until
from s3_daemon_test import BUCKET, World, read, write

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import s3_servers

RECORDS = 3000
NEAR = "near"
BUSY = ("segment.object.bytes=4096", "compact.interval.ms=1000")


def is_segment(key):
    return "/__kafscale/" not in key and key.endswith((".kfs", ".index"))


class Pair(World):
    """A bucket with segments, and a replica that is empty."""

    def __init__(self, root):
        super().__init__(root)
        self.replica = s3_servers.Stub("--bucket", NEAR)
        daemon = self.start(*BUSY, name="writer")
        write(daemon, numbers(RECORDS), **{"batch.num.messages": "100"})
        wait_until(self.is_compacted, "segments", 10)
        assert daemon.stop() == 0
        self.keys = sorted(filter(is_segment, self.objects()))
        self.reader = None

    def __exit__(self, *_):
        self.replica.stop()
        super().__exit__()

    def objects(self):
        return self.stub.ask("GET", "/objects?" + BUCKET)

    def is_compacted(self):
        keys = self.objects()
        return sum(key.endswith(".kfs") for key in keys) >= 5

    def replicate(self, keys, change=lambda body: body):
        """Brings objects to the replica, as they are or changed."""
        source, target = self.stub.client(BUCKET), self.replica.client(NEAR)
        for key in keys:
            answer = target.put(key, change(source.get(key).body))
            assert answer.status == 200, (key, answer.status)
        source.close()
        target.close()

    def start_reader(self, *more):
        """A broker that has nothing in memory; what it asks for from here on is counted."""
        self.reader = self.start("s3.read.bucket=" + NEAR,
                                 "s3.read.endpoint=" + self.replica.endpoint,
                                 "compact.interval.ms=604800000", *more, name="reader")
        for stub in (self.stub, self.replica):
            stub.ask("DELETE", "/stats")
        return self.reader

    def expect_all(self):
        assert read(self.reader) == numbers(RECORDS)

    def end(self, is_quiet=True):
        if is_quiet:
            assert not self.reader.lines(level="error"), self.reader.said()
        assert self.reader.stop() == 0

    def segments_given(self, stub):
        """Keys of segments that the stub has given bytes of."""
        return {key for name, key, status, _ in stub.ask("GET", "/log")
                if name == "GetObject" and is_segment(key) and status in (200, 206)}


def bytes_come_from_the_replica(root):
    with Pair(root) as w:
        w.replicate(w.keys)
        w.start_reader()
        w.expect_all()
        given = w.segments_given(w.replica)
        bodies = [key for key in w.keys if key.endswith(".kfs")]
        assert set(bodies[:-2]) <= given, (bodies, given)  # the newest may not have counted yet
        assert not w.segments_given(w.stub)
        asked = [entry for entry in w.replica.ask("GET", "/log") if not is_segment(entry[1])]
        assert not asked, asked
        w.end()


def what_a_replica_does_not_have_yet_comes_from_the_bucket(root):
    with Pair(root) as w:
        late = w.keys[len(w.keys) // 2:]
        w.replicate(w.keys[:len(w.keys) // 2])
        w.start_reader()
        w.expect_all()
        assert w.segments_given(w.replica)
        assert w.segments_given(w.stub) and w.segments_given(w.stub) <= set(late)
        w.end()


def a_replica_that_has_nothing_or_is_not_there_does_no_harm(root):
    with Pair(root) as w:
        w.start_reader()
        w.expect_all()
        assert not w.segments_given(w.replica)
        w.end()
        w.replicate(w.keys)
        for away in ("refuse", "reset", "silent"):
            w.start_reader("s3.request.timeout.ms=500", "s3.connect.timeout.ms=500")
            w.replica.set(away=away)
            w.expect_all()
            w.replica.set(away=None)
            w.end()
        for fault in ("error", "slow_down", "access_denied", "no_bucket", "no_object", "cut_body",
                      "lost_answer"):
            w.replica.fault(fault, operation="GetObject")
            w.start_reader()
            w.expect_all()
            assert w.replica.stats()["faults"].get(fault, 0) > 0, fault
            w.replica.forget_faults()
            w.end()


def flip_one(body):
    damaged = bytearray(body)
    damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


def a_replica_with_other_bytes_is_not_believed(root):
    """Damaged at rest, cut, or of an older life of the key: the bucket has the last word."""
    with Pair(root) as w:
        for change in (flip_one, lambda body: body[:len(body) // 2], lambda body: b"",
                       lambda body: b"\0" * len(body)):
            w.replicate(w.keys, change)
            w.start_reader()
            w.expect_all()
            w.end()
        client = w.replica.client(NEAR)
        bodies = [w.stub.client(BUCKET).get(key).body for key in w.keys if key.endswith(".kfs")]
        for i, key in enumerate(key for key in w.keys if key.endswith(".kfs")):
            client.put(key, bodies[i - 1])
        client.close()
        w.start_reader()
        w.expect_all()
        w.end()


TESTS = (
    bytes_come_from_the_replica, what_a_replica_does_not_have_yet_comes_from_the_bucket,
    a_replica_that_has_nothing_or_is_not_there_does_no_harm,
    a_replica_with_other_bytes_is_not_believed,
)

if __name__ == "__main__":
    sys.exit(main(TESTS))
