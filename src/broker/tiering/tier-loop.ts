/** What the tier worker does with its jobs; several run at once, each by itself. */

import { BufferPool } from '../../base/buffer-pool.ts';
import { copyShared } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { BLOCK_CODEC, freeBlock } from '../../journal/compression/block-packer.ts';
import type { Disk } from '../../journal/disk.ts';
import type { DataKey, DataKeys } from '../../journal/encryption/data-keys.ts';
import { encryptionOf } from '../../journal/open-disk.ts';
import { chunkPath } from '../../journal/paths.ts';
import { readWhole } from '../../journal/whole-file.ts';
import { hasSoundBatches } from '../../store/chunk-check.ts';
import {
  CHUNK_HEADER_BYTES,
  CHUNK_TRAILER_BYTES,
  type ChunkFooter,
  chunkFooterFault,
  chunkHeaderFault,
  decodeChunkTrailer,
  footerBytesOf,
} from '../../store/chunk-file.ts';
import type { ObjectInfo, ObjectStore } from '../../store/object-store.ts';
import {
  decodeTierTail,
  encodeTieredChunk,
  openTierBlock,
  TIER_BLOCK_BYTES,
  type TierBlock,
  type TierEncoding,
  tierTailBytes,
} from '../../store/tiered-chunk.ts';
import { CacheFiles } from './cache-files.ts';
import type { FromTierWorker, TieredPlace, TierJob, TierResults, ToTierWorker } from './messages.ts';

/** Kept of the memory that blocks are fetched into which have to be opened: of a few requests. */
const MAX_FREE_BYTES = 16 * TIER_BLOCK_BYTES;
/** Chunks that are held in memory to be written into the store. */
const MAX_UPLOADS = 2;
/** Of one fetch, with growing pauses between. */
const MAX_TRIES = 4;
const FIRST_PAUSE_MS = 50;
/** Tables of chunks kept in memory, some kilobytes each. */
const MAX_TABLES = 512;

type FetchJob = Extract<TierJob, { kind: 'fetch' }>;

export interface TierPort {
  say(message: FromTierWorker): void;
}

export class TierLoop {
  readonly #store: ObjectStore;
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #port: TierPort;
  readonly #uploads = new Semaphore(MAX_UPLOADS);
  readonly #pool = new BufferPool(MAX_FREE_BYTES);
  readonly #tables = new Map<string, Promise<readonly TierBlock[]>>();
  readonly #cacheFiles: CacheFiles;

  constructor(store: ObjectStore, disk: Disk, directory: string, clock: Clock, port: TierPort) {
    this.#store = store;
    this.#disk = disk;
    this.#directory = directory;
    this.#cacheFiles = new CacheFiles(disk, directory);
    this.#clock = clock;
    this.#port = port;
  }

