# SPDX-License-Identifier: Apache-2.0
"""A broker of Apache Kafka of one node, to see what a case does there (run.py --kafka). It has the
outside of daemon.Daemon."""
import os
import signal
import subprocess

import install
import versions
from suite import daemon

LIMIT_S = 60
PROPERTIES = """process.roles=broker,controller
node.id=0
controller.quorum.voters=0@%(controller)s
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://%(address)s,CONTROLLER://%(controller)s
log.dirs=%(root)s/kafka-data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
"""


class ApacheKafka:
    running = []

    def __init__(self, root, *settings):
        self.root = root
        listen = [line[7:] for line in settings if line.startswith("listen=")]
        self.address = listen[0] if listen else daemon.free_address()
        self.classes = install.java("apache-kafka-" + versions.KAFKA_4[0], *versions.KAFKA_4[1:])
        self.properties = os.path.join(root, "server.properties")
        if not os.path.exists(self.properties):
            self.format(settings)
        self.path = os.path.join(root, "log-%d" % len(os.listdir(root)))
        with open(self.path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                self.java("kafka.Kafka", self.properties), stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True)
        ApacheKafka.running.append(self)
        daemon.wait_until(lambda: "Kafka Server started" in self.said(), "Apache Kafka", LIMIT_S)

    def java(self, name, *arguments):
        return ("java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
                self.classes, name, *arguments)

    def format(self, settings):
        more = [line for line in settings if not line.startswith("listen=")]
        with open(self.properties, "w", encoding="utf-8") as file:
            file.write(PROPERTIES % {"address": self.address, "root": self.root,
                                     "controller": daemon.free_address()})
            file.write("\n".join(more) + "\n")
        subprocess.run(self.java("kafka.tools.StorageTool", "format", "-t",
                                 "AAAAAAAAAAAAAAAAAAAAAQ", "-c", self.properties),
                       capture_output=True, check=True, timeout=LIMIT_S)

    def said(self):
        with open(self.path, encoding="utf-8") as log:
            return log.read()

    def stop(self, number=signal.SIGTERM):
        """0 when it ended by the signal that it was sent: Java says so by its code."""
        self.process.send_signal(number)
        code = self.process.wait(LIMIT_S)
        ApacheKafka.running.remove(self)
        return 0 if code in (143, -number) else code
