/** Proves that no block is two users', that all of them are used, and that they come back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../../test/kit/properties.ts';
import type { Lease } from '../../base/buffer-pool.ts';
import { SharedArena } from './shared-arena.ts';

const BLOCK_BYTES = 16;
const BLOCKS = 40;

function firstBlock({ bytes }: Lease): number {
  return bytes.byteOffset / BLOCK_BYTES;
}

test('long runs stand in front, short ones behind, and what comes back is found again', () => {
  const arena = new SharedArena(BLOCK_BYTES, BLOCKS);
  const long = [arena.take(16 * BLOCK_BYTES), arena.take(16 * BLOCK_BYTES - 3)] as Lease[];
  const short = [arena.take(BLOCK_BYTES), arena.take(1), arena.take(4 * BLOCK_BYTES)] as Lease[];
  assert.deepEqual(long.map(firstBlock), [0, 16]);
  assert.deepEqual(short.map(firstBlock), [39, 38, 34]);
  assert.equal(long[1]?.bytes.length, 16 * BLOCK_BYTES - 3);
  assert.ok(long[0]?.bytes.buffer instanceof SharedArrayBuffer);
  assert.equal(arena.take(5 * BLOCK_BYTES), undefined, 'two are left');
  assert.equal(firstBlock(arena.take(2 * BLOCK_BYTES) as Lease), 32);
  assert.equal(arena.take(1), undefined);
  long[0]?.release();
  short[1]?.release();
  assert.deepEqual(
    [arena.take(1), arena.take(1), arena.take(15 * BLOCK_BYTES)].map((lease) => lease && firstBlock(lease)),
    [38, 15, 0],
  );
  const all = new SharedArena(BLOCK_BYTES, BLOCKS);
  assert.equal(all.take((BLOCKS + 1) * BLOCK_BYTES), undefined);
  assert.equal(all.take(BLOCKS * BLOCK_BYTES)?.bytes.length, BLOCKS * BLOCK_BYTES);
});

test('nobody is given what somebody has, and what is there side by side is given', { timeout: 60_000 }, () => {
  const step = fc.record({ take: fc.boolean(), count: fc.integer({ min: 1, max: 16 }), which: fc.nat(1_000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const arena = new SharedArena(BLOCK_BYTES, BLOCKS);
      const held: { lease: Lease; count: number }[] = [];
      for (const { take, count, which } of steps) {
        const before = Array.from({ length: BLOCKS }, () => false);
        for (const each of held) before.fill(true, firstBlock(each.lease), firstBlock(each.lease) + each.count);
        if (take) {
          const lease = arena.take(count * BLOCK_BYTES);
          const hasHole = before.some((_, at) => at + count <= BLOCKS && !before.slice(at, at + count).includes(true));
          assert.equal(lease !== undefined, hasHole);
          if (lease === undefined) continue;
          const first = firstBlock(lease);
          assert.ok(!before.slice(first, first + count).includes(true), 'somebody has it');
          held.push({ lease, count });
        } else if (held.length > 0) held.splice(which % held.length, 1)[0]?.lease.release();
      }
    }),
  );
});
