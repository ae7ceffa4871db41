/** Proves that http:// keeps the contract of back ends as far as HTTP goes, against a broker in a process of its own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clientContract, take } from '../../../../test/kit/client-contract.ts';
import { MillraceProcess } from '../../../../test/kit/millrace-process.ts';
import { connect, string } from '../../../sdk/index.ts';
import * as browser from '../../browser.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

const NO_GROUPS = 'no groups over HTTP: use kafka:// for committed positions';
let broker: MillraceProcess;
let topics = 0;

before(async () => {
  broker = await MillraceProcess.start();
});
after(async () => {
  await broker[Symbol.asyncDispose]();
});

async function createTopic(partitions = 1): Promise<string> {
  await using client = await connect(`http://${broker.http}`);
  const topic = `contract.topic-${topics++}`;
  await client.admin.createTopic(topic, { partitions });
  return topic;
}

clientContract('http://', {
  open: async () => ({
    // The entry point for browsers: what it has works without Node.js.
    connect: async (named = []) => await browser.connect(`http://${broker.http}/${named.join(',')}`),
    topic: createTopic,
    close: async () => undefined,
  }),
  skip: {
    'a resumable consumer goes on after the last processed record': NO_GROUPS,
    'a batch is not committed before it was processed': NO_GROUPS,
    'commit by hand, every n, and never': NO_GROUPS,
    'a group that starts late begins at the earliest, unless told otherwise': NO_GROUPS,
    'a load-balanced group shares the records, each going to one member': NO_GROUPS,
    'a member that leaves hands over what it has not processed': NO_GROUPS,
  },
});

test('a reader resumes after the broker was away, and misses nothing', { timeout: 60_000 }, async () => {
  const topic = await createTopic();
  await using client = await connect(`http://${broker.http}`);
  await using consumer = await client.consumer({ topics: topic, value: string() });
  await using producer = await client.producer({ topic, value: string() });
  await producer.send({ value: 'before' });
  assert.equal((await take(consumer, 1))[0]?.value, 'before');
  const next = consumer.next();
  await broker.kill9();
  await assert.rejects(producer.send({ value: 'while away' }), { code: 'CLIENT_NETWORK', message: /unknown whether/ });
  await broker.start();
  await producer.send({ value: 'after' });
  assert.equal((await next)?.value, 'after');
});

test('nobody there, and somebody else there', { timeout: 10_000 }, async () => {
  await assert.rejects(connect('http://127.0.0.1:1/t'), { code: 'CLIENT_NETWORK', message: /127\.0\.0\.1:1/ });
  await assert.rejects(connect('http://a,b/t'), { code: 'CLIENT_URI_INVALID' });
  await using client = await connect(`http://${broker.http}`);
  await assert.rejects(client.consumer({ topics: 'not.there', value: string() }), { code: 'CLIENT_TOPIC_NOT_FOUND' });
});

test('base64 without the built-in methods', () => {
  const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => i & 255);
  const text = Buffer.from(bytes).toString('base64');
  assert.equal(encodeBase64(Object.assign(Uint8Array.from(bytes), { toBase64: () => undefined })), text);
  assert.deepEqual(Buffer.from(decodeBase64(text)), Buffer.from(bytes));
});
