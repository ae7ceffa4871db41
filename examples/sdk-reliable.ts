// Reliable processing: calls that fail are made again with growing waits; what fails for good goes to a topic of dead letters with the
// reason; a signal drains the pipeline. In an installed package the imports are 'millrace' and 'millrace/process'.
//
//   node examples/sdk-reliable.ts kafka://127.0.0.1:9092

import { from, map, pipe, to } from '../src/process/index.ts';
import { connect, json, string } from '../src/sdk/index.ts';

const [uri = ''] = process.argv.slice(2);
await using client = await connect(uri);

{
  await using producer = await client.producer({ topic: 'payments', value: json<{ id: number }>() });
  for (let id = 0; id < 20; id++) await producer.submit({ key: String(id), value: { id } });
}

/** A service that is down now and then, and refuses number 13 for ever. */
const calls = new Map<number, number>();
function charge(id: number): string {
  const attempt = (calls.get(id) ?? 0) + 1;
  calls.set(id, attempt);
  if (id === 13) throw new Error('card refused');
  if (id % 5 === 0 && attempt < 3) throw new Error('service unavailable');
  return `paid ${id} at attempt ${attempt}`;
}

const job = pipe(
  from(client, {
    topics: 'payments',
    mode: 'resumable',
    group: 'charging',
    until: 'end',
    value: json<{ id: number }>(),
  }),
  map(({ id }) => charge(id), {
    name: 'charge',
    retry: { attempts: 4, firstMs: 5, maxMs: 20 },
    deadLetter: to(client, { topic: 'payments.failed', value: json<{ id: number }>() }),
    concurrency: 4,
    order: 'key',
  }),
  to(client, { topic: 'receipts', value: string() }),
).start();
process.once('SIGTERM', () => void job.drain());
await job.done;

const failed = await client.consumer({
  topics: 'payments.failed',
  from: 'earliest',
  until: 'end',
  value: json<{ id: number }>(),
});
for await (const { value, headers } of failed)
  console.log(
    `${value.id} failed: ${headers.get('millrace-error')}, after ${headers.get('millrace-error-attempts')} attempts`,
  );
const [charged] = job.metrics().steps.filter(({ step }) => step === 'charge');
console.log(`${charged?.out} paid, ${charged?.retried} calls made again`);
