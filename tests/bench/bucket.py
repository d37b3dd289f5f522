# SPDX-License-Identifier: Apache-2.0
"""What a broker on S3 costs: time, processor and requests, on our stub where the store must be as
far away as S3 is or be counted, on a real server where it is about throughput.
"""
import json
import os
import re
import statistics
import subprocess
import sys
import time
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "support"))

import plot
import s3_client  # found by the line above, as the next one
import s3_servers

MIB = 1 << 20
GIB = 1 << 30
OBJECT_BYTES = 4 << 20
PARTITIONS = 32
CONNECTIONS = 2
WRITERS = 16  # with 2 MiB under way each, as much as a bare client has
BATCH_BYTES = 256 << 10
RECORD_BYTES = 1024
PUT_MS = 50
COLD_PARTITIONS = 8
COLD_MS = 20
SEGMENT_BYTES = 8 * MIB  # the default
LOAD = 10 * 1000 * 1000  # bytes a second


def settings_of(server, namespace):
    """How a daemon finds this server."""
    settings = ["s3.endpoint=" + server.endpoint, "s3.bucket=" + s3_servers.BUCKET,
                "s3.region=" + server.region, "s3.access.key=" + server.access_key,
                "s3.namespace=" + namespace]
    os.environ["KAFSCALE_S3_SECRET_KEY"] = server.secret_key
    return settings


def daemon_on(bench, server, namespace, *more):
    return bench.daemon(*settings_of(server, namespace), *more)


# --- A program that does nothing else ---------------------------------------------------------


