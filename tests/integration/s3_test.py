# SPDX-License-Identifier: Apache-2.0
"""The daemon on an S3 server: on the stub with its faults, on one with TLS, and on whatever
S3_TEST_ENDPOINT names. Prints TAP.

Usage: s3_test.py KAFSCALED
"""
import os
import re
import signal
import sys

from daemon import Daemon, kcat, main, numbers, run, wait_until
from rdkafka import Load, expect_all

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "..", "support"))
import s3_servers

BUCKET = "records"
PUT, GET = "PutObject", "GetObject"

# (what it shows, the fault, its fields): each happens while records are produced, and none of them
# may lose one, store it twice or end the broker.
WRITE_FAULTS = (
    ("error without effect", "error", {"operation": PUT, "count": 5}),
    ("error after the effect", "error_after", {"operation": PUT, "count": 5}),
    ("gateway errors", "error", {"operation": PUT, "status": 502, "count": 3}),
    ("unlisted status", "error", {"operation": PUT, "status": 418, "code": "Teapot", "count": 3}),
    ("conflict", "conflict", {"operation": PUT, "count": 5}),
    ("slow down", "slow_down", {"operation": PUT, "count": 5}),
    ("too many requests", "error", {"operation": PUT, "status": 429, "count": 3}),
    ("wrong clock", "skewed", {"operation": PUT, "count": 1}),
    ("expired keys", "expired_token", {"operation": PUT, "count": 2}),
    ("damaged on the way", "flip_bit", {"operation": PUT, "count": 3}),
    ("no right for a while", "access_denied", {"operation": PUT, "count": 1}),
    ("no bucket for a while", "no_bucket", {"operation": PUT, "count": 1}),
    ("cut requests", "cut_request", {"operation": PUT, "count": 5}),
    ("lost answers", "lost_answer", {"operation": PUT, "count": 5}),
    ("late requests", "late", {"operation": PUT, "count": 3, "after_ms": 700}),
    ("repeated requests", "repeat", {"operation": PUT, "count": 5, "after_ms": 300}),
)

# The same for reading everything back after a restart.
READ_FAULTS = (
    ("cut bodies", "cut_body", {"operation": GET, "count": 3}),
    ("short bodies", "short_body", {"operation": GET, "count": 2}),
    ("stalled bodies", "stalled_body", {"operation": GET, "count": 1, "after_ms": 200}),
    ("errors", "error", {"operation": GET, "count": 4}),
    ("slow down", "slow_down", {"operation": GET, "count": 4}),
    ("lost answers", "lost_answer", {"operation": GET, "count": 3}),
)


def begin(root, server, *settings, **more):
    """A daemon on a server, through KafScale's names, that may not become ready."""
    environment = {"KAFSCALE_S3_BUCKET": BUCKET, "KAFSCALE_S3_ENDPOINT": server.endpoint,
                   "KAFSCALE_S3_REGION": server.region,
                   "KAFSCALE_S3_ACCESS_KEY": server.access_key,
                   "KAFSCALE_S3_SECRET_KEY": server.secret_key}
    more["environment"] = {**environment, **more.get("environment", {})}
    if server.authority:
        settings = ("s3.ca.file=" + server.authority, *settings)
    return Daemon(root, "listen=127.0.0.1:0", "flush.interval.ms=20", "num.partitions=2", *settings,
                  cwd=root, **more)


def start(root, server, *settings, **more):
    return begin(root, server, *settings, **more).wait_ready()


def read(daemon, topic="t"):
    return kcat(daemon.address, "-C", "-t", topic, "-o", "beginning", "-e", "-q").splitlines()


def expect_no_alarm(daemon):
    assert not daemon.lines(level="error"), daemon.said()


# --- Tests: each gets a directory of its own ------------------------------------------------------

def what_was_acknowledged_survives_kills_on(server):
    def test(root):
        first = start(root, server)
        load = Load([first.address], partitions=2, size=200)
        load.wait_more(500)
        first.stop(signal.SIGKILL)
        second = start(root, server, "listen=" + first.address, name="second")
        load.wait_more(500, 60)
        second.stop(signal.SIGKILL)
        third = start(root, server, "listen=" + first.address, name="third")
        load.wait_more(100, 60)
        load.stop(60)
        assert not load.refused, load.refused_reasons()
        expect_all(load, third.address)
        expect_no_alarm(third)
        assert third.stop() == 0, third.said()
        assert not os.path.exists(os.path.join(root, "kafscale-data"))
    return test


