# SPDX-License-Identifier: Apache-2.0
"""Which version of each client is tried, in one place. What is not here comes from Debian.

A newer version is a new value here, a run of `run.py --tier long --write`, and a look at what
changed in docs/compatibility.md.
"""
PYPI = {
    "confluent-kafka": ("confluent-kafka==2.16.1",),
    "kafka-python": ("kafka-python==3.0.12", "python-snappy==0.7.3", "lz4==4.4.5",
                     "zstandard==0.25.0"),
    "aiokafka": ("aiokafka==0.14.0", "cramjam==2.14.0"),
}

# The second is the last one for Node 20.
NPM = {
    "kafkajs": ("kafkajs@2.2.4",),
    "platformatic": ("@platformatic/kafka@1.35.0",),
    "confluent-javascript": ("@confluentinc/kafka-javascript@1.10.1",),
}

# librdkafka and its tests come inside this package; the second is librdkafka's own version.
LIBRDKAFKA = ("@confluentinc/kafka-javascript@1.10.1", "2.15.1")

# Modules of Go; their versions are in go/go.mod, those of the examples in theirs.
GO = {
    "sarama": "github.com/IBM/sarama",
    "franz-go": "github.com/twmb/franz-go",
}

# The tools of Apache Kafka, with the broker, which the cases can be tried on, too (run.py --kafka).
KAFKA_3 = ("3.9.1", "org.apache.kafka:kafka_2.13:3.9.1", "org.apache.kafka:kafka-tools:3.9.1")
KAFKA_4 = ("4.3.0", "org.apache.kafka:kafka_2.13:4.3.0", "org.apache.kafka:kafka-tools:4.3.0",
           "org.slf4j:slf4j-simple:1.7.36")
STREAMS = ("4.3.0", "org.apache.kafka:kafka-streams:4.3.0", "org.slf4j:slf4j-simple:1.7.36")
CONNECT = ("4.3.0", "org.apache.kafka:connect-runtime:4.3.0", "org.apache.kafka:connect-file:4.3.0",
           "org.slf4j:slf4j-simple:1.7.36")
SPRING = ("3.3.8", "org.springframework.kafka:spring-kafka:3.3.8", "org.slf4j:slf4j-simple:2.0.17")
MIRROR = ("4.3.0", "org.apache.kafka:connect-mirror:4.3.0", "org.slf4j:slf4j-simple:1.7.36")
# The connector's version says which Flink it is for.
FLINK = ("2.2.1", "org.apache.flink:flink-streaming-java:2.2.1",
         "org.apache.flink:flink-clients:2.2.1", "org.apache.flink:flink-connector-base:2.2.1",
         "org.apache.flink:flink-connector-kafka:5.0.0-2.2", "org.slf4j:slf4j-simple:1.7.36")
SPARK = ("4.1.1", "org.apache.spark:spark-sql_2.13:4.1.1",
         "org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.1")
