// SPDX-License-Identifier: Apache-2.0
// @platformatic/kafka in the words of stories.js. It is a module that only import() loads.
const path = require('path')
const { pathToFileURL } = require('url')

const TOPIC = 2 // a kind of resource
const kafka = import(pathToFileURL(path.join(
  process.env.NODE_PATH, '@platformatic/kafka/dist/index.js')).href)

class Member {
  constructor (consumer, stream) {
    this.consumer = consumer
    this.stream = stream
    this.records = []
    stream.on('data', message => this.records.push({
      partition: message.partition,
      key: message.key ?? null,
      value: message.value ?? null,
      headers: Object.fromEntries(message.headers)
    }))
  }

  assigned () {
    return (this.consumer.assignments || []).flatMap(given => given.partitions)
  }

  commit (offsets) {
    return this.consumer.commit({
      offsets: offsets.map(({ topic, partition, offset }) =>
        ({ topic, partition, offset: BigInt(offset), leaderEpoch: 0 }))
    })
  }

  async close () {
    await this.stream.close()
    await this.consumer.close(true)
  }
}

class Library {
  constructor (address) {
    this.common = { clientId: 'compat', bootstrapBrokers: [address] }
    this.codecs = ['none', 'gzip'] // others take more packages, or a newer Node
  }

  async ask (use) {
    const admin = new (await kafka).Admin(this.common)
    try {
      return await use(admin)
    } finally {
      await admin.close()
    }
  }

  async send (topic, records, { codec, isIdempotent } = {}) {
    const { Producer, stringSerializers } = await kafka
    const producer = new Producer({
      ...this.common, serializers: stringSerializers, autocreateTopics: true
    })
    const messages = records.map(({ value, headers, ...more }) =>
      ({ topic, ...more, value: value ?? undefined, headers: headers || {} }))
    try {
      await producer.send({
        messages,
        ...(codec && codec !== 'none' ? { compression: codec } : {}),
        ...(isIdempotent ? { idempotent: true, acks: -1 } : {})
      })
    } finally {
      await producer.close()
    }
  }

  async member (groupId, topics, { isCommitting = true } = {}) {
    const { Consumer, MessagesStreamModes, MessagesStreamFallbackModes, stringDeserializers } =
      await kafka
    const consumer = new Consumer({
      ...this.common, groupId, deserializers: stringDeserializers, autocommit: isCommitting
    })
    const stream = await consumer.consume({
      topics,
      mode: MessagesStreamModes.COMMITTED,
      fallbackMode: MessagesStreamFallbackModes.EARLIEST
    })
    return new Member(consumer, stream)
  }

  createTopic (topic, partitions, config) {
    const configs = Object.entries(config).map(([name, value]) => ({ name, value }))
    return this.ask(admin => admin.createTopics({
      topics: [topic], partitions, replicas: 1, configs
    }))
  }

  deleteTopic (topic) {
    return this.ask(admin => admin.deleteTopics({ topics: [topic] }))
  }

  listTopics () {
    return this.ask(admin => admin.listTopics())
  }

  partitions (topic) {
    return this.ask(async admin =>
      (await admin.metadata({ topics: [topic], forceUpdate: true }))
        .topics.get(topic).partitionsCount)
  }

  addPartitions (name, count) {
    return this.ask(admin => admin.createPartitions({
      topics: [{ name, count, assignments: null }]
    }))
  }

  config (topic, key) {
    return this.ask(async admin => {
      const [{ configs }] = await admin.describeConfigs({
        resources: [{ resourceType: TOPIC, resourceName: topic }]
      })
      return configs.find(config => config.name === key).value
    })
  }

  alterConfig (topic, name, value) {
    return this.ask(admin => admin.incrementalAlterConfigs({
      resources: [{
        resourceType: TOPIC, resourceName: topic, configs: [{ name, configOperation: 0, value }]
      }]
    }))
  }

  listGroups () {
    return this.ask(async admin => [...(await admin.listGroups()).keys()])
  }

  describeGroup (group) {
    return this.ask(async admin => {
      const found = (await admin.describeGroups({ groups: [group] })).get(group)
      return [found.state.toUpperCase(), found.members.size]
    })
  }

  groupOffsets (groupId) {
    return this.ask(async admin => {
      const [{ topics: [{ partitions }] }] = await admin.listConsumerGroupOffsets({
        groups: [groupId]
      })
      return partitions.sort((a, b) => a.partitionIndex - b.partitionIndex)
        .map(part => Number(part.committedOffset))
    })
  }

  alterGroupOffsets (groupId, name, partition, offset) {
    return this.ask(admin => admin.alterConsumerGroupOffsets({
      groupId, topics: [{ name, partitionOffsets: [{ partition, offset: BigInt(offset) }] }]
    }))
  }

  deleteGroup (group) {
    return this.ask(admin => admin.deleteGroups({ groups: [group] }))
  }

  deleteRecords (name, partition, offset) {
    return this.ask(admin => admin.deleteRecords({
      topics: [{ name, partitions: [{ partition, offset: BigInt(offset) }] }]
    }))
  }
}

module.exports = address => new Library(address)
