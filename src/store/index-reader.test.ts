/** Look-ups in index files against the rows they were built from; a missing or damaged file is built again, once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { testBatch } from '../../test/kit/log-kit.ts';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { CHUNK_HEADER_BYTES } from './chunk-file.ts';
import { ChunkIndex } from './chunk-index.ts';
import { FileHandles, isMissingFile } from './file-handles.ts';
import type { FileRange } from './file-ranges.ts';
import { IndexBuilder } from './index-file.ts';
import { IndexReader } from './index-reader.ts';
import type { Piece } from './read-plan.ts';

const DEADLINE = { timeout: 60_000 };
const PATHS = { journalFile: () => 'j', chunkFile: () => '', indexFile: (file: number) => `i/${file}` };

interface Built {
  readonly bytes: Uint8Array;
  readonly rows: Piece[];
  readonly range: FileRange;
}

/** Partition 1 with these extents, between rows of others. */
function build(extents: readonly { count: number; timestamp: number }[]): Built {
  const builder = new IndexBuilder(1);
  const rows: Piece[] = [];
  let position = 64;
  let offset = 0;
  for (const { count, timestamp } of extents) {
    for (const partition of [0, 1, 2]) {
      const bytes = testBatch(1, timestamp).subarray(0, 61);
      builder.add(
        { partition, baseOffset: offset, offsetCount: count, bytes, file: 1, position, commit: 1, committedAt: 0 },
        100,
      );
      if (partition === 1) {
        rows.push({
          file: 1,
          position,
          sizeBytes: 100,
          baseOffset: offset,
          endOffset: offset + count,
          maxTimestamp: timestamp,
        });
      }
      position += 100;
    }
    offset += count;
  }
  const built = builder.build();
  const range = [...built.ranges].find((one) => one.partition === 1)?.range;
  assert.ok(range);
  return { bytes: built.bytes, rows, range };
}

test('pieces, times and latest agree with the rows', DEADLINE, async () => {
  const extent = fc.record({ count: fc.integer({ min: 1, max: 3 }), timestamp: fc.integer({ min: 0, max: 40 }) });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.array(extent, { minLength: 1, maxLength: 20 }), fc.array(extent, { minLength: 600, maxLength: 700 })),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 0, max: 41 }),
      async (extents, at, maxBytes, timestamp) => {
        const { bytes, rows, range } = build(extents);
        const handles = new FileHandles(new FakeDisk({ turns: () => 0 }, new Map([['i/1', bytes]])));
        const reader = new IndexReader(handles, PATHS);
        const offset = Math.floor(at * (range.endOffset - 1));
        const end = Math.min(range.endOffset, offset + 900);
        const from = rows.findIndex((row) => row.endOffset > offset);
        const expected = rows.slice(from, from + Math.ceil(maxBytes / 100)).filter((row) => row.baseOffset < end);
        assert.deepEqual(await reader.pieces(range, offset, end, maxBytes), expected);
        assert.deepEqual(
          await reader.firstAtOrAfter(range, timestamp, offset),
          rows.find((row) => row.endOffset > offset && row.maxTimestamp >= timestamp),
        );
        const partial = rows.filter((row) => row.baseOffset < offset && row.endOffset > offset);
        const whole = rows.filter((row) => row.baseOffset >= offset);
        const latest = whole.find((row) => row.maxTimestamp === Math.max(...whole.map((one) => one.maxTimestamp)));
        assert.deepEqual(await reader.latest(range, offset), [...partial, ...(latest === undefined ? [] : [latest])]);
        await handles.close();
      },
    ),
    { numRuns: 60 },
  );
});

test(
  'a missing or damaged index is built again before a row of it is used, once for all that wait',
  DEADLINE,
  async () => {
    const { bytes, rows, range } = build([
      { count: 1, timestamp: 1 },
      { count: 2, timestamp: 2 },
    ]);
    const damaged = bytes.slice();
    (damaged[70] as number) ^= 1;
    for (const files of [new Map(), new Map([['i/1', damaged]]), new Map([['i/1', bytes.subarray(0, 80)]])]) {
      const disk = new FakeDisk({}, files);
      const handles = new FileHandles(disk);
      const rebuilt: string[] = [];
      const reader = new IndexReader(handles, {
        ...PATHS,
        async rebuildIndex(file, fault) {
          rebuilt.push(`${file}: ${fault}`);
          await disk.remove(`i/${file}`);
          await (await disk.open(`i/${file}`, 'create')).write([bytes], 0);
        },
      });
      const answers = await Promise.all([1, 2, 3].map(() => reader.pieces(range, 0, 3, 1000)));
      for (const answer of answers) assert.deepEqual(answer, rows);
      assert.equal(rebuilt.length, 1);
      await handles.close();
    }
  },
);

test('an index whose journal file is gone, too, is missing, and not damaged', DEADLINE, async () => {
  const { range } = build([{ count: 1, timestamp: 1 }]);
  const handles = new FileHandles(new FakeDisk());
  const reader = new IndexReader(handles, {
    ...PATHS,
    async rebuildIndex() {
      throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    },
  });
  await assert.rejects(reader.pieces(range, 0, 1, 1000), isMissingFile);
  await handles.close();
});

test(
  'an index that cannot be built again is an error with its path, and is tried again by the next read',
  DEADLINE,
  async () => {
    const { bytes, rows, range } = build([{ count: 1, timestamp: 1 }]);
    const disk = new FakeDisk();
    const handles = new FileHandles(disk);
    const reader = new IndexReader(handles, PATHS);
    await assert.rejects(
      reader.pieces(range, 0, 1, 1000),
      (error) =>
        error instanceof MillraceError &&
        error.code === 'STORE_CORRUPT' &&
        error.message.includes('i/1 is damaged: it is missing'),
    );
    await (await disk.open('i/1', 'create')).write([bytes], 0);
    assert.deepEqual(await reader.pieces(range, 0, 1, 1000), rows);
    const wrong = { ...range, baseOffset: 50, endOffset: 60 };
    await assert.rejects(
      reader.pieces(wrong, 50, 60, 1000),
      (error) => error instanceof MillraceError && error.code === 'STORE_CORRUPT',
    );
    await handles.close();
  },
);

test('the footer of a chunk comes with the read of its end, or by itself where it is longer', DEADLINE, async () => {
  for (const partitionCount of [1, 20, 2000]) {
    const index = new ChunkIndex(7);
    for (let partition = 0; partition < partitionCount; partition++) index.add(partition, 10, 20, 100, 5);
    const position = index.position;
    const { footer, entries } = index.finish();
    const head = new Uint8Array(position).fill(1, CHUNK_HEADER_BYTES);
    const disk = new FakeDisk();
    await disk.makeDirectory();
    const file = await disk.open('c/7', 'create');
    await file.write([head, ...footer], 0);
    const handles = new FileHandles(disk);
    const reader = new IndexReader(handles, { ...PATHS, chunkFile: (chunk) => `c/${chunk}` });
    for (const { partition, range } of entries) {
      const place = { file: -7, position: CHUNK_HEADER_BYTES + partition * 100, sizeBytes: 100 };
      const pieces = await reader.pieces(range, 15, 20, 1);
      assert.deepEqual(pieces, [{ ...place, baseOffset: 10, endOffset: 20, maxTimestamp: 5 }]);
    }
    await handles.close();
  }
});
