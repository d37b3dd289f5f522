# SPDX-License-Identifier: Apache-2.0
"""Tests of a program that uses Kafka, here a few lines with kafka-python.

    PYTHONPATH=. KAFSCALED=.../kafscaled pytest -p kafscale_testing
"""
from kafka import KafkaConsumer, KafkaProducer


def send_all(bootstrap, values, **more):
    """The code under test: sends values and waits for them."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, retries=10, retry_backoff_ms=20,
                             reconnect_backoff_ms=20, api_version=(2, 0, 0), **more)
    for future in [producer.send("orders", value, partition=0) for value in values]:
        future.get(timeout=30)
    producer.close()


def read_all(bootstrap, count):
    """And this: reads from the beginning."""
    consumer = KafkaConsumer("orders", bootstrap_servers=bootstrap, auto_offset_reset="earliest",
                             group_id="readers", api_version=(2, 0, 0), consumer_timeout_ms=30000)
    values = [message.value for _, message in zip(range(count), consumer)]
    consumer.close()
    return values


def test_records_arrive(kafka):
    kafka.create_topic("orders", partitions=1, retention_ms=3600000)
    send_all(kafka.bootstrap, [b"a", b"b"])
    kafka.wait_records("orders", 2)
    assert read_all(kafka.bootstrap, 2) == [b"a", b"b"]


def test_leader_changes_are_survived(kafka):
    kafka.create_topic("orders", partitions=1)
    kafka.fail_requests("error", api="Produce", count=2, error="NOT_LEADER_OR_FOLLOWER")
    send_all(kafka.bootstrap, [b"a"])
    assert [r["error"] for r in kafka.requests("Produce")] == [6, 6, 0]


def test_a_killed_broker_keeps_what_it_acknowledged(kafka):
    kafka.create_topic("orders", partitions=1)
    send_all(kafka.bootstrap, [b"a"])
    kafka.kill()
    send_all(kafka.bootstrap, [b"b"])
    assert read_all(kafka.bootstrap, 2) == [b"a", b"b"]


def test_full_store_is_waited_for(kafka):
    kafka.create_topic("orders", partitions=1)
    kafka.fail_store("full", operation="PUT", count=2)
    send_all(kafka.bootstrap, [b"a"])
    kafka.wait_records("orders", 1)
