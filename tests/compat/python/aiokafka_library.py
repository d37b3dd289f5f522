# SPDX-License-Identifier: Apache-2.0
"""aiokafka in the words of stories.py: an event loop for each client, run while it is asked."""
import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata

WAIT_S = 30


class Reader:
    """A consumer of a group. All of it happens in the thread that first polls."""

    def __init__(self, address, group, topics, **settings):
        self.loop = asyncio.new_event_loop()
        self.consumer = None
        self.topics = topics
        self.settings = {"bootstrap_servers": address, "group_id": group,
                         "auto_offset_reset": "earliest", **settings}

    async def begin(self):
        self.consumer = AIOKafkaConsumer(**self.settings)
        if isinstance(self.topics, str):
            self.consumer.subscribe(pattern=self.topics)
        else:
            self.consumer.subscribe(self.topics)
        await self.consumer.start()

    def run(self, wanted):
        return self.loop.run_until_complete(wanted)

    def poll(self):
        if self.consumer is None:
            self.run(self.begin())
        got = self.run(self.consumer.getmany(timeout_ms=100))
        return [(record.partition, record.offset, record.value)
                for batch in got.values() for record in batch]

    def assignment(self):
        return {part.partition for part in self.consumer.assignment()} if self.consumer else set()

    def commit(self, offsets):
        self.run(self.consumer.commit({
            TopicPartition(*place): OffsetAndMetadata(*noted) for place, noted in offsets.items()}))

    def committed(self, topic, partition):
        return self.run(self.consumer.committed(TopicPartition(topic, partition)))

    def close(self):
        self.run(self.consumer.stop())
        self.loop.close()


class Library:
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    keeps_others = False  # its call sets all anew

    def __init__(self, address):
        self.address = address

    def send(self, topic, records, codec="none", is_idempotent=False):
        asyncio.run(self.send_all(topic, records, codec, is_idempotent))

    async def send_all(self, topic, records, codec, is_idempotent):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.address, enable_idempotence=is_idempotent,
            compression_type=None if codec == "none" else codec)
        async with producer:
            sent = [await producer.send(topic, value, key, partition, headers=headers)
                    for partition, key, value, headers in records]
            await asyncio.gather(*sent)

    def read(self, topic, partition, count, offset=0, is_committed=False):
        level = "read_committed" if is_committed else "read_uncommitted"
        return asyncio.run(self.read_all(TopicPartition(topic, partition), count, offset, level))

    async def read_all(self, part, count, offset, level):
        records = []
        async with AIOKafkaConsumer(bootstrap_servers=self.address,
                                    isolation_level=level) as consumer:
            consumer.assign([part])
            consumer.seek(part, offset)
            while len(records) < count:
                for batch in (await consumer.getmany(timeout_ms=1000)).values():
                    records += batch
        return [(record.key, record.value, list(record.headers)) for record in records]

    def member(self, group, topics, commits_unasked=True, **settings):
        return Reader(self.address, group, topics, enable_auto_commit=commits_unasked, **settings)

    def static_member(self, group, topics, name):
        return self.member(group, topics, group_instance_id=name)

    def group_generation(self, reader):
        return reader.consumer._coordinator.generation

    def settle_metadata(self, group, offsets):
        found = self.ask(lambda admin: admin.list_consumer_group_offsets(group))
        got = {(p.topic, p.partition): (o.offset, o.metadata) for p, o in found.items()}
        assert got == offsets, got

    def ask(self, question):
        """One question to the admin client, in an event loop of its own."""
        async def asked():
            admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
            await admin.start()
            try:
                return await question(admin)
            finally:
                await admin.close()
        return asyncio.run(asked())

    def create_topic(self, topic, partitions, config):
        self.ask(lambda admin: admin.create_topics(
            [NewTopic(topic, partitions, 1, topic_configs=config)]))

    def delete_topic(self, topic):
        self.ask(lambda admin: admin.delete_topics([topic]))

    def list_topics(self):
        return set(self.ask(lambda admin: admin.list_topics()))

    def partitions(self, topic):
        (found,) = self.ask(lambda admin: admin.describe_topics([topic]))
        return len(found["partitions"])

    def add_partitions(self, topic, count):
        self.ask(lambda admin: admin.create_partitions({topic: NewPartitions(count)}))

    def config(self, topic, key):
        (answer,) = self.ask(lambda admin: admin.describe_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic)]))
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}[key]

    def alter_config(self, topic, key, value):
        self.ask(lambda admin: admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, configs={key: value})]))

    def refuses_large(self, topic, size):
        try:
            self.send(topic, [(0, None, b"x" * size, [])])
        except MessageSizeTooLargeError:
            return True
        return False

    def list_groups(self):
        return {name for name, _ in self.ask(lambda admin: admin.list_consumer_groups())}

    def describe_group(self, group):
        (answer,) = self.ask(lambda admin: admin.describe_consumer_groups([group]))
        (found,) = answer.groups
        return found[2], len(found[5])

    def group_offsets(self, group):
        found = self.ask(lambda admin: admin.list_consumer_group_offsets(group))
        return {(p.topic, p.partition): o.offset for p, o in found.items()}

    def delete_records(self, topic, partition, offset):
        part = TopicPartition(topic, partition)
        from aiokafka.admin import RecordsToDelete
        return self.ask(lambda admin: admin.delete_records(
            {part: RecordsToDelete(before_offset=offset)}))[part]

    def send_in_transactions(self, topic, values):
        asyncio.run(self.send_transactions(topic, values))

    async def send_transactions(self, topic, values):
        async with AIOKafkaProducer(bootstrap_servers=self.address,
                                    transactional_id="x") as producer:
            for value, is_kept in values:
                await producer.begin_transaction()
                await producer.send_and_wait(topic, value, partition=0)
                if is_kept:
                    await producer.commit_transaction()
                else:
                    await producer.abort_transaction()
