/**
 * How fast records become batches and batches records: `node bench/model.ts [seconds per figure, default 0.4]`.
 *
 * The work: JSON lines like the earthquake feed's, about 180 bytes each with a key and one header. Cases are one record,
 * 100 and 1,000 records a batch. MB/s counts the uncompressed records and headers, so that codecs compare.
 *   encode    BatchBuilder, strings to a finished batch with checksum
 *   validate  what the broker does with each produced batch
 *   walk      RecordCursor over opened records, touching nothing
 *   read      readRecords: open, and an object with views per record
 */
import { BatchBuilder } from '../src/model/batch-builder.ts';
import type { RecordInput } from '../src/model/record.ts';
import { CODEC, type CodecName, DEFAULT_MAX_BATCH_BYTES, validateBatch } from '../src/model/record-batch.ts';
import { openRecords, RecordCursor, readRecords } from '../src/model/record-codec.ts';

const MS_PER_FIGURE = Number(process.argv[2] ?? 0.4) * 1000;
const RUNS = 3;
const START = 1_700_000_000_000;

function record(i: number): RecordInput {
  const id = ((i * 2_654_435_761) >>> 0).toString(36);
  const place = `${i % 97} km ${['N', 'SSE', 'WNW', 'E'][i % 4]} of Station ${i % 1301}`;
  const value = JSON.stringify({
    id,
    magnitude: ((i * 31) % 70) / 10,
    place,
    depthKm: (i * 7) % 600,
    time: START + i * 977,
  });
  return { key: id, value, headers: [{ key: 'source', value: 'usgs' }], timestamp: START + i };
}

/** Best of a few runs, in calls a second: other work on the machine only ever makes it slower. */
function callsPerSecond(work: () => void): number {
  let best = 0;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    let calls = 0;
    let elapsed = 0;
    for (; elapsed < MS_PER_FIGURE / RUNS; elapsed = performance.now() - start) {
      work();
      calls += 1;
    }
    best = Math.max(best, (calls / elapsed) * 1000);
  }
  return best;
}

interface Row {
  readonly records: number;
  readonly codec: CodecName;
  readonly 'batch bytes': number;
  readonly 'encode MB/s': number;
  readonly 'validate MB/s': number;
  readonly 'walk MB/s': number;
  readonly 'read MB/s': number;
  readonly 'read records/s': number;
}

function measure(count: number, codec: CodecName): Row {
  const inputs = Array.from({ length: count }, (_, i) => record(i));
  const builder = new BatchBuilder({ codec });
  const encode = (): Uint8Array => {
    for (const input of inputs) builder.add(input);
    return builder.build();
  };
  for (const input of inputs) builder.add(input);
  const megabytes = builder.sizeBytes / 1e6;
  const batch = builder.build();
  const opened = openRecords(batch, 0);
  const mbPerSecond = (work: () => void): number => Math.round(callsPerSecond(work) * megabytes);
  let sink = 0;
  const readRate = callsPerSecond(() => {
    for (const one of readRecords(batch)) sink += one.offset;
  });
  const row: Row = {
    records: count,
    codec,
    'batch bytes': batch.length,
    'encode MB/s': mbPerSecond(() => {
      sink += encode().length;
    }),
    'validate MB/s': mbPerSecond(() => {
      if (validateBatch(batch, DEFAULT_MAX_BATCH_BYTES) !== undefined) throw new Error('The batch is refused.');
    }),
    'walk MB/s': mbPerSecond(() => {
      for (const cursor = new RecordCursor(batch, 0, opened); cursor.next(); ) sink += cursor.offset;
    }),
    'read MB/s': Math.round(readRate * megabytes),
    'read records/s': Math.round(readRate * count),
  };
  if (Number.isNaN(sink)) throw new Error('The work was optimised away.');
  return row;
}

const rows = [1, 100, 1000].flatMap((count) =>
  (Object.keys(CODEC) as CodecName[]).map((codec) => measure(count, codec)),
);
console.table(rows);
