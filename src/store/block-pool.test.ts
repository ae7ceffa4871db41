/** Blocks never overlap, those given back are used again, and lists that are cleared leave nothing behind. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { BlockPool } from './block-pool.ts';
import { ExtentList, ExtentPool } from './extent-list.ts';

const UNIT = 5;
const MAX_UNITS = 4096;

test('blocks that are held at a time do not overlap', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), power: fc.nat(Math.log2(MAX_UNITS)) }),
    fc.record({ kind: fc.constant('give' as const), which: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const pool = new BlockPool((bytes) => new Float64Array(bytes.buffer), 8, UNIT, MAX_UNITS);
      const held: { block: number; rows: number; mark: number }[] = [];
      for (const [mark, one] of steps.entries()) {
        if (one.kind === 'take') {
          const rows = 2 ** one.power;
          const block = pool.take(rows);
          const at = pool.placeOf(block);
          pool.pageOf(block).fill(mark, at, at + rows * UNIT);
          held.push({ block, rows, mark });
        } else if (held.length > 0) {
          const [given] = held.splice(one.which % held.length, 1);
          if (given !== undefined) pool.giveBack(given.block, given.rows);
        }
      }
      for (const { block, rows, mark } of held) {
        const at = pool.placeOf(block);
        const numbers = pool.pageOf(block).subarray(at, at + rows * UNIT);
        assert.equal(numbers.length, rows * UNIT);
        assert.ok(numbers.every((number) => number === mark));
      }
    }),
  );
});

test('memory of lists that are cleared serves the next ones', () => {
  const pool = new ExtentPool();
  const fill = (): void => {
    const lists = Array.from({ length: 5_000 }, () => new ExtentList(pool));
    for (let row = 0; row < 5; row++) {
      for (const list of lists) list.append(row, 1, 1_000_000 * row, 100, 0);
    }
    for (const list of lists) list.clear();
  };
  fill();
  const { sizeBytes } = pool;
  for (let round = 0; round < 5; round++) fill();
  assert.equal(pool.sizeBytes, sizeBytes);
});

test('lists of one pool grow past the largest block and shrink again, and keep their rows', () => {
  const pool = new ExtentPool();
  const lists = [new ExtentList(pool), new ExtentList(pool)];
  const count = MAX_UNITS * 3;
  for (let row = 0; row < count; row++) {
    for (const [i, list] of lists.entries()) list.append(row, 1 + Math.floor(row / 100), 1_000 * row, 100 + i, row);
  }
  for (const [i, list] of lists.entries()) {
    assert.equal(list.count, count);
    for (let row = 0; row < count; row += 37) {
      assert.equal(list.find(row), row);
      assert.deepEqual([list.baseOffset(row), list.sizeBytes(row), list.maxTimestamp(row)], [row, 100 + i, row]);
    }
  }
  for (const list of lists) list.dropBefore(count - 3);
  for (const [i, list] of lists.entries()) {
    assert.equal(list.count, 3);
    assert.equal(list.totalBytes, 3 * (100 + i));
    assert.equal(list.find(count - 1), 2);
  }
});