def signed(client, server, method, key):
    """An address, a date and a signature that is good for a quarter of an hour."""
    path = "/%s/%s" % (s3_servers.BUCKET, key)
    headers = {"host": urllib.parse.urlsplit(server.endpoint).netloc,
               "x-amz-content-sha256": "UNSIGNED-PAYLOAD",
               "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())}
    return "\t".join((server.endpoint + path, headers["x-amz-date"],
                      client.sign(method, path, "", headers)))


def bare(bench, server, what, keys, piece_bytes, number):
    method = "GET" if what == "get" else "PUT"
    client = s3_client.Client(server.endpoint, server.access_key, server.secret_key, server.region)
    urls = "".join(signed(client, server, method, key) + "\n" for key in keys)
    done = subprocess.run(
        [os.path.join(bench.programs, "bare"), what, str(piece_bytes), str(number)],
        input=urls, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (what, done.stdout, done.stderr)
    return json.loads(done.stdout)


def bare_put_rate(bench, server, total_mib, name):
    """Bytes a second that come over the loopback and go into the bucket, eight PUTs at once."""
    keys = ["bare/%s/%d" % (name, i) for i in range(total_mib * MIB // OBJECT_BYTES)]
    got = bare(bench, server, "put", keys, OBJECT_BYTES, 8)
    return got["bytes"] / got["seconds"]


# --- Latency ----------------------------------------------------------------------------------


def far_stub():
    """A stub whose PUTs take PUT_MS."""
    stub = s3_servers.Stub()
    stub.create_bucket()
    stub.fault("delay", operation="PutObject", ms=PUT_MS, count=None)
    return stub


def paced(bench, stub, namespace, interval_ms):
    daemon = daemon_on(bench, stub, namespace, "flush.interval.ms=%d" % interval_ms)
    bench.load(daemon, "create", "bench", 1)
    got = bench.load(daemon, "paced", "bench", 1, 100, 1 if bench.is_smoke else 20)
    daemon.stop()
    return got


def bare_puts(bench, stub, per_second, size):
    """How long PUTs take that nothing is before or after."""
    keys = ["bare/%d/%d" % (per_second, i)
            for i in range(per_second * (1 if bench.is_smoke else 10))]
    return bare(bench, stub, "pace", keys, size, per_second)


def latency(bench):
    """
    100 messages a second on one partition: PUTs overlap, and add nothing to each other. With an
    interval of 250 ms one record of 25 waits for all of it, so the slowest hundredth of the
    records is the slowest quarter of those: a PUT that a quarter is slower than is the measure.
    """
    with far_stub() as stub:
        at_once = paced(bench, stub, "at-once", 0)
        seldom = bare_puts(bench, stub, 4, 6 << 10)
        gathered = paced(bench, stub, "gathered", 250)
        often = bare_puts(bench, stub, 10, 1 << 10)
    return {"p50 ms of a bare PUT of 1 KiB": often["p50_ms"],
            "p50 ms, interval 0": at_once["p50_ms"], "p99 ms, interval 0": at_once["p99_ms"],
            "p75 ms of a bare PUT of 6 KiB": seldom["p75_ms"],
            "p50 ms, interval 250": gathered["p50_ms"],
            "p99 ms, interval 250": gathered["p99_ms"],
            "p99 ms above interval and bare PUT": gathered["p99_ms"] - 250 - seldom["p75_ms"]}


# --- Throughput -------------------------------------------------------------------------------


def produce(bench, daemon, topic, total_mib):
    """What came of it, and the processor seconds that the daemon took for a GiB."""
    begun = daemon.cpu_seconds()
    produced = bench.load(daemon, "produce", topic, PARTITIONS, WRITERS, BATCH_BYTES, RECORD_BYTES,
                          total_mib)
    return produced, (daemon.cpu_seconds() - begun) / (produced["bytes"] / GIB)


def followed(bench, daemon, total_mib):
    """Processor seconds for a GiB that consumers read as it comes."""
    bench.load(daemon, "create", "followed", PARTITIONS)
    follower = bench.begin("load", daemon.address, "follow", "followed", PARTITIONS, CONNECTIONS,
                           total_mib)
    begun = daemon.cpu_seconds()
    produced = produce(bench, daemon, "followed", total_mib)[0]
    assert follower.wait() == 0
    return (daemon.cpu_seconds() - begun) / (produced["bytes"] / GIB)


def one_pair(bench, server, round_number):
    total_mib = 16 if bench.is_smoke else 512
    name = "pair-%d" % round_number
    reference = bare_put_rate(bench, server, total_mib, name)
    daemon = daemon_on(bench, server, name)
    bench.load(daemon, "create", "bench", PARTITIONS)
    produced, cpu_in = produce(bench, daemon, "bench", total_mib)
    begun = daemon.cpu_seconds()
    consumed = bench.load(daemon, "consume", "bench", PARTITIONS, CONNECTIONS)
    cpu_back = (daemon.cpu_seconds() - begun) / (consumed["bytes"] / GIB)
    daemon.stop()
    daemon = daemon_on(bench, server, name + "-followed")
    cpu_both = followed(bench, daemon, total_mib)
    daemon.stop()
    rate = produced["bytes"] / produced["seconds"]
    return {"MB/s of a bare client": reference / 1e6, "MB/s in": rate / 1e6,
            "share of a bare client": rate / reference,
            "MB/s out": consumed["bytes"] / consumed["seconds"] / 1e6,
            "broker CPU s/GiB in": cpu_in,
            "broker CPU s/GiB in and out": cpu_both,
            "broker CPU s/GiB read back from the store": cpu_back}


def throughput(bench):
    """
    Five interleaved pairs against a real server, each against a new one: what it keeps in memory
    would fill up. Each figure is the median.
    """
    pairs = []
    for i in range(1 if bench.is_smoke else 5):
        try:
            server = s3_servers.SERVERS["stub" if bench.is_smoke else "rgw"]()
        except s3_servers.Unavailable as reason:
            print("no server: %s" % reason)
            return {}
        with server:
            server.create_bucket()
            pairs.append(one_pair(bench, server, i))
    return {name: statistics.median(pair[name] for pair in pairs) for name in pairs[0]}


# --- Cold reads -------------------------------------------------------------------------------


def stored(client, namespace, suffix):
    """Keys of the namespace that end so."""
    keys, after = [], ""
    while True:
        page = client.request("GET", query={"list-type": 2, "prefix": namespace + "/",
                                            "start-after": after}).body.decode()
        found = re.findall("<Key>([^<]*)</Key>", page)
        keys += [key for key in found if key.endswith(suffix)]
        if "<IsTruncated>true" not in page:
            return keys
        after = found[-1]


def fetched(stub):
    """GETs and the bytes that they brought."""
    got = stub.stats()["operations"]["GetObject"]
    return got["requests"], got["bytes_out"]


def wait_for_segments(client, namespace, total_bytes, segment_bytes):
    """Until all but the youngest records lie in segments; their keys."""
    deadline = time.monotonic() + 120
    while True:
        keys = stored(client, namespace, ".kfs")
        if len(keys) * segment_bytes >= total_bytes - 2 * COLD_PARTITIONS * segment_bytes:
            return keys
        assert time.monotonic() < deadline, "%d segments" % len(keys)
        time.sleep(1)


def hot(bench, daemon, seconds):
    return bench.load(daemon, "paced", "hot", 1, 100, seconds)["p99_ms"]


def cold_read(bench):
    """
    A broker that was just started reads 1 GiB of segments with a cache of 64 MiB, while another
    client goes on producing to a topic of its own.
    """
    total_mib, seconds, segment_bytes = (64, 1, MIB) if bench.is_smoke else (1024, 15, 8 * MIB)
    with s3_servers.Stub() as stub:
        stub.create_bucket()
        client = s3_client.Client(stub.endpoint, stub.access_key, stub.secret_key,
                                  bucket=s3_servers.BUCKET)
        daemon = daemon_on(bench, stub, "cold", "segment.object.bytes=%d" % segment_bytes)
        bench.load(daemon, "create", "bench", COLD_PARTITIONS)
        bench.load(daemon, "create", "hot", 1)
        produced = bench.load(daemon, "produce", "bench", COLD_PARTITIONS, CONNECTIONS,
                              BATCH_BYTES, RECORD_BYTES, total_mib)
        keys = wait_for_segments(client, "cold", produced["bytes"], segment_bytes)
        daemon.stop()
        for operation in ("GetObject", "PutObject"):
            stub.fault("delay", operation=operation, ms=COLD_MS, count=None)
        reference = bare(bench, stub, "get", keys, OBJECT_BYTES, 8)
        daemon = daemon_on(bench, stub, "cold", "cache.bytes=%d" % (64 * MIB))
        undisturbed = hot(bench, daemon, seconds)
        gets_before, bytes_before = fetched(stub)
        consumed = bench.load(daemon, "consume", "bench", COLD_PARTITIONS, CONNECTIONS)
        gets, got = fetched(stub)
        daemon.stop()
        daemon = daemon_on(bench, stub, "cold", "cache.bytes=%d" % (64 * MIB))
        reader = bench.begin("load", daemon.address, "consume", "bench", COLD_PARTITIONS,
                             CONNECTIONS)
        disturbed = hot(bench, daemon, seconds)
        reader.kill()
        reader.wait()
        daemon.stop()
    rate = consumed["bytes"] / consumed["seconds"]
    reference_rate = reference["bytes"] / reference["seconds"]
    return {"MB/s": rate / 1e6, "MB/s of a bare client": reference_rate / 1e6,
            "share of a bare client": rate / reference_rate,
            "bytes fetched for each delivered": (got - bytes_before) / consumed["bytes"],
            "GETs for a GiB out, cold": (gets - gets_before) / (consumed["bytes"] / GIB),
            "p99 ms of hot produce": undisturbed, "p99 ms beside cold reads": disturbed,
            "p99 to p99 undisturbed": disturbed / undisturbed}


# --- Requests ---------------------------------------------------------------------------------


def dollars(puts, gets):
    """A month of so many requests a second, at the list price of us-east."""
    return (puts * 0.005 + gets * 0.0004) / 1000 * 86400 * 30


def steady(bench, count, what):
    """
    Requests a second, once each partition was compacted, of three times as long: bundles and
    segments have gone round.
    """
    cycle_s = max(600, SEGMENT_BYTES * count // LOAD)
    cycle_s = 20 if bench.is_smoke else cycle_s
    return json.loads(bench.run("store_requests", count, cycle_s, 3 * cycle_s, LOAD, what))


def draw_requests(bench, counts, got):
    lines = {name: [(n, got[n][key]) for n in counts]
             for name, key in (("PUTs", "puts"), ("GETs", "gets"))}
    prices = [(n, dollars(got[n]["puts"], got[n]["gets"])) for n in counts]
    bench.picture("requests.svg", plot.svg(
        "active partitions", plot.Panel("Requests at 10 MB/s", "a second", lines, True),
        plot.Panel("Their price", "dollars a month", {"": prices}, False)))


def partitions(count):
    return "1 partition" if count == 1 else "{:,} partitions".format(count)


def requests(bench):
    """At 10 MB/s over more and more partitions, and once with a consumer that is up to date."""
    counts = (1, 100) if bench.is_smoke else (1, 100, 1000, 10000)
    got = {n: steady(bench, n, "produce") for n in counts}
    beside = steady(bench, 100, "consume")
    draw_requests(bench, counts, got)
    gib_s = GIB / LOAD
    figures = {}
    for name, value in (("PUTs/s", lambda one: one["puts"]), ("GETs/s", lambda one: one["gets"]),
                        ("segments/s", lambda one: one["puts_segment"]),
                        ("dollars a month", lambda one: dollars(one["puts"], one["gets"])),
                        ("PUTs for a GiB in", lambda one: one["puts"] * gib_s),
                        ("GETs for a GiB in", lambda one: one["gets"] * gib_s),
                        ("MiB of memory", lambda one: one["held_mib"])):
        for n in counts:
            figures["%s, %s" % (name, partitions(n))] = value(got[n])
    puts = [got[n]["puts"] for n in counts]
    figures["most PUTs to fewest"] = max(puts) / min(puts)
    figures["GETs for a GiB out, hot"] = (beside["gets"] - got[100]["gets"]) * gib_s
    return figures


# --- Away, and idle ---------------------------------------------------------------------------


def idle(bench):
    """Requests of a broker that nobody asks anything."""
    seconds = 1 if bench.is_smoke else 600
    with s3_servers.Stub() as stub:
        stub.create_bucket()
        daemon = daemon_on(bench, stub, "idle")
        bench.load(daemon, "create", "bench", PARTITIONS)
        bench.load(daemon, "paced", "bench", PARTITIONS, 100, 1)
        time.sleep(1 if bench.is_smoke else 30)  # what the load left behind is done
        before = sum(one["requests"] for one in stub.stats()["operations"].values())
        time.sleep(seconds)  # a measurement, not a wait for something
        after = sum(one["requests"] for one in stub.stats()["operations"].values())
        memory_mib = daemon.memory_mib()
        daemon.stop()
    return {"seconds": seconds, "requests": after - before, "MiB resident": memory_mib}
