# SPDX-License-Identifier: Apache-2.0
"""The HTTP port of the daemon: what scrapers and probes ask, and what nobody should. Prints TAP.

Usage: http_test.py KAFSCALED
"""
import json
import re
import socket
import sys
import time

from daemon import Daemon, kcat, main, numbers, start, wait_until
from scrape import port_of

SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
CONNECTIONS_MAX = 16
DEADLINE_S = 5


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def everything(connection):
    said = b""
    while block := connection.recv(65536):
        said += block
    return said.decode()


def ask(port, request):
    """(status, head, body) of what the port answers to these bytes."""
    with connect(port) as connection:
        connection.sendall(request.encode())
        head, _, body = everything(connection).partition("\r\n\r\n")
    return int(head.split()[1]), head, body


def get(port, path):
    return ask(port, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)


def metrics(port):
    """All samples by name and labels; what the text format doesn't allow fails."""
    status, head, body = get(port, "/metrics")
    assert status == 200 and "text/plain; version=0.0.4" in head, head
    found, types, seen = {}, {}, []
    for line in body.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            assert name not in types, "twice: " + line
            types[name] = kind
            seen.append(name)
        elif not line.startswith("# HELP "):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name) if name not in types else name
            assert seen[-1] == base, "out of its place: " + line
            assert (name, labels) not in found, "twice: " + line
            found[name, labels] = float(value)
    return found


def status(port):
    code, head, body = get(port, "/status")
    assert code == 200 and "Content-Type: application/json" in head, head
    return json.loads(body)


def served(root, *settings):
    return start(root, "metrics.addr=127.0.0.1:0", *settings)


# --- Tests: each gets a directory of its own ------------------------------------------------------

def what_clients_do_is_counted(root):
    broker = served(root)
    port = port_of(broker)
    before = metrics(port)
    kcat(broker.address, "-P", "-t", "numbers", text=numbers(100))
    kcat(broker.address, "-C", "-t", "numbers", "-e", "-q")
    after = metrics(port)
    assert before["kafscale_broker_state", 'state="ready"'] == 1
    assert after["kafscale_topics", None] == before["kafscale_topics", None] + 1
    assert after["kafscale_requests_total", 'api="Produce"'] >= 1
    assert after["kafscale_requests_total", 'api="Fetch"'] >= 1
    assert after["kafscale_appended_bytes_total", None] > 500
    assert after["kafscale_store_requests_total", 'operation="PUT"'] > \
        before["kafscale_store_requests_total", 'operation="PUT"']
    assert after["kafscale_connections_accepted_total", None] >= 2
    for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds"):
        assert after["kafscale_process_" + name, None] > 0


def histograms_add_up(root):
    broker = served(root)
    kcat(broker.address, "-P", "-t", "numbers", text=numbers(10))
    found = metrics(port_of(broker))
    names = {name[:-len("_bucket")] for name, _ in found if name.endswith("_bucket")}
    assert len(names) >= 3, names
    for base in names:
        for labels in {re.sub(r',?le="[^"]*"', "", labels) for name, labels in found
                       if name == base + "_bucket"}:
            counts = [value for (name, its), value in found.items() if name == base + "_bucket"
                      and re.sub(r',?le="[^"]*"', "", its) == labels]
            assert counts == sorted(counts), (base, labels, counts)
            assert counts[-1] == found[base + "_count", labels or None], (base, labels)


def health_and_readiness_differ(root):
    """A broker whose store is away lives, and is not ready."""
    broker = Daemon(root, "listen=127.0.0.1:0", "metrics.addr=127.0.0.1:0", "store=s3",
                    "s3.bucket=b", "s3.endpoint=http://127.0.0.1:1", "s3.access.key=a",
                    environment={"KAFSCALE_S3_SECRET_KEY": "b"})
    wait_until(lambda: "metrics and health" in broker.said(), "the port")
    port = port_of(broker)
    assert get(port, "/healthz")[::2] == (200, "ok\n")
    assert get(port, "/livez")[::2] == (200, "ok\n")
    assert get(port, "/readyz")[::2] == (503, "starting\n")
    assert metrics(port)["kafscale_broker_state", 'state="starting"'] == 1
    broker.stop()
    broker = served(root)
    assert get(port_of(broker), "/readyz?verbose")[::2] == (200, "ready\n")


