# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka, told by clients.py what to do; default settings but for the consumer's
automatic commits, which wait for consumer groups. See Driver there."""
import os
import sys

import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

WAIT_S = 60


class Sender:
    """A producer that waits when its queue is full, and fails when a record could not be sent."""

    def __init__(self, address, **more):
        self.producer = Producer({"bootstrap.servers": address, **more})
        self.failed = []

    def send(self, topic, value, **more):
        while True:
            try:
                return self.producer.produce(topic, value, on_delivery=self.delivered, **more)
            except BufferError:
                self.producer.poll(WAIT_S)

    def delivered(self, error, _):
        if error:
            self.failed.append(error)

    def flush(self):
        assert self.producer.flush(WAIT_S) == 0 and not self.failed, self.failed[:3]


def produce(address, topic, codec):
    sender = Sender(address, **{"compression.type": codec})
    for line in sys.stdin.buffer:
        sender.send(topic, line.rstrip(b"\n"), timestamp=int(line[:13]))
        sender.producer.poll(0)
    sender.flush()


def reader(address):
    return Consumer({"bootstrap.servers": address, "group.id": "unused",
                     "enable.auto.commit": False})


def read(address, topic, offset, count):
    consumer, messages = reader(address), []
    consumer.assign([TopicPartition(topic, 0, offset)])
    while len(messages) < count:
        for message in consumer.consume(min(10000, count - len(messages)), 1):
            assert not message.error(), message.error()
            messages.append(message)
    consumer.close()
    return messages


def consume(address, topic, offset, count):
    for message in read(address, topic, int(offset), int(count)):
        sys.stdout.buffer.write(message.value() + b"\n")


def times(address, topic, *timestamps):
    consumer = reader(address)
    for timestamp in timestamps:
        (found,) = consumer.offsets_for_times([TopicPartition(topic, 0, int(timestamp))], WAIT_S)
        print(found.offset if found.offset >= 0 else -1)
    consumer.close()


def ends(address, topic):
    consumer = reader(address)
    print(*consumer.get_watermark_offsets(TopicPartition(topic, 0), WAIT_S))
    consumer.close()


def odd(address, topic):
    records = [(None, b"", None), (b"", b"value", None), (b"deleted", None, None),
               (bytes(range(256)), os.urandom(900000), [("h", b"1"), ("h", b"2"), ("none", None)])]
    sender = Sender(address)
    for key, value, headers in records:
        sender.send(topic, value, key=key, headers=headers)
    sender.flush()
    got = [(message.key(), message.value(), message.headers())
           for message in read(address, topic, OFFSET_BEGINNING, len(records))]
    print("same" if got == records else got)


def forget(address, topic, offset):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 5})
    print(only(admin.delete_records([TopicPartition(topic, 0, int(offset))])).low_watermark)


def topics(address, topic):
    admin = AdminClient({"bootstrap.servers": address, "log_level": 5})
    wanted = NewTopic(topic, 3, 1, config={"retention.ms": "3600000"})
    only(admin.create_topics([wanted]))
    partitions = admin.list_topics(topic, WAIT_S).topics[topic].partitions
    configs = only(admin.describe_configs([ConfigResource("topic", topic)]))
    print(len(partitions), configs["retention.ms"].value)
    only(admin.delete_topics([topic]))
    print("left" if topic in admin.list_topics(timeout=WAIT_S).topics else "gone")


def only(futures):
    (future,) = futures.values()
    return future.result(WAIT_S)


def version():
    print(confluent_kafka.version(), "with librdkafka", confluent_kafka.libversion()[0])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
