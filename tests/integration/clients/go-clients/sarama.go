// SPDX-License-Identifier: Apache-2.0
package main

import (
	"context"

	"github.com/IBM/sarama"
)

type saramaDriver struct{ address []string }

func newSarama(address string) driver { return saramaDriver{[]string{address}} }

func (saramaDriver) module() string { return "github.com/IBM/sarama" }

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func (d saramaDriver) produce(_ context.Context, topic, codec string, records []record) {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.Compression = saramaCodecs[codec]
	producer, err := sarama.NewSyncProducer(d.address, config)
	must(err)
	var messages []*sarama.ProducerMessage
	for _, r := range records {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic,
			Value: sarama.ByteEncoder(r.value), Timestamp: r.time})
	}
	must(producer.SendMessages(messages))
	must(producer.Close())
}

func (d saramaDriver) consume(ctx context.Context, topic string, offset int64, count int,
	take func([]byte)) {
	consumer, err := sarama.NewConsumer(d.address, nil)
	must(err)
	partition, err := consumer.ConsumePartition(topic, 0, offset)
	must(err)
	for range count {
		select {
		case message := <-partition.Messages():
			take(message.Value)
		case <-ctx.Done():
			must(ctx.Err())
		}
	}
	must(partition.Close())
	must(consumer.Close())
}

func (d saramaDriver) after(_ context.Context, topic string, timestamp int64) int64 {
	client, err := sarama.NewClient(d.address, nil)
	must(err)
	defer client.Close()
	offset, err := client.GetOffset(topic, 0, timestamp)
	must(err)
	return offset
}

func (d saramaDriver) ends(ctx context.Context, topic string) (int64, int64) {
	return d.after(ctx, topic, sarama.OffsetOldest), d.after(ctx, topic, sarama.OffsetNewest)
}

func (d saramaDriver) topics(_ context.Context, topic string) (int, string, bool) {
	admin, err := sarama.NewClusterAdmin(d.address, nil)
	must(err)
	defer admin.Close()
	retention := "3600000"
	must(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 1,
		ConfigEntries: map[string]*string{"retention.ms": &retention}}, false))
	described, err := admin.DescribeTopics([]string{topic})
	must(err)
	configs, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource,
		Name: topic, ConfigNames: []string{"retention.ms"}})
	must(err)
	must(admin.DeleteTopic(topic))
	left, err := admin.ListTopics()
	must(err)
	_, isLeft := left[topic]
	return len(described[0].Partitions), configs[0].Value, isLeft
}
