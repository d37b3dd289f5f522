// SPDX-License-Identifier: Apache-2.0

// Franz-go, told by clients.py what to do; default settings. See Driver there.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const limit = 60 * time.Second

var codecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(word string) int64 {
	n, err := strconv.ParseInt(word, 10, 64)
	must(err)
	return n
}

func client(address string, options ...kgo.Opt) *kgo.Client {
	options = append(options, kgo.SeedBrokers(address),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelWarn, nil)))
	made, err := kgo.NewClient(options...)
	must(err)
	return made
}

func send(ctx context.Context, producer *kgo.Client, records []*kgo.Record) {
	must(producer.ProduceSync(ctx, records...).FirstErr())
	producer.Close()
}

func read(ctx context.Context, address, topic string, offset int64, count int) []*kgo.Record {
	consumer := client(address, kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().At(offset)}}))
	defer consumer.Close()
	var records []*kgo.Record
	for len(records) < count {
		fetches := consumer.PollFetches(ctx)
		must(fetches.Err())
		records = append(records, fetches.Records()...)
	}
	return records[:count]
}

func produce(ctx context.Context, address, topic, codec string) {
	var records []*kgo.Record
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		line := bytes.Clone(lines.Bytes())
		records = append(records, &kgo.Record{Topic: topic, Value: line,
			Timestamp: time.UnixMilli(number(string(line[:13])))})
	}
	producer := client(address, kgo.AllowAutoTopicCreation(),
		kgo.ProducerBatchCompression(codecs[codec]))
	send(ctx, producer, records)
}

func consume(ctx context.Context, address, topic string, offset int64, count int) {
	out := bufio.NewWriter(os.Stdout)
	for _, record := range read(ctx, address, topic, offset, count) {
		out.Write(record.Value)
		out.WriteByte('\n')
	}
	must(out.Flush())
}

func times(ctx context.Context, address, topic string, timestamps []string) {
	admin := kadm.NewClient(client(address))
	defer admin.Close()
	for _, timestamp := range timestamps {
		listed, err := admin.ListOffsetsAfterMilli(ctx, number(timestamp), topic)
		must(err)
		found, _ := listed.Lookup(topic, 0)
		must(found.Err)
		// Where nothing is found, kadm answers with the end of the partition.
		if found.Timestamp < 0 {
			found.Offset = -1
		}
		fmt.Println(found.Offset)
	}
}

func ends(ctx context.Context, address, topic string) {
	admin := kadm.NewClient(client(address))
	defer admin.Close()
	first, err := admin.ListStartOffsets(ctx, topic)
	must(err)
	next, err := admin.ListEndOffsets(ctx, topic)
	must(err)
	firstOffset, _ := first.Lookup(topic, 0)
	nextOffset, _ := next.Lookup(topic, 0)
	fmt.Println(firstOffset.Offset, nextOffset.Offset)
}

func odd(ctx context.Context, address, topic string) {
	large := make([]byte, 900000)
	rand.Read(large)
	records := []*kgo.Record{
		{Topic: topic, Value: []byte{}}, {Topic: topic, Key: []byte{}, Value: []byte("value")},
		{Topic: topic, Key: []byte("deleted")},
		{Topic: topic, Key: []byte{0, 255}, Value: large, Headers: []kgo.RecordHeader{
			{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}, {Key: "none"}}},
	}
	send(ctx, client(address, kgo.AllowAutoTopicCreation()), records)
	for i, got := range read(ctx, address, topic, 0, len(records)) {
		if !same(got, records[i]) {
			fmt.Printf("record %d differs: %+v\n", i, got)
			return
		}
	}
	fmt.Println("same")
}

func same(a, b *kgo.Record) bool {
	isSame := equal(a.Key, b.Key) && equal(a.Value, b.Value) && len(a.Headers) == len(b.Headers)
	for i := 0; isSame && i < len(a.Headers); i++ {
		isSame = a.Headers[i].Key == b.Headers[i].Key && equal(a.Headers[i].Value, b.Headers[i].Value)
	}
	return isSame
}

func equal(a, b []byte) bool {
	return bytes.Equal(a, b) && (a == nil) == (b == nil)
}

func topics(ctx context.Context, address, topic string) {
	admin := kadm.NewClient(client(address))
	defer admin.Close()
	retention := "3600000"
	created, err := admin.CreateTopics(ctx, 3, 1, map[string]*string{"retention.ms": &retention}, topic)
	must(err)
	must(created.Error())
	described, err := admin.ListTopics(ctx, topic)
	must(err)
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	must(err)
	kept := ""
	for _, config := range configs[0].Configs {
		if config.Key == "retention.ms" {
			kept = config.MaybeValue()
		}
	}
	deleted, err := admin.DeleteTopics(ctx, topic)
	must(err)
	must(deleted.Error())
	left, err := admin.ListTopics(ctx)
	must(err)
	state := "gone"
	if left.Has(topic) {
		state = "left"
	}
	fmt.Println(len(described[topic].Partitions), kept, state)
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			fmt.Println(module.Version)
		}
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command, words := os.Args[1], append(os.Args[2:], "", "")
	switch command {
	case "produce":
		produce(ctx, words[0], words[1], words[2])
	case "consume":
		consume(ctx, words[0], words[1], number(words[2]), int(number(words[3])))
	case "times":
		times(ctx, words[0], words[1], os.Args[4:])
	case "ends":
		ends(ctx, words[0], words[1])
	case "odd":
		odd(ctx, words[0], words[1])
	case "topics":
		topics(ctx, words[0], words[1])
	default:
		version()
	}
}
