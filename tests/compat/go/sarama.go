// SPDX-License-Identifier: Apache-2.0

// Sarama. It knows no patterns.
package main

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy, "lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

type saramaLibrary struct{ address []string }

func newSarama(address string) library { return saramaLibrary{[]string{address}} }

func (saramaLibrary) codecs() []string { return slices.Sorted(maps.Keys(saramaCodecs)) }

// Nil stays nil: sarama asks for an interface that is so.
func saramaBytes(bytes []byte) sarama.Encoder {
	if bytes == nil {
		return nil
	}
	return sarama.ByteEncoder(bytes)
}

func saramaMessage(topic string, r record) *sarama.ProducerMessage {
	made := &sarama.ProducerMessage{Topic: topic, Partition: r.partition,
		Key: saramaBytes(r.key), Value: saramaBytes(r.value)}
	for _, h := range r.headers {
		made.Headers = append(made.Headers,
			sarama.RecordHeader{Key: []byte(h.name), Value: h.value})
	}
	return made
}

func ofSarama(message *sarama.ConsumerMessage) record {
	made := record{partition: message.Partition, key: message.Key, value: message.Value}
	for _, h := range message.Headers {
		made.headers = append(made.headers, header{string(h.Key), h.Value})
	}
	return made
}

func idempotent() *sarama.Config {
	config := sarama.NewConfig()
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	return config
}

// Idempotent where nothing is said of a codec.
func (l saramaLibrary) send(topic, codec string, records []record) error {
	config := idempotent()
	if codec != "" {
		config = sarama.NewConfig()
		config.Producer.Return.Successes = true
		config.Producer.Partitioner = sarama.NewManualPartitioner
		config.Producer.Compression = saramaCodecs[codec]
	}
	producer, err := sarama.NewSyncProducer(l.address, config)
	must(err)
	defer producer.Close()
	var messages []*sarama.ProducerMessage
	for _, r := range records {
		messages = append(messages, saramaMessage(topic, r))
	}
	return producer.SendMessages(messages)
}

func (l saramaLibrary) sendInTransactions(topic string, values []string, isKept []bool) {
	config := idempotent()
	config.Producer.Transaction.ID = "x"
	producer, err := sarama.NewSyncProducer(l.address, config)
	must(err)
	defer producer.Close()
	for i, value := range values {
		must(producer.BeginTxn())
		_, _, err := producer.SendMessage(saramaMessage(topic, record{value: []byte(value)}))
		must(err)
		if isKept[i] {
			must(producer.CommitTxn())
		} else {
			must(producer.AbortTxn())
		}
	}
}

func (l saramaLibrary) read(topic string, partition int32, offset int64, count int,
	isCommitted bool) []record {
	config := sarama.NewConfig()
	if isCommitted {
		config.Consumer.IsolationLevel = sarama.ReadCommitted
	}
	consumer, err := sarama.NewConsumer(l.address, config)
	must(err)
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(topic, partition, offset)
	must(err)
	defer reader.Close()
	end := time.After(limit)
	var records []record
	for len(records) < count {
		select {
		case message := <-reader.Messages():
			records = append(records, ofSarama(message))
		case <-end:
			check(false, "%d records came", len(records))
		}
	}
	return records
}

// A member as sarama wants it, with the session that it has now.
type saramaMember struct {
	lock          sync.Mutex
	session       sarama.ConsumerGroupSession
	member        *member
	commitsItself bool
}

func (s *saramaMember) note(session sarama.ConsumerGroupSession) {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.session = session
}

func (s *saramaMember) current() sarama.ConsumerGroupSession {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.session
}

func (s *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	s.note(session)
	return nil
}

func (s *saramaMember) Cleanup(sarama.ConsumerGroupSession) error {
	s.note(nil)
	return nil
}

func (s *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession,
	claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		s.member.take(ofSarama(message))
		if !s.commitsItself {
			session.MarkMessage(message, "")
		}
	}
	return nil
}

func (s *saramaMember) assigned() []int32 {
	var all []int32
	if session := s.current(); session != nil {
		for _, parts := range session.Claims() {
			all = append(all, parts...)
		}
	}
	slices.Sort(all)
	return all
}

func (s *saramaMember) generation() int32 {
	if session := s.current(); session != nil {
		return session.GenerationID()
	}
	return -1
}

