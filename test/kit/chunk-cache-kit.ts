/** A cache of tiered chunks on a worker of a few lines, whose fetches, writes and files fail or wait as they are told. */
import assert from 'node:assert/strict';
import { MillraceError } from '../../src/base/errors.ts';
import { ChunkCache } from '../../src/broker/tiering/chunk-cache.ts';
import type { TieredPlace, TierJob } from '../../src/broker/tiering/messages.ts';
import type { TierLink } from '../../src/broker/tiering/tier-link.ts';
import type { TierState } from '../../src/broker/tiering/tier-state.ts';
import type { ColdLease, ExpectedChunk } from '../../src/store/cold-chunks.ts';
import { TIER_BLOCK_BYTES } from '../../src/store/tiered-chunk.ts';
import { ManualClock } from './manual-clock.ts';
import { PoisoningPool } from './poisoning-pool.ts';

export const BLOCKS = 40;

/** Chunks 1 to 3 are in the store, of 40 blocks each. */
function place(chunk: number): TieredPlace | undefined {
  return chunk <= 3 ? { chunk, object: `o${chunk}`, rawBytes: BLOCKS * TIER_BLOCK_BYTES, storedBytes: 1 } : undefined;
}

/** All of it is one partition's. */
export function whole(chunk: number): ExpectedChunk {
  return { chunk, frontBytes: BLOCKS * TIER_BLOCK_BYTES };
}

/** What a byte of a block is. */
export function valueOf(chunk: number, block: number): number {
  return chunk * 64 + block;
}

interface Worker {
  /** Answers to fetches come behind it. */
  fetchesBehind: Promise<void>;
  writesBehind: Promise<void>;
  refusesFetches: boolean;
  refusesWrites: boolean;
  isNear: boolean;
  /** Files may have holes. */
  isAnew: boolean;
  /** Reads of cache files begin behind it. */
  filesBehind: Promise<void>;
}

export function setUp(maxBytes = 1024 * TIER_BLOCK_BYTES) {
  const asked: TierJob[] = [];
  const clock = new ManualClock();
  /** Blocks in the cache files, by chunk. */
  const files = new Map<number, Map<number, number>>();
  const worker: Worker = {
    fetchesBehind: Promise.resolve(),
    writesBehind: Promise.resolve(),
    refusesFetches: false,
    refusesWrites: false,
    isNear: false,
    isAnew: false,
    filesBehind: Promise.resolve(),
  };
  const fetch = async ({ place: { chunk }, firstBlock, blockCount, into }: Job<'fetch'>) => {
    await worker.fetchesBehind;
    if (worker.refusesFetches) throw new MillraceError('TIER_UNAVAILABLE', 'The store is down.');
    for (let i = 0; i < blockCount; i++) {
      into.fill(valueOf(chunk, firstBlock + i), i * TIER_BLOCK_BYTES, (i + 1) * TIER_BLOCK_BYTES);
    }
    return { fetchedBytes: into.length, isNear: worker.isNear, isChecked: true };
  };
  const keep = async ({ place: { chunk }, firstBlock, bytes }: Job<'keep'>) => {
    await worker.writesBehind;
    if (worker.refusesWrites) throw new MillraceError('STORE_IO', 'The disk is full.');
    const file = files.get(chunk) ?? new Map<number, number>();
    files.set(chunk, file);
    for (let at = 0; at < bytes.length; at += TIER_BLOCK_BYTES) {
      file.set(firstBlock + at / TIER_BLOCK_BYTES, bytes[at] as number);
    }
    return null;
  };
  const link = {
    ask: async (job: TierJob) => {
      asked.push(job);
      if (job.kind === 'fetch') return await fetch(job);
      if (job.kind === 'keep') return await keep(job);
      if (job.kind === 'drop') files.delete(job.chunk);
      return null;
    },
  } as unknown as TierLink;
  let fileReads = 0;
  const cache = new ChunkCache({
    link,
    state: { place } as unknown as TierState,
    maxBytes,
    isLocal: () => false,
    path: (chunk) => `${chunk}`,
    clock,
    readFile: async (path, into, position) => {
      fileReads += 1;
      await worker.filesBehind;
      const first = Math.floor(position / TIER_BLOCK_BYTES);
      for (let at = 0; at < into.length; at++) {
        const value = files
          .get(Number(path))
          ?.get(first + Math.floor((position - first * TIER_BLOCK_BYTES + at) / TIER_BLOCK_BYTES));
        assert.ok(value !== undefined || worker.isAnew, `block ${first} of chunk ${path} is in no file`);
        into[at] = value ?? 0;
      }
    },
    dropped: () => undefined,
  });
  /** Blocks that were fetched since the last call, by chunk. */
  const fetched = (): Record<number, number[]> => {
    const blocks: Record<number, number[]> = {};
    for (const job of asked.splice(0)) {
      if (job.kind !== 'fetch') continue;
      const { chunk } = job.place;
      blocks[chunk] = [...(blocks[chunk] ?? []), ...blocksOf(job)];
    }
    return blocks;
  };
  const read = async (chunk: number, block: number, holds: 'records' | 'index' = 'records'): Promise<void> => {
    const into = new Uint8Array(1_000);
    await cache.read({ chunk, position: block * TIER_BLOCK_BYTES + 7, sizeBytes: into.length, holds }, into);
    assert.deepEqual(into, new Uint8Array(1_000).fill(valueOf(chunk, block)));
  };
  const pool = new PoisoningPool();
  const lease = async (chunk: number, position: number, sizeBytes: number): Promise<ColdLease> =>
    await cache.lease({ chunk, position, sizeBytes, holds: 'records' }, pool);
  return { cache, clock, pool, asked, worker, files, fetched, read, lease, fileReads: () => fileReads };
}

export function blocksOf({ firstBlock, blockCount }: Job<'fetch'>): number[] {
  return Array.from({ length: blockCount }, (_, i) => firstBlock + i);
}

type Job<K extends TierJob['kind']> = Extract<TierJob, { kind: K }>;

/** What was begun without anybody waiting for it has ended. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}

/** Chunks, in order. */
export function opened(asked: readonly TierJob[]): number[] {
  return asked.filter((job) => job.kind === 'open').map(({ place: { chunk } }) => chunk);
}

export function kinds(asked: readonly TierJob[]): string[] {
  return asked.map(({ kind }) => kind);
}
