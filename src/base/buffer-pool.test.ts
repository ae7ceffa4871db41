/** Proves: bytes come back only after the last release, never to two users at once, and the kept memory has a limit. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { BufferPool, Lease } from './buffer-pool.ts';

const KIB = 1024;

test('a released buffer serves the next request of its size class', () => {
  const pool = new BufferPool(1024 * KIB);
  const first = pool.acquire(100 * KIB);
  const { bytes } = first;
  first.retain().release();
  assert.equal(first.holders, 1);
  assert.notEqual(pool.acquire(100 * KIB).bytes, bytes, 'still held');
  first.release();
  assert.equal(pool.freeBytes, bytes.length);
  assert.equal(pool.acquire(bytes.length - 5).bytes, bytes);
  assert.equal(pool.freeBytes, 0);
});

test('releasing or retaining too often is a defect, not a second owner', () => {
  const lease = new BufferPool(KIB).acquire(1);
  lease.release();
  assert.throws(() => lease.release(), { code: 'INTERNAL' });
  assert.throws(() => lease.retain(), { code: 'INTERNAL' });
  const foreign = new Lease(new Uint8Array(3));
  foreign.release();
  assert.throws(() => foreign.release(), { code: 'INTERNAL' });
});

test('what comes back beyond the limit is let go', () => {
  const pool = new BufferPool(40 * KIB);
  const leases = [pool.acquire(16 * KIB), pool.acquire(16 * KIB), pool.acquire(16 * KIB)];
  for (const lease of leases) lease.release();
  assert.equal(pool.freeBytes, 32 * KIB);
});

test('when sizes change, those that nobody asks for any more make room', () => {
  const pool = new BufferPool(64 * KIB);
  const small = [1, 2, 3, 4].map(() => pool.acquire(16 * KIB));
  for (const lease of small) lease.release();
  const large = pool.acquire(40 * KIB);
  const { bytes } = large;
  large.release();
  assert.equal(pool.freeBytes, 40 * KIB + 16 * KIB);
  assert.equal(pool.acquire(40 * KIB).bytes, bytes);
  pool.acquire(100 * KIB).release();
  assert.equal(pool.freeBytes, 16 * KIB, 'what is larger than the whole limit throws nothing out');
});

test('any size: at least that much, at most an eighth more', () => {
  const pool = new BufferPool(0);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4096 * KIB }), (size) => {
      const { bytes } = pool.acquire(size);
      assert.ok(bytes.length >= size);
      assert.ok(bytes.length <= Math.max(16 * KIB, size * 1.125 + 1), `${bytes.length} for ${size}`);
    }),
    { numRuns: 60 },
  );
});

test('any order of acquire and release: live leases never share memory, kept bytes stay in the limit', () => {
  const step = fc.record({ size: fc.integer({ min: 1, max: 64 * KIB }), release: fc.nat(5) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const pool = new BufferPool(64 * KIB);
      const live: Lease[] = [];
      for (const { size, release } of steps) {
        live.push(pool.acquire(size));
        live.splice(release, 1)[0]?.release();
        assert.equal(new Set(live.map((lease) => lease.bytes)).size, live.length);
        assert.ok(pool.freeBytes <= 64 * KIB);
      }
    }),
  );
});
