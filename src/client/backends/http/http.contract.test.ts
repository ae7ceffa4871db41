/** Proves that http:// keeps the contract of back ends as far as HTTP goes, against a broker in a process of its own. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clientContract, take } from '../../../../test/kit/client-contract.ts';
import { MillraceProcess } from '../../../../test/kit/millrace-process.ts';
import { connect, string } from '../../../sdk/index.ts';
import * as browser from '../../browser.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

const NO_MEMBERS = 'groups have no members over HTTP: use kafka:// to share records';
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
    'a load-balanced group shares the records, each going to one member': NO_MEMBERS,
    'a member that leaves hands over what it has not processed': NO_MEMBERS,
  },
});

test('a reader resumes after the broker was away, and misses nothing', { timeout: 60_000 }, async () => {
  const topic = await createTopic();
  await using client = await connect(`http://${broker.http}`);
  await using consumer = await client.consumer({ topics: topic, value: string() });
  await using producer = await client.producer({ topic, value: string() });
  await producer.send({ value: 'before' });
  assert.equal((await take(consumer, 1))[0]?.value, 'before');
  await using once = await client.producer({ topic, value: string(), idempotent: false });
  await once.send({ value: 'known' });
  assert.equal((await take(consumer, 1))[0]?.value, 'known');
  const next = consumer.next();
  await broker.kill9();
  await assert.rejects(once.send({ value: 'lost' }), { code: 'CLIENT_NETWORK', message: /unknown whether/ });
  const sending = producer.send({ value: 'while away' });
  await broker.start();
  assert.equal((await sending).offset, 2n);
  assert.equal((await next)?.value, 'while away');
});

test('a write whose answer is lost is repeated, and written once', { timeout: 60_000 }, async () => {
  const topic = await createTopic();
  const real = globalThis.fetch;
  const lost = new Set<string>();
  globalThis.fetch = async (input, init) => {
    const response = await real(input, init);
    const key = new Headers(init?.headers).get('idempotency-key');
    if (key === null || lost.has(key)) return response;
    lost.add(key);
    await response.body?.cancel();
    throw new TypeError('the answer is lost');
  };
  try {
    await using client = await connect(`http://${broker.http}`);
    await using producer = await client.producer({ topic, value: string() });
    const offsets: bigint[] = [];
    for (const value of ['a', 'b', 'c']) offsets.push((await producer.send({ value })).offset);
    assert.deepEqual(offsets, [0n, 1n, 2n]);
    assert.equal(lost.size, 3);
    const { partitions } = await client.admin.describeTopic(topic);
    assert.equal(partitions[0]?.endOffset, 3n);
  } finally {
    globalThis.fetch = real;
  }
});

test('nobody there, and somebody else there', { timeout: 60_000 }, async () => {
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

test('http://: a group goes on over the Kafka protocol, and the other way; one with members is refused', {
  timeout: 60_000,
}, async () => {
  const topic = await createTopic();
  await using http = await connect(`http://${broker.http}/${topic.replace('.', '%2F')}`);
  await using kafka = await connect(`kafka://${broker.kafka}/${topic}`);
  await using producer = await http.producer({ value: string() });
  await producer.sendAll(['a', 'b', 'c', 'd'].map((value) => ({ value })));
  const group = { mode: 'resumable', group: 'shared/group', commit: 'each', value: string() } as const;
  const next = async (client: typeof http | typeof kafka, expected: string): Promise<void> => {
    await using consumer = await client.consumer(group);
    assert.equal((await consumer.next())?.value, expected);
    await consumer.commit();
  };
  await next(http, 'a');
  await next(kafka, 'b');
  await next(http, 'c');
  await using member = await kafka.consumer({ ...group, mode: 'load-balanced', group: 'members' });
  await using alone = await http.consumer({ ...group, group: 'members' });
  assert.equal((await member.next())?.value, 'a');
  await alone.next();
  await assert.rejects(alone.commit(), { code: 'BROKER_GROUP_NOT_EMPTY' });
  await alone.close().catch(() => undefined);
});
