# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka, from 1.7 on, in the words of stories.py."""
import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

WAIT_S = 30
IS_NEW = not confluent_kafka.__version__.startswith("1.")


class Reader:
    """A consumer of a group."""

    def __init__(self, address, topics, settings):
        self.consumer = Consumer({"bootstrap.servers": address, "auto.offset.reset": "earliest",
                                  **settings})
        self.rebalances = 0
        self.consumer.subscribe([topics] if isinstance(topics, str) else topics,
                                on_assign=self.assigned)

    def assigned(self, _, parts):
        self.rebalances += 1

    def poll(self):
        records = []
        for message in self.consumer.consume(500, 0.1):
            assert not message.error(), message.error()
            records.append((message.partition(), message.offset(), message.value()))
        return records

    def assignment(self):
        return {part.partition for part in self.consumer.assignment()}

    def commit(self, offsets):
        self.consumer.commit(offsets=[
            with_metadata(TopicPartition(topic, partition, offset), metadata)
            for (topic, partition), (offset, metadata) in offsets.items()], asynchronous=False)

    def committed(self, topic, partition):
        return self.consumer.committed([TopicPartition(topic, partition)], WAIT_S)[0].offset

    def close(self):
        self.consumer.close()


def with_metadata(part, metadata):
    """Old versions can't say it."""
    if IS_NEW:
        return TopicPartition(part.topic, part.partition, part.offset, metadata)
    return part


class Library:
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    keeps_others = True

    def __init__(self, address):
        self.address = address
        self.admin = AdminClient({"bootstrap.servers": address})

    def producer(self, **settings):
        return Producer({"bootstrap.servers": self.address, **settings})

    def send(self, topic, records, codec="none", is_idempotent=False):
        producer, failed = self.producer(**{
            "compression.type": codec, "enable.idempotence": is_idempotent}), []
        for partition, key, value, headers in records:
            producer.produce(topic, value, key, partition, headers=headers,
                             on_delivery=lambda error, _: error and failed.append(error))
            producer.poll(0)
        assert producer.flush(WAIT_S) == 0 and not failed, failed[:3]

    def read(self, topic, partition, count, offset=OFFSET_BEGINNING, is_committed=False):
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "unused",
                             "enable.auto.commit": False})
        assert is_committed or topic  # read_committed is its default
        consumer.assign([TopicPartition(topic, partition, offset)])
        messages = []
        while len(messages) < count:
            for message in consumer.consume(count - len(messages), 1):
                assert not message.error(), message.error()
                messages.append(message)
        consumer.close()
        return [(m.key(), m.value(), list(m.headers() or [])) for m in messages]

    def member(self, group, topics, commits_unasked=True, **settings):
        return Reader(self.address, topics, {
            "group.id": group, "enable.auto.commit": commits_unasked, **settings})

    def cooperative_member(self, group, topics):
        return self.member(group, topics,
                           **{"partition.assignment.strategy": "cooperative-sticky"})

    def static_member(self, group, topics, name):
        return self.member(group, topics, **{"group.instance.id": name})

    def group_generation(self, reader):
        """What can be seen of it: how often partitions were assigned."""
        return reader.rebalances

    def settle_metadata(self, group, offsets):
        if not IS_NEW:
            return
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": group})
        for part in consumer.committed([TopicPartition(*place) for place in offsets], WAIT_S):
            assert (part.offset, part.metadata) == offsets[(part.topic, part.partition)], part
        consumer.close()

    def create_topic(self, topic, partitions, config):
        only(self.admin.create_topics([NewTopic(topic, partitions, 1, config=config)]))

    def delete_topic(self, topic):
        only(self.admin.delete_topics([topic]))

    def list_topics(self):
        return set(self.admin.list_topics(timeout=WAIT_S).topics)

    def partitions(self, topic):
        return len(self.admin.list_topics(topic, WAIT_S).topics[topic].partitions)

    def add_partitions(self, topic, count):
        only(self.admin.create_partitions([NewPartitions(topic, count)]))

    def config(self, topic, key):
        return only(self.admin.describe_configs([ConfigResource("topic", topic)]))[key].value

    def alter_config(self, topic, key, value):
        if hasattr(self.admin, "incremental_alter_configs"):
            from confluent_kafka.admin import AlterConfigOpType, ConfigEntry
            entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
            only(self.admin.incremental_alter_configs(
                [ConfigResource("topic", topic, incremental_configs=[entry])]))
        else:
            self.keeps_others = False  # the old call sets all anew
            only(self.admin.alter_configs(
                [ConfigResource("topic", topic, set_config={key: value})]))

    def refuses_large(self, topic, size):
        producer, errors = self.producer(), []
        producer.produce(topic, b"x" * size, on_delivery=lambda error, _: errors.append(error))
        producer.flush(WAIT_S)
        return errors[0] is not None and errors[0].name() == "MSG_SIZE_TOO_LARGE"

    def list_groups(self):
        if not hasattr(self.admin, "list_consumer_groups"):
            return {group.id for group in self.admin.list_groups(timeout=WAIT_S)}
        return {group.group_id for group in self.admin.list_consumer_groups().result(WAIT_S).valid}

    def describe_group(self, group):
        if not hasattr(self.admin, "describe_consumer_groups"):
            (found,) = self.admin.list_groups(group, WAIT_S)
            return found.state, len(found.members)
        found = only(self.admin.describe_consumer_groups([group]))
        return found.state.name, len(found.members)

    def group_offsets(self, group):
        from confluent_kafka import ConsumerGroupTopicPartitions
        found = only(self.admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group)]))
        return {(p.topic, p.partition): p.offset for p in found.topic_partitions}

    def alter_group_offsets(self, group, offsets):
        from confluent_kafka import ConsumerGroupTopicPartitions
        only(self.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(
            group, [TopicPartition(*place, offset) for place, offset in offsets.items()])]))

    def delete_group(self, group):
        only(self.admin.delete_consumer_groups([group]))

    def delete_records(self, topic, partition, offset):
        return only(self.admin.delete_records(
            [TopicPartition(topic, partition, offset)])).low_watermark

    def send_in_transactions(self, topic, values):
        producer = self.producer(**{"transactional.id": "x"})
        producer.init_transactions(WAIT_S)
        for value, is_kept in values:
            producer.begin_transaction()
            producer.produce(topic, value, partition=0)
            producer.flush(WAIT_S)
            if is_kept:
                producer.commit_transaction(WAIT_S)
            else:
                producer.abort_transaction(WAIT_S)


def only(futures):
    (future,) = futures.values()
    return future.result(WAIT_S)
