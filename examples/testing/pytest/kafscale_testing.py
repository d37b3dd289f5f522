# SPDX-License-Identifier: Apache-2.0
"""A Kafka broker for tests in Python: `kafscaled --testing` as a process, steered over HTTP.

    with Broker() as broker:
        broker.create_topic("orders", partitions=3)
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap)

Nothing beyond Python's own library is needed. docs/test-fixture.md lists the commands and their
arguments; each is a method here, with the same names. As a plug-in of pytest it brings the fixture
`kafka`, a broker for each test: `pytest -p kafscale_testing`.
"""
import http.client
import json
import os
import subprocess
import urllib.parse

START_S = 30
ANSWER_S = 60


class CommandError(Exception):
    """What a command answered instead of doing it."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Broker:
    """A broker in memory on free ports; `settings` are options, such as {"num.partitions": 3}."""

    def __init__(self, settings=None, binary=None):
        binary = binary or os.environ.get("KAFSCALED", "kafscaled")
        words = [word for item in (settings or {}).items() for word in ("--set", "%s=%s" % item)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KAFSCALE_")}
        self.process = subprocess.Popen([binary, "--testing", *words], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, env=environment)
        self.bootstrap = self._read("broker listening on ")
        self.http = self._read("testing on http://").split("/")[0]

    def _read(self, prefix):
        line = self.process.stdout.readline().strip()
        if not line.startswith(prefix):
            self.close()
            raise RuntimeError("kafscaled didn't start: %r" % line)
        return line[len(prefix):]

    def close(self):
        """Ends the process; what it kept in memory is gone."""
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def command(self, command, method="POST", **arguments):
        """Any command; arguments that are None are left out. Returns what was answered."""
        query = urllib.parse.urlencode({k: v for k, v in arguments.items() if v is not None})
        connection = http.client.HTTPConnection(self.http, timeout=ANSWER_S)
        try:
            connection.request(method, "/testing/%s?%s" % (command, query))
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise CommandError(response.status, answer["error"])
        return answer

    # Topics and groups.

    def create_topic(self, name, partitions=None, **configs):
        """Configurations with underscores for dots: retention_ms=1000."""
        configs = {"config." + k.replace("_", "."): v for k, v in configs.items()}
        self.command("create-topic", name=name, partitions=partitions, **configs)

    def wait_group(self, group, members, timeout_ms=10000):
        self.command("wait-group", group=group, members=members, timeout_ms=timeout_ms)

    def wait_records(self, topic, count, partition=None, timeout_ms=10000):
        self.command("wait-records", topic=topic, count=count, partition=partition,
                     timeout_ms=timeout_ms)

    # Faults.

    def fail_requests(self, fate, **arguments):
        """fate: error, error_after, close, close_after, passes. See docs/test-fixture.md."""
        self.command("fail-requests", fate=fate, **arguments)

    def fail_store(self, fate, **arguments):
        """fate: unavailable, busy, denied, full, timeout, lost, slow."""
        self.command("fail-store", fate=fate, **arguments)

    def clear_faults(self):
        self.command("clear-faults")

    # The broker, its connections and its clock.

    def restart(self):
        self.command("restart", end="order")

    def kill(self):
        """As after kill -9, and started again: what was acknowledged is there."""
        self.command("restart", end="kill")

    def pause(self):
        self.command("pause")

    def resume(self):
        self.command("resume")

    def refuse(self):
        self.command("refuse")

    def accept(self):
        self.command("accept")

    def drop_connections(self):
        self.command("drop-connections")

    def advance(self, ms):
        self.command("advance", ms=ms)

    # What clients asked.

    def requests(self, api=None):
        """The last requests, the oldest first, as dictionaries."""
        return self.command("requests", "GET", api=api)["requests"]

    def count(self, api=None):
        """How many requests of an API there were, also those that are forgotten."""
        return self.command("requests", "GET", api=api)["count"]

    def clear_requests(self):
        self.command("clear-requests")


try:
    import pytest
except ImportError:
    pass
else:
    @pytest.fixture
    def kafka():
        """A broker of the test's own. It is there in a few milliseconds, so nobody shares one."""
        with Broker() as broker:
            yield broker
