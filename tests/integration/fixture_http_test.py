# SPDX-License-Identifier: Apache-2.0
"""kafscaled --testing: every command over HTTP, through the Python of examples/testing. Prints TAP.

Usage: fixture_http_test.py KAFSCALED EXAMPLES
"""
import http.client
import json
import subprocess
import sys
import threading

import daemon
from daemon import kcat, main, numbers, run, wait_until

sys.path.insert(0, sys.argv[2])

from kafscale_testing import Broker, CommandError

HOUR_MS = 3600000


def broker(**settings):
    return Broker({k.replace("_", "."): v for k, v in settings.items()}, daemon.BINARY)


def produce(there, first, count, *more):
    text = "".join("%d\n" % i for i in range(first, first + count))
    kcat(there.bootstrap, "-P", "-t", "a", "-p", "0", "-X", "retry.backoff.ms=10",
         "-X", "enable.idempotence=true", *more, text=text)


def consume(there):
    return kcat(there.bootstrap, "-C", "-t", "a", "-p", "0", "-o", "beginning", "-e", "-q")


def expect_error(code, part, command, *arguments, **more):
    try:
        command(*arguments, **more)
    except CommandError as error:
        assert error.code == code and part in str(error), (error.code, str(error))
        return
    raise AssertionError("it was taken: %s %s" % (arguments, more))


def topics_are_made_and_waited_for(_):
    with broker() as there:
        there.create_topic("a", partitions=2, retention_ms=1000)
        expect_error(409, "a", there.create_topic, "a")
        expect_error(400, "cleanup.policie", there.create_topic, "b", cleanup_policie="x")
        produce(there, 0, 10)
        there.wait_records("a", 10)
        there.wait_records("a", 10, partition=0)
        expect_error(408, "in time", there.wait_records, "a", 11, timeout_ms=20)
        expect_error(408, "isn't so", there.wait_records, "a", 11, timeout_ms=0)