func (s *saramaMember) commit(topic string, offsets map[int32]int64) {
	session := s.current()
	for part, offset := range offsets {
		session.MarkOffset(topic, part, offset, "")
	}
	session.Commit()
}

func (l saramaLibrary) join(group, topic string, how joining) *member {
	config := sarama.NewConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.InstanceId = how.staticIdentity
	config.Consumer.Offsets.AutoCommit.Enable = !how.commitsItself
	if how.isCooperative {
		config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{
			sarama.NewBalanceStrategyCooperativeSticky()}
	}
	consumers, err := sarama.NewConsumerGroup(l.address, group, config)
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan bool)
	s := &saramaMember{commitsItself: how.commitsItself}
	s.member = &member{assigned: s.assigned, generation: s.generation, commit: s.commit,
		leave: func() {
			stop()
			<-ended
			must(consumers.Close())
		}}
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			must(consumers.Consume(ctx, []string{topic}, s))
		}
	}()
	return s.member
}

// --- Administration ---------------------------------------------------------------------------

func (l saramaLibrary) admin() sarama.ClusterAdmin {
	admin, err := sarama.NewClusterAdmin(l.address, nil)
	must(err)
	return admin
}

func (l saramaLibrary) createTopic(topic string, partitions int, configs map[string]string) {
	admin := l.admin()
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1,
		ConfigEntries: map[string]*string{}}
	for name, value := range configs {
		detail.ConfigEntries[name] = &value
	}
	must(admin.CreateTopic(topic, detail, false))
}

func (l saramaLibrary) deleteTopic(topic string) {
	admin := l.admin()
	defer admin.Close()
	must(admin.DeleteTopic(topic))
}

func (l saramaLibrary) topics() map[string]sarama.TopicDetail {
	admin := l.admin()
	defer admin.Close()
	found, err := admin.ListTopics()
	must(err)
	return found
}

func (l saramaLibrary) listTopics() []string { return slices.Collect(maps.Keys(l.topics())) }

func (l saramaLibrary) partitions(topic string) int { return int(l.topics()[topic].NumPartitions) }

func (l saramaLibrary) addPartitions(topic string, total int) {
	admin := l.admin()
	defer admin.Close()
	must(admin.CreatePartitions(topic, int32(total), nil, false))
}

func (l saramaLibrary) config(topic, name string) string {
	admin := l.admin()
	defer admin.Close()
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource,
		Name: topic, ConfigNames: []string{name}})
	must(err)
	return entries[0].Value
}

func (l saramaLibrary) alterConfig(topic, name, value string) {
	admin := l.admin()
	defer admin.Close()
	must(admin.IncrementalAlterConfig(sarama.TopicResource, topic,
		map[string]sarama.IncrementalAlterConfigsEntry{
			name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}, false))
}

func (l saramaLibrary) deleteRecords(topic string, partition int32, offset int64) {
	admin := l.admin()
	defer admin.Close()
	must(admin.DeleteRecords(topic, map[int32]int64{partition: offset}))
}

func (l saramaLibrary) listGroups() []string {
	admin := l.admin()
	defer admin.Close()
	groups, err := admin.ListConsumerGroups()
	must(err)
	return slices.Collect(maps.Keys(groups))
}

func (l saramaLibrary) describeGroup(group string) (string, int) {
	admin := l.admin()
	defer admin.Close()
	described, err := admin.DescribeConsumerGroups([]string{group})
	must(err)
	return described[0].State, len(described[0].Members)
}

func (l saramaLibrary) groupOffsets(group, topic string) []int64 {
	admin := l.admin()
	defer admin.Close()
	found, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: {0, 1, 2, 3}})
	must(err)
	var offsets []int64
	for part := range int32(partitions) {
		offsets = append(offsets, found.GetBlock(topic, part).Offset)
	}
	return offsets
}

func (l saramaLibrary) alterGroupOffset(group, topic string, partition int32, offset int64) {
	admin := l.admin()
	defer admin.Close()
	answer, err := admin.AlterConsumerGroupOffsets(group,
		map[string]map[int32]sarama.OffsetAndMetadata{
			topic: {partition: {Offset: offset, LeaderEpoch: -1}}}, nil)
	must(err)
	check(answer.Errors[topic][partition] == sarama.ErrNoError, "%v", answer.Errors)
}

func (l saramaLibrary) deleteGroup(group string) {
	admin := l.admin()
	defer admin.Close()
	must(admin.DeleteConsumerGroup(group))
}
