/**
 * Tiered chunks on the disk again, block by block, as they are read: a bounded cache of files with holes. Many readers of one
 * block share one fetch; who reads on in order finds the next blocks on their way.
 *
 * ```
 *  read(chunk, position) ──► present? ── yes ──► read the cache file
 *                               │ no
 *                               ▼
 *                            on its way? ── join ──► worker: GET, check, write ──► present
 * ```
 * The file longest unread goes first when the cache is full. It begins empty with each start.
 */
import { MillraceError } from '../../base/errors.ts';
import type { ColdChunks, ColdStretch } from '../../store/cold-chunks.ts';
import { TIER_BLOCK_BYTES, tierBlockCount } from '../../store/tiered-chunk.ts';
import type { TieredPlace } from './messages.ts';
import type { TierLink } from './tier-link.ts';
import type { TierState } from './tier-state.ts';

/** Of one request to the store. */
const MAX_FETCH_BLOCKS = 4;
/** Fetched ahead of a reader that goes on in order: twice as much with each read, as far as a line of some latency needs. */
const FIRST_AHEAD_BLOCKS = 4;
const MAX_AHEAD_BLOCKS = 24;

interface Entry {
  readonly place: TieredPlace;
  readonly present: Uint8Array;
  readonly pending: Map<number, Promise<void>>;
  bytes: number;
  /** Reads that run: the file stays for them. */
  users: number;
  /** Last block of records that a reader asked for. */
  lastBlock: number;
  /** How far ahead of it others are fetched. */
  aheadBlocks: number;
}

export interface ChunkCacheOptions {
  readonly link: TierLink;
  readonly state: TierState;
  readonly maxBytes: number;
  /** True: the chunk's own file is on the disk. */
  readonly isLocal: (chunk: number) => boolean;
  readonly path: (chunk: number) => string;
  /** The cache file is about to go: handles on it are closed. */
  readonly dropped: (path: string) => void;
}

export class ChunkCache implements ColdChunks {
  readonly counters = { fetches: 0, fetchedBytes: 0, failures: 0, hits: 0, dropped: 0 };
  readonly #options: ChunkCacheOptions;
  /** The one longest unread first. */
  readonly #entries = new Map<number, Entry>();
  sizeBytes = 0;

  constructor(options: ChunkCacheOptions) {
    this.#options = options;
  }

  sizeOf(chunk: number): number | undefined {
    const { isLocal, state } = this.#options;
    return isLocal(chunk) ? undefined : state.place(chunk)?.rawBytes;
  }

  async read<T>(stretch: ColdStretch, work: (path: string) => Promise<T>): Promise<T> {
    const { chunk } = stretch;
    const entry = this.#entry(chunk);
    if (entry === undefined) throw gone(this.#options.path(chunk));
    entry.users += 1;
    try {
      await this.#warm(entry, stretch);
      return await work(this.#options.path(chunk));
    } finally {
      entry.users -= 1;
    }
  }

  #warm(entry: Entry, { position, sizeBytes, holds }: ColdStretch): Promise<void> | undefined {
    const first = Math.floor(position / TIER_BLOCK_BYTES);
    const last = Math.floor((position + Math.max(1, sizeBytes) - 1) / TIER_BLOCK_BYTES);
    const waits = this.#bring(entry, first, last);
    if (holds === 'records') this.#readOn(entry, first, last);
    if (waits.length === 0) {
      this.counters.hits += 1;
      return undefined;
    }
    return Promise.all(waits).then(() => undefined);
  }

  /** The chunk is nobody's any more. */
  forget(chunk: number): void {
    const entry = this.#entries.get(chunk);
    if (entry !== undefined) this.#drop(chunk, entry);
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
      pending: new Map(),
      bytes: 0,
      users: 0,
      // The first block is the first in order; a reader that begins elsewhere shows itself with its second read.
      lastBlock: -1,
      aheadBlocks: 0,
    };
    this.#entries.set(chunk, entry);
    return entry;
  }

  /** Starts what is missing of the blocks. @returns what has to end before all are there. */
  #bring(entry: Entry, first: number, last: number): Promise<void>[] {
    const waits = new Set<Promise<void>>();
    for (let block = first; block <= last && block < entry.present.length; ) {
      const pending = entry.pending.get(block);
      if (pending !== undefined) waits.add(pending);
      if (pending !== undefined || entry.present[block] === 1) {
        block += 1;
        continue;
      }
      let count = 1;
      while (count < MAX_FETCH_BLOCKS && block + count <= last && isMissing(entry, block + count)) count += 1;
      waits.add(this.#fetch(entry, block, count));
      block += count;
    }
    return [...waits];
  }

