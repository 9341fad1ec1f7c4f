// SPDX-License-Identifier: Apache-2.0
// One stage of the shop: takes orders from one topic, does its part, hands them to the next.
//
//     node shop.js IN OUT COUNT      KAFKA_BROKERS, KAFKA_GROUP, WEIR_PLUGIN
const { KafkaJS, librdkafkaVersion } = require("@confluentinc/kafka-javascript");

const config = { "bootstrap.servers": process.env.KAFKA_BROKERS };
if (process.env.WEIR_PLUGIN) config["plugin.library.paths"] = process.env.WEIR_PLUGIN;

async function main() {
  const [input, output, count] = process.argv.slice(2);
  const kafka = new KafkaJS.Kafka();
  const producer = kafka.producer(config);
  const consumer = kafka.consumer({
    ...config,
    "group.id": process.env.KAFKA_GROUP,
    "auto.offset.reset": "earliest",
  });
  await producer.connect();
  await consumer.connect();
  await consumer.subscribe({ topic: input });
  console.log("ready node", librdkafkaVersion);

  let done = 0;
  await new Promise((resolve, reject) => {
    consumer.run({
      eachMessage: async ({ message }) => {
        await producer.send({
          topic: output,
          messages: [{ key: message.key, value: `${message.value} node` }],
        });
        if (++done === Number(count)) resolve();
      },
    }).catch(reject);
  });
  await consumer.disconnect();
  await producer.disconnect();
  console.log("done", count);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
