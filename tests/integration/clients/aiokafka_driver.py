# SPDX-License-Identifier: Apache-2.0
"""aiokafka, told by clients.py what to do; default settings. See Driver there."""
import asyncio
import os
import sys

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType


async def produce(address, topic, codec):
    producer = AIOKafkaProducer(bootstrap_servers=address,
                                compression_type=None if codec == "none" else codec)
    async with producer:
        sent = [await producer.send(topic, line.rstrip(b"\n"), timestamp_ms=int(line[:13]))
                for line in sys.stdin.buffer]
        await asyncio.gather(*sent)


async def read(address, topic, offset, count):
    partition, records = TopicPartition(topic, 0), []
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, offset)
        while len(records) < count:
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                records += batch
    return records[:count]


async def consume(address, topic, offset, count):
    for record in await read(address, topic, int(offset), int(count)):
        sys.stdout.buffer.write(record.value + b"\n")


async def times(address, topic, *timestamps):
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        for timestamp in timestamps:
            found = (await consumer.offsets_for_times({partition: int(timestamp)}))[partition]
            print(found.offset if found else -1)


async def ends(address, topic):
    partition = TopicPartition(topic, 0)
    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        print((await consumer.beginning_offsets([partition]))[partition],
              (await consumer.end_offsets([partition]))[partition])


async def odd(address, topic):
    records = [(None, b"", ()), (b"", b"value", ()), (b"deleted", None, ()),
               (bytes(range(256)), os.urandom(900000), (("h", b"1"), ("h", b"2"), ("none", b"")))]
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key, headers=list(headers))
    got = [(record.key, record.value, record.headers)
           for record in await read(address, topic, 0, len(records))]
    print("same" if got == records else got)


async def topics(address, topic):
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 3, 1, topic_configs={"retention.ms": "3600000"})])
    (described,) = await admin.describe_topics([topic])
    (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    configs = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    await admin.delete_topics([topic])
    is_left = topic in await admin.list_topics()
    await admin.close()
    print(len(described["partitions"]), configs["retention.ms"], "left" if is_left else "gone")


async def version():
    print(aiokafka.__version__)


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](*sys.argv[2:]))
