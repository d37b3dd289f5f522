// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"
	"log"
	"os"
	"time"

	"github.com/segmentio/kafka-go"
)

type kafkaGoDriver struct{ address string }

func newKafkaGo(address string) driver { return kafkaGoDriver{address} }

func (kafkaGoDriver) module() string { return "github.com/segmentio/kafka-go" }

var (
	kafkaGoCodecs = map[string]kafka.Compression{
		"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
	}
	complain = log.New(os.Stderr, "", 0)
)

// By default the writer waits for no acknowledgement, and spreads the batches of a partition over
// several connections, which may change their order.
func (d kafkaGoDriver) produce(ctx context.Context, topic, codec string, records []record) {
	writer := &kafka.Writer{Addr: kafka.TCP(d.address), Topic: topic, AllowAutoTopicCreation: true,
		RequiredAcks: kafka.RequireAll, Compression: kafkaGoCodecs[codec], ErrorLogger: complain}
	var messages []kafka.Message
	for _, r := range records {
		messages = append(messages, kafka.Message{Value: r.value, Time: r.time})
	}
	must(writer.WriteMessages(ctx, messages...))
	must(writer.Close())
}

// The reader is left to the end of the process: its close waits for a Fetch of ten seconds.
func (d kafkaGoDriver) consume(ctx context.Context, topic string, offset int64, count int,
	take func([]byte)) {
	reader := kafka.NewReader(kafka.ReaderConfig{Brokers: []string{d.address}, Topic: topic,
		ErrorLogger: complain})
	must(reader.SetOffset(offset))
	for range count {
		message, err := reader.ReadMessage(ctx)
		must(err)
		take(message.Value)
	}
}

func (d kafkaGoDriver) leader(ctx context.Context, topic string) *kafka.Conn {
	connection, err := kafka.DialLeader(ctx, "tcp", d.address, topic, 0)
	must(err)
	return connection
}

func (d kafkaGoDriver) after(ctx context.Context, topic string, timestamp int64) int64 {
	offset, err := d.leader(ctx, topic).ReadOffset(time.UnixMilli(timestamp))
	must(err)
	return offset
}

func (d kafkaGoDriver) ends(ctx context.Context, topic string) (int64, int64) {
	first, next, err := d.leader(ctx, topic).ReadOffsets()
	must(err)
	return first, next
}

func (d kafkaGoDriver) topics(ctx context.Context, topic string) (int, string, bool) {
	connection, err := kafka.Dial("tcp", d.address)
	must(err)
	retention := kafka.ConfigEntry{ConfigName: "retention.ms", ConfigValue: "3600000"}
	must(connection.CreateTopics(kafka.TopicConfig{Topic: topic, NumPartitions: 3,
		ReplicationFactor: 1, ConfigEntries: []kafka.ConfigEntry{retention}}))
	partitions, err := connection.ReadPartitions(topic)
	must(err)
	client := &kafka.Client{Addr: kafka.TCP(d.address)}
	described, err := client.DescribeConfigs(ctx, &kafka.DescribeConfigsRequest{
		Resources: []kafka.DescribeConfigRequestResource{{ResourceType: kafka.ResourceTypeTopic,
			ResourceName: topic, ConfigNames: []string{"retention.ms"}}}})
	must(err)
	must(connection.DeleteTopics(topic))
	left, err := connection.ReadPartitions()
	must(err)
	isLeft := false
	for _, partition := range left {
		isLeft = isLeft || partition.Topic == topic
	}
	return len(partitions), described.Resources[0].ConfigEntries[0].ConfigValue, isLeft
}
