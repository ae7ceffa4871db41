/**
 * Who reads in order gets what a plain read would give, from memory and with each byte read once; who reads here and there costs nothing
 * more; what is held for readers is bounded, and comes back.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestLog } from '../../test/kit/log-kit.ts';
import { ManualClock } from '../../test/kit/manual-clock.ts';
import { PoisoningPool } from '../../test/kit/poisoning-pool.ts';
import * as fc from '../../test/kit/properties.ts';
import { Course } from './course.ts';
import { Partition, PartitionMemory } from './partition.ts';
import { ReadAhead } from './read-ahead.ts';
import { type Piece, planSpans, type Span } from './read-plan.ts';
import { GatherBuffer, ReadResult } from './read-result.ts';

const DEADLINE = { timeout: 120_000 };
const MIB = 1024 * 1024;
/** An extent of the file below: offsets 10 * i to 10 * i + 9. */
const EXTENT_BYTES = MIB;

/** A chunk of extents of 1 MiB; reads end when `deliver` is called. */
class Source {
  readonly pool = new PoisoningPool();
  readonly reads: number[] = [];
  readonly #waiting: (() => void)[] = [];
  damagedFrom = Number.POSITIVE_INFINITY;
  /** Chunks of so many extents. */
  fileExtents = Number.POSITIVE_INFINITY;
  plans = 0;
  isLocal = (): boolean => true;

  plan = async (_partition: Partition, offset: number, endOffset: number, maxBytes: number): Promise<Span[]> => {
    this.plans += 1;
    const pieces: Piece[] = [];
    for (let at = Math.floor(offset / 10); at * 10 < endOffset && pieces.length * EXTENT_BYTES < maxBytes; at++) {
      const place = {
        file: -1 - Math.floor(at / this.fileExtents),
        position: at * EXTENT_BYTES,
        sizeBytes: EXTENT_BYTES,
      };
      pieces.push({ ...place, baseOffset: at * 10, endOffset: at * 10 + 10, maxTimestamp: 0 });
    }
    return planSpans(pieces);
  };

  readSpan = async ({ position, sizeBytes }: Span) => {
    this.reads.push(position / EXTENT_BYTES);
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.pool.acquire(sizeBytes);
  };

  isSound = ({ position, sizeBytes }: Span): boolean => position + sizeBytes <= this.damagedFrom;

