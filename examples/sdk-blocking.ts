// Work that blocks the thread goes to worker threads; results come in the order of the records all the same. In an installed
// package the imports are 'millrace' and 'millrace/process'.
//
//   node examples/sdk-blocking.ts kafka://127.0.0.1:9092/demo.earthquakes

import { forEach, from, inWorkers, pipe } from '../src/process/index.ts';
import { connect, string } from '../src/sdk/index.ts';

const [uri = ''] = process.argv.slice(2);
await using client = await connect(uri);

let last = -1;
let count = 0;
await pipe(
  from(client, { from: 'earliest', until: 'end', value: string() }),
  inWorkers<typeof import('./sdk-blocking-worker.ts').default>(new URL('./sdk-blocking-worker.ts', import.meta.url), {
    threads: 2,
    concurrency: 8,
  }),
  forEach((_, { origin }) => {
    const offset = Number(origin.newest[0]?.offset ?? -1n);
    if (offset < last) throw new Error('out of order');
    last = offset;
    count += 1;
  }),
).run();

console.log(`${count} records hashed on two threads, in order`);
