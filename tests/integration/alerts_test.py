# SPDX-License-Identifier: Apache-2.0
"""The alerts of deploy/prometheus: for each its condition is brought about on a real broker, which
is scraped before and while it lasts. Laid out along promtool's clock, no alert may fire on the
first, and that one must on the second. Prints TAP.

Usage: alerts_test.py KAFSCALED EMBEDDED_BROKER
"""
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys

import daemon
from daemon import Daemon, kcat, numbers, request, wait_until
from scrape import expect, is_there, promtool, scrape, value

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "..", "support"))
import s3_servers

RULES = os.path.join(HERE, "..", "..", "deploy", "prometheus", "kafscale.rules.yml")
BUCKET = "records"
BEFORE_MINUTES = 20
LAST_MINUTES = 100  # longer than any alert waits

seen_firing = set()


def names_of_alerts():
    with open(RULES, encoding="utf-8") as file:
        return re.findall(r"- alert: (\w+)", file.read())


# --- Brokers --------------------------------------------------------------------------------------

def start(root, *settings, **more):
    return daemon.start(root, "metrics.addr=127.0.0.1:0", "flush.interval.ms=1",
                        "group.initial.rebalance.delay.ms=0", *settings, **more)


def on_s3(stub, root, *settings, **more):
    environment = {"KAFSCALE_S3_BUCKET": BUCKET, "KAFSCALE_S3_ENDPOINT": stub.endpoint,
                   "KAFSCALE_S3_ACCESS_KEY": stub.access_key,
                   "KAFSCALE_S3_SECRET_KEY": stub.secret_key}
    return Daemon(root, "listen=127.0.0.1:0", "metrics.addr=127.0.0.1:0", "flush.interval.ms=1",
                  *settings, cwd=root, environment=environment, **more)


