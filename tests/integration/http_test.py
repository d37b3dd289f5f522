# SPDX-License-Identifier: Apache-2.0
"""The HTTP port of the daemon: what scrapers and probes ask, and what nobody should. Prints TAP.

Usage: http_test.py KAFSCALED
"""
import re
import socket
import sys
import time

from daemon import Daemon, kcat, main, numbers, start, wait_until

SAMPLE = re.compile(r'(\w+)(?:\{((?:\w+="(?:[^"\\]|\\.)*",?)*)\})? (\S+)')
CONNECTIONS_MAX = 16
DEADLINE_S = 5


def port_of(broker):
    return int(re.findall(r"metrics and health on http://127\.0\.0\.1:(\d+)", broker.said())[-1])


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
        what_is_no_request_is_told_so, a_request_may_come_byte_by_byte,
        connections_are_few_and_short, without_the_option_there_is_no_port,
        a_port_that_is_taken_is_an_error)))
