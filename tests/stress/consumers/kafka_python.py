# SPDX-License-Identifier: Apache-2.0
"""kafka_python.py ADDRESS GROUP TOPIC ASSIGNOR: as confluent.py, on kafka-python, which commits
only what an earlier poll has returned."""
import logging
import os
import sys
import threading

from kafka import ConsumerRebalanceListener, KafkaConsumer
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

SESSION_MS = int(os.environ["SESSION_MS"])
ASSIGNORS = {"range": RangePartitionAssignor, "sticky": StickyPartitionAssignor}

logging.basicConfig(level=logging.INFO, stream=sys.stderr)
address, group, topic, assignor = sys.argv[1:]
parent = threading.Thread(target=sys.stdin.read, daemon=True)
parent.start()


def say(*words):
    print(*words, flush=True)


class Listener(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        say("A", len(assigned))

    def on_partitions_revoked(self, revoked):
        say("V", len(revoked))


consumer = KafkaConsumer(
    bootstrap_servers=address, group_id=group, auto_offset_reset="earliest",
    partition_assignment_strategy=[ASSIGNORS[assignor]], session_timeout_ms=SESSION_MS,
    heartbeat_interval_ms=2000, max_poll_interval_ms=60000, auto_commit_interval_ms=1000)
consumer.subscribe([topic], listener=Listener())
while parent.is_alive():
    for records in consumer.poll(timeout_ms=200).values():
        say("R", records[0].partition, records[0].offset, records[-1].offset)
consumer.close()
