/** Which blocks of chunks in the store are fetched when: what is read, once, and more and more ahead of who reads on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCKS, blocksOf, kinds, opened, settle, setUp, valueOf, whole } from '../../../test/kit/chunk-cache-kit.ts';
import { TIER_BLOCK_BYTES } from '../../store/tiered-chunk.ts';

test('a read fetches its block alone; who reads on finds more and more there, each fetched once', async () => {
  const { fetched, read } = setUp();
  await read(1, 5);
  assert.deepEqual(fetched(), { 1: [5] });
  await read(1, 6);
  assert.deepEqual(fetched(), { 1: [6] });
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
    all.map((_, i) => 7 + i),
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

test('who comes to the end of a chunk finds the one that was expected, and its index, and not its neighbour', async () => {
  const { cache, asked, fetched, read } = setUp();
  cache.expect(1, [whole(3)]);
  assert.deepEqual(opened(asked), [3]);
  for (let block = 0; block < BLOCKS; block++) await read(1, block);
  const { 2: neighbour, 3: next = [] } = fetched();
  assert.ok(next.includes(39) && next.includes(0) && next.length >= 20, String(next));
  assert.equal(new Set(next).size, next.length);
  assert.equal(neighbour, undefined);
  for (let block = 0; block < BLOCKS; block++) await read(3, block);
  assert.equal(fetched()[2], undefined, 'nobody said what comes behind it');
});

test('of chunks that are expected the next ones are opened early, and several are on their way where they are short', async () => {
  const { cache, asked, fetched, read } = setUp();
  cache.expect(1, [2, 3, 4].map(whole));
  assert.deepEqual(opened(asked), [2, 3]);
  for (let block = 0; block < BLOCKS; block++) await read(1, block);
  const { 2: next = [], 3: second = [] } = fetched();
  assert.equal(next.length, BLOCKS);
  assert.deepEqual(second.slice(0, 9), [39, 0, 1, 2, 3, 4, 5, 6, 7]);
  assert.ok(cache.memoryBytes <= 72 * TIER_BLOCK_BYTES, `${cache.memoryBytes}`);
});

// The beginning of the next chunk was fetched, whoever's it was.
test('of a chunk that others share as much is fetched ahead as its front has of what is read, and its index', async () => {
  const { cache, fetched, read } = setUp();
  const front = { chunk: 2, frontBytes: 3 * TIER_BLOCK_BYTES + 1 };
  const elsewhere = { chunk: 3, frontBytes: 0 };
  cache.expect(1, [front, elsewhere, whole(1)]);
  for (let block = 0; block < BLOCKS; block++) await read(1, block);
  const { 1: own = [], 2: next, 3: second } = fetched();
  assert.deepEqual([own.length, next, second], [BLOCKS, [39, 0, 1, 2, 3], [39]]);
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

test('what comes of a chunk that was forgotten meanwhile is read, and leaves no file behind', async () => {
  const { cache, asked, worker, files, read } = setUp();
  const fetching = Promise.withResolvers<void>();
  worker.fetchesBehind = fetching.promise;
  const reading = read(1, 5);
  cache.forget(1);
  fetching.resolve();
  await reading;
  await settle();
  assert.deepEqual(kinds(asked), ['fetch', 'drop']);
  const writing = Promise.withResolvers<void>();
  worker.writesBehind = writing.promise;
  await read(2, 5);
  cache.forget(2);
  writing.resolve();
  await settle();
  assert.deepEqual(kinds(asked), ['fetch', 'drop', 'fetch', 'keep', 'drop', 'drop']);
  assert.deepEqual([files.size, cache.sizeBytes], [0, 0]);
});

test('who reads is answered from memory before the file is written, and from the file once memory has given it up', async () => {
  const { cache, clock, worker, fetched, read, fileReads } = setUp();
  const writing = Promise.withResolvers<void>();
  worker.writesBehind = writing.promise;
  await read(1, 5, 'index');
  await read(1, 5, 'index');
  assert.deepEqual(fetched(), { 1: [5] });
  assert.equal(cache.sizeBytes, 0);
  writing.resolve();
  await settle();
  assert.equal(cache.sizeBytes, TIER_BLOCK_BYTES);
  assert.equal(fileReads(), 0);
  // Others fill the memory.
  worker.isNear = true;
  for (let block = 0; block < BLOCKS; block++) await read(2, block);
  for (let block = 0; block < BLOCKS; block++) await read(3, block);
  fetched();
  clock.advance(2_000);
  await read(1, 5, 'index');
  assert.deepEqual([fetched(), fileReads()], [{}, 1]);
});

test('a disk that is full keeps nobody from reading, and leaves no file', async () => {
  const { cache, asked, worker, files, read } = setUp();
  worker.refusesWrites = true;
  for (let block = 8; block > 0; block--) await read(1, block);
  await settle();
  assert.equal(cache.sizeBytes, 0);
  assert.ok(cache.counters.unkeptBytes >= 8 * TIER_BLOCK_BYTES);
  assert.equal(cache.counters.failures, 0);
  assert.equal(kinds(asked).at(-1), 'drop');
  worker.refusesWrites = false;
  await read(2, 3);
  await settle();
  assert.deepEqual([files.size, cache.sizeBytes], [1, TIER_BLOCK_BYTES]);
});

test('what is written more slowly than it is read is not kept, and waiting for it is bounded', async () => {
  const { cache, worker, read } = setUp();
  const writing = Promise.withResolvers<void>();
  worker.writesBehind = writing.promise;
  for (const chunk of [1, 2]) for (let block = BLOCKS - 1; block >= 0; block--) await read(chunk, block);
  assert.ok(cache.counters.unkeptBytes >= (2 * BLOCKS - 16) * TIER_BLOCK_BYTES, `${cache.counters.unkeptBytes}`);
  assert.ok(cache.memoryBytes <= 72 * TIER_BLOCK_BYTES, `${cache.memoryBytes}`);
  writing.resolve();
  await settle();
  assert.ok(cache.sizeBytes > 0 && cache.sizeBytes <= 16 * TIER_BLOCK_BYTES);
});

/** Both chunks in order, until nothing of them is in memory any more. */
async function scan({ clock, worker, read }: ReturnType<typeof setUp>, chunks: readonly number[]): Promise<void> {
  for (const chunk of chunks) for (let block = 0; block < BLOCKS; block++) await read(chunk, block);
  await settle();
  clock.advance(2_000);
  worker.isNear = true;
  for (const chunk of [3, 2, 1].filter((other) => !chunks.includes(other)).slice(0, 1)) {
    for (let block = 0; block < BLOCKS; block++) await read(chunk, block);
  }
  await settle();
  worker.isNear = false;
}