def the_status_says_what_the_broker_does(root):
    broker = served(root, "num.partitions=3", "broker.id=7")
    kcat(broker.address, "-P", "-t", "numbers", text=numbers(100))
    said = status(port_of(broker))
    assert said["state"] == "ready" and said["is_ready"] and "why_not_ready" not in said, said
    assert said["node_id"] == 7 and re.fullmatch("[0-9a-f]{32}", said["cluster_id"])
    assert said["listeners"] == [{"address": broker.address, "advertised": broker.address}], said
    assert said["topics"]["partitions"] >= 3 and said["topics"]["count"] >= 1, said["topics"]
    assert said["store"]["kind"] == "directory" and said["store"]["health"] == "healthy"
    assert said["store"]["requests"]["PUT"]["sent"] > 0 and "last_error" not in said["store"]
    assert said["log"]["objects_written"] > 0 and said["memory_account"]["limit_bytes"] > 0
    assert said["groups"]["count"] == 0
    jobs = {job["name"]: job for job in said["jobs"]}
    assert jobs["flush"]["runs"] > 0 and not jobs["flush"]["is_failing"], jobs["flush"]
    assert jobs["flush"]["last_success_seconds_ago"] < 60
    options = {option["key"]: option for option in said["options"]}
    assert options["num.partitions"] == {"key": "num.partitions", "value": "3", "default": "1"}
    assert "flush.bytes" not in options, options
    found = {labels for name, labels in metrics(port_of(broker))
             if name == "kafscale_job_runs_total"}
    assert found == {'name="%s"' % name for name in jobs}, found


def the_status_tells_why_and_no_secrets(root):
    broker = Daemon(root, "listen=127.0.0.1:0", "metrics.addr=127.0.0.1:0", "store=s3",
                    "s3.bucket=b", "s3.endpoint=http://127.0.0.1:1", "s3.access.key=a",
                    environment={"KAFSCALE_S3_SECRET_KEY": "hush-hush",
                                 "KAFSCALE_POD_NAME": "gr\u00fc\u00df\udcff\"\n"})
    wait_until(lambda: "metrics and health" in broker.said(), "the port")
    port = port_of(broker)
    wait_until(lambda: "last_error" in status(port)["store"], "a request that failed")
    said = status(port)
    assert said["state"] == "starting" and not said["is_ready"], said
    assert said["why_not_ready"] == "starting", said
    assert "127.0.0.1" in said["store"]["last_error"]["text"], said["store"]
    assert "log" not in said, said
    assert "hush-hush" not in get(port, "/status")[2]
    options = {option["key"]: option["value"] for option in said["options"]}
    assert options["s3.secret.key"] == "(not shown)", options
    assert options["pod.name"] == "gr\u00fc\u00df\ufffd\"\n", options


def what_is_no_request_is_told_so(root):
    port = port_of(served(root))
    assert get(port, "/")[0] == 404
    assert ask(port, "POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")[0] == 405
    assert ask(port, "\r\n\r\n")[0] == 400
    assert ask(port, "GET\r\n\r\n")[0] == 400
    assert ask(port, "GET /metrics\r\n\r\n")[0] == 400
    assert ask(port, "GET /metrics SPDY/3\r\n\r\n")[0] == 400
    assert ask(port, "GET /%s HTTP/1.1\r\n" % ("x" * 8192))[0] == 431
    assert ask(port, "GET /healthz HTTP/1.0\n\n")[0] == 200
    status, head, body = ask(port, "HEAD /healthz HTTP/1.1\r\n\r\n")
    assert (status, body) == (200, "") and "Content-Length: 3" in head, head


def a_request_may_come_byte_by_byte(root):
    port = port_of(served(root))
    with connect(port) as connection:
        for byte in b"GET /healthz HTTP/1.1\r\n\r\n":
            connection.sendall(bytes([byte]))
        assert everything(connection).endswith("\r\n\r\nok\n")


def connections_are_few_and_short(root):
    """Whoever holds them all keeps others out for some seconds, and the broker serves meanwhile."""
    broker = served(root)
    port = port_of(broker)
    begun = time.monotonic()
    held = [connect(port) for _ in range(3 * CONNECTIONS_MAX)]
    kcat(broker.address, "-P", "-t", "numbers", text=numbers(10))
    over = 0
    for connection in held:
        try:
            assert connection.recv(1) == b""
        except ConnectionResetError:
            pass
        over += time.monotonic() - begun < DEADLINE_S / 2
        connection.close()
    assert over < 3 * CONNECTIONS_MAX, "none was kept"
    assert get(port, "/healthz")[0] == 200


def without_the_option_there_is_no_port(root):
    broker = start(root)
    assert "metrics and health" not in broker.said()


def a_port_that_is_taken_is_an_error(root):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        broker = Daemon(root, "listen=127.0.0.1:0", "metrics.addr=" + address)
        assert broker.process.wait(30) != 0
        said = broker.said()
        assert "metrics.addr: bind to %s: Address already in use" % address in said, said


if __name__ == "__main__":
    sys.exit(main((
        what_clients_do_is_counted, histograms_add_up, health_and_readiness_differ,
        the_status_says_what_the_broker_does, the_status_tells_why_and_no_secrets,
        what_is_no_request_is_told_so, a_request_may_come_byte_by_byte,
        connections_are_few_and_short, without_the_option_there_is_no_port,
        a_port_that_is_taken_is_an_error)))
