/**
 * Blocks of tiered chunks, as they are read: fetched into memory, answered from there, and kept in a bounded cache of files with holes.
 * Many readers of one block share one fetch; who reads on in order finds the next blocks on their way, those of the chunks that it comes
 * to next included.
 *
 * ```
 *  read(chunk, position) ──► in memory, or on its way there? ── yes ──────────────────────────┐
 *                               │ no                                                          ▼
 *                            in the file? ── no ──► worker: GET, check ──► in memory ──► answer
 *                               │ yes                                         └ once in order: not kept
 *                               │                                             └ else ──► worker: write ──► in the file
 *                               └──► read the cache file
 * ```
 * What is fetched for a reader in order is written into the file when it is fetched a second time: who reads an archive through leaves
 * there what others use, and nothing is written for it. Readers do not wait for the file: where it is written more slowly than the
 * store is read, or cannot be written, what comes is not kept.
 * The file longest unread goes first when the cache is full. It begins empty with each start.
 */

import type { BufferPool } from '../../base/buffer-pool.ts';
import { copyShared } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { ColdChunks, ColdLease, ColdStretch, ExpectedChunk } from '../../store/cold-chunks.ts';
import { COLD_RUN_BYTES } from '../../store/read-plan.ts';
import { TIER_BLOCK_BYTES, tierBlockCount } from '../../store/tiered-chunk.ts';
import { BlockMemory, BlockRun } from './block-memory.ts';
import { FetchedBlocks } from './fetched-blocks.ts';
import type { TieredPlace } from './messages.ts';
import type { TierLink } from './tier-link.ts';
import type { TierState } from './tier-state.ts';
import { type Trail, Trails } from './trails.ts';

/** Of one request to the store. */
const MAX_FETCH_BLOCKS = COLD_RUN_BYTES / TIER_BLOCK_BYTES;
/** Requests at once: enough to keep a server busy, few enough for memory. */
const MAX_FETCHES = 3;
/** A lease may hold so many times what it is asked for. */
const MOST_HELD = 4;
/** Waits to be written into files. */
const MAX_KEEPING_BYTES = 16 * 1024 * 1024;
/** Fetched ahead of a reader that goes on in order: twice as much with each read, as far as a line of some latency needs. */
const FIRST_AHEAD_BLOCKS = 4;
const MAX_AHEAD_BLOCKS = 48;
/** Of the chunks that a reader comes to next so many are opened early: an answer of some bytes takes as long as one of a block. */
const OPENED_AHEAD = 2;

interface Entry {
  readonly place: TieredPlace;
  /** In the file, by block. */
  readonly present: Uint8Array;
  /** In memory or on their way there, by block. */
  readonly runs: Map<number, BlockRun>;
  /** In the file. */
  bytes: number;
  /** Reads and writes that run: the file stays for them. */
  users: number;
  /** Writes among them. */
  writes: number;
  readonly trails: Trails;
  /** Chunks in which a reader in order goes on. */
  following: readonly ExpectedChunk[];
}

export interface ChunkCacheOptions {
  readonly link: TierLink;
  readonly state: TierState;
  readonly maxBytes: number;
  /** True: the chunk's own file is on the disk. */
  readonly isLocal: (chunk: number) => boolean;
  readonly path: (chunk: number) => string;
  readonly clock: Clock;
  /** Fills `into` from a file. */
  readonly readFile: (path: string, into: Uint8Array, position: number) => Promise<void>;
  /** The cache file is about to go: handles on it are closed. */
  readonly dropped: (path: string) => void;
}

export class ChunkCache implements ColdChunks {
  readonly counters = {
    fetches: 0,
    fetchedBytes: 0,
    failures: 0,
    hits: 0,
    dropped: 0,
    /** Not written into a file, though that was wanted. */
    unkeptBytes: 0,
  };
  readonly #options: ChunkCacheOptions;
  readonly #memory: BlockMemory;
  readonly #fetches = new Semaphore(MAX_FETCHES);
  readonly #fetched: FetchedBlocks;
  #keepingBytes = 0;
  /** The one longest unread first. */
  readonly #entries = new Map<number, Entry>();
  /** Of the files. */
  sizeBytes = 0;