  #readOn(entry: Entry, first: number, last: number): void {
    const isInOrder = first === entry.lastBlock || first === entry.lastBlock + 1;
    entry.lastBlock = last;
    const most = Math.min(MAX_AHEAD_BLOCKS, Math.floor(this.#options.maxBytes / TIER_BLOCK_BYTES / 4));
    entry.aheadBlocks = isInOrder ? Math.min(most, Math.max(FIRST_AHEAD_BLOCKS, entry.aheadBlocks * 2)) : 0;
    if (isInOrder) this.#readAhead(entry, last + 1);
  }

  #readAhead(entry: Entry, from: number): void {
    const end = entry.present.length - 1;
    const wanted = from + entry.aheadBlocks - 1;
    const last = Math.min(end, wanted);
    // In whole requests, as long as there are so many blocks.
    if (last === end || missingCount(entry, from, last) >= MAX_FETCH_BLOCKS) this.#fetchAhead(entry, from, last);
    // Chunks of a large partition were written one after the other.
    if (last === end) this.#readAheadChunk(entry.place.chunk + 1, wanted - end, entry.aheadBlocks);
  }

  /** The next one is known by its number. Its last block says where its records are. */
  #readAheadChunk(chunk: number, count: number, aheadBlocks: number): void {
    if (this.sizeOf(chunk) === undefined) return;
    const entry = this.#entry(chunk);
    if (entry === undefined) return;
    entry.aheadBlocks = Math.max(entry.aheadBlocks, aheadBlocks);
    const end = entry.present.length - 1;
    this.#fetchAhead(entry, end, end);
    this.#fetchAhead(entry, 0, Math.min(end, Math.max(count, FIRST_AHEAD_BLOCKS) - 1));
  }

  #fetchAhead(entry: Entry, first: number, last: number): void {
    for (const wait of this.#bring(entry, first, last)) wait.catch(() => undefined);
  }

  #fetch(entry: Entry, firstBlock: number, blockCount: number): Promise<void> {
    this.counters.fetches += 1;
    const blocks = Array.from({ length: blockCount }, (_, i) => firstBlock + i);
    const fetching = this.#fetched(entry, blocks);
    for (const block of blocks) entry.pending.set(block, fetching);
    return fetching;
  }

  async #fetched(entry: Entry, blocks: readonly number[]): Promise<void> {
    const { link } = this.#options;
    const [firstBlock = 0] = blocks;
    try {
      const { fetchedBytes } = await link.ask({
        kind: 'fetch',
        place: entry.place,
        firstBlock,
        blockCount: blocks.length,
      });
      this.counters.fetchedBytes += fetchedBytes;
    } catch (error) {
      this.counters.failures += 1;
      for (const block of blocks) entry.pending.delete(block);
      throw error;
    }
    for (const block of blocks) this.#arrived(entry, block);
    // It was forgotten meanwhile, and what came made its file anew.
    if (!this.#entries.has(entry.place.chunk)) this.#dropFile(entry.place.chunk);
    this.#shrink(entry);
  }

  #arrived(entry: Entry, block: number): void {
    entry.pending.delete(block);
    // Dropped meanwhile: the file is another one by now.
    if (this.#entries.get(entry.place.chunk) !== entry) return;
    const sizeBytes = Math.min(TIER_BLOCK_BYTES, entry.place.rawBytes - block * TIER_BLOCK_BYTES);
    entry.present[block] = 1;
    entry.bytes += sizeBytes;
    this.sizeBytes += sizeBytes;
  }

  #shrink(latest: Entry): void {
    for (const [chunk, entry] of this.#entries) {
      if (this.sizeBytes <= this.#options.maxBytes) return;
      if (entry !== latest && entry.pending.size === 0 && entry.users === 0) this.#drop(chunk, entry);
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

/** As the disk says it of a file: the reader looks anew where its batches are. */
function gone(path: string): MillraceError {
  return new MillraceError('STORE_IO', `${path} is not there any more.`, { cause: { code: 'ENOENT' } });
}

function missingCount(entry: Entry, first: number, last: number): number {
  let count = 0;
  for (let block = first; block <= last; block++) if (isMissing(entry, block)) count += 1;
  return count;
}

function isMissing(entry: Entry, block: number): boolean {
  return entry.present[block] === 0 && !entry.pending.has(block);
}
