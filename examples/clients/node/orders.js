// SPDX-License-Identifier: Apache-2.0
// Ten records to a topic, and back in a consumer group: kafkajs.
const { Kafka } = require('kafkajs')

const kafka = new Kafka({ brokers: [process.argv[2] || '127.0.0.1:9092'] })

async function main () {
  const producer = kafka.producer()
  await producer.connect()
  const messages = Array.from({ length: 10 }, (_, i) => ({ key: String(i), value: `order ${i}` }))
  await producer.send({ topic: 'orders', messages })
  await producer.disconnect()

  const consumer = kafka.consumer({ groupId: 'billing' })
  await consumer.connect()
  await consumer.subscribe({ topics: ['orders'], fromBeginning: true })
  await new Promise(resolve => {
    let count = 0
    consumer.run({
      eachMessage: async ({ message }) => {
        console.log(message.value.toString())
        count++
        if (count === 10) {
          resolve()
        }
      }
    })
  })
  await consumer.disconnect()
}

main()
