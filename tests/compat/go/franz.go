// SPDX-License-Identifier: Apache-2.0

// Franz-go. It is idempotent and cooperative unasked.
package main

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

var franzCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

type franz struct{ address string }

func newFranz(address string) library { return franz{address} }

func (f franz) client(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(f.address))...)
	must(err)
	return client
}

func (franz) codecs() []string { return slices.Sorted(maps.Keys(franzCodecs)) }

func franzRecord(topic string, r record) *kgo.Record {
	made := &kgo.Record{Topic: topic, Partition: r.partition, Key: r.key, Value: r.value}
	for _, h := range r.headers {
		made.Headers = append(made.Headers, kgo.RecordHeader{Key: h.name, Value: h.value})
	}
	return made
}

func ofFranz(r *kgo.Record) record {
	made := record{partition: r.Partition, key: r.Key, value: r.Value}
	for _, h := range r.Headers {
		made.headers = append(made.headers, header{h.Key, h.Value})
	}
	return made
}

func (f franz) send(topic, codec string, records []record) error {
	options := []kgo.Opt{kgo.AllowAutoTopicCreation(),
		kgo.RecordPartitioner(kgo.ManualPartitioner())}
	if codec != "" {
		options = append(options, kgo.ProducerBatchCompression(franzCodecs[codec]))
	}
	producer := f.client(options...)
	defer producer.Close()
	var all []*kgo.Record
	for _, r := range records {
		all = append(all, franzRecord(topic, r))
	}
	return producer.ProduceSync(story, all...).FirstErr()
}

func (f franz) sendInTransactions(topic string, values []string, isKept []bool) {
	producer := f.client(kgo.TransactionalID("x"), kgo.AllowAutoTopicCreation(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	defer producer.Close()
	for i, value := range values {
		must(producer.BeginTransaction())
		r := franzRecord(topic, record{value: []byte(value)})
		must(producer.ProduceSync(story, r).FirstErr())
		must(producer.EndTransaction(story, kgo.TransactionEndTry(isKept[i])))
	}
}

func (f franz) read(topic string, partition int32, offset int64, count int,
	isCommitted bool) []record {
	options := []kgo.Opt{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {partition: kgo.NewOffset().At(offset)}})}
	if isCommitted {
		options = append(options, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	}
	consumer := f.client(options...)
	defer consumer.Close()
	var records []record
	for len(records) < count {
		fetches := consumer.PollFetches(story)
		must(fetches.Err0())
		fetches.EachRecord(func(r *kgo.Record) { records = append(records, ofFranz(r)) })
	}
	return records[:count]
}

// What a member has, as it is told. Who wants to hear of it must commit what it loses.
type franzShare struct {
	lock  sync.Mutex
	parts map[int32]bool
}

func (s *franzShare) note(changed map[string][]int32, isMine bool) {
	s.lock.Lock()
	defer s.lock.Unlock()
	for _, parts := range changed {
		for _, part := range parts {
			if isMine {
				s.parts[part] = true
			} else {
				delete(s.parts, part)
			}
		}
	}
}

func (s *franzShare) hearing(how joining) []kgo.Opt {
	type changes = map[string][]int32
	return []kgo.Opt{
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, given changes) {
			s.note(given, true)
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, consumer *kgo.Client, taken changes) {
			if !how.commitsItself {
				must(consumer.CommitUncommittedOffsets(story))
			}
			s.note(taken, false)
		}),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost changes) {
			s.note(lost, false)
		}),
	}
}

func (s *franzShare) assigned() []int32 {
	s.lock.Lock()
	defer s.lock.Unlock()
	return slices.Sorted(maps.Keys(s.parts))
}

func (f franz) join(group, topic string, how joining) *member {
	share := &franzShare{parts: map[int32]bool{}}
	options := append(share.hearing(how), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if how.isPattern {
		options = append(options, kgo.ConsumeRegex())
	}
	if how.commitsItself {
		options = append(options, kgo.DisableAutoCommit())
	}
	if how.staticIdentity != "" {
		options = append(options, kgo.InstanceID(how.staticIdentity))
	}
	consumer := f.client(options...)
	m := &member{assigned: share.assigned}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan bool)
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			consumer.PollFetches(ctx).EachRecord(func(r *kgo.Record) { m.take(ofFranz(r)) })
		}
	}()
	m.generation = func() int32 {
		_, generation := consumer.GroupMetadata()
		return generation
	}
	m.commit = func(topic string, offsets map[int32]int64) { franzCommit(consumer, topic, offsets) }
	m.leave = func() {
		stop()
		<-ended
		consumer.Close()
	}
	return m
}

