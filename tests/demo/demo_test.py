# SPDX-License-Identifier: Apache-2.0
"""The demo as its users meet it: in terminals of all sizes, without one, and when something ends
that should not. Prints TAP.

Usage: demo_test.py DEMO_FOLDER KAFSCALED
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

DEMO = os.path.abspath(sys.argv.pop(1))
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [DEMO, os.path.join(HERE, "..", "integration")]

import daemon  # noqa: E402
import latency  # noqa: E402
import observe  # noqa: E402
import screen  # noqa: E402
import settings  # noqa: E402
import wire  # noqa: E402
from daemon import wait_until  # noqa: E402
from screen_of import ScreenOf  # noqa: E402

LIMIT_S = 60
QUICK = {"KAFSCALE_DEMO_REFRESH_MS": "200"}


def command(*arguments):
    return [sys.executable, "-B", os.path.join(DEMO, "demo.py"), "--listen", "127.0.0.1:0",
            *arguments, daemon.BINARY]


def environment(root, **more):
    """Its temporary files are made where we can look for what it left."""
    return {**daemon.clean_environment(), "TMPDIR": root, "TERM": "xterm-256color",
            "LC_ALL": "C.UTF-8", **more}


def children(pid):
    """Of a process, by the kernel."""
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as its:
            return [int(word) for word in its.read().split()]
    except OSError:
        return []


def name_of(pid):
    try:
        with open("/proc/%d/cmdline" % pid, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


def child(pid, part):
    """The child of a process whose command has this in it."""
    return next((one for one in children(pid) if part in name_of(one)), None)


def is_there(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class InTerminal:
    """The demo in a terminal of our own."""

    def __init__(self, root, columns, rows, **more):
        self.screen = ScreenOf(columns, rows)
        self.said = b""
        self.root = root
        pid, self.fd = pty.fork()
        if pid == 0:
            os.chdir(root)
            line = command()
            os.execve(line[0], line, environment(root, **more))
        self.pid = pid
        self.resize(columns, rows)
        self.status = None

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self):
        """What was drawn meanwhile; False when it has ended."""
        if not select.select([self.fd], [], [], 0.1)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        self.said += data
        self.screen.feed(data.decode())
        return True

    def until(self, pattern):
        def is_shown():
            assert self.read(), "it ended:\n" + self.said.decode()
            return re.search(pattern, self.screen.text(), re.S)
        found = wait_until(is_shown, "%s in\n%s" % (pattern, self.screen.text()), LIMIT_S)
        self.screen.is_settled = True
        return found

    def ended(self):
        """Its exit status; whatever it had started must be gone, and the terminal as before."""
        its = children(self.pid)
        begun = time.monotonic()
        while self.read():
            assert time.monotonic() - begun < LIMIT_S, "it does not end"
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        print("# ended after %.2f s" % (time.monotonic() - begun))
        os.close(self.fd)
        self.pid = None
        wait_until(lambda: not any(is_there(one) for one in its), "its children to end")
        assert not self.screen.second and not self.screen.has_cursor_hidden
        assert os.listdir(self.root) == [], os.listdir(self.root)
        return status

    def end(self):
        """For a test that failed."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


BUSY = r"produced +[1-9].*kafscale-demo +Stable +2 "


def in_terminal(test):
    """The test, given a demo in a terminal of 80 by 24 that is at work."""
    def run(root):
        demo = InTerminal(root, 80, 24, **QUICK)
        try:
            demo.until(BUSY)
            test(demo)
        finally:
            demo.end()
    run.__name__ = test.__name__
    return run


# --- Pictures ------------------------------------------------------------------------------------

def a_picture_shows_what_happens(root):
    demo = InTerminal(root, 80, 24, **QUICK)
    demo.until(BUSY)
    demo.until(r"delivered +[\d.]+ m?s +[\d.]+ m?s .*\nPUT +[1-9]")
    lines = demo.screen.lines()
    assert re.match(r"KafScale demo, broker at 127\.0\.0\.1:\d+   0:\d\d:\d\d$", lines[0]), lines
    assert lines[1].startswith("broker ready, store healthy; CPU "), lines
    for name in ("throughput", "produced", "consumed", "latency", "acknowledged", "delivered",
                 "store PUT", "store  ", "PUT", "GET", "LIST", "DELETE", "group", "kafscale-demo"):
        assert sum(line.startswith(name) for line in lines) == 1, (name, lines)
    assert lines[22].startswith("Ctrl-C") or lines[23].startswith("Ctrl-C"), lines
    assert "█" in demo.screen.text()
    os.write(demo.fd, b"\x03")
    assert demo.ended() == 0
    last = re.search(r"demo: (\d+) records \(.*\) acknowledged, (\d+) received",
                     demo.screen.first_screen)
    assert int(last.group(1)) > 0 and int(last.group(2)) > 0


