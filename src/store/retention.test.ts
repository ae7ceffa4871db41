/** Retention against a plain model: which prefix of units goes, for any sizes, times and limits. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from '../../test/kit/properties.ts';
import { Partition, PartitionMemory } from './partition.ts';
import { nextExpiry, type RetentionLimits, retainedStart } from './retention.ts';

const NO_LIMITS: RetentionLimits = { maxAgeMs: -1, maxBytes: -1, maxRecords: -1 };

interface Unit {
  readonly count: number;
  readonly sizeBytes: number;
  readonly timestamp: number;
}

/** The first `indexed` units stand in closed files, one each; the others are extents that cannot merge. */
function partitionOf(units: readonly Unit[], indexed: number, unpublished: number): Partition {
  const partition = new Partition(0, 0, new PartitionMemory());
  for (const [i, { count, sizeBytes, timestamp }] of units.entries()) {
    const baseOffset = partition.endOffset;
    partition.append(count, i + 1, 1_000_000 * i, sizeBytes, timestamp);
    if (i < units.length - unpublished) partition.highWatermark = partition.endOffset;
    if (i >= indexed) continue;
    partition.indexed({
      file: i + 1,
      baseOffset,
      endOffset: baseOffset + count,
      firstRow: 0,
      rowCount: 1,
      maxTimestamp: timestamp,
      sizeBytes,
    });
  }
  return partition;
}

test('the start is that of a model, over ranges and extents', () => {
  const unit = fc.record({
    count: fc.integer({ min: 1, max: 5 }),
    sizeBytes: fc.integer({ min: 1, max: 100 }),
    timestamp: fc.integer({ min: -1, max: 50 }),
  });
  const limits = fc.record({
    maxAgeMs: fc.integer({ min: -1, max: 60 }),
    maxBytes: fc.integer({ min: -1, max: 600 }),
    maxRecords: fc.integer({ min: -1, max: 40 }),
  });
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 12 }), fc.nat(12), fc.nat(3), limits, (units, some, last, limit) => {
      const indexed = Math.min(some, units.length);
      const unpublished = Math.min(last, units.length - indexed);
      const partition = partitionOf(units, indexed, unpublished);
      const now = 60;
      let sizeBytes = units.reduce((sum, each) => sum + each.sizeBytes, 0);
      assert.equal(partition.sizeBytes, sizeBytes);
      let start = 0;
      for (const each of units.slice(0, units.length - unpublished)) {
        const old = limit.maxAgeMs >= 0 && each.timestamp >= 0 && now - each.timestamp > limit.maxAgeMs;
        const large = limit.maxBytes >= 0 && sizeBytes - each.sizeBytes >= limit.maxBytes;
        if (!old && !large) break;
        start += each.count;
        sizeBytes -= each.sizeBytes;
      }
      if (limit.maxRecords >= 0) start = Math.max(start, partition.highWatermark - limit.maxRecords);
      assert.equal(retainedStart(partition, limit, now), start);
      partition.moveStart(start);
      assert.ok(retainedStart(partition, limit, now) >= start, 'and never goes back');
      const left = units.filter((_, i) => units.slice(0, i + 1).reduce((sum, each) => sum + each.count, 0) > start);
      assert.equal(
        partition.sizeBytes,
        left.reduce((sum, each) => sum + each.sizeBytes, 0),
        'what is left counts',
      );
    }),
    { numRuns: 500 },
  );
});

test('without limits nothing goes, and nothing is due', () => {
  const partition = partitionOf([{ count: 2, sizeBytes: 5, timestamp: 0 }], 0, 0);
  assert.equal(retainedStart(partition, NO_LIMITS, Number.MAX_SAFE_INTEGER), 0);
  assert.equal(nextExpiry(partition, NO_LIMITS), undefined);
  assert.equal(nextExpiry(partition, { ...NO_LIMITS, maxAgeMs: 7 }), 7);
  assert.equal(
    nextExpiry(partitionOf([{ count: 1, sizeBytes: 1, timestamp: -1 }], 0, 0), { ...NO_LIMITS, maxAgeMs: 7 }),
    undefined,
  );
});
