/** Proves: blocks in memory are bounded, go in the order they were read, stay while somebody uses them, and go back exactly once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../../test/kit/manual-clock.ts';
import { BlockMemory, BlockRun } from './block-memory.ts';
import { TierJobError } from './tier-link.ts';

const MIB = 1024 * 1024;
const RUN_BYTES = 4 * MIB;
/** As many as there is room for. */
const ROOM = 10;

function setUp() {
  const clock = new ManualClock();
  const memory = new BlockMemory(clock, ROOM * RUN_BYTES);
  const gone: number[] = [];
  let count = 0;
  const reserve = (sizeBytes = RUN_BYTES): BlockRun => {
    const run = new BlockRun(4 * count++, Math.ceil(sizeBytes / MIB), sizeBytes, ({ firstBlock }) =>
      gone.push(firstBlock / 4),
    );
    memory.reserve(run);
    return run;
  };
  const filled = async (mayGo = false): Promise<BlockRun> => {
    const run = reserve();
    await memory.load(run, async (into) => into.fill(run.firstBlock));
    run.mayGo = mayGo;
    return run;
  };
  return { clock, memory, gone, reserve, filled };
}

test('what was read longest ago gives way; what is waited for does not, until nobody has come for a second', async () => {
  const { clock, memory, gone, filled } = setUp();
  const runs: BlockRun[] = [];
  for (let i = 0; i < ROOM; i++) runs.push(await filled(i % 2 === 0));
  assert.equal(memory.sizeBytes, ROOM * RUN_BYTES);
  memory.touch(runs[0] as BlockRun);
  assert.ok(memory.hasRoom(2 * RUN_BYTES));
  assert.deepEqual(gone, [2, 4]);
  assert.equal(runs[2]?.bytes, undefined);
  assert.equal(memory.hasRoom(6 * RUN_BYTES), false);
  assert.deepEqual(gone, [2, 4, 6, 8, 0]);
  clock.advance(1_001);
  assert.ok(memory.hasRoom(ROOM * RUN_BYTES));
  assert.equal(memory.sizeBytes, 0);
});

test('memory that is used is nobody else’s, and counts until it is given up', async () => {
  const { clock, memory, gone, filled } = setUp();
  const run = await filled(true);
  const lease = memory.lease(run, 10, 20);
  lease.retain().release();
  clock.advance(5_000);
  assert.equal(memory.hasRoom(ROOM * RUN_BYTES), false);
  assert.deepEqual([...lease.bytes], Array(10).fill(0));
  lease.release();
  assert.equal(run.users, 0);
  assert.throws(() => lease.release(), { code: 'INTERNAL' });
  assert.ok(memory.hasRoom(ROOM * RUN_BYTES));
  assert.deepEqual(gone, [0]);
});

// What threads share and is dropped stays until each of them has collected it: of 1 GB that was read, 470 MB had been made.
test('all of it is one piece, whatever runs it is cut into', async () => {
  const { memory, reserve } = setUp();
  const buffers = new Set<ArrayBufferLike | undefined>();
  for (const sizeBytes of [RUN_BYTES, MIB, 16 * MIB, 3 * MIB, MIB, 13 * MIB - 5, RUN_BYTES]) {
    for (let left = 2 * ROOM * RUN_BYTES; left > 0; left -= sizeBytes) {
      const run = reserve(sizeBytes);
      await memory.load(run, async (into) => assert.equal(into.length, sizeBytes));
      run.mayGo = true;
      buffers.add(run.bytes?.buffer);
      assert.ok(memory.sizeBytes <= ROOM * RUN_BYTES, `${memory.sizeBytes}`);
    }
  }
  assert.equal(buffers.size, 1);
  assert.ok([...buffers][0] instanceof SharedArrayBuffer);
});

test('who waits where all of it is used is given some of its own', async () => {
  const { memory, reserve, filled } = setUp();
  const runs: BlockRun[] = [];
  for (let i = 0; i < ROOM + 4; i++) runs.push(await filled());
  const run = reserve();
  await memory.load(run, async () => undefined);
  assert.notEqual(run.bytes?.buffer, runs[0]?.bytes?.buffer);
  assert.ok(runs.every(({ firstBlock, bytes }) => bytes?.every((byte) => byte === firstBlock % 256)));
});

// An object that is damaged and a consumer that asks again and again: 16 MiB each time, which nothing collected.
test('memory of a fetch that failed is used again', async () => {
  const { memory, gone, reserve } = setUp();
  const buffers = new Set<ArrayBufferLike>();
  for (let i = 0; i < 20; i++) {
    const filling = memory.load(reserve(), async (into) => {
      buffers.add(into.buffer);
      throw new TierJobError('TIER_CORRUPT', 'the checksum of a block is wrong');
    });
    await assert.rejects(filling, { code: 'TIER_CORRUPT' });
  }
  assert.deepEqual([memory.sizeBytes, gone.length, buffers.size], [0, 20, 1]);
});

test('memory of a fetch whose worker died is not: it may still write there; who reads beside it goes on', async () => {
  const { memory, gone, reserve, filled } = setUp();
  const beside = await filled();
  let buffer: ArrayBufferLike | undefined;
  const run = reserve();
  const filling = memory.load(run, async (into) => {
    buffer = into.buffer;
    throw new Error('the worker died');
  });
  await assert.rejects(filling, /died/);
  assert.equal(memory.sizeBytes, RUN_BYTES);
  assert.equal(run.bytes, undefined);
  assert.deepEqual(gone, [1]);
  assert.notEqual((await filled()).bytes?.buffer, buffer);
  assert.ok(beside.bytes?.every((byte) => byte === 0));
});

test('of a crowd that waits, what was read goes before the next comes', async () => {
  const { memory, reserve } = setUp();
  const runs = Array.from({ length: 5 * ROOM }, () => reserve());
  for (const run of runs) {
    await memory.load(run, async () => undefined);
    run.mayGo = true;
  }
  assert.ok(memory.sizeBytes <= ROOM * RUN_BYTES, `${memory.sizeBytes}`);
});

test('what somebody waits for is reserved also where there is no room', async () => {
  const { memory, reserve, filled } = setUp();
  for (let i = 0; i < ROOM; i++) await filled();
  assert.equal(memory.isFull, false);
  reserve();
  assert.equal(memory.sizeBytes, (ROOM + 1) * RUN_BYTES);
  assert.ok(memory.isFull);
});
