# SPDX-License-Identifier: Apache-2.0
"""The demo's load: producers at a steady rate and a consumer group that reads what they send.

Usage: workload.py, told what to do by KAFSCALE_DEMO_ variables (settings.py). Writes what it did
as a line of JSON to stdout every half second, and ends with SIGTERM or when nobody reads that.
"""
import asyncio
import dataclasses
import json
import os
import random
import signal
import struct
import sys
import time

import settings as demo_settings
import wire
from latency import Latencies

TICK_S = 0.02
REPORT_S = 0.5
COMMIT_S = 1
HEARTBEAT_S = 1
AGAIN_S = 0.2
BEHIND_S = 1
FORGET = 0.95   # what is left of a long round trip after each shorter one
UNDER_WAY_MAX = 5   # more at once, and an idempotent producer couldn't repeat them
REQUEST_BYTES_MAX = 900000
PRODUCE_TIMEOUT_MS = 30000
SESSION_MS = 10000
FETCH_WAIT_MS = 500
FETCH_BYTES = 1 << 20
LEAVE_S = 0.5


@dataclasses.dataclass
class Counts:
    """What was done so far; the times only since the line before."""
    acked: int = 0
    acked_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    repeated: int = 0
    skipped: int = 0
    members: int = 0
    trouble: str = ""
    produce: Latencies = dataclasses.field(default_factory=Latencies)
    delivery: Latencies = dataclasses.field(default_factory=Latencies)

    def line(self):
        said = {**vars(self), "produce": self.produce.counts, "delivery": self.delivery.counts}
        text = json.dumps(said)
        self.produce, self.delivery, self.trouble = Latencies(), Latencies(), ""
        return text


def value_of(number, producer, size, due_at):
    text = '{"sent_at":%.6f,"producer":%d,"number":%d,"more":"' % (due_at, producer, number)
    return (text + "x" * (size - len(text) - 2) + '"}').encode()


def sent_at(value):
    """When a record of ours was sent; None for one of somebody else."""
    try:
        return float(json.loads(value)["sent_at"])
    except (TypeError, ValueError, KeyError):
        return None


TROUBLE = (OSError, wire.BrokerError, asyncio.TimeoutError, struct.error)


def explain(error):
    """What went wrong, in words for whoever watches."""
    if isinstance(error, OSError) and error.errno:
        return "the broker can't be reached: " + os.strerror(error.errno)
    return str(error) or "no answer from the broker"


