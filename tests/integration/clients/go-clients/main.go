// SPDX-License-Identifier: Apache-2.0

// Sarama and kafka-go, told by clients.py what to do; default settings. See Driver there.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"time"
)

const limit = 60 * time.Second

type record struct {
	value []byte
	time  time.Time
}

// Offsets are of partition 0; a time that no record has reached is answered with -1.
type driver interface {
	module() string
	produce(ctx context.Context, topic, codec string, records []record)
	consume(ctx context.Context, topic string, offset int64, count int, take func([]byte))
	after(ctx context.Context, topic string, timestamp int64) int64
	ends(ctx context.Context, topic string) (first, next int64)
	topics(ctx context.Context, topic string) (partitions int, retention string, isLeft bool)
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

// Each line begins with the timestamp that its record gets.
func input() []record {
	var records []record
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		line := bytes.Clone(lines.Bytes())
		records = append(records, record{line, time.UnixMilli(number(string(line[:13])))})
	}
	return records
}

func version(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return module.Version
		}
	}
	return "unknown"
}

func consume(ctx context.Context, d driver, topic string, offset int64, count int) {
	out := bufio.NewWriter(os.Stdout)
	d.consume(ctx, topic, offset, count, func(value []byte) {
		out.Write(value)
		out.WriteByte('\n')
	})
	must(out.Flush())
}

func run(ctx context.Context, d driver, command, topic string, words []string) {
	switch command {
	case "produce":
		d.produce(ctx, topic, words[0], input())
	case "consume":
		consume(ctx, d, topic, number(words[0]), int(number(words[1])))
	case "times":
		for _, timestamp := range words {
			fmt.Println(d.after(ctx, topic, number(timestamp)))
		}
	case "ends":
		fmt.Println(d.ends(ctx, topic))
	case "topics":
		partitions, retention, isLeft := d.topics(ctx, topic)
		fmt.Println(partitions, retention, map[bool]string{true: "left", false: "gone"}[isLeft])
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	words := append(os.Args[2:], "", "", "")
	drivers := map[string]func(string) driver{"sarama": newSarama, "kafka-go": newKafkaGo}
	d := drivers[os.Args[1]](words[1])
	if words[0] == "version" {
		fmt.Println(version(d.module()))
		return
	}
	run(ctx, d, words[0], words[2], os.Args[min(5, len(os.Args)):])
}
