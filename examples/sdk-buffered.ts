// Reading runs ahead of the work: while one batch is in work the next is fetched, and no more than that is held, however slow
// the work is. In an installed package the imports are 'millrace' and 'millrace/process'.
//
//   node examples/sdk-buffered.ts kafka://127.0.0.1:9092/demo.earthquakes

import { setTimeout as sleep } from 'node:timers/promises';
import { batch, forEach, from, pipe, tap } from '../src/process/index.ts';
import { connect, json } from '../src/sdk/index.ts';

const [uri = ''] = process.argv.slice(2);
await using client = await connect(uri);

let read = 0;
let most = 0;
let done = 0;
await pipe(
  from(client, { from: 'earliest', until: 'end', maxReadRecords: 50, value: json<{ id: string }>() }),
  tap(() => {
    read += 1;
    most = Math.max(most, read - done);
  }),
  batch({ maxItems: 50, lingerMs: 20 }),
  forEach(async (items) => {
    // An insert of many rows, say.
    await sleep(5);
    done += items.length;
  }),
).run();

console.log(`${done} records in batches, never more than ${Math.ceil(most / 50)} batches waiting`);
