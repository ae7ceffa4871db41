// A Kafka client, unmodified: kafkajs writes and reads back.
//
//   node examples/kafkajs.ts 127.0.0.1:9092

import { Kafka, logLevel } from 'kafkajs';

const [broker = '127.0.0.1:9092'] = process.argv.slice(2);
const kafka = new Kafka({ clientId: 'example', brokers: [broker], logLevel: logLevel.ERROR });

const producer = kafka.producer({ allowAutoTopicCreation: true });
await producer.connect();
await producer.send({ topic: 'demo.greetings', messages: [{ key: 'k', value: 'hello from kafkajs' }] });
await producer.disconnect();

const consumer = kafka.consumer({ groupId: 'example' });
await consumer.connect();
await consumer.subscribe({ topic: 'demo.greetings', fromBeginning: true });
const { promise: received, resolve: receive } = Promise.withResolvers<string>();
await consumer.run({ eachMessage: async ({ message }) => receive(String(message.value)) });
console.log(await received);
await consumer.disconnect();