test('who reads through once leaves in the cache what others use; what is fetched again is kept', async () => {
  const kit = setUp(120 * TIER_BLOCK_BYTES);
  const { cache, asked, files, read } = kit;
  cache.expect(1, [whole(2)]);
  await read(2, 17);
  await settle();
  assert.deepEqual([...(files.get(2)?.keys() ?? [])], [17]);
  await scan(kit, [1]);
  // The next chunk's index is no reader's alone.
  assert.deepEqual([files.get(1)?.size, [...(files.get(2)?.keys() ?? [])]], [undefined, [17, 39]]);
  assert.equal(cache.counters.unkeptBytes, 0);
  await scan(kit, [1]);
  assert.ok((files.get(1)?.size ?? 0) >= BLOCKS - 4, 'the second time');
  asked.length = 0;
  for (let block = 4; block < BLOCKS; block++) await read(1, block);
  assert.ok(!asked.some((job) => job.kind === 'fetch' && job.place.chunk === 1), 'from then on it is there');
});

test('what is fetched again behind more than the cache holds is not kept', async () => {
  const kit = setUp(20 * TIER_BLOCK_BYTES);
  for (let i = 0; i < 3; i++) await scan(kit, [1, 2]);
  assert.ok((kit.files.get(1)?.size ?? 0) <= 1 && (kit.files.get(2)?.size ?? 0) <= 1);
});

