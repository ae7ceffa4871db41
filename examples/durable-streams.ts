// The official TypeScript client of the Durable Streams protocol against Millrace: a JSON stream with an idempotent producer,
// a reader that follows it to its end, and a fork that goes another way.
//
//   npm install @durable-streams/client
//   node examples/durable-streams.ts http://127.0.0.1:7123 chats/42

import { DurableStream, IdempotentProducer } from '@durable-streams/client';

const [address = 'http://127.0.0.1:7123', path = 'chats/42'] = process.argv.slice(2);
const url = `${address}/v1/stream/${path}`;

interface Message {
  readonly role: string;
  readonly text: string;
}

const stream = await DurableStream.create({ url, contentType: 'application/json' });

// Reads from the beginning and goes on live; the loop ends when the stream is closed.
const reading = (async () => {
  const response = await stream.stream<Message>({ offset: '-1', live: 'sse' });
  for await (const { role, text } of response.jsonStream()) console.log(`${role}: ${text}`);
})();

// Whatever is sent twice is there once: the producer's sequence is in the same commit as the records.
const producer = new IdempotentProducer(stream, 'example-writer', { epoch: 0 });
for (const text of ['hello', 'are you durable?']) producer.append(JSON.stringify({ role: 'user', text }));
await producer.flush();
await stream.append(JSON.stringify({ role: 'assistant', text: 'synced before the ack' }));
const head = await stream.head();
await stream.close({ body: JSON.stringify({ role: 'user', text: 'bye' }) });
await reading;

// A fork of what was there before the last message. Nothing is copied, and it is open again.
const fork = await fetch(`${url}-fork`, {
  method: 'PUT',
  headers: {
    'stream-forked-from': new URL(url).pathname,
    'stream-fork-offset': head.exists ? (head.offset ?? '') : '',
  },
});
if (!fork.ok) throw new Error(await fork.text());
const other = new DurableStream({ url: `${url}-fork`, contentType: 'application/json' });
await other.append(JSON.stringify({ role: 'user', text: 'and another thing' }));
const messages = await (await other.stream<Message>({ live: false })).json();
console.log(`the fork has ${messages.length} messages, the last one: ${messages.at(-1)?.text}`);
