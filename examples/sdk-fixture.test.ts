// A test against a real broker, which starts in the test. In an installed package the imports are 'millrace' and
// 'millrace/broker'.
//
//   node --test examples/sdk-fixture.test.ts

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, string } from '../src/sdk/index.ts';
import { openBroker } from '../src/server/index.ts';

test('what is sent is received', { timeout: 30_000 }, async () => {
  await using broker = await openBroker();
  await using client = await connect(`${broker.uri}/greetings`);
  await using consumer = await client.consumer({ value: string() });
  await using producer = await client.producer({ value: string() });
  await producer.send({ value: 'hello' });
  assert.equal((await consumer.next())?.value, 'hello');
});
