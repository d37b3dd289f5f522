// SPDX-License-Identifier: Apache-2.0
// kafkajs, told by clients.py what to do; default settings. See Driver there.
//
// It has no consumer without a group, so what it sent is read by other clients.
const fs = require('fs')
const { CompressionTypes, Kafka, logLevel } = require('kafkajs')

const BATCH = 2000
const [, , command, address, topic, ...words] = process.argv
const kafka = new Kafka({ brokers: [address], logLevel: logLevel.WARN })

async function connected (client, use) {
  await client.connect()
  try {
    return await use(client)
  } finally {
    await client.disconnect()
  }
}

const commands = {
  produce: codec => connected(kafka.producer(), async producer => {
    const lines = fs.readFileSync(0).toString().split('\n').slice(0, -1)
    const compression = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP }[codec]
    for (let i = 0; i < lines.length; i += BATCH) {
      const messages = lines.slice(i, i + BATCH)
        .map(line => ({ value: line, timestamp: line.slice(0, 13), partition: 0 }))
      await producer.send({ topic, compression, messages })
    }
  }),

  // Where nothing is found, kafkajs answers with the end of the partition.
  times: (...timestamps) => connected(kafka.admin(), async admin => {
    const [{ high }] = await admin.fetchTopicOffsets(topic)
    for (const timestamp of timestamps) {
      const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, Number(timestamp))
      console.log(offset === high ? -1 : offset)
    }
  }),

  ends: () => connected(kafka.admin(), async admin => {
    const [{ low, high }] = await admin.fetchTopicOffsets(topic)
    console.log(low, high)
  }),

  topics: () => connected(kafka.admin(), async admin => {
    await admin.createTopics({
      topics: [{
        topic,
        numPartitions: 3,
        configEntries: [{ name: 'retention.ms', value: '3600000' }]
      }]
    })
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [topic] })
    const { resources: [{ configEntries }] } = await admin.describeConfigs({
      resources: [{ type: 2, name: topic }]
    })
    const retention = configEntries.find(entry => entry.configName === 'retention.ms')
    await admin.deleteTopics({ topics: [topic] })
    const left = (await admin.listTopics()).includes(topic)
    console.log(partitions.length, retention.configValue, left ? 'left' : 'gone')
  }),

  version: () => console.log(require('kafkajs/package.json').version)
}

Promise.resolve(commands[command](...words)).catch(error => {
  console.error(error)
  process.exit(1)
})
