// SPDX-License-Identifier: Apache-2.0
// @confluentinc/kafka-javascript in the words of stories.js: librdkafka in the form of kafkajs, but
// for what a producer or consumer is told once and for all.
const kafkajs = require('./kafkajs')

class Member extends kafkajs.Member {
  assigned () {
    return this.consumer.assignment().map(given => given.partition)
  }
}

class Library extends kafkajs.Library {
  constructor (kafka, codecs, states) {
    super(kafka, codecs)
    this.states = states
    this.config = undefined // no words for it
    this.losesEmpty = true // sends an empty value as an absent one
  }

  producer (settings) {
    return this.kafka.producer({ kafkaJS: settings })
  }

  async send (topic, messages, { codec, isIdempotent } = {}) {
    const settings = { compression: this.compression[codec || 'none'] }
    if (isIdempotent) {
      settings.idempotent = true
    }
    await this.with(this.producer(settings), producer => producer.send({ topic, messages }))
  }

  async member (groupId, topics, { isCommitting = true } = {}) {
    const member = new Member(this.kafka.consumer({
      kafkaJS: { groupId, fromBeginning: true, autoCommit: isCommitting }
    }))
    await member.consumer.connect()
    await member.consumer.subscribe({ topics })
    await member.consumer.run({
      eachMessage: async ({ partition, message }) => member.take(partition, message)
    })
    return member
  }

  partitions (topic) {
    return this.ask(async admin =>
      (await admin.fetchTopicMetadata({ topics: [topic] }))[0].partitions.length)
  }

  stateName (state) {
    return Object.keys(this.states).find(name => this.states[name] === state)
  }
}

module.exports = address => {
  const { CompressionTypes, ConsumerGroupStates, Kafka, logLevel } =
    require('@confluentinc/kafka-javascript').KafkaJS
  return new Library(new Kafka({ kafkaJS: { brokers: [address], logLevel: logLevel.ERROR } }), {
    none: CompressionTypes.None,
    gzip: CompressionTypes.GZIP,
    snappy: CompressionTypes.SNAPPY,
    lz4: CompressionTypes.LZ4,
    zstd: CompressionTypes.ZSTD
  }, ConsumerGroupStates)
}
