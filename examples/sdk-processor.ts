// A stream processor, written once, run on what the URIs name: Millrace, Kafka, Redis, a file or a pipe. It may be killed at
// any time: it goes on after the last record whose result was written.
//
//   node examples/sdk-processor.ts kafka://127.0.0.1:9092/demo.earthquakes file://./strong.ss/strong

import { connect, json } from '../src/sdk/index.ts';

interface Earthquake {
  readonly mag: number;
  readonly place: string;
}

const [from = '', to = ''] = process.argv.slice(2);
await using source = await connect(from);
await using target = await connect(to);

// Pipes keep no positions; everything else does.
const resume = source.features.resumable ? ({ mode: 'resumable', group: 'strong' } as const) : {};
await using consumer = await source.consumer({ ...resume, from: 'earliest', until: 'end', value: json<Earthquake>() });
await using producer = await target.producer({ value: json<{ place: string; strength: string }>() });

for await (const { records } of consumer.batches()) {
  for (const { value, timestamp } of records)
    if (value.mag >= 5)
      await producer.submit({ value: { place: value.place, strength: value.mag.toFixed(1) }, timestamp });
  // Asking for the next batch commits this one, so its results must be written first.
  await producer.flush();
}
