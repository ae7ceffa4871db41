// A stream processor, written once, run on what the URIs name: Millrace, Kafka, Redis, a file or a pipe. It may be killed at
// any time: it goes on after the last record whose result was written. In an installed package the imports are 'millrace' and
// 'millrace/process'.
//
//   node examples/sdk-processor.ts kafka://127.0.0.1:9092/demo.earthquakes file://./strong.ss/strong

import { filter, from, map, pipe, to } from '../src/process/index.ts';
import { connect, json } from '../src/sdk/index.ts';

interface Earthquake {
  readonly mag: number;
  readonly place: string;
}

const [input = '', output = ''] = process.argv.slice(2);
await using source = await connect(input);
await using target = await connect(output);

// Pipes keep no positions; everything else does.
const resume = source.features.resumable ? ({ mode: 'resumable', group: 'strong' } as const) : {};

await pipe(
  from(source, { ...resume, from: 'earliest', until: 'end', value: json<Earthquake>() }),
  filter(({ mag }) => mag >= 5),
  map(({ mag, place }) => ({ place, strength: mag.toFixed(1) })),
  to(target, { value: json<{ place: string; strength: string }>() }),
).run();
