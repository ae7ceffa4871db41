/**
 * Writes chunks whose batches come in their final order (`chunk-file.ts`): what is appended is gathered and written on
 * `drain`, so memory holds no chunk whole. A chunk is there whole or not at all (temporary name, sync, rename), and is
 * durable under its name once `finish` has resolved.
 *
 * ```
 *  append, append ──► drain ──► temporary file ──(large enough)──► footer, sync, rename ──► next chunk
 * ```
 */
import { lengthOf } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';
import type { Disk, DiskFile } from '../journal/disk.ts';
import { chunkDirectory, chunkPath } from '../journal/paths.ts';
import { type ChunkEntry, encodeChunkHeader } from './chunk-file.ts';
import { ChunkIndex } from './chunk-index.ts';

/** Synced in steps of this size: one large sync would hold up the journal's. */
const SYNC_BYTES = 8 * 1024 * 1024;

export interface WrittenChunkFile {
  readonly chunk: number;
  readonly sizeBytes: number;
}

export interface ChunkOutputOptions {
  readonly disk: Disk;
  /** For chunks with batches of the partition; partitions of one disk share chunks. */
  readonly diskFor: (partition: number) => Disk;
  readonly directory: string;
  /** Number of the first chunk. */
  readonly firstChunk: number;
  /** A chunk of this size is ended. */
  readonly chunkBytes: number;
}

interface Gathered {
  readonly partition: number;
  readonly batch: Uint8Array;
  readonly place: Place;
}

interface OpenChunk {
  readonly chunk: number;
  readonly index: ChunkIndex;
  readonly file: DiskFile;
  readonly disk: Disk;
  written: number;
  unsynced: number;
}

export class ChunkOutput {
  readonly chunks: WrittenChunkFile[] = [];
  /** Of all partitions, in the order in which they were appended. */
  readonly entries: ChunkEntry[] = [];
  readonly #options: ChunkOutputOptions;
  #next: number;
  #open: OpenChunk | undefined;
  #gathered: Gathered[] = [];
  /** Bytes of chunks so far; for throttling. */
  bytesWritten = 0;

  constructor(options: ChunkOutputOptions) {
    this.#options = options;
    this.#next = options.firstChunk;
  }

  /** Whole batches that follow what the partition has so far; partitions in ascending order. `batch` is copied. */
  append(partition: number, batch: Uint8Array, place: Place): void {
    this.#gathered.push({ partition, batch: new Uint8Array(batch), place });
  }

  /** Writes what was appended. @throws JOURNAL_NO_SPACE, STORE_IO; then only `abandon` may follow. */
  async drain(): Promise<void> {
    if (this.#gathered.length === 0) return;
    const pieces = this.#gathered;
    this.#gathered = [];
    await this.#guarded(async () => {
      for (let from = 0, to = 0; from < pieces.length; from = to) {
        const disk = this.#options.diskFor((pieces[from] as Gathered).partition);
        while (to < pieces.length && this.#options.diskFor((pieces[to] as Gathered).partition) === disk) to += 1;
        await this.#drainTo(disk, pieces.slice(from, to));
      }
    });
  }

  async #drainTo(disk: Disk, pieces: readonly Gathered[]): Promise<void> {
    if (this.#open !== undefined && this.#open.disk !== disk) await this.#end(this.#open);
    const open = this.#open ?? (await this.#begin(disk));
    for (const { partition, batch, place } of pieces) {
      open.index.add(partition, place.baseOffset, place.endOffset, batch.length, place.maxTimestamp);
    }
    await this.#write(
      open,
      pieces.map(({ batch }) => batch),
    );
    if (open.written >= this.#options.chunkBytes) await this.#end(open);
  }

  /** Everything is durable when it resolves. */
  async finish(): Promise<void> {
    await this.drain();
    await this.#guarded(async () => {
      if (this.#open !== undefined) await this.#end(this.#open);
      if (this.chunks.length > 0) await this.#options.disk.syncDirectory(chunkDirectory(this.#options.directory));
    });
  }

  /** Gives up the chunk that is being written. Those that are finished stay, and nothing refers to them. */
  async abandon(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    this.#gathered = [];
    if (open === undefined) return;
    await open.file.close().catch(() => undefined);
    await this.#options.disk.remove(this.#temporary(open.chunk)).catch(() => undefined);
  }

  async #begin(disk: Disk): Promise<OpenChunk> {
    const { directory } = this.#options;
    const chunk = this.#next++;
    await disk.makeDirectory(chunkDirectory(directory));
    await disk.remove(this.#temporary(chunk));
    const file = await disk.open(this.#temporary(chunk), 'create');
    const open: OpenChunk = { chunk, index: new ChunkIndex(chunk), file, disk, written: 0, unsynced: 0 };
    this.#open = open;
    await this.#write(open, [encodeChunkHeader(chunk)]);
    return open;
  }

  async #write(open: OpenChunk, pieces: readonly Uint8Array[]): Promise<void> {
    const sizeBytes = lengthOf(pieces);
    await open.file.write(pieces, open.written);
    open.written += sizeBytes;
    open.unsynced += sizeBytes;
    this.bytesWritten += sizeBytes;
    if (open.unsynced < SYNC_BYTES) return;
    await open.file.sync();
    open.unsynced = 0;
  }

  async #end(open: OpenChunk): Promise<void> {
    const { footer, entries } = open.index.finish();
    await this.#write(open, footer);
    await open.file.sync();
    this.#open = undefined;
    await open.file.close();
    const { disk, directory } = this.#options;
    await disk.rename(this.#temporary(open.chunk), chunkPath(directory, open.chunk));
    this.entries.push(...entries);
    this.chunks.push({ chunk: open.chunk, sizeBytes: open.written });
  }

  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw chunkNotWritten(error, chunkPath(this.#options.directory, this.#open?.chunk ?? this.#next));
    }
  }

  #temporary(chunk: number): string {
    return `${chunkPath(this.#options.directory, chunk)}.tmp`;
  }
}

/** @param error what the disk refused with. @returns JOURNAL_NO_SPACE, STORE_IO. */
export function chunkNotWritten(error: unknown, path: string): MillraceError {
  const { code } = error as NodeJS.ErrnoException;
  return new MillraceError(
    code === 'ENOSPC' ? 'JOURNAL_NO_SPACE' : 'STORE_IO',
    `Chunk ${path} cannot be written: ${String(error)}.`,
    { details: { path }, cause: error },
  );
}

/** Which offsets a run of batches has. */
export interface Place {
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  /** -1: they have no timestamps. */
  readonly maxTimestamp: number;
}
