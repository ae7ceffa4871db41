/**
 * Offsets by time against a scan of all records: in memory, in indexed files, behind a log start, and while files are
 * indexed and records deleted under the search.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestLog } from '../../test/kit/log-kit.ts';
import * as fc from '../../test/kit/properties.ts';
import { lastOffsetDelta, maxTimestamp } from '../model/record-batch.ts';
import type { Partition } from '../store/partition.ts';
import { Decompressor } from './decompressor/decompressor.ts';
import { NO_MATCH, Timestamps } from './timestamps.ts';

const DEADLINE = { timeout: 120_000 };

/** Every record of a batch of the kit has the batch's timestamp. */
function recordsOf(log: TestLog): { offset: number; timestamp: number }[] {
  const records: { offset: number; timestamp: number }[] = [];
  for (const batch of log.model[0] ?? []) {
    for (let i = 0; i <= lastOffsetDelta(batch, 0); i++) {
      records.push({ offset: records.length, timestamp: maxTimestamp(batch, 0) });
    }
  }
  return records;
}

const commit = fc.record({
  batches: fc.array(fc.nat(3000), { minLength: 1, maxLength: 4 }),
  roll: fc.constantFrom(false, false, true),
  index: fc.constantFrom(false, true),
});

test('the first at or after a time, and the latest, are those of a scan', DEADLINE, async () => {
  const decompressor = new Decompressor();
  await fc.assert(
    fc.asyncProperty(
      fc.array(commit, { minLength: 1, maxLength: 12 }),
      fc.array(fc.double({ min: -0.1, max: 1.1, noNaN: true }), { minLength: 5, maxLength: 5 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      async (commits, times, start) => {
        // Times that go up and down, so that the latest record may stand anywhere.
        const log = new TestLog(2, 0, (offset) => 1000 + ((offset * 7919) % 97));
        for (const { batches, roll, index } of commits) {
          await log.commit([
            { partition: 0, batches },
            { partition: 1, batches: [100] },
          ]);
          if (roll) log.roll();
          if (index) await log.indexOldest();
        }
        const partition = log.partitions[0] as Partition;
        const search = new Timestamps(log.reader, decompressor);
        for (const from of [0, Math.floor(start * partition.highWatermark)]) {
          partition.moveStart(from);
          const readable = recordsOf(log).filter(({ offset }) => offset >= from);
          for (const at of times) {
            const time = 1000 + Math.floor(at * 97);
            const expected = readable.find(({ timestamp }) => timestamp >= time) ?? NO_MATCH;
            assert.deepEqual(await search.firstAtOrAfter(partition, time), expected);
          }
          const latest = readable.reduce((best, one) => (one.timestamp > best.timestamp ? one : best), NO_MATCH);
          assert.deepEqual(await search.latest(partition), latest);
        }
        log.close();
        await log.handles.close();
        assert.equal(log.pool.outstanding, 0);
      },
    ),
    { numRuns: 100 },
  );
  await decompressor.close();
});

// The search kept lists that changed between its awaits. Where records were deleted meanwhile it stepped over a file; where
// all indexed files were deleted, and those in memory indexed, it found nothing at all.
test('files that are indexed and deleted under a search hide nothing', DEADLINE, async () => {
  const decompressor = new Decompressor();
  for (let turns = 0; turns < 14; turns++) {
    for (const deleted of ['nothing', 'two files', 'all indexed files'] as const) {
      // The latest record of the first file is deleted, so the search must look into its index and go on in vain.
      const log = new TestLog(1, 0, (offset) => (offset === 0 ? 9000 : 1000 + offset));
      for (let file = 0; file < 6; file++) {
        for (let i = 0; i < 3; i++) await log.commit([{ partition: 0, batches: [100] }]);
        log.roll();
        if (file < 3) await log.indexOldest();
      }
      const partition = log.partitions[0] as Partition;
      partition.moveStart(1);
      const third = partition.ranges?.at(2).baseOffset ?? 0;
      const inMemory = partition.extents?.baseOffset(0) ?? 0;
      const target = deleted === 'two files' ? third : partition.highWatermark - 1;
      const time = recordsOf(log)[target]?.timestamp ?? 0;
      const found = new Timestamps(log.reader, decompressor).firstAtOrAfter(partition, time);
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      if (deleted === 'two files') partition.moveStart(third);
      if (deleted === 'all indexed files') partition.moveStart(inMemory);
      for (let file = 3; file < 6; file++) await log.indexOldest();
      assert.equal((await found).timestamp, time, `${deleted} deleted after ${turns} turns`);
      log.close();
      await log.handles.close();
    }
  }
  await decompressor.close();
});

test('a search whose file was removed looks anew where its records are', DEADLINE, async () => {
  const decompressor = new Decompressor();
  const log = new TestLog(1, 0, (offset) => 1000 + offset);
  for (let file = 0; file < 2; file++) {
    for (let i = 0; i < 3; i++) await log.commit([{ partition: 0, batches: [100] }]);
    log.roll();
    await log.indexOldest();
  }
  const partition = log.partitions[0] as Partition;
  const search = new Timestamps(log.reader, decompressor);
  const second = partition.ranges?.at(1).baseOffset ?? 0;
  const from = recordsOf(log)[second];
  await log.disk.remove('j/1.journal');
  const found = Promise.all([search.firstAtOrAfter(partition, 1001), search.oldest(partition)]);
  await new Promise((resolve) => setImmediate(resolve));
  partition.moveStart(second);
  assert.deepEqual(await found, [from, from?.timestamp]);
  log.close();
  await log.handles.close();
  await decompressor.close();
});

// Where all records were deleted and their extents were still in memory, the search began again at the end for ever.
test('a partition whose records are all deleted has none at any time', DEADLINE, async () => {
  const decompressor = new Decompressor();
  for (const indexed of [false, true]) {
    const log = new TestLog(1, 0, (offset) => 1000 + offset);
    for (let i = 0; i < 3; i++) await log.commit([{ partition: 0, batches: [100] }]);
    log.roll();
    if (indexed) await log.indexOldest();
    const partition = log.partitions[0] as Partition;
    partition.moveStart(partition.highWatermark);
    const search = new Timestamps(log.reader, decompressor);
    for (const time of [0, 1000, 9999]) assert.deepEqual(await search.firstAtOrAfter(partition, time), NO_MATCH);
    assert.deepEqual(await search.latest(partition), NO_MATCH);
    log.close();
    await log.handles.close();
  }
  await decompressor.close();
});
