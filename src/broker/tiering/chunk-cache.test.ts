/** Which blocks of chunks in the store are fetched when: what is read, once, and more and more ahead of who reads on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TIER_BLOCK_BYTES } from '../../store/tiered-chunk.ts';
import { ChunkCache } from './chunk-cache.ts';
import type { TieredPlace, TierJob } from './messages.ts';
import type { TierLink } from './tier-link.ts';
import type { TierState } from './tier-state.ts';

const BLOCKS = 40;

/** Chunks 1 to 3 are in the store, of 40 blocks each. */
function place(chunk: number): TieredPlace | undefined {
  return chunk <= 3 ? { chunk, object: `o${chunk}`, rawBytes: BLOCKS * TIER_BLOCK_BYTES, storedBytes: 1 } : undefined;
}

function setUp(maxBytes = 1024 * TIER_BLOCK_BYTES) {
  const asked: TierJob[] = [];
  /** Answers come behind it. */
  const delay = { promise: Promise.resolve() };
  const link = {
    ask: async (job: TierJob) => {
      asked.push(job);
      await delay.promise;
      return { fetchedBytes: 1 };
    },
  } as unknown as TierLink;
  const cache = new ChunkCache({
    link,
    state: { place } as unknown as TierState,
    maxBytes,
    isLocal: () => false,
    path: (chunk) => `chunk ${chunk}`,
    dropped: () => undefined,
  });
  /** Blocks that were fetched since the last call, by chunk. */
  const fetched = (): Record<number, number[]> => {
    const blocks: Record<number, number[]> = {};
    for (const job of asked.splice(0)) {
      if (job.kind !== 'fetch') continue;
      const { place: of, firstBlock, blockCount } = job;
      blocks[of.chunk] ??= [];
      for (let i = 0; i < blockCount; i++) blocks[of.chunk]?.push(firstBlock + i);
    }
    return blocks;
  };
  const read = async (chunk: number, block: number, holds: 'records' | 'index' = 'records'): Promise<void> => {
    const stretch = { chunk, position: block * TIER_BLOCK_BYTES + 7, sizeBytes: 1_000, holds };
    await cache.read(stretch, async (path) => assert.equal(path, `chunk ${chunk}`));
  };
  return { cache, asked, delay, fetched, read };
}

test('a read fetches its block alone; who reads on finds more and more there, each fetched once', async () => {
  const { fetched, read } = setUp();
  await read(1, 5);
  assert.deepEqual(fetched(), { 1: [5] });
  await read(1, 6);
  assert.deepEqual(fetched(), { 1: [6, 7, 8, 9, 10] });
  const all: number[] = [];
  let requests = 0;
  for (let block = 7; block < 20; block++) {
    await read(1, block);
    const news = fetched()[1] ?? [];
    all.push(...news);
    if (news.length > 0) requests += 1;
  }
  assert.ok(requests < 7, 'in whole requests');
  assert.deepEqual(
    all,
    all.map((_, i) => 11 + i),
  );
  assert.ok((all.at(-1) ?? 0) >= 19 + 12, 'further than at first');
});

test('looking into the index is not reading on, and does not end it', async () => {
  const { fetched, read } = setUp();
  await read(1, 0);
  await read(1, 39, 'index');
  fetched();
  await read(1, 1);
  await read(1, 39, 'index');
  await read(1, 2);
  assert.ok((fetched()[1] ?? []).length > 2);
  await read(2, 39, 'index');
  await read(2, 38, 'index');
  assert.deepEqual(fetched(), { 2: [39, 38] });
});

test('who comes to the end of a chunk finds the next one, and its index', async () => {
  const { fetched, read } = setUp();
  for (let block = 0; block < BLOCKS; block++) await read(1, block);
  const next = fetched()[2] ?? [];
  assert.ok(next.includes(39) && next.includes(0) && next.length >= 20, String(next));
  assert.equal(new Set(next).size, next.length);
  for (let block = 0; block < BLOCKS; block++) await read(3, block);
  assert.equal(fetched()[4], undefined, 'there is no other');
});

test('a small cache is not filled by one reader', async () => {
  const { cache, fetched, read } = setUp(16 * TIER_BLOCK_BYTES);
  for (let block = 0; block < 30; block++) {
    await read(1, block);
    const ahead = (fetched()[1] ?? []).map((at) => at - block);
    assert.ok(Math.max(0, ...ahead) <= 4, String(ahead));
  }
  await read(2, 0);
  assert.ok(cache.sizeBytes <= 17 * TIER_BLOCK_BYTES);
});

test('what comes of a chunk that was forgotten meanwhile leaves no file behind', async () => {
  const { cache, asked, delay, read } = setUp();
  const { promise, resolve } = Promise.withResolvers<void>();
  delay.promise = promise;
  const reading = read(1, 5);
  cache.forget(1);
  assert.deepEqual(
    asked.map(({ kind }) => kind),
    ['fetch', 'drop'],
  );
  resolve();
  await reading;
  assert.deepEqual(
    asked.map(({ kind }) => kind),
    ['fetch', 'drop', 'drop'],
  );
  assert.equal(cache.sizeBytes, 0);
});
