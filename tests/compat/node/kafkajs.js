// SPDX-License-Identifier: Apache-2.0
// kafkajs in the words of stories.js, and what has its form: @confluentinc/kafka-javascript.
const text = buffer => buffer === null || buffer === undefined ? null : buffer.toString()

class Member {
  constructor (consumer) {
    this.consumer = consumer
    this.records = []
    this.parts = []
  }

  assigned () {
    return this.parts
  }

  take (partition, message) {
    const headers = Object.fromEntries(Object.entries(message.headers || {})
      .map(([name, value]) => [name, text(value)]))
    this.records.push({ partition, key: text(message.key), value: text(message.value), headers })
  }

  commit (offsets) {
    return this.consumer.commitOffsets(offsets.map(noted =>
      ({ ...noted, offset: String(noted.offset) })))
  }

  close () {
    return this.consumer.disconnect()
  }
}

class Library {
  constructor (kafka, codecs) {
    this.kafka = kafka
    this.codecs = Object.keys(codecs)
    this.compression = codecs
  }

  async with (client, use) {
    await client.connect()
    try {
      return await use(client)
    } finally {
      await client.disconnect()
    }
  }

  ask (use) {
    return this.with(this.kafka.admin(), use)
  }

  producer (settings) {
    return this.kafka.producer(settings)
  }

  async send (topic, messages, { codec, isIdempotent } = {}) {
    const settings = isIdempotent ? { idempotent: true } : {}
    await this.with(this.producer(settings), producer => producer.send({
      topic, messages, compression: this.compression[codec || 'none']
    }))
  }

  // Its consumers learn late of topics that are made later.
  async member (groupId, topics, { isCommitting = true } = {}) {
    const member = new Member(this.kafka.consumer({ groupId }))
    member.consumer.on(member.consumer.events.GROUP_JOIN, ({ payload }) => {
      member.parts = Object.values(payload.memberAssignment).flat()
    })
    await member.consumer.connect()
    await member.consumer.subscribe({ topics, fromBeginning: true })
    await member.consumer.run({
      autoCommit: isCommitting,
      eachMessage: async ({ partition, message }) => member.take(partition, message)
    })
    return member
  }

  createTopic (topic, numPartitions, config) {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    return this.ask(admin => admin.createTopics({
      topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }]
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
      (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length)
  }

  addPartitions (topic, count) {
    return this.ask(admin => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
  }

  config (topic, key) {
    return this.ask(async admin => {
      const { resources: [{ configEntries }] } = await admin.describeConfigs({
        resources: [{ type: 2, name: topic }]
      })
      return configEntries.find(entry => entry.configName === key).configValue
    })
  }

  alterConfig (topic, name, value) {
    return this.ask(admin => admin.alterConfigs({
      resources: [{ type: 2, name: topic, configEntries: [{ name, value }] }]
    }))
  }

  listGroups () {
    return this.ask(async admin => (await admin.listGroups()).groups.map(group => group.groupId))
  }

  describeGroup (groupId) {
    return this.ask(async admin => {
      const { groups: [{ state, members }] } = await admin.describeGroups([groupId])
      return [this.stateName(state), members.length]
    })
  }

  stateName (state) {
    return state.toUpperCase()
  }

  groupOffsets (groupId, topic) {
    return this.ask(async admin => {
      const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
      return partitions.sort((a, b) => a.partition - b.partition).map(part => Number(part.offset))
    })
  }

  alterGroupOffsets (groupId, topic, partition, offset) {
    return this.ask(admin => admin.setOffsets({
      groupId, topic, partitions: [{ partition, offset: String(offset) }]
    }))
  }

  deleteGroup (groupId) {
    return this.ask(admin => admin.deleteGroups([groupId]))
  }

  // kafkajs must have heard of the topic before.
  deleteRecords (topic, partition, offset) {
    return this.ask(async admin => {
      await admin.fetchTopicOffsets(topic)
      await admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(offset) }] })
    })
  }

  sendInTransactions (topic, values) {
    const settings = { transactionalId: 'x', maxInFlightRequests: 1, idempotent: true }
    return this.with(this.producer(settings), async producer => {
      for (const [value, isKept] of values) {
        const transaction = await producer.transaction()
        await transaction.send({ topic, messages: [{ partition: 0, value }] })
        await (isKept ? transaction.commit() : transaction.abort())
      }
    })
  }
}

module.exports = address => {
  const { CompressionTypes, Kafka, logLevel } = require('kafkajs')
  return new Library(new Kafka({ brokers: [address], logLevel: logLevel.ERROR }), {
    none: CompressionTypes.None, gzip: CompressionTypes.GZIP
  })
}
module.exports.Library = Library
module.exports.Member = Member