class Embedded(Daemon):
    """A program that goes on when its broker has ended."""

    def __init__(self, root, *settings):
        self.log = open(os.path.join(root, "embedded"), "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            [daemon.FAULTY_DISK, *settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self.log, text=True, env=daemon.clean_environment())
        Daemon.running.append(self)
        self.wait_ready()


def produce(broker, count=10, topic="numbers", size=0):
    kcat(broker.address, "-P", "-t", topic, text="".join(
        "%d%s\n" % (i, "." * size) for i in range(count)))


def producing(broker, *arguments):
    """A client that goes on trying."""
    client = subprocess.Popen(["kcat", "-b", broker.address, "-P", "-t", "numbers", *arguments],
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, text=True)
    client.stdin.write(numbers(100))
    client.stdin.close()
    return client


def connect(broker):
    host, port = broker.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


def wait_for(broker, series, is_so, limit_s=60):
    """The first scrape in which the series is so."""
    def look():
        scraped = scrape(broker)
        return scraped if is_so(value(scraped, series)) else None
    return wait_until(look, series, limit_s)


# --- Firing ---------------------------------------------------------------------------------------

def fires(root, before, during, *alerts):
    """Scrapes of `during` are a minute apart; the last lasts. None fires before."""
    scrapes = [(before, BEFORE_MINUTES)] + [(scraped, 1) for scraped in during[:-1]] + \
        [(during[-1], LAST_MINUTES)]
    end = BEFORE_MINUTES + len(during) - 1 + LAST_MINUTES - 1
    query = 'max(max_over_time(ALERTS{alertname="%s",alertstate="firing"}[200m]))'
    expect(root, RULES, scrapes,
           [("ALERTS", BEFORE_MINUTES - 1, [])] +
           [(query % alert, end, [("{}", 1)]) for alert in alerts])
    seen_firing.update(alerts)


def quiet(root, *scrapes):
    """No alert fires, nor is one about to."""
    expect(root, RULES, [(scraped, LAST_MINUTES) for scraped in scrapes],
           [("ALERTS", LAST_MINUTES * (i + 1) - 1, []) for i in range(len(scrapes))])


# --- Tests: each gets a directory of its own ------------------------------------------------------

def promtool_takes_the_rules(_root):
    done = promtool("check", "rules", RULES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(set(names_of_alerts())) == len(names_of_alerts())


def a_broker_that_is_well_is_no_alert(root):
    broker = start(root)
    idle = scrape(broker)
    produce(broker, 1000)
    kcat(broker.address, "-G", "readers", "-X", "auto.offset.reset=earliest", "-c", "1000", "-q",
         "numbers")
    quiet(root, idle, scrape(broker))


def a_broker_that_is_gone_is_down(root):
    broker = start(root)
    before = scrape(broker)
    broker.process.kill()
    broker.process.wait()
    fires(root, before, [scrape(broker)], "KafscaleDown")


def a_broker_that_ends_again_and_again_is_restarting(root):
    scrapes = []
    for i in range(4):
        broker = start(root, name="log%d" % i)
        scrapes.append(scrape(broker))
        broker.stop(signal.SIGKILL)
    fires(root, scrapes[0], scrapes[1:], "KafscaleRestarting")


def a_broker_whose_store_is_away_is_not_ready(root):
    with s3_servers.Stub() as stub:
        broker = on_s3(stub, root).wait_ready()
        before = scrape(broker)
        broker.stop()
        stub.set(away="refuse")
        broker = on_s3(stub, root, name="second")
        wait_until(lambda: "metrics and health" in broker.said(), "the port")
        fires(root, before, [scrape(broker)], "KafscaleNotReady")
        broker.stop()


def a_broker_that_was_replaced_is_fenced(root):
    broker = Embedded(root, "listen=127.0.0.1:0", "metrics.addr=127.0.0.1:0",
                      "store=dir:" + os.path.join(root, "data"))
    produce(broker)
    before = scrape(broker)
    daemon.start(root, name="second")
    client = producing(broker)
    during = wait_for(broker, 'kafscale_broker_state{state="fenced"}', lambda is_so: is_so == 1)
    fires(root, before, [during], "KafscaleFenced")
    client.kill()
    client.wait()
    broker.process.stdin.close()
    assert broker.ended() == 0, broker.said()


def partitions_that_are_damaged_are_not_served(root):
    broker = start(root)
    produce(broker)
    before = scrape(broker)
    broker.stop(signal.SIGKILL)
    folder = os.path.join(root, "data", "objects", "default", "__kafscale", "wal")
    for path in [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]:
        os.chmod(path, 0o600)
        with open(path, "r+b") as file:
            file.seek(60)
            file.write(b"damaged")
    broker = start(root, name="second")
    assert "partition can't be opened topic=numbers partition=0" in broker.said()
    fires(root, before, [scrape(broker)], "KafscalePartitionsUnserved")


def an_outage_of_the_store_is_seen_and_its_end(root):
    with s3_servers.Stub() as stub:
        broker = on_s3(stub, root, "s3.health.window.sec=5").wait_ready()
        produce(broker)
        before = scrape(broker)
        stub.set(away="refuse")
        client = producing(broker)
        wait_for(broker, 'kafscale_s3_health_state{state="unavailable"}', lambda is_so: is_so == 1)
        during = wait_for(broker, "kafscale_flush_behind_seconds", lambda behind: behind > 5)
        fires(root, before, [during], "KafscaleStoreUnavailable", "KafscaleFlushBehind",
              "KafscaleJobFailing")
        stub.set(away=None)
        assert client.wait(timeout=60) == 0
        wait_for(broker, 'kafscale_s3_health_state{state="healthy"}', lambda is_so: is_so == 1)
        quiet(root, scrape(broker))


def a_slow_store_is_degraded(root):
    with s3_servers.Stub() as stub:
        broker = on_s3(stub, root, "s3.latency.warn.ms=100", "s3.health.window.sec=3").wait_ready()
        produce(broker)
        before = scrape(broker)
        stub.fault("delay", ms=200)
        client = producing(broker, "-X", "batch.num.messages=1", "-X", "max.in.flight=1")
        during = wait_for(broker, 'kafscale_s3_health_state{state="degraded"}',
                          lambda is_so: is_so == 1)
        fires(root, before, [during], "KafscaleStoreDegraded")
        stub.forget_faults()
        assert client.wait(timeout=60) == 0


def a_store_that_asks_for_less_is_slowed(root):
    with s3_servers.Stub() as stub:
        broker = on_s3(stub, root).wait_ready()
        before = scrape(broker)
        stub.fault("slow_down", operation="PutObject")
        client = producing(broker)
        during = wait_for(broker, "kafscale_store_slowed", lambda is_so: is_so == 1)
        fires(root, before, [during], "KafscaleStoreSlowed")
        stub.forget_faults()
        assert client.wait(timeout=60) == 0


def work_that_the_store_refuses_is_behind(root):
    """Segments and bundles can't be stored, write-ahead objects can."""
    with s3_servers.Stub() as stub:
        broker = on_s3(stub, root, "segment.object.bytes=1024").wait_ready()
        before = scrape(broker)
        stub.fault("error", operation="PutObject", key="*/segment-*")
        stub.fault("error", operation="PutObject", key="*/bundle/*")
        kcat(broker.address, "-P", "-t", "numbers", "-X", "batch.num.messages=1", "-X",
             "max.in.flight=1", "-X", "linger.ms=0", text=numbers(1100))
        during = wait_for(broker, "kafscale_compaction_due_seconds", lambda due: due > 10)
        assert value(during, 'kafscale_job_failing_seconds{name="bundle"}') > 0
        assert value(during, 'kafscale_job_failing_seconds{name="compaction"}') > 0
        fires(root, before, [during], "KafscaleCompactionBehind", "KafscaleLogBacklog",
              "KafscaleJobFailing")


def something_else_in_a_segments_place_stops_compaction(root):
    broker = start(root, "segment.object.bytes=65536")
    produce(broker)
    before = scrape(broker)
    folder = os.path.join(root, "data", "objects", "default", "numbers", "0")
    os.makedirs(folder)
    with open(os.path.join(folder, "segment-%020d.index" % 0), "w", encoding="ascii") as file:
        file.write("no index\n")
    produce(broker, 100, size=1000)
    during = wait_for(broker, "kafscale_compaction_alarms", lambda count: count > 0)
    fires(root, before, [during], "KafscaleCompactionStopped")


def refused_records_are_errors(root):
    broker = start(root, "message.max.bytes=1000")
    produce(broker)
    before = scrape(broker)
    done = subprocess.run(["kcat", "-b", broker.address, "-P", "-t", "numbers"], input="." * 5000,
                          capture_output=True, text=True, timeout=60, check=False)
    assert "Message size too large" in done.stderr, done.stderr
    fires(root, before, [scrape(broker)], "KafscaleProduceErrors")


def too_many_connections_are_refused(root):
    broker = start(root, "max.connections=2")
    before = scrape(broker)
    held = [connect(broker) for _ in range(3)]
    during = wait_for(broker, "kafscale_connections_refused_total", lambda count: count > 0)
    fires(root, before, [during], "KafscaleConnectionsRefused")
    for connection in held:
        connection.close()


def requests_under_way_fill_memory(root):
    broker = start(root, "memory.bytes=4194304", "socket.request.max.bytes=1048576")
    before = scrape(broker)
    held = [connect(broker) for _ in range(5)]
    for connection in held:
        connection.setblocking(False)
        try:
            connection.send(struct.pack(">i", 1000000) + bytes(100000))
        except BlockingIOError:
            pass
    during = wait_for(broker, "kafscale_memory_account_bytes", lambda taken: taken > 3900000)
    fires(root, before, [during], "KafscaleMemoryFull")
    for connection in held:
        connection.close()


def text(data):
    return struct.pack(">h", len(data)) + data


def join_group(broker, name):
    """A member that stays for half a minute, and has sent a long text."""
    with connect(broker) as connection:
        body = text(name) + struct.pack(">i", 30000) + text(b"") + text(b"consumer") + \
            struct.pack(">i", 1) + text(b"range") + struct.pack(">i", 60000) + bytes(60000)
        return request(connection, 11, 0, body)


def many_groups_fill_their_memory(root):
    broker = start(root, "group.state.bytes=1048576")
    kcat(broker.address, "-P", "-t", "numbers", text=numbers(1))
    with connect(broker) as connection:
        wait_until(lambda: request(connection, 10, 0, text(b"g"))[4:6] == b"\0\0", "coordinator")
    wait_until(lambda: join_group(broker, b"first")[4:6] != b"\0\x0e", "groups that are loaded")
    before = scrape(broker)
    for i in range(15):
        join_group(broker, b"group%d" % i)
    during = wait_for(broker, "kafscale_group_state_bytes", lambda taken: taken > 0.91 * (1 << 20))
    fires(root, before, [during], "KafscaleGroupsFull")


def who_does_not_read_on_lags(root):
    broker = start(root, "lag.sample.interval.sec=1")
    produce(broker)
    kcat(broker.address, "-G", "readers", "-X", "auto.offset.reset=earliest", "-c", "1", "-q",
         "numbers")
    before = wait_for(broker, 'kafscale_consumer_group_lag{group="readers",topic="numbers"}',
                      lambda lag: lag > 0)
    produce(broker, 120000)
    during = wait_for(broker, 'kafscale_consumer_group_lag{group="readers",topic="numbers"}',
                      lambda lag: lag > 100000)
    fires(root, before, [during], "KafscaleConsumerLag")


def open_connections_use_up_descriptors(root):
    broker = start(root)
    before = scrape(broker)
    used = int(value(before, "kafscale_process_open_fds"))
    hard = resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (used + 40, hard))
    held = [connect(broker) for _ in range(38)]
    during = wait_for(broker, "kafscale_process_open_fds",
                      lambda count: count > 0.92 * (used + 40))
    fires(root, before, [during], "KafscaleDescriptorsShort")
    for connection in held:
        connection.close()


def each_alert_has_fired_and_is_explained(_root):
    assert set(names_of_alerts()) == seen_firing, set(names_of_alerts()) ^ seen_firing
    with open(os.path.join(HERE, "..", "..", "docs", "operations.md"), encoding="utf-8") as file:
        explained = re.findall(r"^\| `(Kafscale\w+)` \|", file.read(), re.M)
    assert explained == names_of_alerts(), set(names_of_alerts()) ^ set(explained)


TESTS = (
    promtool_takes_the_rules, a_broker_that_is_well_is_no_alert, a_broker_that_is_gone_is_down,
    a_broker_that_ends_again_and_again_is_restarting, a_broker_whose_store_is_away_is_not_ready,
    a_broker_that_was_replaced_is_fenced, partitions_that_are_damaged_are_not_served,
    an_outage_of_the_store_is_seen_and_its_end, a_slow_store_is_degraded,
    a_store_that_asks_for_less_is_slowed, work_that_the_store_refuses_is_behind,
    something_else_in_a_segments_place_stops_compaction, refused_records_are_errors,
    too_many_connections_are_refused, requests_under_way_fill_memory,
    many_groups_fill_their_memory, who_does_not_read_on_lags,
    open_connections_use_up_descriptors, each_alert_has_fired_and_is_explained)


if __name__ == "__main__":
    if not is_there():
        print("1..0 # SKIP no promtool: Debian has it in package prometheus")
        sys.exit(0)
    sys.exit(daemon.main(TESTS))
