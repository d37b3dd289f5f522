# SPDX-License-Identifier: Apache-2.0
"""What commands of the documents need beside the project itself, made in a folder of their PATH.
Each function raises install.Unavailable where it can't be had, and may return variables."""
import os
import shutil
import stat
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "compat"), os.path.join(HERE, "..", "support"),
                os.path.join(HERE, "..", "integration")]

import install  # noqa: E402
import s3_servers  # noqa: E402
import versions  # noqa: E402

# The scripts of Apache Kafka, which run these classes.
KAFKA_TOOLS = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
}
JAVA = ("java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


def script(folder, name, *command):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write('#!/bin/sh\nexec %s "$@"\n' % " ".join("'%s'" % word for word in command))
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)


def kafka_tools(folder):
    classes = install.java("apache-kafka-" + versions.KAFKA_4[0], *versions.KAFKA_4[1:])
    for name, tool in KAFKA_TOOLS.items():
        script(folder, name + ".sh", *JAVA, "-cp", classes, tool)


def program(name):
    def find(_):
        if not shutil.which(name):
            raise install.Unavailable("there is no %s here" % name)
    return find


def python_with(name):
    """`python3` has this package of PyPI, in the version that compatibility is tried with."""
    def find(folder):
        requirements = versions.PYPI[name]
        version = requirements[0].split("==")[1]
        script(folder, "python3", install.python("%s-%s" % (name, version), *requirements))
    return find


def node_with(name):
    def find(folder):
        package = versions.NPM[name][0]
        modules = install.node("%s-%s" % (name, package.split("@")[1]), package)
        script(folder, "node", "env", "NODE_PATH=" + modules, shutil.which("node"))
    return find


def jars(name, example, pinned):
    """Their class path in a variable; under the names of the examples, which keep them, too."""
    def find(_):
        version, *coordinates = pinned
        classes = install.java("%s-%s" % (example, version), *coordinates, needs_compiler=True)
        return {"JARS_" + name: classes}
    return find


def go(_):
    program("go")(_)
    if os.environ.get("KAFSCALE_TESTS_INSTALL") == "no":
        raise install.Unavailable("go would fetch modules, and nothing may be installed")


TOOLS = {
    "kcat": program("kcat"),
    "curl": program("curl"),
    "promtool": program("promtool"),
    "ss": program("ss"),
    "ceph": program("radosgw"),
    "kafka-tools": kafka_tools,
    "confluent-kafka": python_with("confluent-kafka"),
    "kafka-python": python_with("kafka-python"),
    "kafkajs": node_with("kafkajs"),
    "go": go,
    "java-kafka": jars("KAFKA", "apache-kafka", versions.KAFKA_4),
    "java-spring": jars("SPRING", "spring-kafka", versions.SPRING),
    "java-flink": jars("FLINK", "flink", versions.FLINK),
    "java-spark": jars("SPARK", "spark", versions.SPARK),
}


class Bucket:
    """An S3 server for commands that need one: ours, with TLS, under the names of the documents."""

    def __init__(self):
        self.server = s3_servers.Stub("--bucket", "records", tls=True)

    def rewrites(self):
        return (("https://s3.example.org:9000", self.server.endpoint),
                ("/etc/ssl/our-ca.pem", self.server.authority),
                ("KAFSCALE_S3_ACCESS_KEY=...", "KAFSCALE_S3_ACCESS_KEY=stubkey"),
                ("KAFSCALE_S3_SECRET_KEY=...", "KAFSCALE_S3_SECRET_KEY=stubsecret"))
