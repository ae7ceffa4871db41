/** Section PARTITION_VIEWS of a checkpoint: golden bytes of both versions, any ranges and back, and what is cut off is named. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import { type FileRange, writeRange } from './file-ranges.ts';
import { LogStore } from './log-store.ts';

interface View {
  readonly number: number;
  readonly index: number;
  readonly logStartOffset: number;
  readonly endOffset: number;
  readonly ranges: readonly FileRange[];
}

const AT = 1_700_000_000_000;

/** A chunk and two files of one, nothing of another; 1 was deleted. */
const VIEWS: readonly View[] = [
  {
    number: 0,
    index: 0,
    logStartOffset: 2,
    endOffset: 9,
    ranges: [
      { file: -3, baseOffset: 0, endOffset: 5, firstRow: 0, rowCount: 1, maxTimestamp: AT, sizeBytes: 300 },
      { file: 7, baseOffset: 5, endOffset: 8, firstRow: 70, rowCount: 2, maxTimestamp: AT + 9, sizeBytes: 200 },
      { file: 9, baseOffset: 8, endOffset: 9, firstRow: 0, rowCount: 1, maxTimestamp: AT - 1, sizeBytes: 100 },
    ],
  },
  { number: 2, index: 1, logStartOffset: 0, endOffset: 0, ranges: [] },
];
const NEXT_PARTITION = 3;

const GOLDEN =
  '020000000300000002' +
  '0000041206' +
  '05000a000280a0abfef962d804' +
  '1400068c0104129003' +
  '040002000213c801' +
  '0402000000';

function restored(bytes: Uint8Array): LogStore {
  const store = new LogStore();
  const reader = new StateReader(bytes, 'section 60');
  store.restorePartitions(reader);
  assert.ok(reader.atEnd);
  return store;
}

function snapshot(store: LogStore): Uint8Array {
  const writer = new StateWriter();
  store.snapshotPartitions(writer);
  return writer.finish();
}

function viewsOf(store: LogStore): View[] {
  return Array.from(store.partitions(), (partition) => {
    const { number, index, logStartOffset, endOffset, ranges } = partition;
    assert.equal(partition.highWatermark, endOffset);
    return {
      number,
      index,
      logStartOffset,
      endOffset,
      ranges: Array.from({ length: ranges?.count ?? 0 }, (_, i) => ranges?.at(i) as FileRange),
    };
  });
}

/** As version 1 had them. */
function firstVersion(views: readonly View[], nextPartition: number): Uint8Array {
  const writer = new StateWriter().u8(1).u32(nextPartition);
  writer.list(views, ({ number, index, logStartOffset, endOffset, ranges }) => {
    writer.u32(number).u32(index).i64(logStartOffset).i64(endOffset);
    writer.list(ranges, (range) => writeRange(writer.i32(range.file), range));
  });
  return writer.finish();
}

test('golden bytes, and back; what version 1 wrote is read', () => {
  for (const store of [restored(Buffer.from(GOLDEN, 'hex')), restored(firstVersion(VIEWS, NEXT_PARTITION))]) {
    assert.deepEqual(viewsOf(store), VIEWS);
    assert.equal(store.nextPartitionNumber, NEXT_PARTITION);
    assert.equal(Buffer.from(snapshot(store)).toString('hex'), GOLDEN);
  }
});

const anyView = fc
  .record({
    files: fc.uniqueArray(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 60 }),
    steps: fc.array(
      fc.record({
        gap: fc.oneof(fc.constant(0), fc.nat()),
        count: fc.integer({ min: 1 }),
        firstRow: fc.nat(),
        rowCount: fc.integer({ min: 1 }),
        // What a producer sends: as numbers, those beyond the safe ones are some that an i64 gives back.
        maxTimestamp: fc.oneof(
          fc.constant(AT),
          fc.constant(-1),
          fc.bigInt({ min: -(2n ** 63n) + 1024n, max: 2n ** 63n - 1024n }).map(Number),
        ),
        sizeBytes: fc.nat(),
      }),
      { minLength: 60, maxLength: 60 },
    ),
  })
  .map(({ files, steps }): Omit<View, 'number' | 'index'> => {
    let endOffset = 0;
    const ranges = files
      .sort((a, b) => a - b)
      .map((file, i): FileRange => {
        const { gap, count, ...rest } = steps[i] as (typeof steps)[number];
        const baseOffset = endOffset + gap;
        endOffset = baseOffset + count;
        return { file, baseOffset, endOffset, ...rest };
      });
    return { logStartOffset: 0, endOffset, ranges };
  });

test('any partitions and back; what is cut off is named', () => {
  fc.assert(
    fc.property(fc.array(anyView, { maxLength: 4 }), fc.nat(), (parts, cut) => {
      const views = parts.map((part, i) => ({ number: i, index: 0, ...part }));
      const first = restored(firstVersion(views, views.length));
      const bytes = snapshot(first);
      assert.deepEqual(viewsOf(restored(bytes)), viewsOf(first));
      assert.throws(
        () => restored(bytes.subarray(0, cut % bytes.length)),
        (error) => error instanceof MillraceError && error.code === 'STORE_CORRUPT',
      );
    }),
  );
});