  constructor(options: ChunkCacheOptions) {
    this.#options = options;
    this.#memory = new BlockMemory(options.clock);
    this.#fetched = new FetchedBlocks(Math.ceil(options.maxBytes / TIER_BLOCK_BYTES));
  }

  /** Of blocks in memory, and of those on their way there. */
  get memoryBytes(): number {
    return this.#memory.sizeBytes;
  }

  sizeOf(chunk: number): number | undefined {
    return this.#coldPlace(chunk)?.rawBytes;
  }

  async read(stretch: ColdStretch, into: Uint8Array): Promise<void> {
    await this.#with(stretch, (entry, runs) => this.#copy(entry, runs, stretch.position, into));
  }

  expect(chunk: number, following: readonly ExpectedChunk[]): void {
    const entry = this.#entry(chunk);
    if (entry === undefined) return;
    entry.following = following;
    for (const next of following.slice(0, OPENED_AHEAD)) {
      const place = this.#coldPlace(next.chunk);
      if (place !== undefined) this.#options.link.ask({ kind: 'open', place }).catch(() => undefined);
    }
  }

  async lease(stretch: ColdStretch, pool: BufferPool): Promise<ColdLease> {
    return await this.#with(stretch, async (entry, runs) => {
      const shared = this.#share(stretch, runs);
      if (shared !== undefined) return shared;
      const lease = pool.acquire(stretch.sizeBytes);
      try {
        const copied = await this.#copy(entry, runs, stretch.position, lease.bytes.subarray(0, stretch.sizeBytes));
        return { lease, isChecked: copied === stretch.sizeBytes && runs.every(({ isChecked }) => isChecked) };
      } catch (error) {
        lease.release();
        throw error;
      }
    });
  }

  /** @param work once all blocks of the stretch are in `runs`, in order, or in the file; they stay until it has ended. */
  async #with<T>(
    { chunk, position, sizeBytes, holds }: ColdStretch,
    work: (entry: Entry, runs: readonly BlockRun[]) => Promise<T>,
  ): Promise<T> {
    const entry = this.#entry(chunk);
    if (entry === undefined) throw gone(this.#options.path(chunk));
    const first = blockAt(position);
    const last = blockAt(position + Math.max(1, sizeBytes) - 1);
    entry.users += 1;
    const trail = holds === 'records' ? entry.trails.find(first) : undefined;
    const runs = this.#bring(entry, first, last, trail !== undefined);
    try {
      if (holds === 'records') this.#readOn(entry, last, trail);
      if (runs.every(({ bytes }) => bytes !== undefined)) this.counters.hits += 1;
      else await Promise.all(runs.map(({ arrived }) => arrived));
      for (const run of runs) {
        // What was fetched ahead is wanted to its end.
        run.mayGo ||= last >= run.firstBlock + run.blockCount - 1;
        this.#memory.touch(run);
      }
      return await work(entry, runs);
    } finally {
      for (const each of [entry, ...runs]) each.users -= 1;
      this.#leaveEmpty(entry);
    }
  }

  /** Undefined: it has to be copied. Where it is little of what it would hold, that is better. */
  #share({ position, sizeBytes }: ColdStretch, [run, second]: readonly BlockRun[]): ColdLease | undefined {
    if (run === undefined || second !== undefined || this.#memory.isFull) return undefined;
    const start = position - run.firstBlock * TIER_BLOCK_BYTES;
    const end = start + sizeBytes;
    if (start < 0 || end > run.sizeBytes || sizeBytes * MOST_HELD < run.sizeBytes) return undefined;
    return { lease: this.#memory.lease(run, start, end), isChecked: run.isChecked };
  }

  /** What `runs` do not have is in the file. @returns bytes that came from memory. */
  async #copy(entry: Entry, runs: readonly BlockRun[], position: number, into: Uint8Array): Promise<number> {
    const { path, readFile } = this.#options;
    const { place } = entry;
    const end = position + into.length;
    let from = position;
    let copied = 0;
    const readTo = async (to: number): Promise<void> => {
      if (to <= from) return;
      await readFile(path(place.chunk), into.subarray(from - position, to - position), from);
      // Forgotten meanwhile: there may be another file of that name, with holes where this one had blocks.
      if (this.#entries.get(place.chunk) !== entry) throw gone(path(place.chunk));
    };
    for (const run of runs) {
      const start = run.firstBlock * TIER_BLOCK_BYTES;
      await readTo(start);
      from = Math.max(from, start);
      const bytes = (run.bytes as Uint8Array).subarray(from - start, end - start);
      copyShared(bytes, into.subarray(from - position));
      from += bytes.length;
      copied += bytes.length;
    }
    await readTo(end);
    return copied;
  }

  /** Another worker begins with empty files. */
  forgetAll(): void {
    for (const [chunk, entry] of [...this.#entries]) this.#drop(chunk, entry);
  }

  /** The chunk is nobody's any more. */
  forget(chunk: number): void {
    this.#fetched.forget(chunk);
    const entry = this.#entries.get(chunk);
    if (entry !== undefined) this.#drop(chunk, entry);
  }

  /** Undefined: the chunk's own file is on the disk, or nobody knows it. */
  #coldPlace(chunk: number): TieredPlace | undefined {
    const { isLocal, state } = this.#options;
    return isLocal(chunk) ? undefined : state.place(chunk);
  }

  #entry(chunk: number): Entry | undefined {
    const known = this.#entries.get(chunk);
    if (known !== undefined) {
      this.#entries.delete(chunk);
      this.#entries.set(chunk, known);
      return known;
    }
    const place = this.#options.state.place(chunk);
    if (place === undefined) return undefined;
    const entry: Entry = {
      place,
      present: new Uint8Array(tierBlockCount(place.rawBytes)),
      runs: new Map(),
      bytes: 0,
      users: 0,
      writes: 0,
      trails: new Trails(),
      following: [],
    };
    this.#entries.set(chunk, entry);
    return entry;
  }

  /** Starts what is missing of the blocks. @returns those that are in memory, or will be; the caller uses each, and says when no more. */
  #bring(entry: Entry, first: number, last: number, isInOrder: boolean): BlockRun[] {
    const runs: BlockRun[] = [];
    for (let block = first; block <= last && block < entry.present.length; ) {
      const count = missingFrom(entry, block, last);
      const run = count > 0 ? this.#fetch(entry, block, count, isInOrder) : entry.runs.get(block);
      // At once: making room for the next must leave it where it is.
      if (run !== undefined) {
        run.users += 1;
        runs.push(run);
      }
      block = run === undefined ? block + 1 : run.firstBlock + run.blockCount;
    }
    return runs;
  }

  /** @returns false where there is no room for all of them. */
  #bringAhead(entry: Entry, first: number, last: number, isInOrder = true): boolean {
    for (let block = first; block <= last && block < entry.present.length; ) {
      const count = missingFrom(entry, block, last);
      if (count > 0) {
        if (!this.#memory.hasRoom(count * TIER_BLOCK_BYTES)) return false;
        this.#fetch(entry, block, count, isInOrder);
      }
      block += Math.max(1, count);
    }
    return true;
  }

  /** @param trail undefined: the reader does not go on, as far as is known. */
  #readOn(entry: Entry, last: number, trail: Trail | undefined): void {
    const most = Math.min(MAX_AHEAD_BLOCKS, Math.floor(this.#options.maxBytes / TIER_BLOCK_BYTES / 4));
    const aheadBlocks = trail === undefined ? 0 : Math.min(most, Math.max(FIRST_AHEAD_BLOCKS, trail.aheadBlocks * 2));
    entry.trails.goOn(trail, { lastBlock: last, aheadBlocks });
    if (trail !== undefined) this.#readAhead(entry, last + 1, aheadBlocks);
  }

  #readAhead(entry: Entry, from: number, aheadBlocks: number): void {
    const end = entry.present.length - 1;
    const wanted = from + aheadBlocks - 1;
    // In whole runs, as long as there are so many blocks.
    const last = wanted >= end ? end : runStart(wanted + 1) - 1;
    let hasRoom = this.#bringAhead(entry, from, last);
    let left = wanted - end;
    for (const { chunk, frontBytes } of entry.following) {
      const next = left > 0 && hasRoom && this.sizeOf(chunk) !== undefined ? this.#entry(chunk) : undefined;
      if (next === undefined) return;
      const frontBlocks = tierBlockCount(frontBytes);
      if (frontBlocks > 0) next.trails.expect(aheadBlocks);
      hasRoom = this.#readAheadChunk(next, Math.min(frontBlocks, runStart(left - 1) + MAX_FETCH_BLOCKS));
      // Behind records that stand anywhere nobody knows how far it is.
      left = frontBlocks > 0 ? left - frontBlocks : 0;
    }
  }

  /** The last block says where its records are, and is read long before them. @param count first ones. @returns false where there is no room. */
  #readAheadChunk(entry: Entry, count: number): boolean {
    const end = entry.present.length - 1;
    // Making room must not forget it meanwhile.
    entry.users += 1;
    const hasRoom = this.#bringAhead(entry, end, end, false) && this.#bringAhead(entry, 0, count - 1);
    entry.users -= 1;
    return hasRoom;
  }

  /** @param isInOrder for a reader in order, who comes by once: where others come behind it, the file is for them. */
  #fetch(entry: Entry, firstBlock: number, blockCount: number, isInOrder: boolean): BlockRun {
    this.counters.fetches += 1;
    const { rawBytes } = entry.place;
    const sizeBytes = Math.min(blockCount * TIER_BLOCK_BYTES, rawBytes - firstBlock * TIER_BLOCK_BYTES);
    const run = new BlockRun(firstBlock, blockCount, sizeBytes, (given) => this.#givenUp(entry, given));
    for (let i = 0; i < blockCount; i++) entry.runs.set(firstBlock + i, run);
    this.#memory.reserve(run);
    const isForOne = isInOrder && entry.trails.countBefore(firstBlock) <= 1;
    run.arrived = this.#fetches.run(() => this.#memory.load(run, (into) => this.#load(entry, run, isForOne, into)));
    // Nobody may wait for it.
    run.arrived.catch(() => undefined);
    return run;
  }

  async #load(entry: Entry, run: BlockRun, isForOne: boolean, into: Uint8Array): Promise<void> {
    const { place } = entry;
    const { firstBlock, blockCount } = run;
    try {
      const fetched = await this.#options.link.ask({ kind: 'fetch', place, firstBlock, blockCount, into });
      this.counters.fetchedBytes += fetched.fetchedBytes;
      run.isChecked = fetched.isChecked;
      const isAgain = this.#fetched.add(place.chunk, entry.present.length, firstBlock, blockCount);
      if (!fetched.isNear && (!isForOne || isAgain)) this.#keep(entry, run, into);
    } catch (error) {
      this.counters.failures += 1;
      throw error;
    }
  }

  /** Into the file, where writing keeps up. */
  #keep(entry: Entry, run: BlockRun, bytes: Uint8Array): void {
    const isCurrent = this.#entries.get(entry.place.chunk) === entry;
    if (isCurrent && this.#keepingBytes + bytes.length <= MAX_KEEPING_BYTES) void this.#write(entry, run, bytes);
    else this.counters.unkeptBytes += bytes.length;
  }

  /** Never rejects: nobody waits for it. */
  async #write(entry: Entry, run: BlockRun, bytes: Uint8Array): Promise<void> {
    const { place } = entry;
    this.#keepingBytes += bytes.length;
    entry.writes += 1;
    for (const each of [entry, run]) each.users += 1;
    const isWritten = await this.#options.link
      .ask({ kind: 'keep', place, firstBlock: run.firstBlock, bytes })
      .then(() => true)
      .catch(() => false);
    for (const each of [entry, run]) each.users -= 1;
    entry.writes -= 1;
    this.#keepingBytes -= bytes.length;
    const isCurrent = this.#entries.get(place.chunk) === entry;
    if (isWritten && isCurrent) this.#written(entry, run);
    else this.counters.unkeptBytes += bytes.length;
    // It was forgotten meanwhile, and what came made its file anew; or nothing of it could be written.
    const isOfUse = entry.bytes > 0 || entry.writes > 0;
    if (isCurrent ? !isOfUse : !this.#entries.has(place.chunk)) this.#dropFile(place.chunk);
    this.#shrink(entry);
  }

  #written(entry: Entry, run: BlockRun): void {
    run.mayGo = true;
    // A reader that came late may have opened what stood there before, of a worker that died.
    if (entry.bytes === 0) this.#options.dropped(this.#options.path(entry.place.chunk));
    for (let block = run.firstBlock; block < run.firstBlock + run.blockCount; block++) entry.present[block] = 1;
    entry.bytes += run.sizeBytes;
    this.sizeBytes += run.sizeBytes;
  }

  #givenUp(entry: Entry, run: BlockRun): void {
    for (let block = run.firstBlock; block < run.firstBlock + run.blockCount; block++) entry.runs.delete(block);
    this.#leaveEmpty(entry);
  }

  /** Of a chunk of which nothing is here, and which nobody reads, nothing is known. */
  #leaveEmpty(entry: Entry): void {
    const { chunk } = entry.place;
    const isEmpty = entry.runs.size === 0 && entry.bytes === 0 && entry.users === 0;
    if (isEmpty && this.#entries.get(chunk) === entry) this.#entries.delete(chunk);
  }

  #shrink(latest: Entry): void {
    for (const [chunk, entry] of this.#entries) {
      if (this.sizeBytes <= this.#options.maxBytes) return;
      if (entry !== latest && entry.bytes > 0 && entry.users === 0) this.#drop(chunk, entry);
    }
  }

  #drop(chunk: number, entry: Entry): void {
    this.#entries.delete(chunk);
    this.sizeBytes -= entry.bytes;
    this.counters.dropped += 1;
    this.#dropFile(chunk);
  }

  #dropFile(chunk: number): void {
    this.#options.dropped(this.#options.path(chunk));
    this.#options.link.ask({ kind: 'drop', chunk }).catch(() => undefined);
  }
}

function blockAt(position: number): number {
  return Math.floor(position / TIER_BLOCK_BYTES);
}

/** As the disk says it of a file: the reader looks anew where its batches are. */
function gone(path: string): MillraceError {
  return new MillraceError('STORE_IO', `${path} is not there any more.`, { cause: { code: 'ENOENT' } });
}

/** Blocks from `block` on, up to `last`, that one request fetches, as they are leased together; 0: it is there already. */
function missingFrom(entry: Entry, block: number, last: number): number {
  const end = Math.min(last + 1, runStart(block) + MAX_FETCH_BLOCKS);
  let next = block;
  while (next < end && isMissing(entry, next)) next += 1;
  return next - block;
}

/** Of the blocks that one request fetches, where all of them are missing. */
function runStart(block: number): number {
  return block - (block % MAX_FETCH_BLOCKS);
}

function isMissing(entry: Entry, block: number): boolean {
  return entry.present[block] === 0 && !entry.runs.has(block);
}
