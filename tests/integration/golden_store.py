# SPDX-License-Identifier: Apache-2.0
"""Makes a golden store: a small directory store that the broker itself wrote, with every kind of
object, and the list of the records in it. Later versions must read it (golden_test.py).

Usage: golden_store.py KAFSCALED KAFSCALE-CLI FOLDER [LIFE...]

FOLDER is new: tests/data/store-NAME. What a LIFE adds to the first three of the broker:

    merged    enough bundles that some of them are merged

Wants kcat, librdkafka and kafka-python.
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile

import kafka
import kafka.admin

import daemon
import golden
import rdkafka
from daemon import kcat, start, wait_until

BEGAN_MS = 1700000000000  # 2023-11-14T22:13:20Z
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
RECORDS_EACH = 30
LIVES = 90                  # of a topic that comes and goes, until the metadata log has a snapshot
SETTINGS = ("flush.interval.ms=0", "segment.object.bytes=2048")
DELETE_RECORDS_RESULT_MS = 10000


# --- Clients --------------------------------------------------------------------------------------

def create(address, topic, partitions=1, **configs):
    """Its records never expire, however long from now they are read."""
    configs = {"retention.ms": "-1", **{name.replace("_", "."): configs[name] for name in configs}}
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=address)
    admin.create_topics([kafka.admin.NewTopic(topic, partitions, 1, topic_configs=configs)])
    admin.close()


def delete(address, topic):
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=address)
    admin.delete_topics([topic])
    admin.close()


def delete_records(address, topic, partition, offset):
    """Through librdkafka, since kafka-python can't."""
    lib = rdkafka.library()
    for name in ("rd_kafka_topic_partition_list_new", "rd_kafka_topic_partition_list_add",
                 "rd_kafka_DeleteRecords_new", "rd_kafka_queue_new", "rd_kafka_queue_poll"):
        getattr(lib, name).restype = ctypes.c_void_p
    conf = ctypes.c_void_p(lib.rd_kafka_conf_new())
    lib.rd_kafka_conf_set(conf, b"bootstrap.servers", address.encode(), None, 0)
    handle = ctypes.c_void_p(lib.rd_kafka_new(rdkafka.PRODUCER, conf, None, 0))
    offsets = ctypes.c_void_p(lib.rd_kafka_topic_partition_list_new(1))
    lib.rd_kafka_topic_partition_list_add(offsets, topic.encode(), partition)
    lib.rd_kafka_topic_partition_list_set_offset(offsets, topic.encode(), partition,
                                                 ctypes.c_int64(offset))
    request = ctypes.c_void_p(lib.rd_kafka_DeleteRecords_new(offsets))
    queue = ctypes.c_void_p(lib.rd_kafka_queue_new(handle))
    lib.rd_kafka_DeleteRecords(handle, ctypes.byref(request), ctypes.c_size_t(1), None, queue)
    event = ctypes.c_void_p(lib.rd_kafka_queue_poll(queue, DELETE_RECORDS_RESULT_MS))
    assert event and lib.rd_kafka_event_error(event) == 0
    lib.rd_kafka_event_destroy(event)
    lib.rd_kafka_queue_destroy(queue)
    lib.rd_kafka_topic_partition_list_destroy(offsets)
    lib.rd_kafka_destroy(handle)


class Sent:
    """What went to each topic and partition since it was made, in order."""

    def __init__(self):
        self.values = {}
        self.count = 0

    def next(self, topic, partition=0):
        value = "record %d to %s/%d, and words that all have" % (
            self.count, topic, partition)
        self.values.setdefault((topic, partition), []).append(value)
        self.count += 1
        return value

    def forget(self, topic):
        self.values = {place: self.values[place] for place in self.values if place[0] != topic}


def send(address, sent, topic, *arguments, count=RECORDS_EACH):
    """A batch or a few, of a producer of its own."""
    values = [sent.next(topic) for _ in range(count)]
    text = "".join("key-%d\t%s\n" % (i, value) for i, value in enumerate(values))
    kcat(address, "-P", "-t", topic, "-p", "0", "-K", "\t", "-X", "linger.ms=50", *arguments,
         text=text)


def send_one_by_one(address, sent, topic, count, partitions=1):
    """An object each; keys, headers and times, and every tenth time no value as well."""
    producer = kafka.KafkaProducer(bootstrap_servers=address, acks="all")
    for i in range(count):
        partition = i % partitions
        value = sent.next(topic, partition)
        headers = [("n", b"%d" % i), ("empty", b"")] if i % 3 == 0 else None
        producer.send(topic, value.encode(), b"key-%d" % i, headers, partition,
                      BEGAN_MS + 60000 * i).get()
        if i % 10 == 9:
            sent.values[topic, partition].append(None)
            producer.send(topic, None, b"key-%d" % i, None, partition, BEGAN_MS + 60000 * i).get()
    producer.close()


