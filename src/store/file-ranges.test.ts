/** Ranges against arrays, many lists in one pool: few and many, small numbers and the largest; ranges out of order are refused. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { PAGE_BYTES } from './block-pool.ts';
import { type FileRange, FileRanges, RangePool } from './file-ranges.ts';

const LISTS = 3;
const LIST_COUNT = 15_500;

/** What a range says beside its offsets. */
const content = fc.record({
  file: fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom(2 ** 31, -(2 ** 31), 2 ** 52)),
  firstRow: fc.oneof(fc.nat(300_000), fc.constant(2 ** 32 - 1)),
  rowCount: fc.integer({ min: 1, max: 5 }),
  maxTimestamp: fc.oneof(
    fc.constant(-1),
    fc.integer({ min: 1_700_000_000_000, max: 1_700_100_000_000 }),
    // Any 64 bits that a producer sends, as a number.
    fc.constantFrom(2 ** 63, -(2 ** 63), Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
  ),
  sizeBytes: fc.oneof(fc.nat(20_000), fc.constant(2 ** 45)),
  gap: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(10) }),
  offsets: fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constant(2 ** 40)),
});

const step = fc.record({
  list: fc.nat(LISTS - 1),
  what: fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('append' as const), rows: fc.array(content, { maxLength: 12 }) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('replace' as const),
        from: fc.nat(),
        count: fc.integer({ min: 1, max: 20 }),
        into: fc.integer({ min: 1, max: 3 }),
        row: content,
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('drop' as const), which: fc.nat(), inside: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('clear' as const) }) },
  ),
});

type Content = typeof content extends { generate: (...args: never[]) => { value: infer T } } ? T : never;

function rangeOf({ gap, offsets, ...rest }: Content, end: number): FileRange {
  return { ...rest, baseOffset: end + gap, endOffset: end + gap + offsets };
}

/** The same offsets in fewer ranges, as sealing and merging give them. */
function merged(taken: readonly FileRange[], into: number, row: Content): FileRange[] {
  const base = (taken[0] as FileRange).baseOffset;
  const end = (taken.at(-1) as FileRange).endOffset;
  const parts = Math.min(into, end - base);
  const borders = Array.from({ length: parts + 1 }, (_, i) => base + Math.floor(((end - base) * i) / parts));
  return Array.from({ length: parts }, (_, i) => ({
    ...rangeOf(row, 0),
    baseOffset: borders[i] as number,
    endOffset: borders[i + 1] as number,
  }));
}

function checkSame(ranges: FileRanges, model: readonly FileRange[]): void {
  assert.equal(ranges.count, model.length);
  // Backwards, too: who reads forward is served by where it stood.
  for (const order of [[...model.keys()], [...model.keys()].toReversed()]) {
    for (const i of order) {
      const { file, endOffset, maxTimestamp, sizeBytes } = model[i] as FileRange;
      assert.deepEqual(ranges.at(i), model[i]);
      assert.deepEqual(
        [ranges.file(i), ranges.endOffset(i), ranges.maxTimestamp(i), ranges.sizeBytes(i)],
        [file, endOffset, maxTimestamp, sizeBytes],
      );
    }
  }
  assert.equal(
    ranges.totalBytes,
    model.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  );
  for (const { baseOffset, endOffset } of model) {
    for (const offset of [baseOffset - 1, baseOffset, endOffset - 1, endOffset]) {
      const at = model.findIndex((range) => range.endOffset > offset);
      assert.equal(ranges.find(offset), at < 0 ? model.length : at);
    }
  }
}

test('appends, replacements and drops agree with arrays, in lists that share a pool', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const pool = new RangePool();
      const lists = Array.from({ length: LISTS }, () => new FileRanges(pool));
      const models: FileRange[][] = lists.map(() => []);
      for (const { list, what } of steps) {
        const ranges = lists[list] as FileRanges;
        let model = models[list] as FileRange[];
        switch (what.kind) {
          case 'append':
            for (const row of what.rows) {
              const range = rangeOf(row, model.at(-1)?.endOffset ?? 0);
              ranges.append(range);
              model.push(range);
            }
            break;
          case 'replace': {
            if (model.length === 0) break;
            const from = what.from % model.length;
            const taken = model.slice(from, from + what.count);
            const into = merged(taken, what.into, what.row);
            ranges.replace(into);
            model = [...model.slice(0, from), ...into, ...model.slice(from + taken.length)];
            break;
          }
          case 'drop': {
            const range = model[what.which % Math.max(1, model.length)];
            const before = (range?.endOffset ?? 0) - (what.inside ? 1 : 0);
            ranges.dropBefore(before);
            model = model.filter(({ endOffset }) => endOffset > before);
            break;
          }
          case 'clear':
            ranges.clear();
            model = [];
        }
        models[list] = model;
        for (const [i, one] of lists.entries()) checkSame(one, models[i] as FileRange[]);
      }
    }),
  );
});

function rangeAt(i: number, file: number): FileRange {
  const [baseOffset, endOffset] = [i * 10, i * 10 + 10];
  return { file, baseOffset, endOffset, firstRow: i, rowCount: 1, maxTimestamp: 1_700_000_000_000 + i, sizeBytes: 100 };
}

test('a list of thousands is searched, replaced and dropped', () => {
  const ranges = new FileRanges(new RangePool());
  let model = Array.from({ length: 5_000 }, (_, i) => rangeAt(i, i + 1));
  for (const range of model) ranges.append(range);
  checkSame(ranges, model);
  const chunks = Array.from({ length: 3_000 }, (_, i) => rangeAt(i + 1_000, -i - 1));
  ranges.replace(chunks);
  model = [...model.slice(0, 1_000), ...chunks, ...model.slice(4_000)];
  checkSame(ranges, model);
  for (const left of [4_000, 20, 8, 3]) {
    ranges.dropBefore((5_000 - left) * 10);
    model = model.slice(-left);
    checkSame(ranges, model);
  }
});

test('lists that are cleared leave their memory to the next ones', () => {
  const pool = new RangePool();
  const fill = (): void => {
    const lists = Array.from({ length: LIST_COUNT }, () => new FileRanges(pool));
    for (let file = 1; file <= 18; file++) {
      for (const list of lists) {
        const row = { firstRow: 70_000, rowCount: 3, maxTimestamp: 1_700_000_000_000 + file, sizeBytes: 3_000 };
        list.append({ file, baseOffset: file * 3, endOffset: file * 3 + 3, ...row });
      }
    }
    for (const list of lists) list.clear();
  };
  fill();
  const { sizeBytes } = pool;
  // What they have grown out of is in use.
  assert.ok(sizeBytes <= LIST_COUNT * 256 + PAGE_BYTES, `${sizeBytes} bytes for lists of 18 ranges`);
  for (let round = 0; round < 2; round++) fill();
  assert.equal(pool.sizeBytes, sizeBytes);
});

// Two files whose ranges were taken in at the same time came in the wrong order, and a search missed what it held.
test('a range that is not behind the last one is refused', () => {
  const ranges = new FileRanges(new RangePool());
  const range = { file: 2, baseOffset: 10, endOffset: 20, firstRow: 0, rowCount: 1, maxTimestamp: 0, sizeBytes: 1 };
  ranges.append(range);
  assert.throws(() => ranges.append({ ...range, file: 1, baseOffset: 0, endOffset: 10 }), MillraceError);
});