@in_terminal
def it_fits_terminals_that_change_their_size(demo):
    for columns, rows, shown in ((120, 40, "latency +p50"), (40, 12, "acknowledged p50"),
                                 (10, 3, "^0:00:"), (1, 1, "^0"), (80, 24, "latency +p50")):
        demo.resize(columns, rows)
        demo.until(shown)
        demo.screen.clear()   # one more, which must fit
        demo.until(shown)
    os.write(demo.fd, b"q")
    assert demo.ended() == 0


def colours_are_for_those_who_want_them(root):
    for more, pattern in (({}, r"^1$"), ({"NO_COLOR": "1"}, None), ({"TERM": "vt100"}, None)):
        demo = InTerminal(root, 80, 24, **QUICK, **more)
        demo.until("broker ready")
        assert bool(demo.screen.colours) == (pattern is not None), (more, demo.screen.colours)
        os.write(demo.fd, b"\x03")
        assert demo.ended() == 0


def ascii_terminals_get_ascii(root):
    demo = InTerminal(root, 80, 24, **QUICK, LC_ALL="C")
    demo.until(BUSY)
    demo.until("produced .*[#%]")
    assert demo.said.isascii()
    os.write(demo.fd, b"\x03")
    assert demo.ended() == 0


def group(name, lag):
    return observe.Group(name, "PreparingRebalance", 100000, lag)


def every_size_is_kept(_):
    observer = observe.Observer(("127.0.0.1", 1), ("127.0.0.1", 2))
    text = "\n".join('kafscale_store_requests_total{operation="%s"} %%d' % name
                     for name in observe.STORE_OPERATIONS)
    for at in range(200):
        times = latency.Latencies()
        times.note(at * 1e3)
        observer.samples.append(observe.Sample(
            at + 1.0, observe.parse_metrics(text % ((at * 10**7,) * 4)), {}, times, times,
            [group("g" * 40 + str(i), 10**9 * i) for i in range(at % 50)]))
    facts = screen.Facts("KafScale demo, broker at x:1", "about", "Ctrl-C", 0, True, "warn " * 50)
    for rows in (1, 2, 3, 5, 8, 10, 12, 22, 23, 24, 25, 40, 100):
        for columns in (1, 2, 9, 20, 39, 40, 63, 64, 65, 79, 80, 120, 500):
            lines = screen.picture(observer, facts, 10**6, rows, columns)
            assert 0 < len(lines) <= rows
            assert all(len(line.text) <= max(columns - 1, 1) for line in lines)
    lines = screen.picture(observer, facts, 0, 24, 80)
    assert any("more, lag" in line.text for line in lines), lines
    assert lines[-1].text == "Ctrl-C"


def quantiles_are_right(_):
    times = latency.Latencies()
    for i in range(1, 1001):
        times.note(i / 1000)
    for share, wanted in ((0.5, 0.5), (0.99, 0.99), (1, 1.0)):
        assert wanted <= times.quantile(share) <= wanted * 1.051
    assert latency.Latencies().quantile(0.5) is None
    inf = float("inf")
    buckets = [(0.001, 50), (0.01, 100), (inf, 100)]
    assert latency.quantile_of_buckets(buckets, 0.25) == 0.0005
    assert abs(latency.quantile_of_buckets(buckets, 0.75) - 0.0055) < 1e-9
    assert latency.quantile_of_buckets([(0.001, 0), (inf, 10)], 0.5) == 0.001
    assert latency.quantile_of_buckets([(0.001, 0), (inf, 0)], 0.5) is None


def checksums_are_right(_):
    for crc in (wire.crc32c, wire.crc_of_python()):
        assert crc(b"123456789") == 0xe3069283 and crc(b"") == 0
    assert [wire.read_varint(wire.varint(n), 0)[0] for n in (0, -1, 63, -64, 64, 2**31)] == \
        [0, -1, 63, -64, 64, 2**31]


