// SPDX-License-Identifier: Apache-2.0

// The stories that the client libraries of Go tell in the same words as those of Python
// (../python/stories.py), with default settings; clients_go.py runs them.
//
//	driver LIBRARY ADDRESS STORY
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

const partitions = 4 // of a topic that is made unasked

var lib library

func until(what string, condition func() bool, members ...*member) {
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		state := ""
		for _, m := range members {
			state += fmt.Sprint(" ", m.assigned(), len(m.had()))
		}
		check(time.Now().Before(deadline), "waited for %s:%s", what, state)
	}
}

func numbers(first, count, step int) []int {
	all := make([]int, count)
	for i := range all {
		all[i] = first + i*step
	}
	return all
}

func sendNumbers(first, count int) {
	var records []record
	for _, i := range numbers(first, count, 1) {
		records = append(records, record{partition: int32(i % partitions),
			value: []byte(strconv.Itoa(i))})
	}
	must(lib.send("t", "", records))
}

func numbersOf(records []record) []int {
	var all []int
	for _, r := range records {
		i, err := strconv.Atoi(string(r.value))
		must(err)
		all = append(all, i)
	}
	return all
}

func had(members []*member) []int {
	var all []int
	for _, m := range members {
		all = append(all, numbersOf(m.had())...)
	}
	slices.Sort(all)
	return all
}

func from(first int, all []int) []int {
	return slices.DeleteFunc(slices.Clone(all), func(i int) bool { return i < first })
}

func expect[T comparable](got, wanted []T) {
	check(slices.Equal(got, wanted), "%d, not %d: %.400v", len(got), len(wanted), fmt.Sprint(got))
}

// All of them, each at least once.
func haveEach(members []*member, wanted []int) {
	each := func() []int { return slices.Compact(had(members)) }
	until("all records", func() bool { return len(each()) >= len(wanted) }, members...)
	expect(each(), wanted)
}

// All of them, once.
func haveAll(members []*member, wanted []int) {
	haveEach(members, wanted)
	expect(had(members), wanted)
}

func settle(members ...*member) {
	until("an equal share for each", func() bool {
		var all []int32
		for _, m := range members {
			if len(m.assigned()) != partitions/len(members) {
				return false
			}
			all = append(all, m.assigned()...)
		}
		slices.Sort(all)
		return len(slices.Compact(all)) == partitions
	}, members...)
}

func join(count int, how joining) []*member {
	var members []*member
	for range count {
		members = append(members, lib.join("g", "t", how))
	}
	settle(members...)
	return members
}

func leave(members []*member) {
	for _, m := range members {
		m.leave()
	}
}

// --- Records ----------------------------------------------------------------------------------

func roundTrip() {
	large := bytes.Repeat([]byte("x"), 900000)
	odd := []record{{value: []byte{}}, {key: []byte{}, value: []byte("value")},
		{key: []byte("deleted")},
		{key: []byte{0, 255}, value: large, headers: []header{{"h", []byte("1")},
			{"h", []byte("2")}}}}
	must(lib.send("t", "", odd))
	for i, got := range lib.read("t", 0, 0, len(odd), false) {
		check(isSame(got, odd[i]), "record %d differs: %.400v", i, fmt.Sprint(got))
	}
}

func isSame(a, b record) bool {
	return isEqual(a.key, b.key) && isEqual(a.value, b.value) &&
		slices.EqualFunc(a.headers, b.headers, func(a, b header) bool {
			return a.name == b.name && isEqual(a.value, b.value)
		})
}

func isEqual(a, b []byte) bool {
	return bytes.Equal(a, b) && (a == nil) == (b == nil)
}

func codecs() {
	var sent []record
	for i := range 1000 {
		sent = append(sent, record{value: []byte(strings.Repeat(fmt.Sprint(i, " "), 20))})
	}
	for _, codec := range lib.codecs() {
		must(lib.send(codec, codec, sent))
		got := lib.read(codec, 0, 0, len(sent), false)
		check(slices.EqualFunc(got, sent, isSame), "%s differs", codec)
	}
}

func idempotence() {
	sendNumbers(0, 4000)
	for partition := range partitions {
		got := lib.read("t", int32(partition), 0, 1000, false)
		expect(numbersOf(got), numbers(partition, 1000, partitions))
	}
}

