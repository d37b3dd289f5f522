# SPDX-License-Identifier: Apache-2.0
"""confluent.py ADDRESS GROUP TOPIC ASSIGNOR: a consumer on librdkafka. What it has processed it
says before it may be committed; a line for each assignment."""
import os
import sys
import threading

from confluent_kafka import Consumer

address, group, topic, assignor = sys.argv[1:]
consumer = Consumer({
    "bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest",
    "partition.assignment.strategy": assignor, "session.timeout.ms": int(os.environ["SESSION_MS"]),
    "heartbeat.interval.ms": 2000, "max.poll.interval.ms": 60000, "enable.auto.commit": True,
    "auto.commit.interval.ms": 1000, "enable.auto.offset.store": False, "debug": "cgrp"})
parent = threading.Thread(target=sys.stdin.read, daemon=True)
parent.start()


def say(*words):
    print(*words, flush=True)


consumer.subscribe([topic], on_assign=lambda _, parts: say("A", len(parts)),
                   on_revoke=lambda _, parts: say("V", len(parts)))
while parent.is_alive():
    for message in consumer.consume(200, 0.2):
        if message.error():
            say("E", message.error())
            continue
        say("R", message.partition(), message.offset(), message.offset())
        try:
            consumer.store_offsets(message)
        except Exception as error:  # it has lost the partition: another will read it again
            say("E", error)
consumer.close()
