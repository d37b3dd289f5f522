# SPDX-License-Identifier: Apache-2.0
"""kafka-python, from 2.0 on, in the words of stories.py."""
import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions,
                         NewTopic)
from kafka.errors import MessageSizeTooLargeError
from kafka.structs import OffsetAndMetadata

WAIT_S = 30
IS_NEW = not kafka.__version__.startswith("2.0")


class Reader:
    """A consumer of a group. 3.0.12 may miss that it has joined when its poll ends just then."""

    def __init__(self, address, group, topics, **settings):
        self.consumer = KafkaConsumer(bootstrap_servers=address, group_id=group,
                                      auto_offset_reset="earliest", **settings)
        if isinstance(topics, str):
            self.consumer.subscribe(pattern=topics)
        else:
            self.consumer.subscribe(topics)

    def poll(self):
        return [(record.partition, record.offset, record.value)
                for batch in self.consumer.poll(1000).values() for record in batch]

    def assignment(self):
        return {part.partition for part in self.consumer.assignment()}

    def commit(self, offsets):
        more = (-1,) if len(OffsetAndMetadata._fields) > 2 else ()
        self.consumer.commit({TopicPartition(*place): OffsetAndMetadata(offset, metadata, *more)
                              for place, (offset, metadata) in offsets.items()})

    def committed(self, topic, partition):
        return self.consumer.committed(TopicPartition(topic, partition))

    def close(self):
        self.consumer.close()


class Library:
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    keeps_others = IS_NEW

    def __init__(self, address):
        self.address = address
        self.administration = None

    @property
    def admin(self):
        if self.administration is None:
            self.administration = KafkaAdminClient(bootstrap_servers=self.address)
        return self.administration

    def send(self, topic, records, codec="none", is_idempotent=None):
        more = {} if is_idempotent is None else {"enable_idempotence": is_idempotent}
        producer = KafkaProducer(bootstrap_servers=self.address,
                                 compression_type=None if codec == "none" else codec, **more)
        sent = [producer.send(topic, value, key, headers, partition)
                for partition, key, value, headers in records]
        producer.flush()
        for future in sent:
            future.get(WAIT_S)
        producer.close()

    def read(self, topic, partition, count, offset=0, is_committed=False):
        more = {"isolation_level": "read_committed"} if is_committed else {}
        consumer, records = KafkaConsumer(bootstrap_servers=self.address, **more), []
        consumer.assign([TopicPartition(topic, partition)])
        consumer.seek(TopicPartition(topic, partition), offset)
        while len(records) < count:
            for batch in consumer.poll(1000).values():
                records += batch
        consumer.close()
        return [(record.key, record.value, list(record.headers)) for record in records]

    def member(self, group, topics, commits_unasked=True, **settings):
        return Reader(self.address, group, topics, enable_auto_commit=commits_unasked, **settings)

    def cooperative_member(self, group, topics):
        from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
        return self.member(group, topics, partition_assignment_strategy=[
            CooperativeStickyAssignor])

    def static_member(self, group, topics, name):
        return self.member(group, topics, group_instance_id=name)

    def group_generation(self, reader):
        return reader.consumer._coordinator._generation.generation_id

    def settle_metadata(self, group, offsets):
        found = self.found_offsets(group)
        got = {(p.topic, p.partition): (o.offset, o.metadata) for p, o in found.items()}
        assert got == offsets, got

    def found_offsets(self, group):
        if IS_NEW:
            return self.admin.list_group_offsets(group)[group]
        return self.admin.list_consumer_group_offsets(group)

    def create_topic(self, topic, partitions, config):
        self.admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1,
                                           topic_configs=config)])

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def list_topics(self):
        return set(self.admin.list_topics())

    def partitions(self, topic):
        return len(self.admin.describe_topics([topic])[0]["partitions"])

    def add_partitions(self, topic, count):
        self.admin.create_partitions({topic: NewPartitions(count)})

    def config(self, topic, key):
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic)]
        if IS_NEW:
            described = self.admin.describe_configs(wanted, config_filter="all")
            return described["topic"][topic][key]["value"]
        (resource,) = self.admin.describe_configs(wanted)[0].resources
        return {entry[0]: entry[1] for entry in resource[4]}[key]

    def alter_config(self, topic, key, value):
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic,
                                                 configs={key: value})])

    def refuses_large(self, topic, size):
        producer = KafkaProducer(bootstrap_servers=self.address)
        try:
            producer.send(topic, b"x" * size).get(WAIT_S)
        except MessageSizeTooLargeError:
            return True
        finally:
            producer.close()
        return False

    def list_groups(self):
        if IS_NEW:
            return {group["group_id"] for group in self.admin.list_groups()}
        return {name for name, _ in self.admin.list_consumer_groups()}

    def describe_group(self, group):
        if IS_NEW:
            found = self.admin.describe_groups([group])[group]
            return found["group_state"], len(found["members"])
        (found,) = self.admin.describe_consumer_groups([group])
        return found.state, len(found.members)

    def group_offsets(self, group):
        return {(p.topic, p.partition): o.offset for p, o in self.found_offsets(group).items()}

    def alter_group_offsets(self, group, offsets):
        self.admin.alter_group_offsets(group, {
            TopicPartition(*place): OffsetAndMetadata(offset, "", -1)
            for place, offset in offsets.items()})

    def delete_group(self, group):
        if IS_NEW:
            self.admin.delete_groups([group])
        else:
            assert self.admin.delete_consumer_groups([group])[0][1].errno == 0

    def delete_records(self, topic, partition, offset):
        part = TopicPartition(topic, partition)
        return self.admin.delete_records({part: offset})[part]["low_watermark"]

    def send_in_transactions(self, topic, values):
        producer = KafkaProducer(bootstrap_servers=self.address, transactional_id="x")
        producer.init_transactions()
        for value, is_kept in values:
            producer.begin_transaction()
            producer.send(topic, value, partition=0).get(WAIT_S)
            if is_kept:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
        producer.close()