// --- Groups -----------------------------------------------------------------------------------

func group() {
	sendNumbers(0, 4)
	members := join(2, joining{})
	haveEach(members, numbers(0, 4, 1))
	sendNumbers(4, 996)
	haveEach(members, numbers(0, 1000, 1))
	expect(from(4, had(members)), numbers(4, 996, 1))
	leave(members)
}

func handover() {
	sendNumbers(0, 1000)
	members := join(2, joining{})
	haveEach(members, numbers(0, 1000, 1))
	members[0].leave()
	settle(members[1])
	sendNumbers(1000, 1000)
	haveEach(members, numbers(0, 2000, 1))
	expect(from(1000, had(members)), numbers(1000, 1000, 1))
	members[1].leave()
}

func many() {
	sendNumbers(0, 100)
	var members []*member
	for _, count := range []int{1, 2, 4} {
		for len(members) < count {
			members = append(members, lib.join("g", "t", joining{}))
		}
		sendNumbers(100*count, 100)
		settle(members...)
	}
	haveEach(members, append(numbers(0, 300, 1), numbers(400, 100, 1)...))
	leave(members)
}

func cooperative() {
	sendNumbers(0, 100)
	members := join(1, joining{isCooperative: true})
	members = append(members, lib.join("g", "t", joining{isCooperative: true}))
	settle(members...)
	sendNumbers(100, 900)
	haveEach(members, numbers(0, 1000, 1))
	members[0].leave()
	settle(members[1])
	members[1].leave()
}

func staticMember() {
	sendNumbers(0, 100)
	members := []*member{lib.join("g", "t", joining{staticIdentity: "a"}),
		lib.join("g", "t", joining{staticIdentity: "b"})}
	settle(members...)
	had, generation := members[0].assigned(), members[1].generation()
	members[0].leave()
	back := lib.join("g", "t", joining{staticIdentity: "a"})
	until("its partitions", func() bool { return slices.Equal(back.assigned(), had) }, back)
	check(members[1].generation() == generation, "there was a rebalance")
	leave([]*member{back, members[1]})
}

// The broker is killed and restarted by stories.py.
func restarted() {
	sendNumbers(0, 100)
	members := join(2, joining{})
	haveEach(members, numbers(0, 100, 1))
	generation := members[0].generation()
	fmt.Println("kill the broker")
	until("another broker", func() bool {
		_, err := os.Stat("restarted")
		return err == nil
	})
	sendNumbers(100, 100)
	haveEach(members, numbers(0, 200, 1))
	check(members[0].generation() == generation, "there was a rebalance")
	leave(members)
}

func severalTopics() {
	for _, topic := range []string{"log-a", "log-b", "other"} {
		must(lib.send(topic, "", []record{{value: []byte("1")}, {value: []byte("2")}}))
	}
	m := lib.join("g", "^log-.*", joining{isPattern: true})
	until("the records of two topics", func() bool { return len(m.had()) >= 4 }, m)
	expect(had([]*member{m}), []int{1, 1, 2, 2})
	m.leave()
}

// --- Offsets ----------------------------------------------------------------------------------

func committed() {
	sendNumbers(0, 1000)
	first := join(1, joining{commitsItself: true})[0]
	offsets := []int64{100, 101, 102, 103}
	at := map[int32]int64{}
	for i, offset := range offsets {
		at[int32(i)] = offset
	}
	first.commit("t", at)
	first.leave()
	expect(lib.groupOffsets("g", "t"), offsets)
	second := join(1, joining{})
	haveAll(second, slices.DeleteFunc(numbers(0, 1000, 1), func(i int) bool {
		return i/partitions < 100+i%partitions
	}))
	leave(second)
}

func unasked() {
	sendNumbers(0, 1000)
	first := join(1, joining{})
	haveAll(first, numbers(0, 1000, 1))
	leave(first)
	sendNumbers(1000, 100)
	second := join(1, joining{})
	haveAll(second, numbers(1000, 100, 1))
	leave(second)
}

// --- Administration ---------------------------------------------------------------------------

