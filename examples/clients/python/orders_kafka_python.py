# SPDX-License-Identifier: Apache-2.0
"""Ten records to a topic, and back in a consumer group: kafka-python."""
import sys

from kafka import KafkaConsumer, KafkaProducer

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:9092"

producer = KafkaProducer(bootstrap_servers=ADDRESS)
for i in range(10):
    producer.send("orders", key=b"%d" % i, value=b"order %d" % i)
producer.close()

consumer = KafkaConsumer("orders", bootstrap_servers=ADDRESS, group_id="billing",
                         auto_offset_reset="earliest")
for count, record in enumerate(consumer, 1):
    print(record.value.decode())
    if count == 10:
        break
consumer.close()
