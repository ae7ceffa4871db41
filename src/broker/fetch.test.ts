/**
 * Fetches over several partitions: what they collect, when they wait and what ends the waiting, and that whatever ends
 * them, in whatever order, every lease comes back once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeDisk } from '../../test/kit/fake-disk.ts';
import { History } from '../../test/kit/history.ts';
import { TestLog } from '../../test/kit/log-kit.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import * as fc from '../../test/kit/properties.ts';
import { MillraceError } from '../base/errors.ts';
import { transactOnce } from '../journal/journal.ts';
import type { Partition } from '../store/partition.ts';
import { cancelFetch, FetchItem, FetchPath, type FetchPathOptions, type FetchRequest, releaseFetch } from './fetch.ts';

const DEADLINE = { timeout: 60_000 };

interface Running extends FetchRequest {
  readonly items: FetchItem[];
  settledCount: number;
}

class Bench {
  readonly log: TestLog;
  readonly clock = new ManualClock();
  readonly path: FetchPath;

  constructor(partitions: number, tailBytes = 1_000_000, failed?: FetchPathOptions['failed']) {
    this.log = new TestLog(partitions, tailBytes);
    const { reader, pool } = this.log;
    this.path = new FetchPath({ reader, pool, clock: this.clock, maxBytes: 1_000_000, maxWaitMs: 10_000, failed });
  }

  /** Offsets by partition, from 0 on. */
  fetch(offsets: readonly number[], options: Partial<FetchRequest> & { itemBytes?: number } = {}): Running {
    const request: Running = {
      minBytes: options.minBytes ?? 1,
      maxBytes: options.maxBytes ?? 500_000,
      maxWaitMs: options.maxWaitMs ?? 1000,
      readCommitted: false,
      items: offsets.map((offset, i) => new FetchItem(this.log.partitions[i], offset, options.itemBytes ?? 100_000)),
      settledCount: 0,
      settled() {
        request.settledCount += 1;
      },
    };
    this.path.fetch(request);
    return request;
  }

  async turns(count = 40): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  async end(): Promise<void> {
    this.path.close();
    await this.turns();
    this.log.close();
    await this.log.handles.close();
    assert.deepEqual([this.log.pool.outstanding, this.path.counters.parked, this.clock.pendingTimers], [0, 0, 0]);
  }
}

function textOf(item: FetchItem | undefined): string {
  return Buffer.concat(item?.slices ?? []).toString('hex');
}

test('an answer from memory is given inside the call; a parked one by records, and by time', DEADLINE, async () => {
  const bench = new Bench(2);
  await bench.log.commit([{ partition: 0, batches: [100] }]);
  const at = bench.fetch([0, 0]);
  assert.equal(at.settledCount, 1);
  assert.equal(textOf(at.items[0]), bench.log.model[0]?.[0]?.toString('hex'));
  releaseFetch(at);
  const end = bench.log.partitions[0]?.highWatermark ?? 0;
  const waiting = bench.fetch([end, 0]);
  const timed = bench.fetch([end, 5_000], { maxWaitMs: 500 });
  assert.equal(timed.items[1]?.error, 'STORE_OFFSET_OUT_OF_RANGE', 'an error ends the waiting');
  const late = bench.fetch([end], { maxWaitMs: 99_999_999 });
  assert.equal(bench.path.counters.parked, 2);
  bench.clock.advance(999);
  assert.deepEqual([waiting.settledCount, late.settledCount], [0, 0]);
  await bench.log.commit([{ partition: 1, batches: [10] }]);
  assert.deepEqual([waiting.settledCount, late.settledCount], [1, 0]);
  assert.ok((waiting.items[1]?.sizeBytes ?? 0) > 0);
  bench.clock.advance(9_001);
  assert.deepEqual([late.settledCount, late.items[0]?.sizeBytes], [1, 0], 'no longer than we allow');
  releaseFetch(waiting);
  releaseFetch(timed);
  releaseFetch(late);
  await bench.end();
});

// A client that asks for more bytes than it would take waited for its whole time, with records there.
test('a minimum above the maximum is the maximum', DEADLINE, async () => {
  const bench = new Bench(1);
  await bench.log.commit([{ partition: 0, batches: [5000] }]);
  const request = bench.fetch([0], { minBytes: 1_000_000, maxBytes: 1000 });
  assert.equal(request.settledCount, 1);
  releaseFetch(request);
  await bench.end();
});

test('many partitions share the budget: each answer is whole batches from its offset on', DEADLINE, async () => {
  const sizes = fc.array(fc.array(fc.oneof(fc.nat(300), fc.nat(20_000)), { maxLength: 6 }), {
    minLength: 4,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      sizes,
      fc.integer({ min: 1, max: 60_000 }),
      fc.integer({ min: 1, max: 40_000 }),
      fc.constantFrom(0, 1_000_000),
      async (batches, maxBytes, itemBytes, tailBytes) => {
        const bench = new Bench(4, tailBytes);
        const runs = batches.flatMap((list, partition) => (list.length === 0 ? [] : [{ partition, batches: list }]));
        if (runs.length > 0) await bench.log.commit(runs);
        if (tailBytes === 0) bench.log.tail.clear();
        const request = bench.fetch([0, 0, 0, 0], { minBytes: 0, maxBytes, itemBytes });
        await bench.turns();
        assert.equal(request.settledCount, 1);
        let total = 0;
        let first = true;
        for (const [i, item] of request.items.entries()) {
          const bytes = Buffer.concat(item.slices);
          const all = bench.log.model[i] ?? [];
          const counts = all.map((_, n) => Buffer.concat(all.slice(0, n + 1)));
          assert.ok(bytes.length === 0 || counts.some((one) => one.equals(bytes)), 'whole batches from the first on');
          const room = Math.min(itemBytes, maxBytes - total);
          const fits = counts.filter((one) => one.length <= room).at(-1)?.length ?? 0;
          const forced: number = first && fits === 0 ? (all[0]?.length ?? 0) : fits;
          assert.equal(bytes.length, forced);
          if (bytes.length > 0) first = false;
          total += bytes.length;
        }
        releaseFetch(request);
        await bench.end();
      },
    ),
    { numRuns: 100 },
  );
});