  post({ id, job }: ToTierWorker): void {
    this.#handle(job).then(
      (result) => this.#port.say({ id, result }),
      (error: unknown) => {
        const { code, message } = asMillraceError(error, 'STORE_IO');
        this.#port.say({ id, code, message });
      },
    );
  }

  /** Closes the cache files. */
  async close(): Promise<void> {
    await this.#cacheFiles.close();
  }

  async #handle(job: TierJob): Promise<TierResults[TierJob['kind']]> {
    switch (job.kind) {
      case 'upload':
        return await this.#uploads.run(() => this.#upload(job.chunk, job.object));
      case 'store': {
        const { chunk, object, prefix, bytes, isChecked } = job;
        // Producers wait for the room that it takes.
        const encoding = { dataKey: this.#keys?.active(prefix), isChecked, level: 'fast' } as const;
        return await this.#uploads.run(() => this.#put(chunk, object, bytes, encoding));
      }
      case 'open':
        await this.#table(job.place);
        return null;
      case 'fetch':
        return await this.#fetch(job);
      case 'keep':
        await this.#cacheFiles.write(job.place, job.bytes, job.firstBlock * TIER_BLOCK_BYTES);
        return null;
      case 'drop':
        await this.#cacheFiles.drop(job.chunk);
        return null;
      case 'delete':
        await this.#store.delete(job.object);
        return null;
      case 'list':
        return await this.#list(job.prefix);
      default:
        return job satisfies never;
    }
  }

  async #upload(chunk: number, object: string): Promise<TierResults['upload']> {
    const path = chunkPath(this.#directory, chunk);
    const raw = await readWhole(this.#disk, path);
    const footer = footerOf(raw, chunk);
    if (typeof footer === 'string') {
      throw new MillraceError('STORE_CORRUPT', `${path} is not copied to the object store: ${footer}.`, {
        details: { path, chunk },
      });
    }
    // Here and not at each read: this thread has the time, and the checksums of the blocks are of the same bytes.
    const isChecked = hasSoundBatches(raw, footer);
    return await this.#put(chunk, object, raw, { dataKey: await this.#keyOf(path), isChecked });
  }

  async #put(chunk: number, object: string, raw: Uint8Array, encoding: TierEncoding): Promise<TierResults['upload']> {
    const { pieces, tail, storedBytes } = encodeTieredChunk(chunk, raw, encoding);
    await this.#store.put(object, pieces);
    await this.#look(object, tail, storedBytes);
    return { rawBytes: raw.length, storedBytes };
  }

  /** That of the chunk's file, so that a key that is deleted takes both. Undefined: nothing is encrypted. */
  async #keyOf(path: string): Promise<DataKey | undefined> {
    const encryption = encryptionOf(this.#disk);
    if (encryption === undefined) return undefined;
    const number = await encryption.dataKeyOf(path);
    return number === undefined ? encryption.keys.active('') : encryption.keys.byNumber(number, path);
  }

  get #keys(): DataKeys | undefined {
    return encryptionOf(this.#disk)?.keys;
  }

  /** A store may lose what it has said to have written: the end of the object must be what it should be. */
  async #look(object: string, tail: Uint8Array, storedBytes: number): Promise<void> {
    const sizeBytes = tail.length;
    const stored = await this.#store.get(object, { position: storedBytes - sizeBytes, sizeBytes });
    if (stored !== undefined && Buffer.from(stored).equals(tail)) return;
    const found = stored === undefined ? 'it is not there' : 'it is another one';
    throw new MillraceError('TIER_CORRUPT', `${this.#store.url}, object '${object}' was written, and ${found}.`);
  }

  async #fetch(job: FetchJob): Promise<TierResults['fetch']> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#tryFetch(job);
      } catch (error) {
        const { kind, code } = asMillraceError(error);
        // The table may say where blocks are not. A store that has no time is not asked for it once more.
        if (code === 'TIER_CORRUPT') this.#tables.delete(job.place.object);
        if (attempt === MAX_TRIES || (kind !== 'retry' && code !== 'TIER_CORRUPT')) throw error;
        await new Promise<void>((resolve) => {
          this.#clock.schedule(FIRST_PAUSE_MS * 4 ** (attempt - 1), resolve);
        });
      }
    }
  }

  async #tryFetch({ place, firstBlock, blockCount, into }: FetchJob): Promise<TierResults['fetch']> {
    const table = await this.#table(place);
    const blocks = table.slice(firstBlock, firstBlock + blockCount);
    const position = (blocks[0] as TierBlock).position;
    const last = blocks.at(-1) as TierBlock;
    const sizeBytes = last.position + last.storedBytes - position;
    const isPlain = blocks.every(isPlainBlock);
    // What has to be opened comes into memory of its own first.
    const lease = isPlain ? undefined : this.#pool.acquire(sizeBytes);
    try {
      const bytes = await this.#store.get(place.object, { position, sizeBytes }, lease?.bytes ?? into);
      if (bytes === undefined) throw this.#corrupt(place, 'it is not there');
      for (const block of blocks) this.#open(place, block, bytes.subarray(block.position - position), into, firstBlock);
    } finally {
      lease?.release();
    }
    const isNear = isPlain && (await this.#store.isNear?.()) === true;
    return { fetchedBytes: sizeBytes, isNear, isChecked: last.isChecked };
  }

  /** @param bytes begin with the block, as it stands in the object. @param into of the blocks from `firstBlock` on. */
  #open(place: TieredPlace, block: TierBlock, bytes: Uint8Array, into: Uint8Array, firstBlock: number): void {
    const raw = openTierBlock(bytes.subarray(0, block.storedBytes), block);
    if (typeof raw === 'string') throw this.#corrupt(place, raw);
    const at = (block.index - firstBlock) * TIER_BLOCK_BYTES;
    if (raw.buffer === into.buffer && raw.byteOffset === into.byteOffset + at) return;
    copyShared(raw, into.subarray(at));
    if (block.codec !== BLOCK_CODEC.none) freeBlock(raw);
  }

  #table(place: TieredPlace): Promise<readonly TierBlock[]> {
    const known = this.#tables.get(place.object);
    if (known !== undefined) return known;
    const loading = this.#loadTable(place);
    this.#tables.set(place.object, loading);
    // Unless it is another one by now.
    loading.catch(() => this.#tables.get(place.object) === loading && this.#tables.delete(place.object));
    if (this.#tables.size > MAX_TABLES) this.#tables.delete(this.#tables.keys().next().value as string);
    return loading;
  }

  async #loadTable(place: TieredPlace): Promise<readonly TierBlock[]> {
    const { object, chunk, rawBytes, storedBytes } = place;
    const sizeBytes = tierTailBytes(rawBytes);
    const tail = await this.#store.get(object, { position: storedBytes - sizeBytes, sizeBytes });
    if (tail === undefined) throw this.#corrupt(place, 'it is not there');
    const table = decodeTierTail(tail, chunk, rawBytes, storedBytes, this.#keys);
    if (typeof table === 'string') throw this.#corrupt(place, table);
    return table;
  }

  async #list(prefix: string): Promise<readonly ObjectInfo[]> {
    const objects: ObjectInfo[] = [];
    for await (const object of this.#store.list(prefix)) objects.push(object);
    return objects;
  }

  #corrupt({ object, chunk }: TieredPlace, fault: string): MillraceError {
    return new MillraceError('TIER_CORRUPT', `${this.#store.url}, object '${object}' of chunk ${chunk}: ${fault}.`, {
      details: { object, chunk },
    });
  }
}

/** It stands in the object as it is read. */
function isPlainBlock({ codec, key }: TierBlock): boolean {
  return codec === BLOCK_CODEC.none && key === undefined;
}

/** What is wrong with it besides its batches, whose checksums go with them; or where everything stands. */
function footerOf(raw: Uint8Array, chunk: number): ChunkFooter | string {
  if (raw.length < CHUNK_HEADER_BYTES + CHUNK_TRAILER_BYTES) return 'it is too short';
  const fault = chunkHeaderFault(raw.subarray(0, CHUNK_HEADER_BYTES), chunk);
  if (fault !== undefined) return fault;
  const footer = decodeChunkTrailer(raw.subarray(raw.length - CHUNK_TRAILER_BYTES), chunk, raw.length);
  if (typeof footer === 'string') return footer;
  const from = footer.directoryPosition;
  return chunkFooterFault(raw.subarray(from, from + footerBytesOf(footer)), footer) ?? footer;
}
