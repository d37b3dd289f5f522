# SPDX-License-Identifier: Apache-2.0
"""kafka-python, told by clients.py what to do; default settings. See Driver there."""
import logging
import os
import sys

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewTopic

CODECS = {"none": None}
WAIT_S = 60


def produce(address, topic, codec):
    producer = KafkaProducer(bootstrap_servers=address, compression_type=CODECS.get(codec, codec))
    sent = [producer.send(topic, line.rstrip(b"\n"), timestamp_ms=int(line[:13]))
            for line in sys.stdin.buffer]
    producer.flush()
    for future in sent:
        future.get(WAIT_S)
    producer.close()


def assigned(address, topic, offset):
    consumer = KafkaConsumer(bootstrap_servers=address)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek(TopicPartition(topic, 0), offset)
    return consumer


def read(consumer, count):
    records = []
    while len(records) < count:
        for batch in consumer.poll(1000).values():
            records += batch
    consumer.close()
    return records[:count]


def consume(address, topic, offset, count):
    for record in read(assigned(address, topic, int(offset)), int(count)):
        sys.stdout.buffer.write(record.value + b"\n")


def times(address, topic, *timestamps):
    consumer, partition = KafkaConsumer(bootstrap_servers=address), TopicPartition(topic, 0)
    for timestamp in timestamps:
        found = consumer.offsets_for_times({partition: int(timestamp)})[partition]
        print(found.offset if found else -1)
    consumer.close()


def ends(address, topic):
    consumer, partition = KafkaConsumer(bootstrap_servers=address), TopicPartition(topic, 0)
    print(consumer.beginning_offsets([partition])[partition],
          consumer.end_offsets([partition])[partition])
    consumer.close()


def odd(address, topic):
    records = [(None, b"", []), (b"", b"value", []), (b"deleted", None, []),
               (bytes(range(256)), os.urandom(900000), [("h", b"1"), ("h", b"2"), ("none", b"")])]
    producer = KafkaProducer(bootstrap_servers=address)
    for key, value, headers in records:
        producer.send(topic, value, key, headers).get(WAIT_S)
    producer.close()
    got = [(record.key, record.value, list(record.headers))
           for record in read(assigned(address, topic, 0), len(records))]
    print("same" if got == records else got)


def topics(address, topic):
    admin = KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([NewTopic(topic, num_partitions=3, replication_factor=1,
                                  topic_configs={"retention.ms": "3600000"})])
    partitions = admin.describe_topics([topic])[0]["partitions"]
    print(len(partitions), retention(admin, topic))
    admin.delete_topics([topic])
    print("left" if topic in admin.list_topics() else "gone")
    admin.close()


def retention(admin, topic):
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    if isinstance(described, dict):  # from 3.0 on
        configs = described[ConfigResourceType.TOPIC.name.lower()][topic]
        return configs["retention.ms"]["value"]
    (resource,) = described[0].resources
    return {entry[0]: entry[1] for entry in resource[4]}["retention.ms"]


def version():
    print(kafka.__version__)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    globals()[sys.argv[1]](*sys.argv[2:])
