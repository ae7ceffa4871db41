// A recorded price feed, replayed with its own times from a .ss file into any system: once into the file, as a recorder does,
// then out of it, in order of event time and, with a speed, at the pace of then. In an installed package the imports are
// 'millrace' and 'millrace/process'.
//
//   node examples/sdk-price-feed.ts file:///tmp/feed.ss kafka://127.0.0.1:9092/prices 1000

import { setTimeout as sleep } from 'node:timers/promises';
import { from, fuse, pipe, tap, to } from '../src/process/index.ts';
import { connect, json } from '../src/sdk/index.ts';

interface Price {
  readonly symbol: string;
  readonly price: number;
}

const [recording = '', target = '', speed = '0'] = process.argv.slice(2);
const symbols = ['ACME', 'INIT'];
await using file = await connect(recording);
await using output = await connect(target);

// The recording: two symbols, each a stream of its own, one price a second for a minute.
{
  await using producer = await file.producer({ value: json<Price>() });
  const opening = Date.UTC(2026, 10, 25, 14, 30);
  for (let second = 0; second < 60; second++)
    for (const [i, symbol] of symbols.entries())
      await producer.submit({
        topic: symbol,
        timestamp: opening + second * 1000 + i * 300,
        value: { symbol, price: 100 + i * 50 + Math.round(Math.sin(second / 5) * 1000) / 100 },
      });
}

let previous: number | undefined;
let inOrder = true;
let count = 0;
await pipe(
  // Both streams in one, in the order of their times.
  fuse(symbols.map((topics) => from(file, { topics, from: 'earliest', until: 'end', value: json<Price>() }))),
  tap(async (_, { timestamp }) => {
    if (previous !== undefined && Number(speed) > 0) await sleep((timestamp - previous) / Number(speed));
    inOrder &&= previous === undefined || previous <= timestamp;
    previous = timestamp;
    count += 1;
  }),
  to(output, { value: json<Price>() }),
).run();

console.log(`${count} prices replayed, ${inOrder ? 'in order of their times' : 'out of order'}`);
