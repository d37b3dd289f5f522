# SPDX-License-Identifier: Apache-2.0
"""admin.py ADDRESS describe GROUP: its state and its members' ids.
admin.py ADDRESS left GROUP TOPIC PARTITIONS: how many records it has not committed.
admin.py ADDRESS produce TOPIC PARTITIONS PER_SECOND: records until standard input ends, then the
number of each partition's records."""
import json
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient


def describe(address, group):
    admin = AdminClient({"bootstrap.servers": address})
    found = admin.describe_consumer_groups([group], request_timeout=30)[group].result()
    state = "".join(word.capitalize() for word in found.state.name.split("_"))
    return state, [member.member_id for member in found.members]


def left(address, group, topic, partitions):
    consumer = Consumer({"bootstrap.servers": address, "group.id": group})
    wanted = [TopicPartition(topic, i) for i in range(int(partitions))]
    committed = consumer.committed(wanted, timeout=30)
    count = 0
    for part in committed:
        end = consumer.get_watermark_offsets(part, timeout=30)[1]
        count += end - max(part.offset, 0)
    consumer.close()
    return count


def produce(address, topic, partitions, per_second):
    parent = threading.Thread(target=sys.stdin.read, daemon=True)
    parent.start()
    producer = Producer({"bootstrap.servers": address, "linger.ms": 20,
                         "message.timeout.ms": 120000})
    counts, sent, begun = [0] * int(partitions), 0, time.monotonic()

    def count(error, message):
        assert error is None, error
        counts[message.partition()] += 1

    while parent.is_alive():
        while sent < (time.monotonic() - begun) * int(per_second):
            producer.produce(topic, b"record %d" % sent, partition=sent % len(counts),
                             on_delivery=count)
            sent += 1
        producer.poll(0.01)
    assert producer.flush(120) == 0
    assert sum(counts) == sent
    return counts


commands = {"describe": describe, "left": left, "produce": produce}
print(json.dumps(commands[sys.argv[2]](sys.argv[1], *sys.argv[3:])))