// Cancelled twice while the disk was read: the first result was given up early, and what the read added after was lost.
test(
  'a fetch that is cancelled while it reads, once or often, answers nobody and keeps nothing',
  DEADLINE,
  async () => {
    for (const cancels of [1, 2, 3]) {
      const bench = new Bench(2, 0);
      await bench.log.commit([
        { partition: 0, batches: [50_000, 100] },
        { partition: 1, batches: [30_000] },
      ]);
      bench.log.tail.clear();
      const request = bench.fetch([0, 0]);
      assert.equal(request.settledCount, 0);
      for (let i = 0; i < cancels; i++) {
        cancelFetch(request);
        await bench.turns(1);
      }
      await bench.turns();
      assert.equal(request.settledCount, 0);
      cancelFetch(request);
      await bench.end();
    }
  },
);

test('cancelled while parked, after it settled, and after it was released', DEADLINE, async () => {
  const bench = new Bench(1);
  await bench.log.commit([{ partition: 0, batches: [50_000] }]);
  const end = bench.log.partitions[0]?.highWatermark ?? 0;
  const parked = bench.fetch([end]);
  cancelFetch(parked);
  cancelFetch(parked);
  await bench.log.commit([{ partition: 0, batches: [10] }]);
  assert.equal(parked.settledCount, 0);
  const settled = bench.fetch([0]);
  assert.equal(settled.settledCount, 1);
  cancelFetch(settled);
  releaseFetch(settled);
  cancelFetch(settled);
  await bench.end();
});

// Such a fetch was parked after its read, behind the close, and held its connection until its time was up.
// A reader was told a code, and that the broker's log says why; the log said nothing.
test('who watches is told why a read failed, and the answer has its code', DEADLINE, async () => {
  const told: unknown[] = [];
  const bench = new Bench(1, 0, (...failure) => told.push(failure));
  await bench.log.commit([{ partition: 0, batches: [100] }]);
  const partition = bench.log.partitions[0] as Partition;
  const damage = new MillraceError('STORE_CORRUPT', 'journal/0000000001.journal, position 64: damaged');
  bench.log.reader.read = () => Promise.reject(damage);
  const later = bench.fetch([0]);
  await bench.turns();
  bench.log.reader.read = () => {
    throw damage;
  };
  const atOnce = bench.fetch([0]);
  for (const request of [later, atOnce]) {
    assert.deepEqual([request.settledCount, request.items[0]?.error], [1, 'STORE_CORRUPT']);
  }
  assert.deepEqual(told, [
    [partition, 0, damage],
    [partition, 0, damage],
  ]);
  await bench.end();
});

test('a fetch that reads while the path closes is answered with what there is', DEADLINE, async () => {
  const bench = new Bench(1, 0);
  await bench.log.commit([{ partition: 0, batches: [100] }]);
  bench.log.tail.clear();
  const request = bench.fetch([0], { minBytes: 100_000 });
  const parked = bench.fetch([bench.log.partitions[0]?.highWatermark ?? 0]);
  bench.path.close();
  assert.deepEqual([request.settledCount, parked.settledCount], [0, 1]);
  await bench.turns();
  assert.equal(request.settledCount, 1);
  assert.ok((request.items[0]?.sizeBytes ?? 0) > 0);
  const after = bench.fetch([bench.log.partitions[0]?.highWatermark ?? 0]);
  assert.equal(after.settledCount, 1);
  releaseFetch(request);
  await bench.end();
});

test('records that come while the disk is read are seen, and a deletion ends the fetch', DEADLINE, async () => {
  const bench = new Bench(2, 0);
  await bench.log.commit([{ partition: 0, batches: [100] }]);
  bench.log.tail.clear();
  const request = bench.fetch([0, 0], { minBytes: 1500 });
  await bench.log.commit([{ partition: 1, batches: [3000] }]);
  await bench.turns();
  assert.equal(request.settledCount, 1);
  assert.ok((request.items[1]?.sizeBytes ?? 0) > 3000);
  releaseFetch(request);
  await bench.end();
});

// The parked fetch was told inside the fold: an answer that led to a transaction stopped the journal for good.
test('an answer to a deletion may begin a transaction, and comes when the deletion is durable', DEADLINE, async () => {
  const disk = new FakeDisk();
  const history = await History.open(disk);
  const topic = await history.topics.create({ name: 't' });
  const partition = topic.partitions[0];
  assert.ok(partition);
  const events: string[] = [];
  const created = new Promise<void>((resolve, reject) => {
    partition.wait({
      advanced: () => undefined,
      trimmed: () => undefined,
      gone: () => {
        events.push(`gone ${history.journal.status().publishedCommit === history.journal.status().headCommit}`);
        transactOnce(history.journal, (commit) => commit.command(6, Buffer.from('010000000000000001', 'hex'))).then(
          resolve,
          reject,
        );
      },
    });
  });
  const deletion = history.topics.delete(topic).then(() => events.push('deleted'));
  assert.deepEqual(events, []);
  await Promise.all([deletion, created]);
  assert.deepEqual(events, ['gone true', 'deleted']);
  assert.equal(history.journal.status().state, 'running');
  await history.journal.close();
});