# --- Three lives of a broker ----------------------------------------------------------------------

def fill_all(address, sent):
    for codec in CODECS:
        for _ in range(2):
            send(address, sent, "codec-" + codec, "-z", codec)
    for _ in range(2):
        send(address, sent, "idempotent", "-X", "enable.idempotence=true", count=10)
    send(address, sent, "cut", "-z", "gzip")
    send_one_by_one(address, sent, "timed", 24, 2)


def first_life(root, sent):
    """Makes the topics, one of them twice; is stopped."""
    broker = start(root, *SETTINGS)
    for codec in CODECS:
        create(broker.address, "codec-" + codec)
    create(broker.address, "idempotent", segment_bytes=1 << 20)
    create(broker.address, "timed", 2, message_timestamp_type="CreateTime")
    create(broker.address, "cut")
    create(broker.address, "again", 3)
    send_one_by_one(broker.address, sent, "again", 9, 3)
    fill_all(broker.address, sent)
    delete(broker.address, "again")
    sent.forget("again")
    create(broker.address, "again", 2)
    send_one_by_one(broker.address, sent, "again", 40, 2)
    assert broker.stop() == 0


def second_life(root, sent):
    """Cuts the beginning of a topic off, within a batch; is killed."""
    broker = start(root, *SETTINGS)
    delete_records(broker.address, "cut", 0, 17)
    fill_all(broker.address, sent)
    send_one_by_one(broker.address, sent, "again", 40, 2)
    broker.process.kill()
    broker.ended()


def read_and_stop(broker, sent):
    found = golden.read_all(broker.address, {topic for topic, _ in sent.values})
    assert broker.stop() == 0
    return found


def third_life(root, sent, cli):
    """Ends with objects of the write-ahead log that are neither in bundles nor in segments."""
    broker = start(root, *SETTINGS)
    for _ in range(LIVES):
        create(broker.address, "visitor")
        delete(broker.address, "visitor")
    fill_all(broker.address, sent)
    delete_records(broker.address, "cut", 0, 45)
    send_one_by_one(broker.address, sent, "again", 80, 2)
    wait_until(lambda: "/meta/trim/" in cli("ls", "__kafscale/"), "a snapshot of a chunk")
    wait_until(lambda: "/bundle/" in cli("ls", "__kafscale/"), "a bundle")
    send(broker.address, sent, "idempotent", "-X", "enable.idempotence=true", count=3)
    send_one_by_one(broker.address, sent, "again", 8, 2)
    return read_and_stop(broker, sent)


def merged_life(root, sent, cli):
    """Write-ahead objects for more than sixteen bundles, whose records become no segments."""
    broker = start(root, "flush.interval.ms=0")
    create(broker.address, "scattered", 4)
    send_one_by_one(broker.address, sent, "scattered", 1100, 4)
    wait_until(lambda: "-last\n" in cli("ls", "__kafscale/bundle/"), "a merged bundle")
    return read_and_stop(broker, sent)


LIVES_MORE = {"merged": merged_life}


# --- The folder -----------------------------------------------------------------------------------

def expect_what_was_sent(found, sent):
    """All of it, but for the beginning that was deleted."""
    for place, values in sent.values.items():
        got = [record for record in found if (record["topic"], record["partition"]) == place]
        first = got[0]["offset"]
        assert first == (45 if place[0] == "cut" else 0), (place, first)
        assert [record["payload"] for record in got] == values[first:], place
        assert [record["offset"] for record in got] == list(range(first, len(values))), place
    assert len({(record["topic"], record["partition"]) for record in found}) == len(sent.values)


def keep(root, folder, found):
    store = os.path.join(folder, "store")
    shutil.copytree(os.path.join(root, "data"), store, copy_function=shutil.copyfile)
    for directory, _, _ in os.walk(store, topdown=False):  # git keeps no empty directories
        if not os.listdir(directory):
            os.rmdir(directory)
    with open(os.path.join(folder, "records.jsonl"), "w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, sort_keys=True) + "\n" for record in found)


def make(cli_path, folder, lives):
    root = tempfile.mkdtemp(prefix="golden-")
    sent = Sent()

    def cli(*words):
        place = "store=dir:" + os.path.join(root, "data")
        return subprocess.run([cli_path, "--set", place, *words], capture_output=True, text=True,
                              check=True, env=daemon.clean_environment()).stdout

    try:
        first_life(root, sent)
        second_life(root, sent)
        found = third_life(root, sent, cli)
        for life in lives:
            found = LIVES_MORE[life](root, sent, cli)
        expect_what_was_sent(found, sent)
        print(cli("verify"))
        keep(root, folder, found)
    finally:
        daemon.Daemon.end_all()
        shutil.rmtree(root)


if __name__ == "__main__":
    daemon.BINARY = os.path.abspath(sys.argv[1])
    make(os.path.abspath(sys.argv[2]), sys.argv[3], sys.argv[4:])
