# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/clients, as a user would run them."""
import os
import re

import install
import versions
from suite import HERE, Case, Client

EXAMPLES = os.path.normpath(os.path.join(HERE, "..", "..", "examples", "clients"))


def prints_orders(command, environment=None):
    """A case whose `command(tool)` prints each of the ten orders once."""
    def run(arena, tool):
        said = arena.run(*command(tool), arena.address,
                         environment=environment(tool) if environment else None)
        orders = re.findall(r"^order \d$", said, re.M)
        assert sorted(orders) == ["order %d" % i for i in range(10)], said
    return run


def example(name, text, find, command, tier="long", environment=None):
    return Client("example " + name, find, (Case(
        "examples", text, prints_orders(command, environment), tier=tier,
        limit_s=120),))


def path(*parts):
    return os.path.join(EXAMPLES, *parts)


def pypi(name):
    requirements = versions.PYPI[name]
    version = requirements[0].split("==")[1]
    return lambda _: (install.python("%s-%s" % (name, version), *requirements), version)


def kafkajs(_):
    package = versions.NPM["kafkajs"][0]
    version = package.split("@")[1]
    return install.node("kafkajs-" + version, package), version


def go(name):
    def find(_):
        with open(path("go", name, "go.mod"), encoding="utf-8") as file:
            version = re.search(r"^require \S+ v(\S+)", file.read(), re.M).group(1)
        return install.go("example-" + name, path("go", name)), version
    return find


def java(name, pinned):
    version, *coordinates = pinned
    return lambda _: (install.java("%s-%s" % (name, version), *coordinates, needs_compiler=True),
                      version)


def java_command(source, *options):
    return lambda jars: ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", *options,
                         "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", jars,
                         path("java", source))


CLIENTS = (
    example("cli", "`cli/orders.sh`, kcat", lambda _: (None, "Debian"),
            lambda _: (path("cli", "orders.sh"),), tier="quick"),
    example("confluent-kafka", "`python/orders_confluent.py`", pypi("confluent-kafka"),
            lambda python: (python, "-B", path("python", "orders_confluent.py")), tier="quick"),
    example("kafka-python", "`python/orders_kafka_python.py`", pypi("kafka-python"),
            lambda python: (python, "-B", path("python", "orders_kafka_python.py"))),
    example("kafkajs", "`node/orders.js`", kafkajs, lambda _: ("node", path("node", "orders.js")),
            tier="quick", environment=lambda packages: {"NODE_PATH": packages}),
    example("franz-go", "`go/franz-go`", go("franz-go"), lambda binary: (binary,)),
    example("kafka-go", "`go/kafka-go`", go("kafka-go"), lambda binary: (binary,)),
    example("Java", "`java/Orders.java`", java("apache-kafka", versions.KAFKA_4),
            java_command("Orders.java")),
    example("Spring", "`java/SpringOrders.java`", java("spring-kafka", versions.SPRING),
            java_command("SpringOrders.java")),
    example("Flink", "`java/FlinkOrders.java`", java("flink", versions.FLINK),
            java_command("FlinkOrders.java")),
    example("Spark", "`java/SparkOrders.java`", java("spark", versions.SPARK),
            java_command("SparkOrders.java", "@" + path("java", "spark.options"))),
)