class Producer:
    """Sends its share of the rate, spread over all partitions; repeats what failed until it is
    taken, so that each record is there once."""

    def __init__(self, index, settings, places, counts):
        self.index = index
        self.settings = settings
        self.counts = counts
        self.rate = settings.messages_per_sec / settings.producers
        self.places = random.sample(places, len(places))
        self.sequences = dict.fromkeys(places, 0)
        self.next_place = 0
        self.number = 0
        self.connection = None
        self.identity = None
        self.under_way = set()
        self.round_trip_s = 0.0
        self.replacing = asyncio.Lock()

    async def connect(self):
        connection = await wire.Connection(self.settings.broker_addr, "demo-producer").open()
        if self.identity is None:
            answer = await connection.call(wire.INIT_PRODUCER_ID,
                                           wire.string(None) + wire.int32(60000))
            answer.int32()
            wire.check("InitProducerId", answer.int16())
            self.identity = answer.int64(), answer.int16()
        self.connection = connection

    async def run(self):
        await again_and_again(self.connect, self.counts)
        begun, sent, due_since = time.monotonic(), 0.0, None
        while True:
            # Requests are spread over the time that one takes, so that there is always room for
            # the next one.
            await asyncio.sleep(max(TICK_S, self.round_trip_s / UNDER_WAY_MAX))
            due = (time.monotonic() - begun) * self.rate - sent
            if due > max(self.rate * BEHIND_S, 2):   # can't follow: go on from here, and say so
                self.counts.skipped += int(due)
                begun, sent = time.monotonic(), 0.0
                due_since = None
            elif due >= 1:
                due_since = due_since or time.monotonic()
                if len(self.under_way) < UNDER_WAY_MAX:
                    sent += self.begin(min(int(due), self.at_once()), due_since)
                    due_since = None

    def at_once(self):
        return max(1, REQUEST_BYTES_MAX // self.settings.message_bytes)

    def begin(self, count, due_since):
        """Sends so many records in one request; each begins with another partition. They count as
        sent when they could have been, had not too many requests been under way."""
        values = {}
        due_at = time.time() - (time.monotonic() - due_since)
        for _ in range(count):
            place = self.places[self.next_place]
            self.next_place = (self.next_place + 1) % len(self.places)
            self.number += 1
            values.setdefault(place, []).append(
                value_of(self.number, self.index, self.settings.message_bytes, due_at))
        batches = {}
        for (topic, partition), its in values.items():
            batch = wire.batch_of(its, int(time.time() * 1000), *self.identity,
                                  self.sequences[topic, partition])
            self.sequences[topic, partition] += len(its)
            batches.setdefault(topic, []).append((partition, len(its), batch))
        task = asyncio.get_running_loop().create_task(self.deliver(batches, due_since))
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return count

    async def deliver(self, batches, begun):
        while batches:
            connection, sent_at = self.connection, time.monotonic()
            try:
                batches = await self.send(batches, begun)
                self.round_trip_s = max(min(time.monotonic() - sent_at, BEHIND_S),
                                        self.round_trip_s * FORGET)
            except TROUBLE as error:
                self.counts.trouble = explain(error)
                await self.replace(connection)
            if batches:
                self.counts.repeated += 1
                await asyncio.sleep(AGAIN_S)

    async def replace(self, connection):
        """Once, though all that was under way on it failed."""
        async with self.replacing:
            if connection is self.connection:
                connection.close()
                await again_and_again(self.connect, self.counts)

    async def send(self, batches, begun):
        """What of it has to be sent again."""
        body = wire.string(None) + wire.int16(-1) + wire.int32(PRODUCE_TIMEOUT_MS) + wire.by_topic(
            batches, lambda row: wire.int32(row[0]) + wire.octets(row[2]))
        answer = await self.connection.call(wire.PRODUCE, body, PRODUCE_TIMEOUT_MS / 1000 + 5)
        rows = answer.by_topic(lambda: (answer.int32(), answer.int16(), answer.int64(),
                                        answer.int64()))
        codes = {(topic, row[0]): row[1] for topic, row in rows}
        left = {}
        for topic, its in batches.items():
            for partition, count, batch in its:
                code = codes.get((topic, partition), 0)
                if code in (0, wire.DUPLICATE_SEQUENCE_NUMBER):
                    self.note(count, len(batch), time.monotonic() - begun)
                else:
                    self.counts.trouble = "Produce: error code %d" % code
                    left.setdefault(topic, []).append((partition, count, batch))
        await asyncio.sleep(answer.int32() / 1000)   # as long as the broker asks for
        return left

    def note(self, count, size, seconds):
        self.counts.acked += count
        self.counts.acked_bytes += size
        self.counts.produce.note(seconds, count)


async def again_and_again(act, counts):
    while True:
        try:
            return await act()
        except TROUBLE as error:
            counts.trouble = explain(error)
            await asyncio.sleep(AGAIN_S)


class Consumer:
    """A member of the group, by the rules of the classic protocol: joins, reads what it is given,
    commits every second, joins again when the group changes, and leaves at the end."""

    def __init__(self, settings, counts):
        self.settings = settings
        self.counts = counts
        self.member, self.generation = "", -1
        self.positions = {}
        self.reading = self.speaking = None
        self.must_join = False

    async def run(self):
        try:
            while True:
                try:
                    await self.belong()
                except TROUBLE as error:
                    self.counts.trouble = explain(error)
                    self.disconnect()
                    await asyncio.sleep(AGAIN_S)
        finally:
            await self.leave()

    async def connect(self):
        """Two connections, since a Fetch that waits holds up what comes after it."""
        if self.speaking is None:
            self.reading = await wire.Connection(self.settings.broker_addr, "demo-consumer").open()
            self.speaking = await wire.Connection(self.settings.broker_addr, "demo-consumer").open()

    def disconnect(self):
        for connection in (self.reading, self.speaking):
            if connection is not None:
                connection.close()
        self.reading = self.speaking = None

    async def belong(self):
        await self.connect()
        if not await self.join():
            return
        self.must_join = False
        heart = asyncio.get_running_loop().create_task(self.beat())
        self.counts.members += 1
        try:
            await self.read()
        finally:
            self.counts.members -= 1
            heart.cancel()

    async def join(self):
        answer = await self.speaking.call(wire.FIND_COORDINATOR, wire.string(self.settings.group))
        wire.check("FindCoordinator", answer.int16())
        wanted = wire.int16(0) + wire.array(self.settings.topics, wire.string) + wire.octets(None)
        answer = await self.speaking.call(
            wire.JOIN_GROUP, wire.string(self.settings.group) + wire.int32(SESSION_MS) +
            wire.int32(SESSION_MS) + wire.string(self.member) + wire.string("consumer") +
            wire.array([("range", wanted)], lambda one: wire.string(one[0]) + wire.octets(one[1])))
        answer.int32()
        code = answer.int16()
        self.forget_if_unknown(code)
        wire.check("JoinGroup", code)
        self.generation = answer.int32()
        answer.string()
        leader, self.member = answer.string(), answer.string()
        members = answer.array(lambda: (answer.string(), answer.octets()))
        is_leader = leader == self.member
        return await self.sync(await self.share_out([m for m, _ in members]) if is_leader else {})

    def forget_if_unknown(self, code):
        if code in (wire.UNKNOWN_MEMBER_ID, wire.ILLEGAL_GENERATION):
            self.member = ""

    async def share_out(self, members):
        """The leader's part: all partitions, dealt out in turn."""
        answer = await self.speaking.call(wire.METADATA,
                                          wire.array(self.settings.topics, wire.string))
        partitions = partitions_in(answer)
        shares = {member: {} for member in members}
        for i, (topic, partition) in enumerate(sorted(partitions)):
            shares[members[i % len(members)]].setdefault(topic, []).append(partition)
        return shares

    async def sync(self, shares):
        def share(item):
            return wire.string(item[0]) + wire.octets(
                wire.int16(0) + wire.by_topic(item[1], wire.int32) + wire.octets(None))
        answer = await self.speaking.call(wire.SYNC_GROUP, self.as_member() +
                                          wire.array(list(shares.items()), share))
        answer.int32()
        code = answer.int16()
        self.forget_if_unknown(code)
        if code == wire.REBALANCE_IN_PROGRESS:
            return False
        wire.check("SyncGroup", code)
        its = wire.Reader(answer.octets() or b"\0\0\0\0\0\0")
        its.int16()
        await self.find_positions(its.by_topic(its.int32))
        return True

    def as_member(self):
        return wire.string(self.settings.group) + wire.int32(self.generation) + wire.string(
            self.member)

    async def find_positions(self, places):
        """Where the group has come to; from the beginning where it was never."""
        by_topic = {}
        for topic, partition in places:
            by_topic.setdefault(topic, []).append(partition)
        answer = await self.speaking.call(wire.OFFSET_FETCH, wire.string(self.settings.group) +
                                          wire.by_topic(by_topic, wire.int32))
        rows = answer.by_topic(lambda: (answer.int32(), answer.int64(), answer.string(),
                                        answer.int16()))
        wire.check("OffsetFetch", answer.int16())
        self.positions = {}
        for topic, (partition, offset, _, code) in rows:
            wire.check("OffsetFetch", code)
            self.positions[topic, partition] = offset
        unknown = [place for place, offset in self.positions.items() if offset < 0]
        await self.begin_at_first(unknown)

    async def begin_at_first(self, places):
        by_topic = {}
        for topic, partition in places:
            by_topic.setdefault(topic, []).append(partition)
        if by_topic:
            found = await offsets_of(self.speaking, by_topic, -2)
            self.positions.update({place: max(offset, 0) for place, offset in found.items()})

    async def beat(self):
        """Heartbeats and commits, until the group changes."""
        committed, commit_at = dict(self.positions), time.monotonic() + COMMIT_S
        while not self.must_join:
            await asyncio.sleep(HEARTBEAT_S / 2)
            try:
                answer = await self.speaking.call(wire.HEARTBEAT, self.as_member())
                answer.int32()
                code = answer.int16()
                self.forget_if_unknown(code)
                self.must_join = code != 0
                if time.monotonic() >= commit_at and not self.must_join:
                    committed = await self.commit(committed)
                    commit_at = time.monotonic() + COMMIT_S
            except TROUBLE as error:
                self.counts.trouble = explain(error)
                self.must_join = True

    async def commit(self, committed):
        now = dict(self.positions)
        rows = {}
        for (topic, partition), offset in now.items():
            if committed.get((topic, partition)) != offset:
                rows.setdefault(topic, []).append((partition, offset))
        if rows:
            answer = await self.speaking.call(
                wire.OFFSET_COMMIT, self.as_member() + wire.int64(-1) + wire.by_topic(
                    rows, lambda row: wire.int32(row[0]) + wire.int64(row[1]) + wire.string("")))
            for _, (_, code) in answer.by_topic(lambda: (answer.int32(), answer.int16())):
                wire.check("OffsetCommit", code)
        return now

    async def read(self):
        before = dict(self.positions)
        while not self.must_join:
            if not self.positions:   # more members than partitions
                await asyncio.sleep(AGAIN_S)
                continue
            await self.fetch()
        if self.positions != before and self.member:
            await self.commit({})   # so that who gets the partition goes on from here

    async def fetch(self):
        rows = {}
        for (topic, partition), offset in self.positions.items():
            rows.setdefault(topic, []).append((partition, offset))
        body = (wire.int32(-1) + wire.int32(FETCH_WAIT_MS) + wire.int32(1) +
                wire.int32(8 * FETCH_BYTES) + wire.int8(0) + wire.by_topic(
                    rows, lambda row: wire.int32(row[0]) + wire.int64(row[1]) +
                    wire.int32(FETCH_BYTES)))
        answer = await self.reading.call(wire.FETCH, body)
        throttle_ms = answer.int32()

        def row():
            head = answer.int32(), answer.int16(), answer.int64(), answer.int64()
            answer.array(lambda: (answer.int64(), answer.int64()))
            return (*head, answer.octets())
        for topic, (partition, code, _, _, records) in answer.by_topic(row):
            if code == wire.OFFSET_OUT_OF_RANGE:   # retention was faster than we
                await self.begin_at_first([(topic, partition)])
            elif code:
                self.counts.trouble = "Fetch: error code %d" % code
                await asyncio.sleep(AGAIN_S)
            else:
                self.take((topic, partition), records or b"")
        await asyncio.sleep(throttle_ms / 1000)

    def take(self, place, records):
        now = time.time()
        for base, count, batch in wire.batches_in(records):
            new = base + count - max(self.positions[place], base)
            if new <= 0:
                continue
            self.counts.received += new
            self.counts.received_bytes += len(batch)
            at = sent_at(wire.first_value(batch))
            if at is not None:
                self.counts.delivery.note(now - at, new)
            self.positions[place] = base + count

    async def leave(self):
        """So that the group doesn't wait for a member that has gone."""
        try:
            if self.speaking is not None and self.member:
                await self.commit({})
                await self.speaking.call(wire.LEAVE_GROUP, wire.string(self.settings.group) +
                                         wire.string(self.member), LEAVE_S)
        except TROUBLE:
            pass
        self.disconnect()


def partitions_in(metadata):
    """(topic, partition) of each in an answer to Metadata."""
    metadata.array(lambda: (metadata.int32(), metadata.string(), metadata.int32(),
                            metadata.string()))
    metadata.int32()
    found = []

    def partition():
        metadata.int16()
        index = metadata.int32()
        metadata.int32()
        metadata.array(metadata.int32)
        metadata.array(metadata.int32)
        return index
    for _ in range(metadata.int32()):
        metadata.int16()
        topic = metadata.string()
        metadata.slice(1)
        found += [(topic, index) for index in metadata.array(partition)]
    return found


async def offsets_of(connection, by_topic, timestamp):
    """{place: offset} at a timestamp, or the first (-2) or the next (-1) one."""
    answer = await connection.call(wire.LIST_OFFSETS, wire.int32(-1) + wire.by_topic(
        by_topic, lambda partition: wire.int32(partition) + wire.int64(timestamp)))
    rows = answer.by_topic(lambda: (answer.int32(), answer.int16(), answer.int64(),
                                    answer.int64()))
    return {(topic, row[0]): row[3] for topic, row in rows if row[1] == 0}


async def make_topics(settings):
    """Those that don't exist, with bounds: a demo that runs for a day must not fill the disk."""
    connection = await wire.Connection(settings.broker_addr, "demo").open()
    bounds = [("retention.ms", "600000"), ("retention.bytes", str(64 << 20))]

    def pair(one):
        return wire.string(one[0]) + wire.string(one[1])
    answer = await connection.call(wire.CREATE_TOPICS, wire.array(
        settings.topics, lambda name: wire.string(name) + wire.int32(settings.partitions) +
        wire.int16(-1) + wire.array([], None) + wire.array(bounds, pair)) +
        wire.int32(10000) + b"\0")
    answer.int32()
    for name, code, _ in answer.array(lambda: (answer.string(), answer.int16(), answer.string())):
        if code != wire.TOPIC_ALREADY_EXISTS:
            wire.check("CreateTopics: " + name, code)
    answer = await connection.call(wire.METADATA, wire.array(settings.topics, wire.string))
    found = partitions_in(answer)
    connection.close()
    return found


async def report(counts):
    while True:
        await asyncio.sleep(REPORT_S)
        print(counts.line(), flush=True)


def fail_with(error):
    print(json.dumps({"failed": explain(error)}), flush=True)
    return 1


async def watch(tasks):
    """Until one ends, which only a mistake or a reader that has gone can bring about."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


async def run(settings):
    counts = Counts()
    places = await make_topics(settings)
    parts = [Consumer(settings, counts).run() for _ in range(settings.consumers)]
    if settings.messages_per_sec:
        parts += [Producer(i, settings, places, counts).run() for i in range(settings.producers)]
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(part) for part in parts + [report(counts)]]
    told = loop.create_future()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: told.done() or told.set_result(None))
    try:
        await watch([told, *tasks])
    finally:
        loop.call_later(2 * LEAVE_S, os._exit, 0)   # whatever else still waits for a broker
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=LEAVE_S)
        print(counts.line(), flush=True)
    os._exit(0)   # there is nothing to tidy up, and what ends now has nobody to tell


def main():
    try:
        settings = demo_settings.read(os.environ)
        settings.broker_addr = settings.broker_addr or ("127.0.0.1", 9092)
        return asyncio.run(run(settings))
    except demo_settings.BadSetting as error:
        return fail_with(error) + 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except TROUBLE as error:
        return fail_with(error)


if __name__ == "__main__":
    sys.exit(main())