def every_setting_is_in_the_user_guide(_):
    with open(os.path.join(HERE, "..", "..", "docs", "user-guide.md"), encoding="utf-8") as file:
        rows = re.findall(r"^\| `KAFSCALE_DEMO_(\w+)` \| `?([^`|]*?)`? ?\|", file.read(), re.M)
    assert sorted(rows) == sorted((name, default) for name, default, *_ in settings.TABLE)


# --- Endings -------------------------------------------------------------------------------------

@in_terminal
def a_broker_that_dies_ends_it(demo):
    os.kill(child(demo.pid, "kafscaled"), signal.SIGKILL)
    assert demo.ended() == 1
    assert "kafscaled has ended by itself, with status -9" in demo.screen.first_screen


@in_terminal
def a_load_that_dies_ends_it(demo):
    os.kill(child(demo.pid, "workload"), signal.SIGKILL)
    assert demo.ended() == 1
    assert "the load has ended by itself, with status -9" in demo.screen.first_screen


@in_terminal
def a_broker_that_hangs_is_shown_and_does_not_keep_it(demo):
    broker, workload = child(demo.pid, "kafscaled"), child(demo.pid, "workload")
    os.kill(broker, signal.SIGSTOP)
    demo.until("has not answered for")
    os.kill(workload, signal.SIGSTOP)
    os.write(demo.fd, b"\x03")
    assert demo.ended() == 0


@in_terminal
def nothing_survives_a_demo_that_is_killed(demo):
    its = children(demo.pid)
    assert len(its) == 2
    demo.end()
    demo.pid = None
    wait_until(lambda: not any(is_there(one) for one in its), "its children to end")


@in_terminal
def a_terminal_that_goes_ends_it(demo):
    its = children(demo.pid)
    os.close(demo.fd)
    status = os.waitstatus_to_exitcode(os.waitpid(demo.pid, 0)[1])
    demo.pid = None
    wait_until(lambda: not any(is_there(one) for one in its), "its children to end")
    assert status == 0, status
    assert os.listdir(demo.root) == []


# --- Without a terminal --------------------------------------------------------------------------

LINE = re.compile(
    r"0:\d\d:\d\d produced [\d,.]+/s, [\d.]+ \w+/s; consumed [\d,.]+/s, [\d.]+ \w+/s; "
    r"acknowledged p50 \S+ m?s p99 \S+ m?s; delivered p50 \S+ m?s p99 \S+ m?s; "
    r"lag [\d,]+ in 1 groups; store PUT [\d,.]+/s, GET [\d,.]+/s, [\d.]+ \w+/s")


def begin(root, **more):
    return subprocess.Popen(command(), env=environment(root, **QUICK, **more), cwd=root, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)


def line_like(process, pattern):
    for line in process.stdout:
        if found := pattern.search(line):
            return found
    raise AssertionError("no such line; " + process.stderr.read())


def what_is_no_terminal_gets_lines(root):
    process = begin(root)
    line_like(process, LINE)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0 and errors == "", errors
    assert re.search(r"demo: \d+ records .* acknowledged, \d+ received\n$", said), said
    assert "\x1b" not in said and os.listdir(root) == []


def it_ends_when_nobody_reads(root):
    process = begin(root)
    line_like(process, LINE)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=LIMIT_S) == 0 and os.listdir(root) == []
    process.stderr.close()


def it_ends_after_its_time(root):
    process = begin(root, KAFSCALE_DEMO_SECONDS="1", TERM="dumb", KAFSCALE_DEMO_CONSUMERS="0",
                    KAFSCALE_DEMO_STORE="memory", KAFSCALE_DEMO_MESSAGES_PER_SEC="0")
    said, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0 and errors == "", errors
    assert said.endswith("demo: 0 records (0 B) acknowledged, 0 received\n"), said


