/**
 * Reading against an array of batches: from memory, from the disk, across indexed files, while commits, evictions, rolls
 * and indexing go on between the awaits. Answers are held for a while and compared when they are let go, over a pool that
 * poisons what comes back: a lease that is released too early shows as wrong bytes, one that is forgotten as a count.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestLog, type TestRun } from '../../test/kit/log-kit.ts';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { lastOffset } from '../model/record-batch.ts';
import { MAX_MERGED_EXTENT_BYTES } from './extent-list.ts';
import type { Partition } from './partition.ts';
import { GatherBuffer, ReadResult } from './read-result.ts';

const DEADLINE = { timeout: 120_000 };
const PARTITIONS = 3;

interface Held {
  readonly result: ReadResult;
  readonly check: () => void;
}

/** Begins a read; the answer is complete when the promise resolves. */
function begin(log: TestLog, number: number, offset: number, maxBytes: number, atLeastOne: boolean): Promise<Held> {
  const partition = log.partitions[number] as Partition;
  const gather = new GatherBuffer(log.pool);
  const result = new ReadResult(gather);
  const endOffset = partition.highWatermark;
  const expected = (log.model[number] ?? []).filter((batch) => lastOffset(batch, 0) >= offset);
  const pending = log.reader.read(partition, offset, { endOffset, maxBytes, atLeastOne }, result);
  return (pending ?? Promise.resolve()).then(() => {
    result.finish();
    gather.release();
    return { result, check: () => compare(result, expected, maxBytes, atLeastOne) };
  });
}

function compare(result: ReadResult, expected: readonly Buffer[], maxBytes: number, atLeastOne: boolean): void {
  const bytes = Buffer.concat(result.slices);
  assert.equal(bytes.length, result.sizeBytes);
  let at = 0;
  let count = 0;
  for (; at < bytes.length; count++) {
    const batch = expected[count] as Buffer;
    assert.ok(batch.equals(bytes.subarray(at, at + batch.length)), `batch ${count} of the answer is as written`);
    at += batch.length;
  }
  assert.equal(at, bytes.length, 'whole batches only');
  const first = expected[0];
  if (first !== undefined && (atLeastOne || first.length <= maxBytes))
    assert.ok(count > 0, 'an answer that fits is given');
  if (count > (atLeastOne ? 1 : 0)) assert.ok(bytes.length <= maxBytes, 'no more than asked');
}

const run: fc.Arbitrary<TestRun> = fc.record({
  partition: fc.nat(PARTITIONS - 1),
  batches: fc.array(fc.oneof(fc.nat(400), fc.nat(30_000)), { minLength: 1, maxLength: 6 }),
});
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constant('commit' as const), runs: fc.array(run, { minLength: 1, maxLength: 4 }) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('read' as const),
      partition: fc.nat(PARTITIONS - 1),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      maxBytes: fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 300_000 })),
      atLeastOne: fc.boolean(),
      wait: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('roll' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('index' as const) }) },
);

test('any read gives the batches from the offset on, without a hole, and holds what it gave', DEADLINE, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(operation, { minLength: 10, maxLength: 60 }),
      fc.constantFrom(1, 300_000, 4_000_000),
      async (operations, tailBytes) => {
        const log = new TestLog(PARTITIONS, tailBytes);
        const held: Held[] = [];
        const running: Promise<unknown>[] = [];
        for (const step of operations) {
          if (step.kind === 'commit') await log.commit(step.runs);
          else if (step.kind === 'roll') log.roll();
          else if (step.kind === 'index') await log.indexOldest();
          else if (step.kind === 'release') release(held.shift());
          else {
            const partition = log.partitions[step.partition] as Partition;
            if (partition.highWatermark === 0) continue;
            const offset = Math.min(partition.highWatermark - 1, Math.floor(step.at * partition.highWatermark));
            const reading = begin(log, step.partition, offset, step.maxBytes, step.atLeastOne);
            running.push(reading.then((one) => held.push(one)));
            if (step.wait) await reading;
          }
        }
        await Promise.all(running);
        for (const one of held) release(one);
        log.close();
        await log.handles.close();
        assert.equal(log.pool.outstanding, 0, 'every lease came back');
        assert.equal(log.tail.sizeBytes, 0);
      },
    ),
    { numRuns: 150 },
  );
});

function release(held: Held | undefined): void {
  held?.check();
  held?.result.release();
}

