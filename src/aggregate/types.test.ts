/** Proves what does not compile: aggregates on a back end without conditional appends, events and states of another type. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, connect, json } from '../sdk/index.ts';
import { aggregates } from './index.ts';

const COUNTER = {
  event: json<number>(),
  initial: () => '',
  apply: (state: string, event: number) => `${state}${event}`,
};

async function backends(client: Client): Promise<void> {
  aggregates(await connect('http://127.0.0.1/'), COUNTER);
  aggregates(await connect('redis://127.0.0.1/'), COUNTER);
  aggregates(await connect('memory://'), COUNTER);
  aggregates(await connect('millrace+dir:///data'), COUNTER);
  // @ts-expect-error the Kafka protocol has no conditional append
  aggregates(await connect('kafka://127.0.0.1/'), COUNTER);
  // @ts-expect-error a pipe has none
  aggregates(await connect('stdio:///'), COUNTER);
  // @ts-expect-error of a client of an unknown URI it is not known
  aggregates(client, COUNTER);
  if (client.hasConditionalAppends()) aggregates(client, COUNTER);
  // Each promise stands for itself.
  if (client.hasTransactions() && client.hasConditionalAppends()) {
    aggregates(client, COUNTER);
    await client.transactor({ transactionalId: 'a' });
  }
}

async function events(client: Client): Promise<void> {
  if (!client.hasConditionalAppends()) return;
  const counter = await aggregates(client, COUNTER).open('c');
  await counter.transactWrite((state) => [state.length]);
  // @ts-expect-error an event of another type
  await counter.transactWrite((state) => [state]);
  // @ts-expect-error a state of another type
  await counter.transactWrite((state: number) => [state]);
}

test('the types of this file are checked by tsc', () => {
  for (const check of [backends, events]) assert.equal(check.length, 1);
});
