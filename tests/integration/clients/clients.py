# SPDX-License-Identifier: Apache-2.0
"""The clients that the story of client_test.py is told with, each with its default settings, and
how each is had. A client says what it can: codecs, whether it is idempotent unasked, and which
lines it prints of its own on stderr. Any other line there is a finding.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "..", "support"))
import install  # noqa: E402
from install import Unavailable  # noqa: E402

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LIMIT_S = 120
DEBIAN_PYTHON = "/usr/bin/python3"

# A consumer without a group says so; its close cuts off a Fetch that is under way, and the metadata
# that it still wants; and a machine that is busy makes it complain of itself.
KAFKA_PYTHON_LINES = (
    "group_id is None: disabling auto-commit", "Fetch to node 0 failed: Cancelled",
    "Metadata refresh loop error: weakly-referenced object", "It is blocking the event loop")


class Client:
    """What the story asks of a client. Offsets and times are of partition 0; records are lines
    that begin with the timestamp, which those clients give the record that can."""

    codecs = CODECS
    is_idempotent = False
    does_odd = does_topics = True
    does_forget = False
    own_lines = ()

    def run(self, *command, stdin=subprocess.DEVNULL, environment=None):
        done = subprocess.run(command, stdin=stdin, capture_output=True, timeout=LIMIT_S,
                              check=False, env={**os.environ, **(environment or {})})
        said = [line for line in done.stderr.decode(errors="replace").splitlines()
                if not any(re.search(own, line) for own in self.own_lines)]
        assert done.returncode == 0 and not said, (command, done.returncode, said[:20])
        return done.stdout

    def version(self):
        raise NotImplementedError

    def produce(self, address, topic, codec, path):
        """Sends the lines of a file as records of the topic, which need not exist."""
        raise NotImplementedError

    def consume(self, address, topic, offset, count):
        """The values of count records from offset on, as lines."""
        raise NotImplementedError

    def times(self, address, topic, timestamps):
        """For each timestamp the offset of the first record at or after it, or -1."""
        raise NotImplementedError

    def ends(self, address, topic):
        """(first offset, next offset)."""
        raise NotImplementedError

    def forget(self, address, topic, offset):
        """Deletes the records before an offset. Returns the low watermark that it was told."""
        raise NotImplementedError

    def topics(self, address, topic):
        """Creates a topic of 3 partitions and retention.ms=3600000, describes and deletes it.
        Returns [3, 3600000, "gone"], as the client saw it, as words."""
        raise NotImplementedError


class Kcat(Client):
    """kcat of the system: librdkafka from the command line."""

    does_odd = does_topics = False

    def __init__(self):
        if not shutil.which("kcat"):
            raise Unavailable("kcat: is not installed")

    def version(self):
        said = self.run("kcat", "-V").decode()
        return "%s with librdkafka %s" % re.search(
            r"Version (\S+).*librdkafka (\S+)", said, re.S).groups()

    def produce(self, address, topic, codec, path):
        self.run("kcat", "-b", address, "-P", "-t", topic, "-p", "0", "-z", codec, "-l", path)

    def consume(self, address, topic, offset, count):
        return self.run("kcat", "-b", address, "-C", "-t", topic, "-p", "0", "-o", str(offset),
                        "-c", str(count), "-q")

    def query(self, address, topic, timestamp):
        said = self.run("kcat", "-b", address, "-Q", "-t", "%s:0:%d" % (topic, timestamp))
        return int(re.search(rb"offset (-?\d+)", said).group(1))

    def times(self, address, topic, timestamps):
        return [self.query(address, topic, timestamp) for timestamp in timestamps]

    def ends(self, address, topic):
        return self.query(address, topic, -2), self.query(address, topic, -1)


class Driver(Client):
    """A library, through a little program of ours: COMMAND ADDRESS TOPIC ARGUMENTS..."""

    def __init__(self, *command, codecs=CODECS, is_idempotent=False, own_lines=(),
                 environment=None):
        self.command = command
        self.codecs = codecs
        self.is_idempotent = is_idempotent
        self.own_lines = own_lines
        self.environment = environment

    def tell(self, *words, **more):
        return self.run(*self.command, *map(str, words), environment=self.environment, **more)

    def version(self):
        return self.tell("version").decode().strip()

    def produce(self, address, topic, codec, path):
        with open(path, "rb") as file:
            self.tell("produce", address, topic, codec, stdin=file)

    def consume(self, address, topic, offset, count):
        return self.tell("consume", address, topic, offset, count)

    def times(self, address, topic, timestamps):
        return [int(word) for word in self.tell("times", address, topic, *timestamps).split()]

    def ends(self, address, topic):
        first, last = self.tell("ends", address, topic).split()
        return int(first), int(last)

    def odd(self, address, topic):
        return self.tell("odd", address, topic).decode().strip()

    def forget(self, address, topic, offset):
        return int(self.tell("forget", address, topic, offset))

    def topics(self, address, topic):
        return self.tell("topics", address, topic).decode().split()


def script(name):
    return os.path.join(HERE, name)


def debian_kafka_python():
    found = subprocess.run([DEBIAN_PYTHON, "-c", "import kafka, lz4, snappy, zstandard"],
                           capture_output=True, check=False) \
        if os.path.exists(DEBIAN_PYTHON) else None
    if found is None or found.returncode != 0:
        raise Unavailable("python3-kafka: it or a codec of it is not installed")
    return Driver(DEBIAN_PYTHON, "-B", script("kafka_python_driver.py"),
                  own_lines=KAFKA_PYTHON_LINES)


def confluent(version):
    name = "confluent-kafka-" + version
    driver = Driver(install.python(name, "confluent-kafka==" + version), "-B",
                    script("confluent_driver.py"))
    driver.does_forget = version != "2.0.2"  # which can't ask for it
    return driver


def kafka_python(version):
    name = "kafka-python-" + version
    codecs = ("python-snappy", "lz4", "zstandard")
    return Driver(install.python(name, "kafka-python==" + version, *codecs), "-B",
                  script("kafka_python_driver.py"), is_idempotent=True,
                  own_lines=KAFKA_PYTHON_LINES)


class Kafkajs(Driver):
    """kafkajs has no consumer without a group: kcat reads what it sent."""

    does_odd = False

    def __init__(self, version):
        name = "kafkajs-" + version
        packages = install.node(name, "kafkajs@" + version)
        super().__init__("node", script("kafkajs_driver.js"), codecs=("none", "gzip"),
                         environment={"KAFKAJS_NO_PARTITIONER_WARNING": "1",
                                      "NODE_PATH": packages})

    def consume(self, address, topic, offset, count):
        return Kcat().consume(address, topic, offset, count)


def franz_go():
    return Driver(install.go("franz-go", script("franz-go")), is_idempotent=True)


def go_client(name):
    driver = Driver(install.go("go-clients", script("go-clients")), name)
    driver.does_odd = False
    return driver


def aiokafka(version):
    name = "aiokafka-" + version
    return Driver(install.python(name, "aiokafka==" + version, "cramjam"), "-B",
                  script("aiokafka_driver.py"))


class JavaTools(Client):
    """The command-line tools of Apache Kafka, as its shell scripts start them."""

    is_idempotent = True
    does_odd = False
    does_forget = True
    own_lines = (r"^Processed a total of \d+ messages",)

    def __init__(self, version, producer, *coordinates):
        self.path = install.java("apache-kafka-" + version, *coordinates)
        self.kafka_version = version
        self.producer = producer

    def tool(self, name, address, *arguments, **more):
        return self.run(
            "java", "-XX:TieredStopAtLevel=1", "-cp", self.path + ":" + script("java"),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", name, "--bootstrap-server", address,
            *map(str, arguments), **more)

    def version(self):
        return self.kafka_version

    def produce(self, address, topic, codec, path):
        with open(path, "rb") as file:
            self.tool(self.producer, address, "--topic", topic, "--compression-codec", codec,
                      stdin=file)

    def consume(self, address, topic, offset, count):
        return self.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", address, "--topic",
                         topic, "--partition", 0, "--offset", offset, "--max-messages", count)

    def offset(self, address, topic, time):
        """What kafka-get-offsets.sh says; nothing where there is no such offset."""
        said = self.tool("org.apache.kafka.tools.GetOffsetShell", address, "--topic", topic,
                         "--time", time).decode().strip()
        return int(said.rsplit(":", 1)[1] or -1) if said else -1

    def times(self, address, topic, timestamps):
        return [self.offset(address, topic, timestamp) for timestamp in timestamps]

    def ends(self, address, topic):
        return self.offset(address, topic, "earliest"), self.offset(address, topic, "latest")

    def forget(self, address, topic, offset):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"version": 1, "partitions": [
                {"topic": topic, "partition": 0, "offset": offset}]}, file)
            file.flush()
            said = self.tool("org.apache.kafka.tools.DeleteRecordsCommand", address,
                             "--offset-json-file", file.name).decode()
        return int(re.search(r"low_watermark: (\d+)", said).group(1))

    def topics(self, address, topic):
        tool = "org.apache.kafka.tools.TopicCommand"
        self.tool(tool, address, "--create", "--topic", topic, "--partitions", 3,
                  "--replication-factor", 1, "--config", "retention.ms=3600000")
        said = self.tool(tool, address, "--describe", "--topic", topic).decode()
        self.tool(tool, address, "--delete", "--topic", topic)
        is_left = topic in self.tool(tool, address, "--list").decode().split()
        return [re.search(r"PartitionCount: (\d+)", said).group(1),
                re.search(r"retention.ms=(\d+)", said).group(1), "left" if is_left else "gone"]


def java_3(version):
    return JavaTools(version, "kafka.tools.ConsoleProducer",
                     "org.apache.kafka:kafka_2.13:" + version,
                     "org.apache.kafka:kafka-tools:" + version)


def java_4(version):
    return JavaTools(version, "org.apache.kafka.tools.ConsoleProducer",
                     "org.apache.kafka:kafka-tools:" + version, "org.slf4j:slf4j-simple:1.7.36")


# Each name is also that of its topics.
CLIENTS = {
    "kcat": Kcat,
    "python3-kafka": debian_kafka_python,
    "confluent-kafka-2.0.2": lambda: confluent("2.0.2"),
    "confluent-kafka-2.16.1": lambda: confluent("2.16.1"),
    "aiokafka-0.14.0": lambda: aiokafka("0.14.0"),
    "kafka-python-3.0.12": lambda: kafka_python("3.0.12"),
    "kafkajs-2.2.4": lambda: Kafkajs("2.2.4"),
    "franz-go": franz_go,
    "kafka-go": lambda: go_client("kafka-go"),
    "sarama": lambda: go_client("sarama"),
    "java-3.9.1": lambda: java_3("3.9.1"),
    "java-4.3.0": lambda: java_4("4.3.0"),
}
