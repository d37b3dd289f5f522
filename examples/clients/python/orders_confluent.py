# SPDX-License-Identifier: Apache-2.0
"""Ten records to a topic, and back in a consumer group: confluent-kafka."""
import sys

from confluent_kafka import Consumer, Producer

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"

producer = Producer({"bootstrap.servers": ADDRESS})
for i in range(10):
    producer.produce("orders", key=str(i), value="order %d" % i)
producer.flush()

consumer = Consumer({"bootstrap.servers": ADDRESS, "group.id": "billing",
                     "auto.offset.reset": "earliest"})
consumer.subscribe(["orders"])
count = 0
while count < 10:
    message = consumer.poll(1)
    if message is not None and not message.error():
        print(message.value().decode())
        count += 1
consumer.close()
