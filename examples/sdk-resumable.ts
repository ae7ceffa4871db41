// A consumer that goes on where it was: run it, stop it with Ctrl-C or kill -9, run it again. In an installed package the import is
// 'millrace'.
//
//   node examples/sdk-resumable.ts kafka://127.0.0.1:9092/demo.earthquakes

import { connect, json } from '../src/sdk/index.ts';

const [uri = ''] = process.argv.slice(2);
await using client = await connect(uri);
await using consumer = await client.consumer({
  mode: 'resumable',
  group: 'reader',
  until: 'end',
  // After every hundredth record, and when the consumer closes; a crash repeats at most a hundred.
  commit: { every: 100 },
  value: json<{ mag: number | null; place: string }>(),
});

let count = 0;
for await (const { offset, value } of consumer) {
  count += 1;
  if ((value.mag ?? 0) >= 6) console.log(`${offset}: ${value.mag} ${value.place}`);
}
console.log(`${count} new ones`);
