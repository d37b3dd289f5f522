# SPDX-License-Identifier: Apache-2.0
"""What the view shows, gathered: the broker's metrics over HTTP, its groups and their lag over the
Kafka protocol, as any tool would ask for them, and what the workload says of itself."""
import asyncio
import collections
import dataclasses
import json
import math
import re
import time

import wire
import workload
from latency import Latencies, quantile_of_buckets

ANSWER_S = 2
HTTP_BYTES_MAX = 16 << 20
KEPT_MAX = 120
RATE_S = 3
LATENCY_S = 10
TROUBLE_S = 5
GROUPS_MAX = 100
PLACES_MAX = 5000
STORE_OPERATIONS = ("PUT", "GET", "LIST", "DELETE")
SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclasses.dataclass
class Row:
    """A line of the view: a name, figures, and how one of them went."""
    name: str
    values: tuple
    history: list


@dataclasses.dataclass
class Group:
    name: str
    state: str
    members: int
    lag: int


def parse_metrics(text):
    """{name: [(labels, value)]} of the text format of Prometheus."""
    found = collections.defaultdict(list)
    for line in text.splitlines():
        sample = SAMPLE.fullmatch(line)
        if sample and not line.startswith("#"):
            labels = dict(LABEL.findall(sample.group(2) or ""))
            found[sample.group(1)].append((labels, float(sample.group(3))))
    return found


def value_in(metrics, name, default=None, **wanted):
    """The sum of the samples with these labels."""
    values = [value for labels, value in metrics.get(name, ())
              if all(labels.get(key) == its for key, its in wanted.items())]
    return sum(values) if values else default


def state_in(metrics, name):
    """The label of the state that is 1."""
    return next((labels.get("state") for labels, value in metrics.get(name, ()) if value == 1),
                None)


async def get(address, path):
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(("GET %s HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n" % path).encode())
        said = b""
        while block := await reader.read(65536):
            said += block
            if len(said) > HTTP_BYTES_MAX:
                raise ConnectionError("%s is too long" % path)
    finally:
        writer.close()
    head, _, body = said.partition(b"\r\n\r\n")
    if not re.match(rb"HTTP/1\.[01] 200 ", head):
        raise ConnectionError("%s is answered %s" % (path, head[:40].decode(errors="replace")))
    return body.decode(errors="replace")


class Groups:
    """All groups of a broker, whoever made them, and how far behind each of them is."""

    def __init__(self, address):
        self.address = address
        self.connection = None

    async def look(self):
        try:
            if self.connection is None:
                self.connection = await wire.Connection(self.address, "demo-view").open()
            return await self.ask()
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    async def ask(self):
        answer = await self.connection.call(wire.LIST_GROUPS, b"")
        wire.check("ListGroups", answer.int16())
        names = sorted(answer.array(lambda: (answer.string(), answer.string())[0]))[:GROUPS_MAX]
        groups = await self.describe(names)
        committed = {group.name: await self.committed(group.name) for group in groups}
        places = sorted(set().union(*committed.values()))[:PLACES_MAX] if committed else []
        ends = await self.ends(places)
        for group in groups:
            group.lag = sum(max(0, ends[place] - offset) for place, offset
                            in committed[group.name].items() if place in ends)
        return groups

    async def describe(self, names):
        answer = await self.connection.call(wire.DESCRIBE_GROUPS, wire.array(names, wire.string))

        def member():
            return [answer.string() for _ in range(3)] + [answer.octets(), answer.octets()]

        def group():
            answer.int16()
            name, state = answer.string(), answer.string()
            answer.string(), answer.string()
            return Group(name, state, len(answer.array(member)), 0)
        return answer.array(group)

    async def committed(self, name):
        answer = await self.connection.call(wire.OFFSET_FETCH,
                                            wire.string(name) + wire.int32(-1))
        rows = answer.by_topic(lambda: (answer.int32(), answer.int64(), answer.string(),
                                        answer.int16()))
        return {(topic, row[0]): row[1] for topic, row in rows if row[1] >= 0}

    async def ends(self, places):
        by_topic = {}
        for topic, partition in places:
            by_topic.setdefault(topic, []).append(partition)
        return await workload.offsets_of(self.connection, by_topic, -1) if by_topic else {}


@dataclasses.dataclass
class Sample:
    """What was known at one time."""
    at: float
    metrics: dict
    work: dict
    produce: Latencies
    delivery: Latencies
    groups: list


