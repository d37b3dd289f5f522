// SPDX-License-Identifier: Apache-2.0

// What a library must be able to say for the stories to be told with it, and what the libraries
// share. An error ends the program: a story goes well or not at all.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

const limit = 50 * time.Second

var story context.Context // ends with its time

type header struct {
	name  string
	value []byte
}

type record struct {
	partition int32
	key       []byte
	value     []byte
	headers   []header
}

// How somebody joins a group; default settings where nothing is said.
type joining struct {
	isCooperative  bool
	isPattern      bool
	commitsItself  bool
	staticIdentity string
}

type library interface {
	codecs() []string
	// Default settings, with the codec "".
	send(topic, codec string, records []record) error
	sendInTransactions(topic string, values []string, isKept []bool)
	read(topic string, partition int32, offset int64, count int, isCommitted bool) []record
	join(group, topic string, how joining) *member

	createTopic(topic string, partitions int, configs map[string]string)
	deleteTopic(topic string)
	listTopics() []string
	partitions(topic string) int
	addPartitions(topic string, total int)
	config(topic, name string) string
	alterConfig(topic, name, value string)
	deleteRecords(topic string, partition int32, offset int64)
	listGroups() []string
	describeGroup(group string) (state string, members int)
	groupOffsets(group, topic string) []int64
	alterGroupOffset(group, topic string, partition int32, offset int64)
	deleteGroup(group string)
}

// Somebody in a group who reads all the time; the library sets the functions.
type member struct {
	lock       sync.Mutex
	records    []record
	assigned   func() []int32
	generation func() int32
	commit     func(topic string, offsets map[int32]int64)
	leave      func()
}

func (m *member) take(r record) {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.records = append(m.records, r)
}

func (m *member) had() []record {
	m.lock.Lock()
	defer m.lock.Unlock()
	return append([]record(nil), m.records...)
}

func must(err error) {
	check(err == nil, "%v", err)
}

func check(isTrue bool, format string, words ...any) {
	if !isTrue {
		fmt.Fprintf(os.Stderr, format+"\n", words...)
		panic("the story ends here")
	}
}