def records_survive_kills_and_restarts(root):
    with s3_servers.Stub() as stub:
        what_was_acknowledged_survives_kills_on(stub)(root)
        with open(os.path.join(root, "log"), encoding="utf-8") as log:
            assert "made the S3 bucket" in log.read()


def records_survive_on_a_server_with_tls_of_its_own_authority(root):
    with s3_servers.Stub(tls=True) as stub:
        what_was_acknowledged_survives_kills_on(stub)(root)


def write_faults_lose_and_repeat_nothing(root):
    with s3_servers.Stub() as stub:
        daemon = start(root, stub, "s3.request.timeout.ms=2000")
        load = Load([daemon.address], partitions=2)
        load.wait_more(50)
        for what, fault, fields in WRITE_FAULTS:
            stub.fault(fault, **fields)
            wait_until(lambda n=fields["count"]: stub.stats()["faults"].get(fault, 0) >= n,
                       what, 30)
            load.wait_more(50, 30)
            stub.forget_faults()
            stub.ask("DELETE", "/stats")
        load.stop()
        assert not load.refused, load.refused_reasons()
        expect_all(load, daemon.address)
        expect_no_alarm(daemon)
        daemon.stop(signal.SIGKILL)
        again = start(root, stub, name="again")
        expect_all(load, again.address)
        assert again.stop() == 0, again.said()


def read_faults_hide_and_change_nothing(root):
    with s3_servers.Stub() as stub:
        daemon = start(root, stub)
        load = Load([daemon.address], partitions=2, size=500)
        load.wait_more(2000)
        load.stop()
        assert daemon.stop() == 0, daemon.said()
        for number, (what, fault, fields) in enumerate(READ_FAULTS):
            stub.ask("DELETE", "/stats")
            stub.fault(fault, **fields)
            again = start(root, stub, "s3.request.timeout.ms=2000", name="again%d" % number)
            expect_all(load, again.address)
            assert stub.stats()["faults"].get(fault, 0) > 0, what
            stub.forget_faults()
            assert again.stop() == 0, again.said()


def a_store_that_goes_away_is_waited_for(root):
    for away in ("refuse", "reset", "silent"):
        with s3_servers.Stub() as stub:
            daemon = start(root, stub, "s3.request.timeout.ms=1000", name=away)
            load = Load([daemon.address], partitions=2)
            load.wait_more(100)
            stub.set(away=away)
            wait_until(lambda d=daemon: d.lines("can't write to"), "the store " + away, 30)
            stub.set(away=None)
            load.wait_more(100, 30)
            load.stop()
            assert not load.refused, load.refused_reasons()
            expect_all(load, daemon.address)
            assert daemon.stop() == 0, daemon.said()


def a_stop_while_the_store_is_silent_is_obeyed(root):
    with s3_servers.Stub() as stub:
        daemon = start(root, stub, "stop.timeout.ms=300")
        load = Load([daemon.address], partitions=2, settings={"message.timeout.ms": "1500"})
        load.wait_more(100)
        stub.set(away="silent")
        assert daemon.stop() == 0, daemon.said()
        load.stop()


def a_stop_while_the_metadata_log_waits_is_obeyed(root):
    """Neither a PUT of it that isn't answered nor a start that can't read it holds a stop up."""
    with s3_servers.Stub() as stub:
        daemon = start(root, stub, "stop.timeout.ms=300")
        stub.fault("delay", operation=PUT, key="*/meta/*", ms=20000)
        load = Load([daemon.address], partitions=2, settings={"message.timeout.ms": "1500"})
        wait_until(lambda: stub.stats()["faults"].get("delay", 0) > 0, "a PUT of metadata")
        assert daemon.stop() == 0, daemon.said()
        load.stop()
        stub.forget_faults()
        stub.ask("DELETE", "/stats")
        stub.fault("delay", operation=GET, ms=20000)
        again = begin(root, stub, "stop.timeout.ms=300", name="again")
        wait_until(lambda: stub.stats()["faults"].get("delay", 0) > 0, "a GET of the start")
        assert again.stop() == 0, again.said()


