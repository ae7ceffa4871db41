/**
 * The window against the bytes of the journal: what it shows is what stands there, for as long as the lease is held,
 * whatever is evicted meanwhile; its memory stays within the limit; every lease comes back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PoisoningPool } from '../../test/kit/poisoning-pool.ts';
import * as fc from '../../test/kit/properties.ts';
import type { Lease } from '../base/buffer-pool.ts';
import { TailCache } from './tail-cache.ts';

function contentAt(file: number, position: number): number {
  return (file * 31 + position * 7) % 199;
}

const LIMIT = 128 * 1024;

test('views are the journal bytes until their leases are released, and evictions keep to the limit', () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('hold' as const),
        size: fc.integer({ min: 1, max: 9000 }),
        own: fc.boolean(),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll' as const) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('view' as const),
        back: fc.nat(200_000),
        size: fc.integer({ min: 1, max: 20_000 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const pool = new PoisoningPool();
      const cache = new TailCache(LIMIT);
      let chunk: Lease | undefined;
      let used = 0;
      let file = 1;
      let position = 64;
      const held: { slices: Uint8Array[]; leases: Lease[]; file: number; position: number; size: number }[] = [];
      const release = (one: (typeof held)[0] | undefined): void => {
        if (one === undefined) return;
        const bytes = Buffer.concat(one.slices);
        assert.equal(bytes.length, one.size);
        for (let i = 0; i < bytes.length; i++) assert.equal(bytes[i], contentAt(one.file, one.position + i));
        for (const lease of one.leases) lease.release();
      };
      for (const one of steps) {
        if (one.kind === 'roll') {
          file += 1;
          position = 64;
        } else if (one.kind === 'hold') {
          let lease: Lease;
          let start = 0;
          if (one.own) lease = pool.acquire(one.size);
          else {
            if (chunk === undefined || used + one.size > chunk.bytes.length) {
              chunk?.release();
              chunk = pool.acquire(40_000);
              used = 0;
            }
            lease = chunk.retain();
            start = used;
            used += one.size;
          }
          const bytes = lease.bytes.subarray(start, start + one.size);
          for (let i = 0; i < bytes.length; i++) bytes[i] = contentAt(file, position + i);
          cache.hold(file, position, bytes, lease);
          position += one.size;
          assert.ok(
            cache.sizeBytes <= LIMIT || cache.view(file, position - one.size, one.size, [], []),
            'the newest stays',
          );
          assert.ok(cache.sizeBytes <= LIMIT, 'memory within the limit');
        } else if (one.kind === 'view') {
          const at = Math.max(64, position - one.back);
          const view = { slices: [], leases: [], file, position: at, size: one.size };
          if (cache.view(file, at, one.size, view.slices, view.leases)) {
            assert.ok(at + one.size <= position);
            held.push(view);
          } else assert.deepEqual([view.slices, view.leases], [[], []]);
        } else release(held.shift());
      }
      for (const one of held) release(one);
      chunk?.release();
      cache.clear();
      assert.deepEqual([pool.outstanding, cache.sizeBytes], [0, 0]);
    }),
  );
});

test('a place that is not wholly in memory is not shown in part', () => {
  const pool = new PoisoningPool();
  const cache = new TailCache(LIMIT);
  const lease = pool.acquire(1000);
  cache.hold(3, 100, lease.bytes.subarray(0, 200), lease);
  for (const [file, position, size] of [
    [3, 99, 10],
    [3, 100, 201],
    [3, 300, 1],
    [2, 100, 10],
    [4, 100, 10],
  ] as const) {
    assert.equal(cache.view(file, position, size, [], []), false);
  }
  const leases: Lease[] = [];
  assert.equal(cache.view(3, 100, 200, [], leases), true);
  cache.clear();
  assert.equal(pool.outstanding, 1, 'the reader still holds it');
  leases[0]?.release();
  assert.equal(pool.outstanding, 0);
});

// A region of 64 KB that lay in a request of a megabyte counted 64 KB.
test('the limit counts the memory that is kept, not the part of it that is shown', () => {
  const pool = new PoisoningPool();
  const cache = new TailCache(2 * 1024 * 1024);
  for (let i = 0; i < 20; i++) {
    const lease = pool.acquire(1024 * 1024);
    cache.hold(1, 64 + i * 64 * 1024, lease.bytes.subarray(0, 64 * 1024), lease);
    assert.ok(pool.outstanding <= 2);
  }
  cache.clear();
});