  /** What was asked for first. */
  async deliverOne(): Promise<void> {
    this.#waiting.shift()?.();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** Until nothing more is asked for. */
  async deliver(): Promise<void> {
    for (let quiet = 0; quiet < 3; quiet++) {
      if (this.#waiting.length > 0) quiet = 0;
      for (const resolve of this.#waiting.splice(0)) resolve();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
  }
}

function setUp(): { source: Source; ahead: ReadAhead; clock: ManualClock; partition: Partition } {
  const source = new Source();
  const clock = new ManualClock();
  return { source, clock, ahead: new ReadAhead(source, clock), partition: new Partition(0, 0, new PartitionMemory()) };
}

const END = 1_000;

test('a reader in order is kept ahead of, each byte read once, and only so far', DEADLINE, async () => {
  const { source, ahead, partition } = setUp();
  assert.equal(ahead.course(partition, 0, END), undefined);
  ahead.ended(partition, 0, 10);
  let served = 0;
  // The answers end within extents.
  for (let offset = 7; offset < 300; offset += 13) {
    const course = ahead.course(partition, offset, END) as Course;
    await source.deliver();
    await course.arrival(offset);
    const stretch = course.ready(offset);
    assert.ok(stretch !== undefined && stretch.startOffset <= offset && offset < stretch.endOffset);
    served = offset;
    assert.ok((source.reads.at(-1) ?? 0) - offset / 10 <= 6, 'no further than its bound');
  }
  assert.ok(served > 280);
  assert.deepEqual([...new Set(source.reads)], source.reads, 'nothing twice');
  assert.ok(source.plans <= 5, 'the index is not asked for each read');
  assert.ok(source.pool.outstanding <= 5);
  ahead.close();
  await source.deliver();
  assert.equal(source.pool.outstanding, 0);
});

test(
  'two reads are on their way at once, and what comes next is known by its length before it is there',
  DEADLINE,
  async () => {
    const { source, ahead, partition } = setUp();
    ahead.ended(partition, 0, 10);
    const course = ahead.course(partition, 10, END) as Course;
    assert.equal(course.nextBytes(10), undefined, 'nothing is planned');
    await new Promise<void>((resolve) => setImmediate(resolve));
    assert.deepEqual(source.reads, [1, 3]);
    assert.equal(course.nextBytes(10), EXTENT_BYTES);
    assert.equal(course.nextBytes(30), undefined, 'others are before it');
    await source.deliver();
    assert.deepEqual(source.reads, [1, 3, 5, 7]);
    assert.equal(course.ready(10)?.endOffset, 30);
    assert.equal(course.nextBytes(90), EXTENT_BYTES, 'of what is planned');
    ahead.close();
    assert.equal(source.pool.outstanding, 0);
  },
);

test(
  'the next file is begun while the one before it is read, each byte once, and given back by who does not come so far',
  DEADLINE,
  async () => {
    for (const readTo of [150, 290, 390, 405, 420, 980]) {
      const { source, ahead, partition } = setUp();
      source.fileExtents = 40;
      ahead.ended(partition, 0, 10);
      let offset = 10;
      for (; offset < readTo; offset += 20) {
        const course = ahead.course(partition, offset, END) as Course;
        await source.deliver();
        await course.arrival(offset);
        const stretch = course.ready(offset);
        assert.ok(stretch !== undefined && stretch.startOffset <= offset && offset < stretch.endOffset);
        assert.equal(stretch.span.file, -1 - Math.floor(offset / 400));
      }
      assert.deepEqual([...new Set(source.reads)], source.reads, 'nothing twice');
      const [begun, last] = [source.reads.indexOf(40), source.reads.indexOf(39)];
      if (readTo === 150) assert.equal(begun, -1, 'not yet');
      else assert.ok(begun !== -1 && (last === -1 || last > begun), 'before its turn');
      assert.ok(source.pool.outstanding * 2 * MIB <= 16 * MIB, `${source.pool.outstanding} stretches held`);
      ahead.close();
      await source.deliver();
      assert.equal(source.pool.outstanding, 0);
    }
  },
);

// Both reads at a time were of the next file, and who waited was told that nothing would come: what had been read was read again.
test('who waits while the next file is begun is given what is read next', DEADLINE, async () => {
  for (const fileExtents of [4, 8, 16, 32]) {
    const { source, ahead, partition } = setUp();
    source.fileExtents = fileExtents;
    ahead.ended(partition, 0, 10);
    for (let offset = 10; offset < END - 10; offset += 10) {
      const course = ahead.course(partition, offset, END) as Course;
      const wait = { isOver: false };
      const arrival = course.arrival(offset).finally(() => {
        wait.isOver = true;
      });
      for (let i = 0; !wait.isOver && i < 100; i++) await source.deliverOne();
      await arrival;
      assert.ok(course.ready(offset) !== undefined, `nothing at ${offset}, files of ${fileExtents}`);
    }
    assert.deepEqual([...new Set(source.reads)], source.reads, 'nothing twice');
    ahead.close();
    await source.deliver();
    assert.equal(source.pool.outstanding, 0);
  }
});

test('of files that are not on the disk none is begun before its turn', DEADLINE, async () => {
  const { source, ahead, partition } = setUp();
  source.fileExtents = 40;
  source.isLocal = () => false;
  ahead.ended(partition, 0, 10);
  for (let offset = 10; offset < 500; offset += 20) {
    const course = ahead.course(partition, offset, END) as Course;
    await source.deliver();
    await course.arrival(offset);
    assert.ok(course.ready(offset) !== undefined);
  }
  assert.deepEqual(
    source.reads,
    [...source.reads].sort((a, b) => a - b),
  );
  ahead.close();
  await source.deliver();
  assert.equal(source.pool.outstanding, 0);
});

test('what follows is looked up while there is enough to read', DEADLINE, async () => {
  const { source, ahead, partition } = setUp();
  const { plan } = source;
  const lookedUp = Promise.withResolvers<void>();
  source.plan = async (...asked) => {
    if (source.plans > 0) await lookedUp.promise;
    return await plan(...asked);
  };
  ahead.ended(partition, 0, 10);
  for (let offset = 10; offset < 150; offset += 10) {
    const course = ahead.course(partition, offset, END) as Course;
    await source.deliver();
    assert.ok(course.ready(offset) !== undefined, 'read meanwhile');
  }
  assert.equal(source.plans, 1);
  lookedUp.resolve();
  const course = ahead.course(partition, 150, END) as Course;
  await source.deliver();
  await course.arrival(200);
  assert.ok(course.ready(200) !== undefined);
  ahead.close();
  await source.deliver();
  assert.equal(source.pool.outstanding, 0);
});

// The next one was taken for what begins there, and readers were given a log with a hole.
test('what there is no room for is not skipped, whoever else looks for more meanwhile', DEADLINE, async () => {
  for (let refused = 1; refused < 12; refused++) {
    const source = new Source();
    let takes = 0;
    const room = { take: () => ++takes !== refused, giveBack: () => undefined };
    const partition = new Partition(0, 0, new PartitionMemory());
    const course = new Course(source, room, { partition, offset: 0, next: 10, now: 0 });
    for (let offset = 10; offset < 200; offset += 10) {
      course.goOn(offset, END, 0);
      for (let i = 0; i < 60; i++) {
        const stretch = course.ready(offset);
        if (stretch !== undefined) assert.ok((stretch.span.pieces[0] as Piece).baseOffset <= stretch.startOffset);
        if (i % 20 === 19) await source.deliver();
        else await Promise.resolve();
      }
    }
    course.end();
    await source.deliver();
    assert.equal(source.pool.outstanding, 0);
  }
});

// It waited for what had been given back, until the other reader had come to its end.
test(
  'who begins at what another reader has passed is not taken along, and who waits there waits no longer',
  DEADLINE,
  async () => {
    const { source, ahead, partition } = setUp();
    ahead.course(partition, 0, END);
    ahead.ended(partition, 0, 10);
    // An answer from 7 on takes what begins at 0, and of what comes behind it.
    const course = ahead.course(partition, 7, END) as Course;
    await source.deliver();
    const first = course.ready(7);
    assert.ok(first !== undefined);
    assert.ok(course.goesOnAt(first.endOffset - 1), 'it is there');
    let waited = false;
    const asked = source.reads.length;
    course.ready(first.endOffset);
    assert.ok(source.reads.length > asked, 'more is on its way');
    const waiting = course.arrival(16).then(() => (waited = true));
    assert.equal(course.goesOnAt(first.endOffset - 1), false, 'it was passed');
    for (let turn = 0; turn < 3; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
    assert.equal(waited, true, 'before anything more comes');
    await waiting;
    ahead.close();
    await source.deliver();
    assert.equal(source.pool.outstanding, 0);
  },
);

test('who reads here and there, or the same again, is left alone', DEADLINE, async () => {
  const { source, ahead, partition } = setUp();
  for (const offset of [500, 0, 900, 300, 300, 100, 700, 700]) {
    assert.equal(ahead.course(partition, offset, END), undefined);
    ahead.ended(partition, offset, offset + 5);
  }
  assert.equal(ahead.course(new Partition(1, 1, new PartitionMemory()), 303, END), undefined, 'another partition');
  await source.deliver();
  assert.deepEqual(source.reads, []);
});

test('two readers of one partition go on, each by itself', DEADLINE, async () => {
  const { source, ahead, partition } = setUp();
  ahead.ended(partition, 0, 10);
  ahead.ended(partition, 500, 510);
  for (let at = 10; at < 200; at += 20) {
    for (const offset of [at, 500 + at]) {
      const course = ahead.course(partition, offset, END) as Course;
      await source.deliver();
      await course.arrival(offset);
      assert.equal(Math.floor((course.ready(offset)?.startOffset ?? -1) / 10) * 10 <= offset, true);
    }
  }
  assert.equal(new Set(source.reads).size, source.reads.length);
  ahead.close();
  await source.deliver();
  assert.equal(source.pool.outstanding, 0);
});

test('behind a damage nothing is given; who reads it without a course is told', DEADLINE, async () => {
  const { source, ahead, partition } = setUp();
  source.damagedFrom = 4 * EXTENT_BYTES;
  ahead.ended(partition, 0, 10);
  const course = ahead.course(partition, 10, END) as Course;
  await source.deliver();
  await course.arrival(10);
  const first = course.ready(10);
  assert.ok(first !== undefined && first.endOffset <= 40);
  await course.arrival(40);
  assert.equal(course.ready(40), undefined);
  ahead.drop(course);
  assert.equal(source.pool.outstanding, 0);
});

test('who has not come back gives way to others; what is held is bounded', DEADLINE, async () => {
  const { source, ahead, clock } = setUp();
  const partitions = Array.from({ length: 10 }, (_, i) => new Partition(i, i, new PartitionMemory()));
  for (const partition of partitions) {
    ahead.ended(partition, 0, 10);
    ahead.course(partition, 10, END);
    await source.deliver();
  }
  assert.ok(source.pool.outstanding * 2 * MIB <= 20 * MIB, `${source.pool.outstanding} stretches held`);
  assert.ok(source.plans <= 6, 'who has no room looks nothing up');
  const late = partitions[9] as Partition;
  clock.advance(2_000);
  ahead.ended(late, 100, 110);
  const course = ahead.course(late, 110, END) as Course;
  await source.deliver();
  await course.arrival(110);
  assert.ok(course.ready(110) !== undefined, 'the others had gone');
  ahead.close();
  await source.deliver();
  assert.equal(source.pool.outstanding, 0);
});

test('a reader that goes on is given what it would read by itself, others coming and going', DEADLINE, async () => {
  const operation = fc.record({
    reader: fc.nat(3),
    maxBytes: fc.oneof(fc.integer({ min: 1, max: 50_000 }), fc.constant(3 * MIB)),
    wait: fc.boolean(),
    jump: fc.oneof({ weight: 9, arbitrary: fc.constant(-1) }, { weight: 1, arbitrary: fc.nat(400) }),
  });
  const files = fc.array(fc.array(fc.oneof(fc.nat(300), fc.nat(400_000)), { minLength: 1, maxLength: 8 }), {
    minLength: 2,
    maxLength: 6,
  });
  await fc.assert(
    fc.asyncProperty(
      files,
      fc.array(operation, { minLength: 10, maxLength: 80 }),
      fc.boolean(),
      async (contents, operations, indexed) => {
        const log = new TestLog(1, 0);
        for (const batches of contents) {
          for (const valueBytes of batches) await log.commit([{ partition: 0, batches: [valueBytes] }]);
          log.roll();
          if (indexed) await log.indexOldest();
        }
        const [partition] = log.partitions as [Partition];
        const all = Buffer.concat(log.model[0] as Buffer[]);
        const starts = batchStarts(log.model[0] as Buffer[]);
        const positions = [0, 0, 0, 0];
        const running: Promise<void>[] = [];
        const read = async (reader: number, maxBytes: number): Promise<void> => {
          const at = (positions[reader] as number) % starts.length;
          const offset = starts[at]?.offset as number;
          const gather = new GatherBuffer(log.pool);
          const result = new ReadResult(gather);
          const limits = { endOffset: partition.highWatermark, maxBytes, atLeastOne: true };
          await log.reader.read(partition, offset, limits, result);
          result.finish();
          gather.release();
          const given = Buffer.concat(result.slices);
          const from = starts[at]?.position as number;
          assert.ok(given.length > 0 && given.equals(all.subarray(from, from + given.length)));
          const next = starts.findIndex(({ position }) => position === from + given.length);
          assert.ok(next >= 0 || from + given.length === all.length, 'whole batches');
          positions[reader] = next < 0 ? 0 : next;
          result.release();
        };
        for (const { reader, maxBytes, wait, jump } of operations) {
          if (jump >= 0) positions[reader] = jump;
          const reading = read(reader, maxBytes);
          running.push(reading);
          if (wait) await reading;
        }
        await Promise.all(running);
        log.close();
        await log.handles.close();
        // What had just arrived is given back behind the turn.
        await new Promise<void>((resolve) => setImmediate(resolve));
        assert.equal(log.pool.outstanding, 0, 'every lease came back');
      },
    ),
    { numRuns: 100 },
  );
});

function batchStarts(batches: readonly Buffer[]): { offset: number; position: number }[] {
  let position = 0;
  return batches.map((batch) => {
    const start = { offset: Number(batch.readBigInt64BE(0)), position };
    position += batch.length;
    return start;
  });
}