test('a reader right behind another is given what that one fetched', async () => {
  const { fetched, files, read } = setUp();
  const requests: number[] = [];
  for (let block = 0; block < BLOCKS; block++) {
    await read(1, block);
    if (block >= 6) await read(1, block - 6);
    requests.push(...(fetched()[1] ?? []));
  }
  assert.equal(new Set(requests).size, requests.length, 'each once');
  await settle();
  assert.ok((files.get(1)?.size ?? 0) <= BLOCKS);
});

// Each of them ended what was known of the other: blocks were fetched one by one, and all of them written into the file.
test('readers at several places of one chunk each find the next blocks on their way', async () => {
  const { cache, asked, files, read } = setUp();
  for (let block = 0; block < BLOCKS / 2; block++) {
    await read(1, block);
    await read(1, BLOCKS / 2 + block);
  }
  await settle();
  const blocks: number[] = [];
  for (const job of asked) if (job.kind === 'fetch') blocks.push(...blocksOf(job));
  assert.equal(new Set(blocks).size, BLOCKS);
  assert.equal(blocks.length, BLOCKS, 'each once');
  const requests = kinds(asked).filter((kind) => kind === 'fetch').length;
  assert.ok(requests <= 12, `${requests}`);
  assert.ok((files.get(1)?.size ?? 0) < BLOCKS);
  // The first comes to what was fetched for the second, which is in the file.
  asked.length = 0;
  for (let block = BLOCKS / 2; block < BLOCKS; block++) await read(1, block);
  assert.ok(!kinds(asked).includes('fetch'));
  assert.equal(cache.counters.unkeptBytes, 0);
});

// What was fetched ahead of one gave way to what was fetched ahead of another as soon as its first block was read.
test('readers of several chunks at once do not take from each other what was fetched ahead', async () => {
  const { cache, asked, fetched, read } = setUp();
  for (let block = 0; block < BLOCKS; block++) await Promise.all([1, 2, 3].map((chunk) => read(chunk, block)));
  const requests = kinds(asked).filter((kind) => kind === 'fetch').length;
  const all = Array.from({ length: BLOCKS }, (_, block) => block);
  const blocks = Object.entries(fetched()).map(([chunk, some]) => [Number(chunk), some.toSorted((a, b) => a - b)]);
  assert.deepEqual(
    blocks,
    [1, 2, 3].map((chunk) => [chunk, all]),
    'each once',
  );
  assert.ok(requests <= 40, `${requests}`);
  assert.ok(cache.memoryBytes <= 72 * TIER_BLOCK_BYTES, `${cache.memoryBytes}`);
});

test('what a near store has is not copied', async () => {
  const { cache, asked, worker, read } = setUp();
  worker.isNear = true;
  for (let block = 0; block < BLOCKS; block++) await read(1, block);
  await settle();
  assert.ok(!kinds(asked).includes('keep'));
  assert.deepEqual([cache.sizeBytes, cache.counters.unkeptBytes], [0, 0]);
});

test('a lease within one run is its memory; across two, and of little, it is a copy; either says whether batches were checked', async () => {
  const { cache, pool, lease } = setUp();
  // Reading on makes whole runs of what follows.
  for (let block = 0; block < 4; block++) (await lease(1, block * TIER_BLOCK_BYTES, TIER_BLOCK_BYTES)).lease.release();
  const { lease: shared, isChecked } = await lease(1, 4 * TIER_BLOCK_BYTES + 5, 4 * TIER_BLOCK_BYTES);
  assert.ok(shared.bytes.buffer instanceof SharedArrayBuffer);
  assert.equal(shared.bytes.length, 4 * TIER_BLOCK_BYTES);
  assert.equal(shared.bytes[0], valueOf(1, 4));
  assert.ok(isChecked);
  const { lease: across } = await lease(1, 15 * TIER_BLOCK_BYTES + 5, TIER_BLOCK_BYTES);
  assert.ok(!(across.bytes.buffer instanceof SharedArrayBuffer));
  assert.deepEqual([across.bytes[0], across.bytes[TIER_BLOCK_BYTES - 1]], [valueOf(1, 15), valueOf(1, 16)]);
  const { lease: little } = await lease(1, 5 * TIER_BLOCK_BYTES, 1_000);
  assert.ok(!(little.bytes.buffer instanceof SharedArrayBuffer));
  for (const each of [shared, across, little]) {
    each.release();
    assert.throws(() => each.release(), { code: 'INTERNAL' });
  }
  assert.equal(pool.outstanding, 0);
  assert.equal(cache.counters.failures, 0);
});