func franzCommit(consumer *kgo.Client, topic string, offsets map[int32]int64) {
	at := map[int32]kgo.EpochOffset{}
	for part, offset := range offsets {
		at[part] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	consumer.CommitOffsetsSync(story, map[string]map[int32]kgo.EpochOffset{topic: at}, nil)
}

// --- Administration ---------------------------------------------------------------------------

func ask[T any](f franz, use func(*kadm.Client) (T, error)) T {
	admin := kadm.NewClient(f.client())
	defer admin.Close()
	answer, err := use(admin)
	must(err)
	return answer
}

func (f franz) createTopic(topic string, partitions int, configs map[string]string) {
	wanted := map[string]*string{}
	for name, value := range configs {
		wanted[name] = &value
	}
	ask(f, func(admin *kadm.Client) (kadm.CreateTopicResponse, error) {
		return admin.CreateTopic(story, int32(partitions), 1, wanted, topic)
	})
}

func (f franz) deleteTopic(topic string) {
	ask(f, func(admin *kadm.Client) (kadm.DeleteTopicResponse, error) {
		return admin.DeleteTopic(story, topic)
	})
}

func (f franz) topics() kadm.TopicDetails {
	return ask(f, func(admin *kadm.Client) (kadm.TopicDetails, error) {
		return admin.ListTopics(story)
	})
}

func (f franz) listTopics() []string { return f.topics().Names() }

func (f franz) partitions(topic string) int { return len(f.topics()[topic].Partitions) }

func (f franz) addPartitions(topic string, total int) {
	must(ask(f, func(admin *kadm.Client) (kadm.CreatePartitionsResponses, error) {
		return admin.UpdatePartitions(story, total, topic)
	}).Error())
}

func (f franz) config(topic, name string) string {
	described := ask(f, func(admin *kadm.Client) (kadm.ResourceConfigs, error) {
		return admin.DescribeTopicConfigs(story, topic)
	})
	for _, config := range described[0].Configs {
		if config.Key == name {
			return config.MaybeValue()
		}
	}
	return ""
}

func (f franz) alterConfig(topic, name, value string) {
	altered := ask(f, func(admin *kadm.Client) (kadm.AlterConfigsResponses, error) {
		return admin.AlterTopicConfigs(story, []kadm.AlterConfig{
			{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	})
	must(altered[0].Err)
}

func (f franz) deleteRecords(topic string, partition int32, offset int64) {
	before := kadm.Offsets{}
	before.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset})
	must(ask(f, func(admin *kadm.Client) (kadm.DeleteRecordsResponses, error) {
		return admin.DeleteRecords(story, before)
	}).Error())
}

func (f franz) listGroups() []string {
	return ask(f, func(admin *kadm.Client) (kadm.ListedGroups, error) {
		return admin.ListGroups(story)
	}).Groups()
}

func (f franz) describeGroup(group string) (string, int) {
	described := ask(f, func(admin *kadm.Client) (kadm.DescribedGroups, error) {
		return admin.DescribeGroups(story, group)
	})[group]
	must(described.Err)
	return described.State, len(described.Members)
}

func (f franz) groupOffsets(group, topic string) []int64 {
	found := ask(f, func(admin *kadm.Client) (kadm.OffsetResponses, error) {
		return admin.FetchOffsets(story, group)
	})
	must(found.Error())
	var offsets []int64
	for _, part := range found.Sorted() {
		if part.Topic == topic {
			offsets = append(offsets, part.At)
		}
	}
	return offsets
}

func (f franz) alterGroupOffset(group, topic string, partition int32, offset int64) {
	wanted := kadm.Offsets{}
	wanted.Add(kadm.Offset{Topic: topic, Partition: partition, At: offset, LeaderEpoch: -1})
	must(ask(f, func(admin *kadm.Client) (kadm.OffsetResponses, error) {
		return admin.CommitOffsets(story, group, wanted)
	}).Error())
}

func (f franz) deleteGroup(group string) {
	ask(f, func(admin *kadm.Client) (kadm.DeleteGroupResponse, error) {
		return admin.DeleteGroup(story, group)
	})
}