def a_wait_ends_when_it_is_so(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        waiter = threading.Thread(target=there.wait_records, args=("a", 5))
        waiter.start()
        produce(there, 0, 5)
        waiter.join(timeout=60)
        assert not waiter.is_alive()


def what_was_acknowledged_survives_every_end(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        produce(there, 0, 50)
        there.restart()
        produce(there, 50, 50)
        there.kill()
        assert consume(there) == numbers(100)


def requests_fail_as_told(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        there.fail_requests("error", api="Produce", error="NOT_LEADER_OR_FOLLOWER", count=1)
        there.fail_requests("error_after", api="Produce", error=7, count=1)
        there.fail_requests("passes", api="Produce", client_id="rdkafka", before_ms=1, after_ms=1,
                            throttle_ms=1, count=1)
        produce(there, 0, 10)
        assert consume(there) == numbers(10)
        told = [(r["error"], r["answered"], r["faulted"]) for r in there.requests("Produce")]
        assert told[:3] == [(6, True, True), (7, True, True), (0, True, True)], told
        assert there.count("Produce") == len(told)
        there.clear_requests()
        assert there.count() == 0


def a_deed_may_be_done_unseen(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        there.fail_requests("close_after", api="Produce", count=1)
        done = subprocess.run(["kcat", "-b", there.bootstrap, "-P", "-t", "a", "-p", "0"],
                              timeout=60, input=b"0\n", capture_output=True, check=False)
        assert done.returncode != 0  # kcat gives up when its only broker is gone
        assert consume(there) == numbers(1)
        told = [(r["error"], r["answered"], r["faulted"]) for r in there.requests("Produce")]
        assert told == [(0, False, True)], told


def the_store_fails_as_told(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        for fate in ("unavailable", "busy", "denied", "full", "timeout", "lost"):
            there.fail_store(fate, operation="PUT", count=1)
        there.fail_store("slow", delay_ms=1, count=1)
        produce(there, 0, 10)
        assert consume(there) == numbers(10)
        there.fail_store("unavailable")
        there.clear_faults()
        produce(there, 10, 10)


def the_broker_pauses_and_refuses(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        there.pause()
        producer = threading.Thread(target=produce, args=(there, 0, 1))
        producer.start()
        expect_error(408, "in time", there.wait_records, "a", 1, timeout_ms=50)
        there.resume()
        producer.join(timeout=60)
        there.refuse()
        there.drop_connections()
        done = subprocess.run(["kcat", "-b", there.bootstrap, "-L", "-m", "1"], timeout=60,
                              capture_output=True, check=False)
        assert done.returncode != 0
        there.accept()
        assert consume(there) == numbers(1)


def time_is_put_forward(_):
    with broker() as there:
        there.create_topic("a", partitions=1, retention_ms=HOUR_MS)
        produce(there, 0, 10)
        there.advance(24 * HOUR_MS)
        assert consume(there) == ""


def a_clock_stands_still(_):
    with broker(testing_clock="still") as there:
        there.create_topic("a", partitions=1)
        before = there.requests()
        produce(there, 0, 1)
        assert {r["begun_ms"] for r in there.requests()} == {there.requests()[0]["begun_ms"]}
        expect_error(408, "isn't so", there.wait_records, "a", 2, timeout_ms=10000)
        there.advance(5000)
        produce(there, 1, 1)
        begun = [r["begun_ms"] for r in there.requests()]
        assert not before and max(begun) - min(begun) == 5000, begun


def groups_are_waited_for(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        there.wait_group("g", 0)
        consumer = subprocess.Popen(["kcat", "-b", there.bootstrap, "-G", "g", "a"],
                                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            there.wait_group("g", 1, timeout_ms=60000)
        finally:
            consumer.kill()
            consumer.wait()
        there.advance(HOUR_MS)
        there.wait_group("g", 0)


def ask(there, method, path):
    connection = http.client.HTTPConnection(there.http, timeout=60)
    connection.request(method, path)
    response = connection.getresponse()
    return response.status, json.loads(response.read())["error"]


def mistakes_are_told(_):
    with broker() as there:
        command = there.command
        expect_error(404, "fly", command, "fly")
        expect_error(400, "fates", command, "fail-requests", fates="error")
        expect_error(400, "fate=eror", command, "fail-requests", fate="eror")
        expect_error(400, "count=many", command, "fail-requests", fate="close", count="many")
        expect_error(400, "Produced", command, "fail-requests", fate="close", api="Produced")
        expect_error(400, "error code", command, "fail-requests", fate="error")
        expect_error(400, "error=WRONG", command, "fail-requests", fate="error", error="WRONG")
        expect_error(400, "POST", command, "fail-store", fate="full", operation="POST")
        expect_error(400, "name", command, "create-topic")
        expect_error(400, "group", command, "wait-group", members=1)
        expect_error(400, "ms=-1", command, "advance", ms=-1)
        assert ask(there, "GET", "/testing/pause")[0] == 405
        assert ask(there, "POST", "/testing/advance?ms=%zz")[0] == 400
        assert ask(there, "POST", "/testing/create-topic?name=%00")[0] == 400
        assert ask(there, "POST", "/testing/create-topic?name=" + "x" * 600)[0] == 400
        expect_error(400, "letters", there.create_topic, "no/name")


def is_answered(there):
    try:
        there.wait_records("a", 0, timeout_ms=1)
    except (OSError, http.client.HTTPException, CommandError):
        return False
    return True


def whoever_leaves_is_forgotten(_):
    with broker() as there:
        there.create_topic("a", partitions=1)
        for _ in range(40):
            connection = http.client.HTTPConnection(there.http, timeout=60)
            connection.request("GET", "/testing/wait-group?group=g&members=9&timeout_ms=60000")
            connection.close()
        # All of these at once are more than the port takes.
        wait_until(lambda: is_answered(there), "an answer")
        expect_error(408, "in time", there.wait_records, "a", 1, timeout_ms=20)
        there.restart()
        produce(there, 0, 1)


def only_on_loopback(_):
    for setting in ("listen=0.0.0.0:0", "metrics.addr=:0"):
        done = run("--testing", "--set", setting, code=2)
        assert "loopback" in done.stderr, done.stderr


def nothing_of_it_without_being_asked(root):
    there = daemon.start(root, "metrics.addr=127.0.0.1:0")
    port = int(there.said().split("address=127.0.0.1:")[1].split()[0])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/testing/requests")
    assert connection.getresponse().status == 404
    connection.close()
    there.stop()


if __name__ == "__main__":
    sys.exit(main([topics_are_made_and_waited_for, a_wait_ends_when_it_is_so,
                   what_was_acknowledged_survives_every_end, requests_fail_as_told,
                   a_deed_may_be_done_unseen, the_store_fails_as_told,
                   the_broker_pauses_and_refuses, time_is_put_forward, a_clock_stands_still,
                   groups_are_waited_for, mistakes_are_told, whoever_leaves_is_forgotten,
                   only_on_loopback, nothing_of_it_without_being_asked]))