test('a lease outlives the file, the chunk and the pressure of other readers', async () => {
  const { cache, clock, worker, read, lease } = setUp(4 * TIER_BLOCK_BYTES);
  const { lease: held } = await lease(1, 5 * TIER_BLOCK_BYTES, TIER_BLOCK_BYTES);
  await settle();
  for (let block = 0; block < BLOCKS; block += 2) await read(2, block);
  await settle();
  assert.ok(cache.counters.dropped > 0, 'its file went');
  cache.forget(1);
  worker.isNear = true;
  for (let i = 0; i < 3; i++) {
    clock.advance(2_000);
    for (let block = 0; block < BLOCKS; block++) await read(3, block);
  }
  assert.deepEqual(new Set(held.bytes), new Set([valueOf(1, 5)]));
  held.release();
});

test('many readers of one block share one fetch; its failure is told to each, and the next read tries again', async () => {
  const { cache, worker, fetched, read } = setUp();
  worker.refusesFetches = true;
  const fetching = Promise.withResolvers<void>();
  worker.fetchesBehind = fetching.promise;
  const reads = Array.from({ length: 20 }, () => read(1, 5));
  fetching.resolve();
  for (const { status } of await Promise.allSettled(reads)) assert.equal(status, 'rejected');
  assert.deepEqual(
    fetched()[1]?.filter((block) => block === 5),
    [5],
  );
  assert.equal(cache.memoryBytes, 0);
  worker.refusesFetches = false;
  await Promise.all(Array.from({ length: 20 }, () => read(1, 5)));
  assert.deepEqual(
    fetched()[1]?.filter((block) => block === 5),
    [5],
  );
});

// While a store was down, each chunk that somebody asked for stayed in the cache's table, with nothing in it.
test('of chunks that could not be read nothing stays', async () => {
  const { cache, asked, worker, read } = setUp();
  worker.refusesFetches = true;
  for (const chunk of [1, 2, 3]) {
    cache.expect(chunk, []);
    for (const block of [0, 1, 17]) await assert.rejects(read(chunk, block), { code: 'TIER_UNAVAILABLE' });
  }
  await settle();
  cache.forgetAll();
  assert.equal(cache.counters.dropped, 0);
  assert.ok(!kinds(asked).includes('drop'));
});

// The next worker made the file anew, and what the cache took to be in it was read as zeros.
test('of files whose worker has died nothing is read any more', async () => {
  const { cache, clock, worker, files, fetched, read, fileReads } = setUp();
  await read(1, 5);
  await settle();
  assert.equal(cache.sizeBytes, TIER_BLOCK_BYTES);
  cache.forgetAll();
  assert.deepEqual([cache.sizeBytes, files.size], [0, 0]);
  worker.isNear = true;
  clock.advance(2_000);
  fetched();
  await read(1, 5);
  assert.deepEqual([fetched()[1], fileReads()], [[5], 0]);
});

// A hole reads as zeros, which nobody would take for a block but who knows the batch already.
test('who reads from a file that was made anew meanwhile hears that the chunk is gone', async () => {
  const { cache, clock, worker, files, read } = setUp();
  await read(1, 17);
  await settle();
  clock.advance(10_000);
  for (const chunk of [2, 3]) for (let block = BLOCKS - 1; block >= 0; block--) await read(chunk, block);
  await settle();
  const turn = Promise.withResolvers<void>();
  worker.filesBehind = turn.promise;
  worker.isAnew = true;
  const late = read(1, 17);
  await settle();
  cache.forgetAll();
  files.clear();
  await read(1, 30);
  await settle();
  assert.deepEqual([...(files.get(1)?.keys() ?? [])], [30]);
  turn.resolve();
  await assert.rejects(late, { code: 'STORE_IO' });
});
