// SPDX-License-Identifier: Apache-2.0
// kafkajs.js ADDRESS GROUP TOPIC: as confluent.py, on kafkajs with its own assignor.
const { Kafka, logLevel } = require("kafkajs");
const fs = require("fs");

const [address, groupId, topic] = process.argv.slice(2);
const say = (...words) => fs.writeSync(1, words.join(" ") + "\n");
const kafka = new Kafka({
  clientId: "kafkajs", brokers: [address], logLevel: logLevel.INFO,
  retry: { retries: 1000, maxRetryTime: 1000 },
  logCreator: () => ({ log, namespace }) =>
    fs.writeSync(2, `${namespace} ${JSON.stringify(log)}\n`),
});
const consumer = kafka.consumer({
  groupId, sessionTimeout: Number(process.env.SESSION_MS), heartbeatInterval: 2000,
  rebalanceTimeout: 60000,
});

async function main() {
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
    say("A", Object.values(payload.memberAssignment).flat().length));
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 1000,
    eachBatch: async ({ batch }) => {
      if (batch.messages.length > 0) {
        say("R", batch.partition, batch.firstOffset(), batch.lastOffset());
      }
    },
  });
}

process.stdin.resume();
process.stdin.on("end", () => consumer.disconnect().then(() => process.exit(0)));
main().catch((error) => { say("E", error); process.exit(1); });