def an_unfit_server_is_found_out_and_a_fit_one_probed_once(root):
    """What was written can't be read back; a good verdict is remembered."""
    with s3_servers.Stub() as stub:
        stub.fault("no_object", operation=GET, key="*/probe/*")
        daemon = begin(root, stub)
        assert daemon.ended() == 1
        with open(os.path.join(root, "log"), encoding="utf-8") as log:
            assert "not fit for use" in log.read()
        stub.forget_faults()
        for name, most in (("first", None), ("second", 20)):
            stub.ask("DELETE", "/stats")
            daemon = start(root, stub, name=name)
            puts = stub.requests(PUT)
            assert puts > 32 if most is None else puts < most, puts
            assert daemon.stop() == 0, daemon.said()


def a_rule_that_would_delete_records_is_refused(root):
    rule = (b"<LifecycleConfiguration><Rule><ID>all-old</ID><Filter/><Status>Enabled</Status>"
            b"<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>")
    with s3_servers.Stub("--bucket", BUCKET) as stub:
        client = stub.client(BUCKET)
        answer = client.request("PUT", query={"lifecycle": ""}, body=rule)
        assert answer.status == 200, (answer.status, answer.body)
        client.close()
        daemon = begin(root, stub)
        assert daemon.ended() == 1
        with open(os.path.join(root, "log"), encoding="utf-8") as log:
            assert "rule 'all-old' of the lifecycle" in log.read()


def a_start_on_a_silent_store_says_so_soon(root):
    with s3_servers.Stub() as stub:
        stub.set(away="silent")
        daemon = begin(root, stub, "s3.request.timeout.ms=1000")
        wait_until(lambda: daemon.lines("start waits for the store"), "the warning", 15)
        stub.set(away=None)
        daemon.wait_ready()
        assert daemon.stop() == 0, daemon.said()


def a_plug_in_that_is_missing_or_none_ends_the_start_with_its_file(root):
    options = ("--set", "s3.bucket=b", "--set", "listen=127.0.0.1:0",
               "--set", "plugin.directory=" + root)
    path = os.path.join(root, "libkafscale-s3.so")
    done = run(*options, code=1)
    assert path in done.stderr and "cannot open" in done.stderr, done.stderr
    os.symlink(own_library(), path)
    done = run(*options, code=1)
    assert "has no kafscale_plugin_s3" in done.stderr, done.stderr


def own_library():
    """Some shared object that is no plug-in: the C library."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        return re.search(r"(/\S*/libc\.so\.6)", maps.read()).group(1)


def on_the_server_of_the_environment():
    """The server that s3_servers.py started for us."""
    server = s3_servers.Server.__new__(s3_servers.Server)
    for name in ("endpoint", "region", "access_key", "secret_key"):
        setattr(server, name, os.environ["S3_TEST_" + name.upper()])
    server.authority = os.environ.get("S3_TEST_AUTHORITY")
    test = what_was_acknowledged_survives_kills_on(server)
    test.__name__ = "records_survive_kills_on_" + os.environ["S3_TEST_SERVER"]
    return [test]


TESTS = [
    records_survive_kills_and_restarts,
    records_survive_on_a_server_with_tls_of_its_own_authority,
    write_faults_lose_and_repeat_nothing,
    read_faults_hide_and_change_nothing,
    a_store_that_goes_away_is_waited_for,
    a_stop_while_the_store_is_silent_is_obeyed,
    a_stop_while_the_metadata_log_waits_is_obeyed,
    an_unfit_server_is_found_out_and_a_fit_one_probed_once,
    a_rule_that_would_delete_records_is_refused,
    a_start_on_a_silent_store_says_so_soon,
    a_plug_in_that_is_missing_or_none_ends_the_start_with_its_file,
]

if __name__ == "__main__":
    sys.exit(main(on_the_server_of_the_environment() if "S3_TEST_SERVER" in os.environ else TESTS))
