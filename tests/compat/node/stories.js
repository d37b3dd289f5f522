// SPDX-License-Identifier: Apache-2.0
// The stories that the client libraries of Node tell in the same words as those of Python
// (../python/stories.py), with default settings; clients_node.py runs them. A library is a module
// of this folder.
//
//     stories.js LIBRARY ADDRESS STORY
const assert = require('assert')

const PARTITIONS = 4 // of a topic that is made unasked
const LIMIT_MS = 50000
const [, , name, address, story] = process.argv
const library = require('./' + name)(address)

const range = (first, count, step = 1) => Array.from({ length: count }, (_, i) => first + step * i)
const numbered = (first, count) =>
  range(first, count).map(i => ({ partition: i % PARTITIONS, value: String(i) }))
const numbers = members =>
  members.flatMap(member => member.records).map(record => Number(record.value))
    .sort((a, b) => a - b)

async function until (condition, what, ...members) {
  const deadline = Date.now() + LIMIT_MS
  while (!await condition()) {
    assert(Date.now() < deadline, `waited for ${what}: ` + JSON.stringify(members.map(member =>
      [[...member.assigned()], member.records.length])))
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function settle (members) {
  await until(() => {
    const all = members.flatMap(member => member.assigned())
    return all.length === PARTITIONS && new Set(all).size === PARTITIONS &&
      members.every(member => member.assigned().length === PARTITIONS / members.length)
  }, 'an equal share for each', ...members)
}

async function shared (count) {
  const members = await Promise.all(range(0, count).map(() => library.member('g', ['t'])))
  await settle(members)
  return members
}

const close = members => Promise.all(members.map(member => member.close()))

async function haveAll (members, wanted) {
  await until(() => numbers(members).length >= wanted.length, 'all records', ...members)
  assert.deepStrictEqual(numbers(members), [...wanted].sort((a, b) => a - b))
}

async function haveEach (members, wanted) {
  await until(() => new Set(numbers(members)).size >= wanted.length, 'all records', ...members)
  assert.deepStrictEqual([...new Set(numbers(members))], wanted)
}

// What a topic has, as a group of its own reads it.
async function everything (topic, count) {
  const member = await library.member('reader-of-' + topic, [topic])
  await until(() => member.records.length >= count, 'all records', member)
  await member.close()
  return member.records
}

const stories = {
  async round_trip () {
    const large = 'x'.repeat(900000)
    await library.send('t', [
      { partition: 0, value: '' }, { partition: 0, key: 'deleted', value: null },
      { partition: 0, key: 'key', value: large, headers: { h: '1', other: '' } }])
    const records = await everything('t', 3)
    assert.deepStrictEqual(records.map(({ key, value, headers }) => ({ key, value, headers })), [
      { key: null, value: library.losesEmpty ? null : '', headers: {} },
      { key: 'deleted', value: null, headers: {} },
      { key: 'key', value: large, headers: { h: '1', other: '' } }])
  },

  async codecs () {
    for (const codec of library.codecs) {
      const sent = range(0, 1000).map(i => `${i} `.repeat(20))
      await library.send(codec, sent.map(value => ({ partition: 0, value })), { codec })
      assert.deepStrictEqual((await everything(codec, 1000)).map(record => record.value), sent)
    }
  },

  async idempotence () {
    await library.send('t', numbered(0, 4000), { isIdempotent: true })
    const records = await everything('t', 4000)
    for (const partition of range(0, PARTITIONS)) {
      const values = records.filter(record => record.partition === partition)
        .map(record => Number(record.value))
      assert.deepStrictEqual(values, range(partition, 1000, PARTITIONS))
    }
  },

  async group () {
    await library.send('t', numbered(0, 4))
    const members = await shared(2)
    await haveEach(members, range(0, 4))
    await library.send('t', numbered(4, 996))
    await haveEach(members, range(0, 1000))
    const late = numbers(members).filter(i => i >= 4)
    assert.deepStrictEqual(late, range(4, 996))
    await close(members)
  },

  async handover () {
    await library.send('t', numbered(0, 1000))
    const [leaver, stayer] = await shared(2)
    await haveEach([leaver, stayer], range(0, 1000))
    await leaver.close()
    await until(() => stayer.assigned().length === PARTITIONS, 'all partitions', stayer)
    await library.send('t', numbered(1000, 1000))
    await haveEach([leaver, stayer], range(0, 2000))
    const late = numbers([leaver, stayer]).filter(i => i >= 1000)
    assert.deepStrictEqual(late, range(1000, 1000))
    await stayer.close()
  },

  async many () {
    await library.send('t', numbered(0, 100))
    const members = []
    for (const count of [1, 2, 4]) {
      while (members.length < count) {
        members.push(await library.member('g', ['t']))
      }
      await library.send('t', numbered(100 * count, 100))
      await settle(members)
    }
    await haveEach(members, [...range(0, 300), ...range(400, 100)])
    await close(members)
  },

  async committed () {
    await library.send('t', numbered(0, 1000))
    const first = await library.member('g', ['t'], { isCommitting: false })
    await until(() => first.assigned().length === PARTITIONS, 'all partitions', first)
    await first.commit(range(0, PARTITIONS).map(partition =>
      ({ topic: 't', partition, offset: 100 + partition })))
    await first.close()
    assert.deepStrictEqual(await library.groupOffsets('g', 't'),
      range(0, PARTITIONS).map(partition => 100 + partition))
    const second = await library.member('g', ['t'])
    await haveAll([second], range(0, 1000).filter(i =>
      Math.floor(i / PARTITIONS) >= 100 + i % PARTITIONS))
    await second.close()
  },

  async unasked () {
    await library.send('t', numbered(0, 1000))
    const first = await library.member('g', ['t'])
    await haveAll([first], range(0, 1000))
    await first.close()
    await library.send('t', numbered(1000, 100))
    const second = await library.member('g', ['t'])
    await haveAll([second], range(1000, 100))
    await second.close()
  },

  async topics () {
    await library.createTopic('a', 3, { 'retention.ms': '3600000' })
    assert.strictEqual(await library.partitions('a'), 3)
    if (library.config) {
      assert.strictEqual(await library.config('a', 'retention.ms'), '3600000')
      assert.strictEqual(await library.config('a', 'cleanup.policy'), 'delete')
    }
    assert((await library.listTopics()).includes('a'))
    await library.deleteTopic('a')
    await until(async () => !(await library.listTopics()).includes('a'), "the topic's end")
  },

  async more_partitions () {
    await library.createTopic('a', 1, {})
    await library.addPartitions('a', 5)
    await until(async () => await library.partitions('a') === 5, 'five partitions')
    await library.send('a', [{ partition: 4, value: 'here' }])
    assert.strictEqual((await everything('a', 1))[0].partition, 4)
  },

  async configs () {
    await library.createTopic('a', 1, { 'retention.ms': '3600000' })
    await library.alterConfig('a', 'max.message.bytes', '2000')
    await until(async () => await library.config('a', 'max.message.bytes') === '2000',
      'the configuration')
    await assert.rejects(library.send('a', [{ partition: 0, value: 'x'.repeat(3000) }]))
  },

  async groups_admin () {
    await library.send('t', numbered(0, 100))
    const member = await library.member('g', ['t'])
    await haveAll([member], range(0, 100))
    assert((await library.listGroups()).includes('g'))
    assert.deepStrictEqual(await library.describeGroup('g'), ['STABLE', 1])
    await member.close()
    assert.deepStrictEqual(await library.describeGroup('g'), ['EMPTY', 0])
    assert.deepStrictEqual(await library.groupOffsets('g', 't'), [25, 25, 25, 25])
  },

  async group_offsets_altered () {
    await library.send('t', numbered(0, 100))
    const member = await library.member('g', ['t'])
    await haveAll([member], range(0, 100))
    await member.close()
    await library.alterGroupOffsets('g', 't', 0, 5)
    assert.deepStrictEqual(await library.groupOffsets('g', 't'), [5, 25, 25, 25])
    const again = await library.member('g', ['t'])
    await haveAll([again], range(20, 20, PARTITIONS))
    await again.close()
  },

  async group_deleted () {
    await library.send('t', numbered(0, 100))
    const member = await library.member('g', ['t'])
    await haveAll([member], range(0, 100))
    await member.close()
    await library.deleteGroup('g')
    assert(!(await library.listGroups()).includes('g'))
    const again = await library.member('g', ['t'])
    await haveAll([again], range(0, 100))
    await again.close()
  },

  async records_deleted () {
    await library.send('t', numbered(0, 100))
    await library.deleteRecords('t', 0, 10)
    const records = await everything('t', 90)
    assert.deepStrictEqual(
      records.filter(record => record.partition === 0).map(record => Number(record.value)),
      range(40, 15, PARTITIONS))
  },

  async transactions () {
    await library.sendInTransactions('t', [['kept', true], ['dropped', false], ['last', true]])
    const records = await everything('t', 2)
    assert.deepStrictEqual(records.map(record => record.value), ['kept', 'last'])
  }
}

stories[story]().then(() => process.exit(0), error => {
  console.error(error)
  process.exit(1)
})
