// The storage engine alone, in a directory. In an installed package the import is 'millrace/log'.
//
//   node examples/log.ts ./data
import { openLog } from '../src/log/index.ts';

const [dir = './data'] = process.argv.slice(2);
const log = await openLog({ dir });
if (log.topic('sensors') === undefined) await log.createTopic('sensors', { config: { 'retention.ms': '86400000' } });
const places = await log.append('sensors', [
  { key: 'kitchen', value: JSON.stringify({ celsius: 21.5 }) },
  { key: 'cellar', value: JSON.stringify({ celsius: 12 }) },
]);
console.log(`appended and synced, the last at offset ${places.at(-1)?.offset}`);
for await (const { offset, timestamp, key, value } of log.read('sensors', { from: 'earliest', limit: 10 })) {
  console.log(offset, new Date(timestamp).toISOString(), text(key), text(value));
}
await log.close();

function text(bytes: Uint8Array | null): string {
  return Buffer.from(bytes ?? []).toString();
}
