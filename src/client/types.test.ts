/**
 * Proves what does not compile: `tsc` fails where a line under `@ts-expect-error` is accepted. Nothing here runs but the
 * test that the file is well; the types are checked with all others by `npm test`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { type Client, connect, json, nullable, string } from '../sdk/index.ts';
import { msgpack } from './msgpack/index.ts';

interface Order {
  readonly id: string;
  readonly total: number;
}

/** Compiles only where the types are equal. */
function same<A, B>(_equal: [A, B] extends [B, A] ? true : false): void {}

async function producers(client: Client): Promise<void> {
  const producer = await client.producer({ topic: 'orders', value: json<Order>() });
  await producer.send({ value: { id: 'a', total: 1 } });
  // @ts-expect-error a wrong payload type
  await producer.send({ value: { id: 'a', total: '1' } });
  // @ts-expect-error a missing member
  await producer.send({ value: { id: 'a' } });
  // @ts-expect-error a key that is no string
  await producer.send({ key: 7, value: { id: 'a', total: 1 } });
  // @ts-expect-error null where tombstones are not allowed
  await producer.send({ value: null });
  // @ts-expect-error a missing codec
  await client.producer({ topic: 'orders' });
  // @ts-expect-error a misspelt option
  await client.producer({ topic: 'orders', value: string(), lingerMS: 5 });
  const deleting = await client.producer({ value: nullable(json<Order>()) });
  await deleting.send({ key: 'a', value: null });
}

async function schemas(client: Client): Promise<void> {
  const schema = z.object({ at: z.iso.datetime().transform((text) => new Date(text)) });
  const producer = await client.producer({ topic: 'times', value: json(schema) });
  await producer.send({ value: { at: '2026-01-01T00:00:00Z' } });
  // @ts-expect-error the producer gives the schema's input, not its output
  await producer.send({ value: { at: new Date(0) } });
  const consumer = await client.consumer({ topics: 'times', value: msgpack(schema) });
  for await (const { value } of consumer) same<typeof value, { at: Date }>(true);
}

async function consumers(client: Client): Promise<void> {
  const consumer = await client.consumer({ topics: 'orders', value: json<Order>(), key: json<number>() });
  for await (const { key, value, offset } of consumer) {
    same<typeof value, Order>(true);
    same<typeof key, number | null>(true);
    same<typeof offset, bigint>(true);
  }
  // @ts-expect-error a missing codec
  await client.consumer({ topics: 'orders' });
  // @ts-expect-error a group in real-time mode
  await client.consumer({ topics: 'orders', value: string(), group: 'g' });
  // @ts-expect-error no group in resumable mode
  await client.consumer({ mode: 'resumable', topics: 'orders', value: string() });
  // @ts-expect-error no mode of this name
  await client.consumer({ mode: 'realtime', topics: 'orders', value: string() });
  // @ts-expect-error commits in real-time mode
  await client.consumer({ topics: 'orders', value: string(), commit: 'each' });
  // @ts-expect-error partitions are assigned by the group
  await client.consumer({ mode: 'load-balanced', group: 'g', value: string(), partitions: [] });
  // @ts-expect-error no position of this name
  await client.consumer({ topics: 'orders', value: string(), from: 'beginning' });
}

async function transactions(client: Client): Promise<void> {
  const kafka = await connect('kafka://127.0.0.1:9092/orders');
  await kafka.transactor({ transactionalId: 'a' });
  const redis = await connect('redis://127.0.0.1/orders');
  // @ts-expect-error Redis has no transactions over streams
  await redis.transactor({ transactionalId: 'a' });
  // @ts-expect-error of a client of an unknown URI it is not known
  await client.transactor({ transactionalId: 'a' });
  if (client.hasTransactions()) await client.transactor({ transactionalId: 'a' });
  const host = String(client.topics);
  await (await connect(`kafka://${host}`)).transactor({ transactionalId: 'a' });
}

async function headers(client: Client): Promise<void> {
  const typed = { trace: string(), attempt: json<number>() };
  const producer = await client.producer({ topic: 'orders', value: string(), headers: typed });
  await producer.send({ value: 'v', headers: { trace: 'a', attempt: 1 } });
  // @ts-expect-error a header of another type
  await producer.send({ value: 'v', headers: { attempt: '1' } });
  // @ts-expect-error a header without codec
  await producer.send({ value: 'v', headers: { other: 'x' } });
  const consumer = await client.consumer({ topics: 'orders', value: string(), headers: typed });
  for await (const record of consumer) {
    const attempt = record.headers.get('attempt');
    same<typeof attempt, number | undefined>(true);
    // @ts-expect-error a header without codec
    record.headers.get('other');
  }
}

test('the types of this file are checked by tsc', () => {
  for (const check of [producers, schemas, consumers, transactions, headers]) assert.equal(check.length, 1);
});
