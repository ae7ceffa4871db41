/**
 * Proves the rules of compaction one by one, on batches in memory: what goes and what stays, tombstones and their horizon,
 * batches that cannot be opened, gaps larger than a batch can span, and that what comes out follows without a gap.
 * Random histories are test/sim/compaction-model.ts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeUint32 } from '../../base/bytes.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import type { RecordInput } from '../../model/record.ts';
import {
  attributes,
  baseOffset,
  baseTimestamp,
  CRC_POSITION,
  computeCrc,
  crc,
  DELETE_HORIZON_BIT,
  isControl,
  isTransactional,
  lastOffset,
  producerId,
  recordCount,
  stampBatch,
} from '../../model/record-batch.ts';
import { readRecords } from '../../model/record-codec.ts';
import { encodeMarker } from '../transactions/marker.ts';
import { BatchPacker } from './batch-packer.ts';
import { LatestOffsets } from './latest-offsets.ts';
import { type FilterRules, RecordFilter } from './record-filter.ts';

const NOW = 1_700_000_000_000;
const RULES: FilterRules = {
  logStartOffset: 0,
  dirtyFrom: 0,
  aborted: [],
  abortedBefore: 0,
  deleteRetentionMs: 1_000,
  now: NOW,
};

/** `k=v` is a record, `k` a tombstone, `=v` one without a key. */
function batch(
  offset: number,
  records: readonly string[],
  producer?: number,
  codec: 'none' | 'zstd' = 'none',
): Uint8Array {
  const builder = new BatchBuilder({ codec });
  for (const [i, record] of records.entries()) {
    const [key, value] = record.split('=');
    const input: RecordInput = { key: key === '' ? null : key, value: value ?? null, timestamp: NOW - 50 + i };
    builder.add(input);
  }
  const fields = { producerId: producer ?? -1, producerEpoch: 0, baseSequence: 0, transactional: true };
  const bytes = Uint8Array.from(producer === undefined ? builder.build() : builder.build(fields));
  stampBatch(bytes, 0, offset, 0);
  return bytes;
}

interface Compacted {
  readonly batches: Uint8Array[];
  /** `offset key=value` of what is left. */
  readonly records: string[];
  readonly keptEnd: number;
}

function compact(source: readonly Uint8Array[], rules: Partial<FilterRules> = {}): Compacted {
  const filter = new RecordFilter({ ...RULES, ...rules }, new LatestOffsets(1024 * 1024));
  for (const each of source) assert.ok(filter.learn(each, 0));
  const begin = baseOffset(source[0] as Uint8Array, 0);
  filter.beginAt(begin);
  const batches: Uint8Array[] = [];
  const packer = new BatchPacker(begin, (bytes, base, endOffset) => {
    assert.equal(baseOffset(bytes, 0), base);
    assert.equal(lastOffset(bytes, 0) + 1, endOffset);
    batches.push(Uint8Array.from(bytes));
  });
  for (const each of source) filter.filter(each, 0, packer);
  packer.flush(filter.keptEnd);
  let next = begin;
  for (const each of batches) {
    assert.equal(baseOffset(each, 0), next, 'no gap');
    assert.equal(crc(each, 0), computeCrc(each, 0, each.length));
    next = lastOffset(each, 0) + 1;
  }
  assert.equal(next, filter.keptEnd);
  const records = batches.filter((each) => !isControl(each, 0)).flatMap((each) => [...readRecords(each)].map(print));
  return { batches, records, keptEnd: filter.keptEnd };
}

function abortMarker(offset: number, producer: number): Uint8Array {
  const bytes = encodeMarker(producer, 0, false, NOW);
  stampBatch(bytes, 0, offset, 0);
  return bytes;
}

function print({ offset, key, value }: { offset: number; key: Uint8Array | null; value: Uint8Array | null }): string {
  return `${offset} ${text(key)}${value === null ? '' : `=${text(value)}`}`;
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? '' : Buffer.from(bytes).toString();
}

test('the newest record of each key stays, at its offset, with the gap before it in its batch', () => {
  const { records, batches } = compact([batch(0, ['a=1', 'b=1', 'a=2']), batch(3, ['b=2']), batch(4, ['a=3', 'c=1'])]);
  assert.deepEqual(records, ['3 b=2', '4 a=3', '5 c=1']);
  assert.equal(batches.length, 1, 'packed together');
  assert.equal(baseOffset(batches[0] as Uint8Array, 0), 0);
});

test('nothing superseded: large batches stay byte for byte', () => {
  const large = batch(0, [`a=${'x'.repeat(5_000)}`]);
  const { batches } = compact([large, batch(1, ['b=1'])]);
  assert.deepEqual(batches[0], large);
});

test('keys before dirtyFrom are not learnt, and superseded all the same', () => {
  const source = [batch(0, ['a=1']), batch(1, ['b=1']), batch(2, ['a=2'])];
  assert.deepEqual(compact(source, { dirtyFrom: 2 }).records, ['1 b=1', '2 a=2']);
  assert.deepEqual(compact(source, { logStartOffset: 1 }).records, ['1 b=1', '2 a=2']);
});

