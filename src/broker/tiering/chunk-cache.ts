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
import type { ColdChunks } from '../../store/cold-chunks.ts';
import { TIER_BLOCK_BYTES, tierBlockCount } from '../../store/tiered-chunk.ts';
import type { TieredPlace } from './messages.ts';
import type { TierLink } from './tier-link.ts';
import type { TierState } from './tier-state.ts';

/** Of one request to the store. */
const MAX_FETCH_BLOCKS = 4;
/** Fetched ahead of a reader that goes on in order. */
const READ_AHEAD_BLOCKS = 12;

interface Entry {
  readonly place: TieredPlace;
  readonly present: Uint8Array;
  readonly pending: Map<number, Promise<void>>;
  bytes: number;
  /** Reads that run: the file stays for them. */
  users: number;
  /** Last block that a reader asked for. */
  lastBlock: number;
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

  async read<T>(chunk: number, position: number, sizeBytes: number, work: (path: string) => Promise<T>): Promise<T> {
    const entry = this.#entry(chunk);
    if (entry === undefined) throw gone(this.#options.path(chunk));
    entry.users += 1;
    try {
      await this.#warm(entry, position, sizeBytes);
      return await work(this.#options.path(chunk));
    } finally {
      entry.users -= 1;
    }
  }

  #warm(entry: Entry, position: number, sizeBytes: number): Promise<void> | undefined {
    const first = Math.floor(position / TIER_BLOCK_BYTES);
    const last = Math.floor((position + Math.max(1, sizeBytes) - 1) / TIER_BLOCK_BYTES);
    const waits = this.#bring(entry, first, last);
    const inOrder = first === entry.lastBlock || first === entry.lastBlock + 1;
    entry.lastBlock = last;
    if (inOrder) this.#readAhead(entry, last + 1);
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

  #readAhead(entry: Entry, from: number): void {
    const end = entry.present.length - 1;
    const last = Math.min(end, from + READ_AHEAD_BLOCKS - 1);
    // Refilled by halves, so that requests stay large.
    if (from <= last && isMissing(entry, Math.min(last, from + READ_AHEAD_BLOCKS / 2))) {
      for (const wait of this.#bring(entry, from, last)) wait.catch(() => undefined);
    }
    if (last === end) this.#readAheadChunk(entry.place.chunk + 1);
  }

  /** Chunks of a large partition were written one after the other. */
  #readAheadChunk(chunk: number): void {
    if (this.sizeOf(chunk) === undefined || this.#entries.has(chunk)) return;
    const entry = this.#entry(chunk);
    if (entry === undefined) return;
    const end = entry.present.length - 1;
    const waits = [...this.#bring(entry, 0, Math.min(end, MAX_FETCH_BLOCKS - 1)), ...this.#bring(entry, end, end)];
    for (const wait of waits) wait.catch(() => undefined);
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
    this.#options.dropped(this.#options.path(chunk));
    this.#options.link.ask({ kind: 'drop', chunk }).catch(() => undefined);
  }
}

/** As the disk says it of a file: the reader looks anew where its batches are. */
function gone(path: string): MillraceError {
  return new MillraceError('STORE_IO', `${path} is not there any more.`, { cause: { code: 'ENOENT' } });
}

function isMissing(entry: Entry, block: number): boolean {
  return entry.present[block] === 0 && !entry.pending.has(block);
}
