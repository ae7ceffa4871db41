/**
 * A disk whose chunks are compressed, and look to everybody above as if they were not: same names, same positions, same lengths.
 * Chunks of before are read as they are, and what was compressed is read whatever the setting says today.
 *
 * It stands over the disk that encrypts, where there is one: what is encrypted does not shrink any more.
 *
 * Compressed: chunks, which are written once and stay. Not: the journal, which is short-lived and read by position while it grows
 * (ADR 0008), the cache of tiered chunks, which is written at any position, and what is small.
 */
import { basename, dirname } from 'node:path';
import { BufferPool } from '../../base/buffer-pool.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { DiskOver } from '../disk-over.ts';
import { BlockCache } from './block-cache.ts';
import { CompressedFile } from './compressed-file.ts';
import { END_BYTES, looksCompressed, readLayout } from './file-layout.ts';
import { NewCompressedFile } from './new-compressed-file.ts';

/** `storage.compression`. */
export type StorageCompression = 'none' | 'zstd';

const CHUNK_FILE = /^\d{10}\.chunk(\.tmp)?$/;
/** What one read opens at least, and about a tenth of a millisecond of work. */
const BLOCK_BYTES = 128 * 1024;
/** Of freed memory for reads on their way. */
const POOL_BYTES = 4 * 1024 * 1024;

export class CompressingDisk extends DiskOver {
  readonly #compression: StorageCompression;
  readonly #blockBytes: number;
  readonly #cache = new BlockCache();
  readonly #pool = new BufferPool(POOL_BYTES);
  readonly #over = new Map<Disk, CompressingDisk>();
  #opened = 0;

  /** @param inner the files as they are, but for encryption. @param compression of new files. */
  constructor(inner: Disk, compression: StorageCompression, blockBytes = BLOCK_BYTES) {
    super(inner);
    this.#compression = compression;
    this.#blockBytes = blockBytes;
  }

  /** The same over another disk; always the same object for one disk. */
  over(inner: Disk): CompressingDisk {
    if (inner === this.inner) return this;
    const disk = this.#over.get(inner) ?? new CompressingDisk(inner, this.#compression, this.#blockBytes);
    this.#over.set(inner, disk);
    return disk;
  }

  override async open(path: string, mode: 'create' | 'readwrite' | 'read'): Promise<DiskFile> {
    const file = await this.inner.open(path, mode);
    if (!isChunk(path)) return file;
    if (mode === 'create') return this.#compression === 'none' ? file : new NewCompressedFile(file, this.#blockBytes);
    try {
      const head = new Uint8Array(END_BYTES);
      const found = head.subarray(0, await file.read(head, 0));
      if (!looksCompressed(found)) return file;
      this.#opened += 1;
      const layout = await readLayout(file, path, found);
      return new CompressedFile(file, layout, this.#opened, this.#cache, this.#pool);
    } catch (error) {
      await file.close();
      throw error;
    }
  }
}

function isChunk(path: string): boolean {
  return CHUNK_FILE.test(basename(path)) && basename(dirname(path)) !== 'cache';
}
