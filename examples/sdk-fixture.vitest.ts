// A test against a real broker under vitest, which starts in the test. In an installed package the imports are 'millrace' and
// 'millrace/broker'.
//
//   npx vitest run --root examples

import { expect, test } from 'vitest';
import { connect, string } from '../src/sdk/index.ts';
import { openBroker } from '../src/server/index.ts';

test('what is sent is received', async () => {
  await using broker = await openBroker();
  await using client = await connect(`${broker.uri}/greetings`);
  await using consumer = await client.consumer({ value: string() });
  await using producer = await client.producer({ value: string() });
  await producer.send({ value: 'hello' });
  expect((await consumer.next())?.value).toBe('hello');
});