class Observer:
    def __init__(self, broker, metrics):
        self.broker = broker
        self.metrics_address = metrics
        self.groups = Groups(broker)
        self.samples = collections.deque(maxlen=KEPT_MAX)
        self.work = {}
        self.produce, self.delivery = Latencies(), Latencies()
        self.trouble_text, self.trouble_at = "", 0.0
        self.answered_at = time.monotonic()

    def take(self, line):
        """A line of the workload; what it failed with, if it did."""
        said = json.loads(line)
        if "failed" in said:
            return said["failed"]
        self.produce.add(said.pop("produce"))
        self.delivery.add(said.pop("delivery"))
        self.note_trouble(said["trouble"])
        self.work = said
        return None

    def note_trouble(self, text):
        if text:
            self.trouble_text, self.trouble_at = text, time.monotonic()

    @property
    def trouble(self):
        """What went wrong in the last seconds."""
        is_new = time.monotonic() - self.trouble_at < TROUBLE_S
        return self.trouble_text if is_new else ""

    async def look(self):
        """One sample more; of a broker that doesn't answer it has what the workload knows."""
        metrics, groups = {}, []
        try:
            async with asyncio.timeout(ANSWER_S):
                if self.metrics_address:
                    metrics = parse_metrics(await get(self.metrics_address, "/metrics"))
                groups = await self.groups.look()
            self.answered_at = time.monotonic()
        except (*workload.TROUBLE, ValueError) as error:
            self.note_trouble(workload.explain(error))
        self.samples.append(Sample(time.monotonic(), metrics, self.work, self.produce,
                                   self.delivery, groups))
        self.produce, self.delivery = Latencies(), Latencies()

    def silent_s(self):
        return time.monotonic() - self.answered_at

    def newest(self):
        return self.samples[-1] if self.samples else Sample(0, {}, {}, None, None, [])

    # --- Rates -----------------------------------------------------------------------------------

    def rate(self, count):
        """Of a counter, in the last seconds; `count` reads it out of a sample, or gives None."""
        known = [(s.at, count(s)) for s in self.samples if count(s) is not None]
        if len(known) < 2:
            return None
        now = known[-1][0]
        since = next(one for one in known if now - one[0] <= RATE_S or one is known[-2])
        return max(0.0, (known[-1][1] - since[1]) / (now - since[0]))

    def rates(self, count):
        """The same between each two samples."""
        values = [(s.at, count(s)) for s in self.samples]
        return [None if a is None or b is None else max(0.0, (b - a) / (later - earlier))
                for (earlier, a), (later, b) in zip(values, values[1:])]

    def throughput_row(self, name, records, size):
        return Row(name, (self.rate(records), self.rate(size), records(self.newest())),
                   self.rates(records))

    def throughput(self):
        """By the broker, whose figures have all clients in them; else by the workload."""
        def of(metric, counted):
            return lambda s: value_in(s.metrics, metric, None if self.metrics_address
                                      else s.work.get(counted))
        return [
            self.throughput_row("produced", of("kafscale_produced_records_total", "acked"),
                                of("kafscale_appended_bytes_total", "acked_bytes")),
            self.throughput_row("consumed", of("kafscale_fetched_records_total", "received"),
                                of("kafscale_fetched_bytes_total", "received_bytes"))]

    # --- Latencies -------------------------------------------------------------------------------

    def recent(self):
        now = self.newest().at
        return [s for s in self.samples if now - s.at < LATENCY_S]

    def latency_row(self, name, which):
        together = Latencies()
        for sample in self.recent():
            together.add(getattr(sample, which).counts)
        return Row(name, tuple(together.quantile(share) for share in (0.5, 0.99, 1)),
                   [getattr(s, which).quantile(0.99) for s in self.samples])

    def put_row(self):
        def buckets(later, earlier):
            return put_buckets(later.metrics, earlier.metrics)
        recent = [s for s in self.recent() if s.metrics]
        row = Row("store PUT", (None, None, None), [])
        if len(recent) > 1:
            its = buckets(recent[-1], recent[0])
            row.values = tuple(quantile_of_buckets(its, share) for share in (0.5, 0.99, 1))
        samples = list(self.samples)
        row.history = [quantile_of_buckets(buckets(b, a), 0.99) if a.metrics and b.metrics else None
                       for a, b in zip(samples, samples[1:])]
        return row

    def latency(self):
        rows = [self.latency_row("acknowledged", "produce"),
                self.latency_row("delivered", "delivery")]
        return rows + [self.put_row()] if self.metrics_address else rows

    # --- The rest --------------------------------------------------------------------------------

    def store_row(self, operation):
        def requests(sample):
            return value_in(sample.metrics, "kafscale_store_requests_total", operation=operation,
                            default=0 if sample.metrics else None)

        def size(sample):
            return value_in(sample.metrics, "kafscale_store_bytes_total", operation=operation)
        return Row(operation, (self.rate(requests), self.rate(size), requests(self.newest())),
                   self.rates(requests))

    def store(self):
        return [self.store_row(operation) for operation in STORE_OPERATIONS] \
            if self.metrics_address else []

    def group_rows(self):
        def history(name):
            return [next((g.lag for g in s.groups if g.name == name), None) for s in self.samples]
        return [Row(group.name, (group.state, group.members, group.lag), history(group.name))
                for group in self.newest().groups]

    def lag(self):
        return sum(group.lag for group in self.newest().groups)

    def cpu(self):
        return self.rate(lambda s: value_in(s.metrics, "kafscale_process_cpu_seconds_total"))


def put_buckets(later, earlier):
    """[(upper bound, PUTs up to it)] between two scrapes."""
    name = "kafscale_store_request_duration_seconds_bucket"
    before = {labels["le"]: value for labels, value in earlier.get(name, ())
              if labels.get("operation") == "PUT"}
    return sorted((math.inf if labels["le"] == "+Inf" else float(labels["le"]),
                   value - before.get(labels["le"], 0))
                  for labels, value in later.get(name, ()) if labels.get("operation") == "PUT")