test('records without a key stay, and those before the log start go', () => {
  assert.deepEqual(compact([batch(0, ['=1', '=2']), batch(2, ['=3'])], { logStartOffset: 1 }).records, [
    '1 =2',
    '2 =3',
  ]);
});

test('a tombstone gets its horizon once, and goes when it is over', () => {
  const first = compact([batch(0, ['a=1', 'b=1']), batch(2, ['a'])]);
  assert.deepEqual(first.records, ['1 b=1', '2 a']);
  const marked = first.batches.at(-1) as Uint8Array;
  assert.ok((attributes(marked, 0) & DELETE_HORIZON_BIT) !== 0);
  assert.equal(baseTimestamp(marked, 0), NOW + 1_000);
  const timestamps = first.batches.flatMap((each) => [...readRecords(each)].map(({ timestamp }) => timestamp));
  assert.deepEqual(timestamps, [NOW - 49, NOW - 50], 'timestamps do not change with the base');
  const early = compact(first.batches, { now: NOW + 999, dirtyFrom: 3 });
  assert.deepEqual(early.records, ['1 b=1', '2 a']);
  assert.deepEqual(early.batches, first.batches, 'the horizon does not move');
  const late = compact([...first.batches, batch(3, ['c=1'])], { now: NOW + 1_000, dirtyFrom: 3 });
  assert.deepEqual(late.records, ['1 b=1', '3 c=1']);
});

test('what nothing stays of behind is not part of the result', () => {
  const { records, keptEnd } = compact([batch(0, ['a=1']), batch(1, ['b=1'], 7), batch(2, ['c=1'], 7)], {
    aborted: [{ producerId: 7, firstOffset: 1, lastOffset: 9 }],
  });
  assert.deepEqual(records, ['0 a=1']);
  assert.equal(keptEnd, 1);
});

test('aborted records go, their marker stays until it is forgotten; committed ones lose their mark', () => {
  const aborted = [{ producerId: 7, firstOffset: 0, lastOffset: 2 }];
  const source = [batch(0, ['a=0'], 7), batch(1, ['a=1'], 8), abortMarker(2, 7), batch(3, ['b=1'], 7)];
  const once = compact(source, { aborted });
  assert.deepEqual(once.records, ['1 a=1', '3 b=1']);
  assert.deepEqual(
    once.batches.map((each) => [isControl(each, 0), isTransactional(each, 0), producerId(each, 0)]),
    [
      [false, false, -1],
      [true, true, 7],
      [false, false, -1],
    ],
  );
  // A later round: the marker's batch may begin before it by then.
  const more = [...once.batches, batch(4, ['a=2'])];
  const twice = compact(more, { aborted, dirtyFrom: 4 });
  assert.ok(twice.batches.some((each) => isControl(each, 0) && lastOffset(each, 0) === 2));
  const forgotten = compact(more, { aborted, abortedBefore: 4, dirtyFrom: 4 });
  assert.ok(!forgotten.batches.some((each) => isControl(each, 0)));
  assert.deepEqual(forgotten.records, ['3 b=1', '4 a=2']);
});

test('a batch that cannot be opened stays as it is, and hides nothing', () => {
  const broken = batch(2, ['a=2'], undefined, 'zstd');
  broken.fill(0xff, 61);
  writeUint32(broken, CRC_POSITION, computeCrc(broken, 0, broken.length));
  const begin = batch(0, ['b=0', 'b=00']);
  const withBroken = new RecordFilter(RULES, new LatestOffsets(1024 * 1024));
  const source = [begin, broken, batch(3, ['b=1'])];
  for (const each of source) assert.ok(withBroken.learn(each, 0));
  const batches: Uint8Array[] = [];
  withBroken.beginAt(0);
  const packer = new BatchPacker(0, (bytes) => batches.push(Uint8Array.from(bytes)));
  for (const each of source) withBroken.filter(each, 0, packer);
  packer.flush(withBroken.keptEnd);
  const places = batches.map((each) => [baseOffset(each, 0), lastOffset(each, 0), recordCount(each, 0)]);
  // Its deltas cannot be changed, so an empty batch takes the gap before it in.
  assert.deepEqual(places, [
    [0, 1, 0],
    [2, 2, 1],
    [3, 3, 1],
  ]);
  assert.deepEqual(batches[1], broken);
});

test('a gap beyond what offset deltas can say is filled with empty batches', () => {
  const far = 5_000_000_000;
  const { batches, records } = compact([batch(0, ['a=1']), batch(far, ['a=2'])]);
  assert.deepEqual(records, [`${far} a=2`]);
  assert.ok(batches.length === 4 && batches.slice(0, 3).every((each) => recordCount(each, 0) === 0));
});
