// End-to-end encryption: the broker and its disk see ids of keys and lengths. Keys rotate; what an old key wrote is readable until
// that key is removed, and by nobody then. In an installed package the imports are 'millrace' and 'millrace/encryption'.
//
//   node examples/sdk-encryption.ts kafka://127.0.0.1:9092/cards

import { randomBytes } from 'node:crypto';
import { encrypted, KeyRing } from '../src/client/encryption/index.ts';
import { connect, json, raw } from '../src/sdk/index.ts';

const [uri = 'memory://vault/cards'] = process.argv.slice(2);
await using client = await connect(uri);
const ring = new KeyRing({ current: '2026-05', keys: { '2026-05': randomBytes(32) } });
const card = encrypted(json<{ number: string }>(), ring, { context: 'cards' });

await using producer = await client.producer({ value: card });
await producer.send({ value: { number: '4111 1111 1111 1111' } });
ring.add('2026-11', randomBytes(32));
ring.use('2026-11');
await producer.send({ value: { number: '5500 0000 0000 0004' } });

await using everybody = await client.consumer({ from: 'earliest', until: 'end', value: raw() });
for await (const { value } of everybody)
  if (Buffer.from(value).includes('4111')) throw new Error('the broker could read it');

const seen: string[] = [];
await using owner = await client.consumer({ from: 'earliest', until: 'end', value: card });
for await (const { value } of owner) seen.push(value.number);

ring.remove('2026-05');
let gone = 0;
await using later = await client.consumer({
  from: 'earliest',
  until: 'end',
  value: card,
  onUndecodable: () => void (gone += 1),
});
for await (const { value } of later) seen.push(value.number);
console.log(`${seen.length} read, ${gone} gone with its key`);
