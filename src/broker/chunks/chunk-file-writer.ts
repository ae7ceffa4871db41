/**
 * Writes one chunk to a file, from pieces that come in their final order: a slice of it at a time is put together in memory, since what
 * is to stand side by side comes from all over the sources.
 *
 * ```
 *  add, add ──(slice full)──► flush: read, check, write, sync ──► add ... ──► finish: footer, sync, rename
 * ```
 *
 * The chunk is there whole or not at all (temporary name, sync, rename).
 */
import type { Disk, DiskFile } from '../../journal/disk.ts';
import { type ChunkEntry, encodeChunkHeader } from '../../store/chunk-file.ts';
import { ChunkIndex } from '../../store/chunk-index.ts';
import { chunkNotWritten } from '../../store/chunk-output.ts';
import type { Piece } from '../../store/read-plan.ts';
import type { ChunkMemory } from './chunk-memory.ts';
import { type CopyOptions, copyPieces, type Placed } from './placed-pieces.ts';

/** Synced in steps of this size: one large sync would hold up the journal's. */
const SYNC_BYTES = 8 * 1024 * 1024;
/** Of a slice; a larger piece is one by itself. */
const SLICE_BYTES = SYNC_BYTES;

export interface ChunkFileOptions extends CopyOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly chunk: number;
  readonly memory: ChunkMemory;
}

export class ChunkFileWriter {
  readonly #options: ChunkFileOptions;
  readonly #index: ChunkIndex;
  #slice: Placed[] = [];
  /** Of the slice's first byte in the chunk. */
  #from: number;
  #limit = SLICE_BYTES;
  #output: SyncedFile | undefined;

  constructor(options: ChunkFileOptions) {
    this.#options = options;
    this.#index = new ChunkIndex(options.chunk);
    this.#from = this.#index.position;
  }

  /** Nothing was added. */
  get isEmpty(): boolean {
    return this.#index.isEmpty;
  }

  /** False: the slice is full, and `flush` comes before. */
  takes(piece: Piece): boolean {
    return this.#slice.length === 0 || this.#index.position - this.#from + piece.sizeBytes <= this.#limit;
  }

  /** Batches of a partition follow; partitions by number, offsets in order. */
  add(partition: number, piece: Piece): void {
    this.#slice.push({ piece, partition, position: this.#index.position });
    this.#index.add(partition, piece.baseOffset, piece.endOffset, piece.sizeBytes, piece.maxTimestamp);
  }

  /** @throws JOURNAL_NO_SPACE, STORE_IO, or what the sources cannot be read with; then only `abandon` may follow. */
  async flush(): Promise<void> {
    const { memory, sources } = this.#options;
    const output = this.#output ?? (await this.#open());
    const file = this.#slice[0]?.piece.file;
    if (file === undefined) return;
    // Where each small piece is read with all that lies around it, there had better be few slices.
    if (this.#limit === SLICE_BYTES && !(await sources.readsScattered(file))) {
      this.#limit = Number.POSITIVE_INFINITY;
      return;
    }
    const bytes = memory.take(this.#index.position - this.#from);
    try {
      await copyPieces(this.#slice, bytes, this.#from, this.#options);
      await output.append(bytes);
    } finally {
      memory.giveBack(bytes);
    }
    this.#slice = [];
    this.#from = this.#index.position;
  }

  /** The chunk is there, durable but for its directory. @throws as `flush`. */
  async finish(): Promise<{ readonly sizeBytes: number; readonly entries: Iterable<ChunkEntry> }> {
    const { disk, path } = this.#options;
    while (this.#slice.length > 0) await this.flush();
    const output = this.#output ?? (await this.#open());
    const { footer, entries } = this.#index.finish();
    for (const part of footer) await output.append(part);
    await output.finish();
    await disk.rename(temporary(path), path);
    return { sizeBytes: output.position, entries };
  }

  /** Nothing stays of it, unless the disk refuses: then it goes with the next chunk of that number. */
  async abandon(): Promise<void> {
    if (this.#output === undefined) return;
    await this.#output.close();
    await this.#options.disk.remove(temporary(this.#options.path)).catch(() => undefined);
  }

  async #open(): Promise<SyncedFile> {
    const { disk, path, chunk, pace } = this.#options;
    await disk.remove(temporary(path));
    const output = new SyncedFile(await disk.open(temporary(path), 'create'), temporary(path), pace);
    this.#output = output;
    await output.append(encodeChunkHeader(chunk));
    return output;
  }
}

function temporary(path: string): string {
  return `${path}.tmp`;
}

/** A file that is written from its begin to its end, and synced on the way. */
class SyncedFile {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #pace: CopyOptions['pace'];
  #unsynced = 0;
  /** Of what comes next. */
  position = 0;

  constructor(file: DiskFile, path: string, pace: CopyOptions['pace']) {
    this.#file = file;
    this.#path = path;
    this.#pace = pace;
  }

  /** @throws JOURNAL_NO_SPACE, STORE_IO. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += SYNC_BYTES) {
      const part = bytes.subarray(at, at + SYNC_BYTES);
      await this.#written(this.#file.write([part], this.position));
      this.position += part.length;
      this.#unsynced += part.length;
      if (this.#unsynced < SYNC_BYTES / 2) continue;
      await this.#written(this.#file.sync());
      this.#unsynced = 0;
      await this.#pace.rest();
    }
  }

  /** Durable when it resolves, and closed. */
  async finish(): Promise<void> {
    await this.#written(this.#file.sync());
    // It may write the end of it.
    await this.#written(this.#file.close());
  }

  /** Safe to call after `finish`, or its failure. */
  async close(): Promise<void> {
    await this.#file.close().catch(() => undefined);
  }

  async #written(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      throw chunkNotWritten(error, this.#path);
    }
  }
}
