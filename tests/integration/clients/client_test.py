# SPDX-License-Identifier: Apache-2.0
"""The story that every client can tell: it sends records through each codec, they are kept as they
were sent, it reads them back byte for byte, finds them by offset and by time, and handles topics.
Default settings, and neither the client nor the daemon complains. Prints TAP.

Usage: client_test.py KAFSCALED CLIENT [RECORDS]     CLIENT: a name of clients.py
"""
import hashlib
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.dirname(HERE))
import clients  # noqa: E402
import daemon  # noqa: E402
import wire  # noqa: E402

RECORD_BYTES = 256
FIRST_MS = 1700000000000


def timestamp_of(i):
    """Growing, but locally out of order, so that the first record at or after a time is seldom the
    first of its batch."""
    return FIRST_MS + 10 * i + 7919 * i % 500


def record(i, words):
    """One line of 256 bytes that no other line equals, and that compresses as a log does."""
    text = "%013d %07d" % (timestamp_of(i), i)
    while len(text) < RECORD_BYTES:
        text += " " + words.choice(WORDS)
    return text[:RECORD_BYTES].encode() + b"\n"


def records(count):
    words = random.Random(1)
    return b"".join(record(i, words) for i in range(count))


WORDS = ["%06x" % random.Random(i).getrandbits(24) for i in range(500)]


class Story:
    """One client, one daemon, and records for it."""

    def __init__(self, client, name, root, count):
        self.client = client
        self.name = name
        self.daemon = daemon.start(root)
        self.count = count
        self.lines = records(count)
        self.path = os.path.join(root, "records")
        with open(self.path, "wb") as file:
            file.write(self.lines)

    def tests(self):
        codecs = [("arrive and are kept with codec " + codec,
                   lambda codec=codec: self.round_trip(codec)) for codec in self.client.codecs]
        more = [("are read from any offset", self.any_offset),
                ("are found by time, exact to the record", self.by_time),
                ("have a first and a next offset", self.ends)]
        if self.client.does_forget:
            more.append(("before an offset are deleted", self.forget))
        if self.client.does_odd:
            more.append(("may have keys, headers, no value, and be large", self.odd))
        tests = [("records " + name, test) for name, test in codecs + more]
        if self.client.does_topics:
            tests.append(("topics are created, described and deleted", self.topics))
        tests.append(("the daemon had nothing to complain about", self.quiet))
        return [("%s: %s" % (self.name, name), test) for name, test in tests]

    def topic(self, codec):
        return "%s-%s" % (self.name, codec)

    def last_topic(self):
        return self.topic(self.client.codecs[-1])

    def round_trip(self, codec):
        topic = self.topic(codec)
        self.client.produce(self.daemon.address, topic, codec, self.path)
        kept = wire.batches(self.daemon.address, topic)
        # A few records may gain nothing: kafka-python then sends them as they are.
        codecs = {batch.codec for batch in kept if batch.count >= 8}
        assert codecs == {codec}, [batch for batch in kept if batch.codec != codec]
        assert sum(batch.count for batch in kept) == self.count, len(kept)
        is_idempotent = {batch.producer_id >= 0 for batch in kept}
        assert is_idempotent == {self.client.is_idempotent}, kept[:3]
        if codec != "none":
            assert sum(batch.bytes for batch in kept) < len(self.lines), kept[:3]
        got = self.client.consume(self.daemon.address, topic, 0, self.count)
        assert hashlib.md5(got).digest() == hashlib.md5(self.lines).digest(), got[:600]

    def any_offset(self):
        """Offsets at the edges of a batch and within it: the broker answers with whole batches."""
        kept = wire.batches(self.daemon.address, self.last_topic())
        middle = kept[len(kept) // 2]
        inside = (middle.base_offset + middle.last_offset) // 2
        for offset in (inside, middle.last_offset, self.count - 1):
            count = min(3, self.count - offset)
            got = self.client.consume(self.daemon.address, self.last_topic(), offset, count)
            assert got.splitlines() == self.lines.splitlines()[offset:offset + count], (offset, got)

    def kept_times(self):
        """What another client says: kcat, since not every client can set timestamps."""
        said = clients.Kcat().run(
            "kcat", "-b", self.daemon.address, "-C", "-t", self.last_topic(), "-o", "beginning",
            "-c", str(self.count), "-q", "-f", "%T\n")
        return [int(word) for word in said.split()]

    def by_time(self):
        kept = self.kept_times()
        asked = sorted({kept[i * self.count // 5] + more for i in range(5) for more in (0, 1)})
        asked += [kept[0] - 1000, max(kept), max(kept) + 1]
        expected = [next((i for i, at in enumerate(kept) if at >= time), -1) for time in asked]
        got = self.client.times(self.daemon.address, self.last_topic(), asked)
        assert got == expected, list(zip(asked, expected, got))

    def ends(self):
        assert self.client.ends(self.daemon.address, self.last_topic()) == (0, self.count)

    def forget(self):
        """An offset inside a batch: it is the first from then on, though the batch stays whole."""
        topic = self.last_topic()
        kept = wire.batches(self.daemon.address, topic)
        middle = kept[len(kept) // 2]
        offset = (middle.base_offset + middle.last_offset + 1) // 2
        assert self.client.forget(self.daemon.address, topic, offset) == offset
        assert self.client.ends(self.daemon.address, topic) == (offset, self.count)
        got = self.client.consume(self.daemon.address, topic, offset, 3)
        assert got.splitlines() == self.lines.splitlines()[offset:offset + 3], (offset, got)
        assert self.client.forget(self.daemon.address, topic, 1) == offset
        assert self.client.forget(self.daemon.address, topic, -1) == self.count
        assert self.client.ends(self.daemon.address, topic) == (self.count, self.count)

    def odd(self):
        said = self.client.odd(self.daemon.address, self.name + "-odd")
        assert said == "same", said[:600]

    def topics(self):
        said = self.client.topics(self.daemon.address, self.name + "-topic")
        assert said == ["3", "3600000", "gone"], said

    def quiet(self):
        said = self.daemon.said().splitlines()
        assert len(said) == 1 and "broker ready" in said[0], said
        assert self.daemon.stop() == 0, self.daemon.said()


def main(binary, name, count="100000"):
    try:
        client = clients.CLIENTS[name]()
    except clients.Unavailable as reason:
        print("1..0 # SKIP %s" % reason)
        return 0
    print("# %s: %s" % (name, client.version()))
    daemon.BINARY = os.path.abspath(binary)
    return daemon.in_own_directory(
        lambda root: daemon.report(Story(client, name, root, int(count)).tests()))()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