def a_broker_that_runs_already_gets_the_load(root):
    broker = daemon.start(root, "metrics.addr=127.0.0.1:0", "group.initial.rebalance.delay.ms=0")
    port = re.search(r"metrics and health .*(127\.0\.0\.1:\d+)", broker.said()).group(1)
    own = os.path.join(root, "own")
    os.mkdir(own)
    process = begin(own, KAFSCALE_DEMO_BROKER_ADDR=broker.address,
                    KAFSCALE_DEMO_METRICS_ADDR=port, KAFSCALE_DEMO_TOPICS="a, b-1",
                    KAFSCALE_DEMO_GROUP="mine", KAFSCALE_DEMO_MESSAGES_PER_SEC="77",
                    KAFSCALE_DEMO_PARTITIONS="3", KAFSCALE_DEMO_MESSAGE_BYTES="200")
    line_like(process, LINE)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    listed = daemon.kcat(broker.address, "-L")
    assert 'topic "a" with 3 partitions' in listed and 'topic "b-1" with 3' in listed, listed
    values = daemon.kcat(broker.address, "-C", "-t", "a", "-o", "beginning", "-e", "-q").split("\n")
    assert len(values) > 2 and all(len(value) == 200 for value in values[:-1])
    process = begin(own, KAFSCALE_DEMO_BROKER_ADDR=broker.address)   # without metrics
    line_like(process, re.compile(r"produced [1-9].*consumed [1-9].*lag [\d,]+ in [12] groups\n"))
    assert broker.stop(signal.SIGKILL) == -signal.SIGKILL   # the load waits for it to come back
    line_like(process, re.compile(r"closed the connection|can't be reached"))
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0


def bad_settings_are_named(root):
    for name, value, said in (
            ("MESSAGES_PER_SEC", "fast", "'fast' is not a whole number from 0 to 100000"),
            ("MESSAGES_PER_SEC", "-1", "not a whole number"),
            ("MESSAGE_BYTES", "127", "from 128 to 900000"),
            ("MESSAGE_BYTES", "900000", "times KAFSCALE_DEMO_MESSAGES_PER_SEC is 900000000"),
            ("TOPICS", "a,b/c", "'b/c'"), ("TOPICS", ",", "1 to 32"), ("TOPICS", "a,a", "1 to 32"),
            ("TOPICS", "__consumer_offsets", "can't be the name"),
            ("GROUP", "\t", "consumer group"), ("BROKER_ADDR", "localhost", "host:port"),
            ("BROKER_ADDR", "h:99999", "host:port"), ("METRICS_ADDR", "h:1", "which is not set"),
            ("TOPIC", "a", "did you mean KAFSCALE_DEMO_TOPICS?"), ("PRODUCERS", "0", "from 1 to")):
        for arguments in ([], ["--check"]):
            done = subprocess.run(command(*arguments), capture_output=True, text=True, check=False,
                                  env=environment(root, **{"KAFSCALE_DEMO_" + name: value}))
            assert done.returncode == 2 and done.stdout == "", (name, done)
            assert done.stderr.startswith("demo: KAFSCALE_DEMO_" + name), done.stderr
            assert said in done.stderr and done.stderr.count("\n") == 1, done.stderr
    assert os.listdir(root) == []


def a_broker_that_does_not_start_is_explained(root):
    process = begin(root, KAFSCALE_DEMO_STORE="dir:/dev/null/no")
    said, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1 and said == "", said
    assert "demo: the broker did not start" in errors and "/dev/null/no" in errors, errors
    process = begin(root, KAFSCALE_DEMO_BROKER_ADDR=daemon.free_address())
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 1
    assert ("the load has ended by itself, with status 1: the broker can't be reached: "
            "Connection refused") in errors, errors
    assert os.listdir(root) == []


if __name__ == "__main__":
    sys.exit(daemon.main([
        a_picture_shows_what_happens,
        it_fits_terminals_that_change_their_size,
        colours_are_for_those_who_want_them,
        ascii_terminals_get_ascii,
        every_size_is_kept,
        quantiles_are_right,
        checksums_are_right,
        every_setting_is_in_the_user_guide,
        a_broker_that_dies_ends_it,
        a_load_that_dies_ends_it,
        a_broker_that_hangs_is_shown_and_does_not_keep_it,
        nothing_survives_a_demo_that_is_killed,
        a_terminal_that_goes_ends_it,
        what_is_no_terminal_gets_lines,
        it_ends_when_nobody_reads,
        it_ends_after_its_time,
        a_broker_that_runs_already_gets_the_load,
        bad_settings_are_named,
        a_broker_that_does_not_start_is_explained]))
