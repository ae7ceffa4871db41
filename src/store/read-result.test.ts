/** Cutting runs of batches to what was asked, also from bytes that are none; gathering small ones without mixing them up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testBatch } from '../../test/kit/log-kit.ts';
import { PoisoningPool } from '../../test/kit/poisoning-pool.ts';
import * as fc from '../../test/kit/properties.ts';
import { lastOffset, stampBatch } from '../model/record-batch.ts';
import { cutBatches, GatherBuffer, ReadResult } from './read-result.ts';

function runOf(sizes: readonly number[]): Buffer[] {
  let offset = 100;
  return sizes.map((size, i) => {
    const batch = Buffer.from(testBatch(size, i, 1 + (i % 3)));
    stampBatch(batch, 0, offset, 0);
    offset += 1 + (i % 3);
    return batch;
  });
}

test('a cut is the longest run of whole batches that was asked for', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(200), { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 90, max: 130 }),
      fc.integer({ min: 90, max: 130 }),
      fc.integer({ min: 0, max: 3000 }),
      fc.boolean(),
      (sizes, from, end, budget, atLeastOne) => {
        const batches = runOf(sizes);
        const cut = cutBatches(Buffer.concat(batches), from, end, budget, atLeastOne);
        const expected: Buffer[] = [];
        let left = budget;
        for (const batch of batches) {
          if (lastOffset(batch, 0) < from) continue;
          if (batch.readUInt32BE(4) >= end) break;
          if (batch.length > left && !(atLeastOne && expected.length === 0)) break;
          expected.push(batch);
          left -= batch.length;
        }
        assert.deepEqual(Buffer.from(cut ?? []), Buffer.concat(expected));
      },
    ),
  );
});

test('bytes that are no batches are refused, never read past their end', () => {
  const batch = runOf([50])[0] as Buffer;
  for (let length = 1; length < batch.length; length++) {
    assert.equal(cutBatches(batch.subarray(0, length), 0, 1000, 1000, true), undefined);
  }
  for (const size of [-12, 0, 48, 0x7fffffff]) {
    const bad = Buffer.from(batch);
    bad.writeInt32BE(size, 8);
    assert.equal(cutBatches(bad, 0, 1000, 1000, true), undefined);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const cut = cutBatches(bytes, 0, 1000, 1000, true);
      assert.ok(cut === undefined || cut.length <= bytes.length);
    }),
  );
});

test('results that share a gather buffer keep their own bytes, and every lease comes back', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ result: fc.nat(3), size: fc.oneof(fc.nat(300), fc.nat(40_000)), copy: fc.boolean() }), {
        maxLength: 60,
      }),
      (adds) => {
        const pool = new PoisoningPool();
        const gather = new GatherBuffer(pool);
        const results = [0, 1, 2, 3].map(() => new ReadResult(gather));
        const expected: Buffer[][] = [[], [], [], []];
        for (const [i, { result, size, copy }] of adds.entries()) {
          const lease = pool.acquire(Math.max(1, size));
          const bytes = lease.bytes.subarray(0, size).fill(1 + (i % 200));
          expected[result]?.push(Buffer.from(bytes));
          if (size > 0) results[result]?.add(bytes, lease, copy);
          lease.release();
        }
        gather.release();
        for (const [i, result] of results.entries()) {
          result.finish();
          result.finish();
          const whole = Buffer.concat(expected[i] ?? []);
          assert.deepEqual(Buffer.concat(result.slices), whole);
          assert.equal(result.sizeBytes, whole.length);
          result.release();
          result.release();
        }
        assert.equal(pool.outstanding, 0);
      },
    ),
  );
});

// Each partition of an answer had a buffer of 64 KB of its own: a thousand quiet ones cost 64 MB an answer.
test('a thousand small results share their memory', () => {
  const pool = new PoisoningPool();
  const gather = new GatherBuffer(pool);
  const results = Array.from({ length: 1000 }, () => new ReadResult(gather));
  const lease = pool.acquire(100);
  for (const result of results) result.add(lease.bytes.subarray(0, 100), lease);
  lease.release();
  gather.release();
  assert.ok(pool.outstanding <= 2);
  for (const result of results) result.release();
  assert.equal(pool.outstanding, 0);
});
