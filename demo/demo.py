# SPDX-License-Identifier: Apache-2.0
"""`./quickstart --demo`: a broker, a load and a live view of both, until Ctrl-C.

Usage: demo.py [--listen ADDRESS] [--check] KAFSCALED

The rest is told by KAFSCALE_DEMO_ variables (--help lists them); --check only looks at these.
Exit status: 0 ended as asked, 1 something failed, 2 a setting that can't be used.
"""
import argparse
import asyncio
import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import observe
import screen
import settings as demo_settings
import terminal

HERE = os.path.dirname(os.path.abspath(__file__))
START_S = 30
WORKLOAD_END_S = 0.7
BROKER_END_S = 0.9
TERMINAL_MS, LINE_MS = 1000, 5000
PR_SET_PDEATHSIG = 1
LOG_LINES = 5

# For the demo's own broker: a group that begins soon, old records that go while one watches, and a
# log that we can read.
BROKER_OPTIONS = ("group.initial.rebalance.delay.ms=300", "log.retention.check.interval.ms=30000",
                  "log.level=info", "log.format=text")


class Failed(Exception):
    """The demo can't go on; the text says why."""


def of_us():
    """For our children: they end when we are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


async def start(arguments, **more):
    """A child with a session of its own: Ctrl-C is for us alone."""
    return await asyncio.create_subprocess_exec(
        *arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True,
        preexec_fn=of_us, limit=1 << 20, **more)


async def end(process, wait_s):
    if process is None or process.returncode is not None:
        return
    try:
        process.terminate()
        await asyncio.wait_for(process.wait(), wait_s)
    except ProcessLookupError:
        pass
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()


def environment_of_broker():
    return {name: value for name, value in os.environ.items()
            if not name.startswith(demo_settings.PREFIX)}


def environment_of_workload(broker):
    """The load knows nothing of the view and of how the broker was made."""
    kept = {name: value for name, value in os.environ.items()
            if name not in (demo_settings.PREFIX + "STORE", demo_settings.PREFIX + "METRICS_ADDR")}
    host = "[%s]" % broker[0] if ":" in broker[0] else broker[0]
    return {**kept, demo_settings.PREFIX + "BROKER_ADDR": "%s:%d" % (host, broker[1])}


def last_lines(path, lines=LOG_LINES):
    with open(path, encoding="utf-8", errors="replace") as log:
        return "".join(log.readlines()[-lines:]).rstrip()


class Broker:
    """The demo's own, with a log that the view doesn't show but can quote."""

    def __init__(self, program, listen, store, directory):
        self.arguments = [program]
        options = ("listen=" + listen, "metrics.addr=127.0.0.1:0", "store=" + store)
        for option in options + BROKER_OPTIONS:
            self.arguments += ["--set", option]
        self.log_path = os.path.join(directory, "log")
        self.process = None

    async def start(self):
        with open(self.log_path, "wb") as log:
            try:
                self.process = await start(self.arguments, stderr=log, env=environment_of_broker())
            except OSError as error:
                raise Failed("can't start %s: %s" % (self.arguments[0], error.strerror)) from None
        try:
            while line := await asyncio.wait_for(self.process.stdout.readline(), START_S):
                found = re.match(rb"broker listening on (\S+)", line)
                if found:
                    return demo_settings.address(found.group(1).decode()), self.metrics_address()
        except asyncio.TimeoutError:
            raise Failed("the broker did not become ready in %d s\n%s"
                         % (START_S, self.said())) from None
        raise Failed("the broker did not start\n" + self.said())

    def metrics_address(self):
        found = re.search(r"metrics and health .*127\.0\.0\.1:(\d+)", self.said(1000))
        if not found:
            raise Failed("the broker does not say where its metrics are\n" + self.said())
        return "127.0.0.1", int(found.group(1))

    def said(self, lines=LOG_LINES):
        return last_lines(self.log_path, lines)

    def warning(self):
        """Its newest one."""
        bad = [line for line in self.said(100).splitlines() if re.search(r"\b(warn|error)\b", line)]
        return bad[-1] if bad else ""


class Demo:
    def __init__(self, settings, arguments):
        self.settings = settings
        self.arguments = arguments
        self.directory = tempfile.mkdtemp(prefix="kafscale-demo-")
        self.broker = self.workload = self.terminal = self.observer = self.facts = None
        self.ending = asyncio.Event()
        self.changed = asyncio.Event()

    # --- Beginning and end -----------------------------------------------------------------------

    async def run(self):
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.ending.set)
        tasks = []
        try:
            beginning = loop.create_task(self.begin())
            await self.unless_ended(beginning)
            if not self.ending.is_set():
                tasks = [loop.create_task(part) for part in (self.show(), *self.watches())]
                await self.unless_ended(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await self.finish()

    async def unless_ended(self, *tasks):
        """Waits for one of them, whose failure is ours, or for the signal to end."""
        ended = asyncio.get_running_loop().create_task(self.ending.wait())
        done, _ = await asyncio.wait([ended, *tasks], return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        for task in set(tasks) & done:
            task.result()
        if ended in done:
            for task in tasks:
                task.cancel()

    async def begin(self):
        broker, metrics = self.settings.broker_addr, self.settings.metrics_addr
        if broker is None:
            store = self.settings.store or "dir:" + os.path.join(self.directory, "store")
            self.broker = Broker(self.arguments.kafscaled, self.arguments.listen, store,
                                 self.directory)
            broker, metrics = await self.broker.start()
        with open(self.load_log(), "wb") as log:
            self.workload = await start([sys.executable, "-B", os.path.join(HERE, "workload.py")],
                                        stderr=log, env=environment_of_workload(broker))
        self.observer = observe.Observer(broker, metrics)
        self.facts = screen.Facts(
            "KafScale demo, broker at %s:%d" % broker, self.about(), "Ctrl-C or q ends it.",
            time.monotonic(), terminal.is_wide())
        if terminal.is_capable():
            self.terminal = terminal.Terminal()
            self.listen_to_terminal()
            self.terminal.enter()
        else:
            self.print_line("%s: %s" % (self.facts.title, self.about()))

    def load_log(self):
        return os.path.join(self.directory, "load.log")

    def about(self):
        its = self.settings
        return "%d topics, %d producers, %d consumers, %s records/s of %s" % (
            len(its.topics), its.producers if its.messages_per_sec else 0, its.consumers,
            screen.number(its.messages_per_sec), screen.size(its.message_bytes))

    async def finish(self):
        """Everything ends within two seconds, whatever state it is in."""
        if self.terminal is not None:
            self.terminal.leave()
        await end(self.workload, WORKLOAD_END_S)
        if self.broker is not None:
            await end(self.broker.process, BROKER_END_S)
        if self.observer is not None:
            self.observer.groups.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    # --- While it runs ---------------------------------------------------------------------------

    def watches(self):
        watches = [self.listen_to_workload()]
        if self.broker is not None:
            watches.append(self.watch_broker())
        if self.settings.seconds:
            watches.append(asyncio.sleep(self.settings.seconds))
        return watches

    async def watch_broker(self):
        status = await self.broker.process.wait()
        raise Failed("kafscaled has ended by itself, with status %d\n%s"
                     % (status, self.broker.said()))

    async def listen_to_workload(self):
        failure = None
        while line := await self.workload.stdout.readline():
            failure = self.observer.take(line) or failure
        status = await self.workload.wait()
        if self.broker is not None and self.broker.process.returncode is None:
            await asyncio.sleep(0.2)   # it may be the broker that has gone; that says more
        raise Failed("the load has ended by itself, with status %d%s\n%s" % (
            status, ": " + failure if failure else "", last_lines(self.load_log())))

    def listen_to_terminal(self):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGWINCH, self.changed.set)
        loop.add_signal_handler(signal.SIGTSTP, self.suspend)
        loop.add_signal_handler(signal.SIGCONT, self.resume)
        if sys.stdin.isatty():
            loop.add_reader(sys.stdin.fileno(), self.read_key)

    def read_key(self):
        try:
            typed = os.read(sys.stdin.fileno(), 100)
        except OSError:
            typed = b""
        if not typed or b"q" in typed:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.ending.set()

    def suspend(self):
        self.terminal.leave()
        os.kill(os.getpid(), signal.SIGSTOP)

    def resume(self):
        self.terminal.enter()
        self.changed.set()

    async def show(self):
        every_s = (self.settings.refresh_ms or (TERMINAL_MS if self.terminal else LINE_MS)) / 1000
        while True:
            begun = time.monotonic()
            await self.observer.look()
            self.facts.said = self.broker.warning() if self.broker else ""
            if self.terminal or len(self.observer.samples) > 1:
                self.show_once()
            while (left := begun + every_s - time.monotonic()) > 0:
                if await self.is_resized(left):
                    self.show_once()

    async def is_resized(self, wait_s):
        self.changed.clear()
        try:
            await asyncio.wait_for(self.changed.wait(), wait_s)
        except asyncio.TimeoutError:
            return False
        return True

    def show_once(self):
        now = time.monotonic()
        if self.terminal is None:
            self.print_line(screen.one_line(self.observer, self.facts, now))
            return
        if self.terminal.is_gone:
            self.ending.set()
            return
        columns, rows = self.terminal.size()
        self.terminal.draw(screen.picture(self.observer, self.facts, now, rows, columns))

    def print_line(self, text):
        """Until nobody reads them any more."""
        try:
            print(text, flush=True)
        except OSError:
            self.ending.set()

    def summary(self):
        work = self.observer.work if self.observer else {}
        if not work:
            return "ended before the load began"
        text = "%d records (%s) acknowledged, %d received" % (
            work["acked"], screen.size(work["acked_bytes"]), work["received"])
        if work["skipped"]:
            text += "; %d not sent: the rate is too high for this machine or the store" % \
                work["skipped"]
        return text


def say(text, file=None):
    """Where anybody listens."""
    with contextlib.suppress(OSError):
        print(text, file=file, flush=True)
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), (file or sys.stdout).fileno())


def read_arguments():
    parser = argparse.ArgumentParser(
        prog="quickstart --demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs a broker under load and shows how it does, until Ctrl-C.",
        epilog="environment:\n" + demo_settings.describe())
    parser.add_argument("--listen", default="127.0.0.1:9092", help="address of the demo's broker")
    parser.add_argument("--check", action="store_true", help="only look at the environment")
    parser.add_argument("kafscaled", nargs="?", default="kafscaled", help="the program")
    return parser.parse_args()


async def run(settings, arguments):
    demo = Demo(settings, arguments)
    try:
        await demo.run()
    except Failed as failure:
        say("demo: %s" % str(failure).rstrip(), sys.stderr)
        return 1
    say("demo: " + demo.summary())
    return 0


def main():
    arguments = read_arguments()
    try:
        settings = demo_settings.read(os.environ)
        if arguments.check:
            return 0
        return asyncio.run(run(settings, arguments))
    except demo_settings.BadSetting as error:
        say("demo: %s" % error, sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