func topics() {
	lib.createTopic("a", 3, map[string]string{"retention.ms": "3600000"})
	check(lib.partitions("a") == 3, "it has %d partitions", lib.partitions("a"))
	for name, wanted := range map[string]string{
		"retention.ms": "3600000", "cleanup.policy": "delete"} {
		got := lib.config("a", name)
		check(got == wanted, "%s is %s", name, got)
	}
	check(slices.Contains(lib.listTopics(), "a"), "it is not listed")
	lib.deleteTopic("a")
	until("the topic's end", func() bool { return !slices.Contains(lib.listTopics(), "a") })
}

func morePartitions() {
	lib.createTopic("a", 1, nil)
	lib.addPartitions("a", 5)
	until("five partitions", func() bool { return lib.partitions("a") == 5 })
	must(lib.send("a", "", []record{{partition: 4, value: []byte("here")}}))
	got := lib.read("a", 4, 0, 1, false)
	check(string(got[0].value) == "here", "%v", got)
}

func configs() {
	lib.createTopic("a", 1, map[string]string{"retention.ms": "3600000"})
	lib.alterConfig("a", "max.message.bytes", "2000")
	until("the configuration",
		func() bool { return lib.config("a", "max.message.bytes") == "2000" })
	check(lib.config("a", "retention.ms") == "3600000", "another one is lost")
	err := lib.send("a", "none", []record{{value: bytes.Repeat([]byte("x"), 3000)}})
	check(err != nil, "it was taken")
}

// A group that has read 25 records of each partition.
func readers() []*member {
	sendNumbers(0, 100)
	members := join(1, joining{})
	haveAll(members, numbers(0, 100, 1))
	return members
}

func groupsAdmin() {
	members := readers()
	check(slices.Contains(lib.listGroups(), "g"), "it is not listed")
	state, count := lib.describeGroup("g")
	check(state == "Stable" && count == 1, "%s, %d members", state, count)
	leave(members)
	state, count = lib.describeGroup("g")
	check(state == "Empty" && count == 0, "%s, %d members", state, count)
	expect(lib.groupOffsets("g", "t"), []int64{25, 25, 25, 25})
}

func groupOffsetsAltered() {
	leave(readers())
	lib.alterGroupOffset("g", "t", 0, 5)
	expect(lib.groupOffsets("g", "t"), []int64{5, 25, 25, 25})
	again := join(1, joining{})
	haveAll(again, numbers(20, 20, partitions))
	leave(again)
}

func groupDeleted() {
	leave(readers())
	lib.deleteGroup("g")
	check(!slices.Contains(lib.listGroups(), "g"), "it is still listed")
	again := join(1, joining{})
	haveAll(again, numbers(0, 100, 1))
	leave(again)
}

func recordsDeleted() {
	sendNumbers(0, 100)
	lib.deleteRecords("t", 0, 10)
	again := join(1, joining{})
	haveAll(again, slices.DeleteFunc(numbers(0, 100, 1), func(i int) bool {
		return i%partitions == 0 && i < 10*partitions
	}))
	leave(again)
}

// --- Transactions -----------------------------------------------------------------------------

func transactions() {
	lib.sendInTransactions("t", []string{"kept", "dropped", "last"}, []bool{true, false, true})
	var got []string
	for _, r := range lib.read("t", 0, 0, 2, true) {
		got = append(got, string(r.value))
	}
	expect(got, []string{"kept", "last"})
}

func main() {
	libraries := map[string]func(string) library{"sarama": newSarama, "franz": newFranz}
	stories := map[string]func(){
		"round_trip": roundTrip, "codecs": codecs, "idempotence": idempotence, "group": group,
		"handover": handover, "many": many, "cooperative": cooperative,
		"static_member": staticMember, "restarted": restarted, "several_topics": severalTopics,
		"committed": committed, "unasked": unasked, "topics": topics,
		"more_partitions": morePartitions, "configs": configs, "groups_admin": groupsAdmin,
		"group_offsets_altered": groupOffsetsAltered, "group_deleted": groupDeleted,
		"records_deleted": recordsDeleted, "transactions": transactions,
	}
	var cancel context.CancelFunc
	story, cancel = context.WithTimeout(context.Background(), limit)
	defer cancel()
	lib = libraries[os.Args[1]](os.Args[2])
	stories[os.Args[3]]()
}