async function readOnce(log: TestLog, offset: number, maxBytes: number, atLeastOne: boolean): Promise<Buffer> {
  const { result, check } = await begin(log, 0, offset, maxBytes, atLeastOne);
  check();
  const bytes = Buffer.concat(result.slices);
  result.release();
  return bytes;
}

for (const [where, tailBytes] of [
  ['memory', 1_000_000],
  ['the disk', 0],
] as const) {
  // Once a smaller extent was added behind a larger one that did not fit the rest of the budget: its offsets followed
  // with a hole, which a consumer takes for deleted records and skips without a word.
  test(`from ${where}: what does not fit ends the answer, also where a later extent would fit`, DEADLINE, async () => {
    const log = new TestLog(1, tailBytes);
    await log.commit([{ partition: 0, batches: [100, 20_000] }]);
    await log.commit([{ partition: 0, batches: [100] }]);
    if (tailBytes === 0) log.tail.clear();
    const [small, large] = log.model[0] as [Buffer, Buffer, Buffer];
    assert.equal((await readOnce(log, 0, small.length + 5_000, true)).length, small.length);
    assert.equal((await readOnce(log, 1, 5_000, false)).length, 0);
    assert.equal((await readOnce(log, 1, 5_000, true)).length, large.length);
    assert.equal((await readOnce(log, 0, 1_000_000, true)).length, Buffer.concat(log.model[0] ?? []).length);
    log.close();
    assert.equal(log.pool.outstanding, 0);
  });
}

test('damage ends an answer before it, and is named by the read that begins at it', DEADLINE, async () => {
  const log = new TestLog(1, 0);
  await log.commit([{ partition: 0, batches: [200] }]);
  const position = 64 + 64 + (log.model[0]?.[0]?.length ?? 0) + 64 + 64;
  await log.commit([{ partition: 0, batches: [200] }]);
  log.tail.clear();
  const handle = await log.disk.open('j/1.journal', 'readwrite');
  handle.writeSync([Buffer.alloc(20)], position);
  const first = log.model[0]?.[0] as Buffer;
  assert.deepEqual(await readOnce(log, 0, 1_000_000, true), first, 'what is good is served');
  await assert.rejects(readOnce(log, lastOffset(first, 0) + 1, 1_000_000, true), (error) => {
    assert.ok(error instanceof MillraceError && error.code === 'STORE_CORRUPT');
    assert.match(error.message, new RegExp(`Journal file 1, position ${position}`));
    return true;
  });
  log.close();
  assert.equal(log.pool.outstanding, 0);
});

test('what was checked a short while ago is not checked again', DEADLINE, async () => {
  const log = new TestLog(1, 0);
  await log.commit([{ partition: 0, batches: [200] }]);
  log.tail.clear();
  const written = log.model[0]?.[0] as Buffer;
  assert.deepEqual(await readOnce(log, 0, 1_000_000, true), written);
  const handle = await log.disk.open('j/1.journal', 'readwrite');
  handle.writeSync([Buffer.alloc(20, 0xee)], 64 + 64 + written.length - 20);
  // The kit compares what was read with what was written.
  await assert.rejects(readOnce(log, 0, 1_000_000, true), /batch 0 of the answer is as written/);
  log.clock.advance(10 * 60 * 1000);
  await assert.rejects(readOnce(log, 0, 1_000_000, true), /Journal file 1/);
  log.close();
});

// Small extents far apart: planning all that fits the answer would have read, and held, a gigabyte for a megabyte.
test(
  'a read of scattered extents takes a bounded part of the disk and holds no more than its answer',
  DEADLINE,
  async () => {
    const log = new TestLog(2, 0);
    for (let i = 0; i < 300; i++) {
      await log.commit([
        { partition: 0, batches: [10] },
        { partition: 1, batches: [MAX_MERGED_EXTENT_BYTES - 10_000] },
      ]);
      if (i % 10 === 9) log.roll();
    }
    log.tail.clear();
    const { result, check } = await begin(log, 0, 0, 1_000_000, true);
    check();
    assert.ok(result.sizeBytes > 1000 && log.handles.bytesRead < 20_000_000, `${log.handles.bytesRead} bytes read`);
    assert.equal(new Set(result.leases.map((lease) => lease.bytes.buffer)).size, 1, 'copied, not kept with their gaps');
    result.release();
    log.close();
  },
);
