/** Proves on seeded histories: whatever fails, goes or waits meanwhile, who is answered has the bytes of its block, until it gives them back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCKS, settle, setUp, valueOf, whole } from '../../../test/kit/chunk-cache-kit.ts';
import { SeededRandom } from '../../../test/kit/seeded-random.ts';
import { MillraceError } from '../../base/errors.ts';
import { TIER_BLOCK_BYTES } from '../../store/tiered-chunk.ts';

const STEPS = 400;
/** Of what readers wait for where there is no room. */
const FORCED_BYTES = 16 * TIER_BLOCK_BYTES;

function assertOf(bytes: Uint8Array, chunk: number, position: number): void {
  for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
    assert.equal(bytes[at], valueOf(chunk, Math.floor((position + at) / TIER_BLOCK_BYTES)));
  }
}

async function run(seed: number): Promise<void> {
  const random = new SeededRandom(seed);
  const below = (count: number): number => random.below(count);
  const { cache, clock, pool, worker, lease } = setUp(([20, 60, 1024][seed % 3] as number) * TIER_BLOCK_BYTES);
  worker.isAnew = true;
  const gates: (() => void)[] = [];
  const open = (): void => {
    for (const gate of gates.splice(0)) gate();
    worker.fetchesBehind = Promise.resolve();
    worker.writesBehind = Promise.resolve();
  };
  const gate = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    gates.push(resolve);
    return promise;
  };
  const held: (() => void)[] = [];
  const reads: Promise<void>[] = [];
  let answered = 0;
  const readers = Array.from({ length: 6 }, () => ({ chunk: 1 + below(3), at: 0 }));
  const read = async (chunk: number, position: number, sizeBytes: number): Promise<void> => {
    try {
      const { lease: taken } = await lease(chunk, position, sizeBytes);
      answered += 1;
      const check = (): void => assertOf(taken.bytes.subarray(0, sizeBytes), chunk, position);
      check();
      held.push(() => {
        check();
        taken.release();
      });
    } catch (error) {
      // The store is down, or the chunk went.
      if (!(error instanceof MillraceError)) throw error;
      assert.ok(['TIER_UNAVAILABLE', 'STORE_IO'].includes(error.code), error.code);
    }
  };
  const next = (): void => {
    const reader = readers[below(readers.length)] as { chunk: number; at: number };
    if (below(30) === 0) Object.assign(reader, { chunk: 1 + below(3), at: below(BLOCKS) * TIER_BLOCK_BYTES });
    const end = (BLOCKS - 3) * TIER_BLOCK_BYTES;
    const position = Math.min(reader.at, end);
    const sizeBytes = 500_000 + below(1_600_000);
    reader.at = position === end ? 0 : position + sizeBytes;
    reads.push(read(reader.chunk, position, sizeBytes));
  };
  for (let i = 0; i < STEPS; i++) {
    const step = below(100);
    if (step < 2) worker.fetchesBehind = gate();
    else if (step < 4) worker.writesBehind = gate();
    else if (step < 10) open();
    else if (step < 12) worker.refusesFetches = below(3) === 0;
    else if (step < 14) worker.refusesWrites = below(3) === 0;
    else if (step < 16) cache.forget(1 + below(3));
    else if (step < 17) cache.forgetAll();
    else if (step < 20) clock.advance(below(1_500));
    else if (step < 24) cache.expect(1 + below(3), [1 + below(3), 1 + below(3)].map(whole));
    else if (step < 40) held.splice(below(held.length + 1), 1)[0]?.();
    else next();
    if (below(3) === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  open();
  await Promise.all(reads);
  for (const giveBack of held) giveBack();
  await settle();
  assert.ok(answered > STEPS / 8, `${answered}`);
  assert.equal(pool.outstanding, 0);
  assert.ok(cache.memoryBytes <= 72 * TIER_BLOCK_BYTES + FORCED_BYTES, `${cache.memoryBytes}`);
  cache.forgetAll();
  assert.equal(cache.sizeBytes, 0);
}

for (let seed = 1; seed <= 6; seed++) {
  test(`readers, leases and writes where chunks go, stores are down and workers die, seed ${seed}`, {
    timeout: 60_000,
  }, async () => {
    await run(seed);
  });
}
