/**
 * A compressed file for reading, anywhere in it. A block that is damaged reads as zeros: what the file holds has checksums, so
 * exactly what was in the block is found damaged, named, and not served, and everything else is.
 */

import type { BufferPool, Lease } from '../../base/buffer-pool.ts';
import { crc32c } from '../../base/crc32c.ts';
import type { DiskFile } from '../disk.ts';
import { WrittenFile } from '../written-once.ts';
import type { BlockCache } from './block-cache.ts';
import { BLOCK_CODEC, freeBlock, unpackBlock } from './block-packer.ts';
import type { FileLayout } from './file-layout.ts';

/** Stored bytes that are read at once. */
const READ_BYTES = 512 * 1024;

export class CompressedFile extends WrittenFile {
  readonly #layout: FileLayout;
  readonly #number: number;
  readonly #cache: BlockCache;
  readonly #pool: BufferPool;

  /** @param number of this open file, for the cache. @param pool for what is read on the way. */
  constructor(file: DiskFile, layout: FileLayout, number: number, cache: BlockCache, pool: BufferPool) {
    super(file);
    this.#pool = pool;
    this.#layout = layout;
    this.#number = number;
    this.#cache = cache;
  }

  override async read(into: Uint8Array, position: number): Promise<number> {
    const { contentBytes, blockBytes } = this.#layout;
    const end = Math.min(position + into.length, contentBytes);
    let at = position;
    while (at < end) {
      const first = Math.floor(at / blockBytes);
      const kept = this.#cache.get(this.#number, first);
      if (kept !== undefined) {
        at += this.#give(kept, first, into, position, at, end);
        continue;
      }
      const last = this.#lastOfRead(first, Math.ceil(end / blockBytes) - 1);
      const { positions } = this.#layout;
      const lease = this.#pool.acquire((positions[last + 1] as number) - (positions[first] as number));
      try {
        const stored = await this.#stored(first, last, lease);
        for (let block = first; block <= last; block++) {
          // One block takes a tenth of a millisecond: whoever else waits for the thread has its turn between two.
          if (block > first) await new Promise<void>((resolve) => setImmediate(resolve));
          const content = this.#open(block, stored, first);
          const isWhole = at <= block * blockBytes && end >= block * blockBytes + content.length;
          // Who took a part of it comes for the rest.
          at += this.#give(content, block, into, position, at, end);
          if (this.#layout.codecs[block] === BLOCK_CODEC.none) continue;
          if (isWhole) freeBlock(content);
          else this.#cache.keep(this.#number, block, content);
        }
      } finally {
        lease.release();
      }
    }
    return Math.max(0, end - position);
  }

  override async size(): Promise<number> {
    return this.#layout.contentBytes;
  }

  #lastOfRead(first: number, wanted: number): number {
    const { positions } = this.#layout;
    const limit = (positions[first] as number) + READ_BYTES;
    let last = first;
    while (last < wanted && (positions[last + 2] as number) <= limit) last += 1;
    return last;
  }

  /** Shorter where the file ends before. */
  async #stored(first: number, last: number, lease: Lease): Promise<Uint8Array> {
    const { positions } = this.#layout;
    const from = positions[first] as number;
    const bytes = lease.bytes.subarray(0, (positions[last + 1] as number) - from);
    return bytes.subarray(0, await this.file.read(bytes, from));
  }

  /** @param stored blocks from `first` on. */
  #open(block: number, stored: Uint8Array, first: number): Uint8Array {
    const { positions, checksums, codecs, contentBytes, blockBytes } = this.#layout;
    const from = positions[first] as number;
    const bytes = stored.subarray((positions[block] as number) - from, (positions[block + 1] as number) - from);
    const rawBytes = Math.min(blockBytes, contentBytes - block * blockBytes);
    if (codecs[block] === BLOCK_CODEC.none && bytes.length === rawBytes) return bytes;
    const isSound = codecs[block] === BLOCK_CODEC.zstd && crc32c(bytes) === checksums[block];
    const content = isSound ? unpackBlock(bytes, rawBytes) : 'its checksum is wrong';
    return typeof content === 'string' ? new Uint8Array(rawBytes) : content;
  }

  /** Copies what is wanted of the block from `at` on. @returns how much that was. */
  #give(content: Uint8Array, block: number, into: Uint8Array, position: number, at: number, end: number): number {
    const start = block * this.#layout.blockBytes;
    const part = content.subarray(at - start, end - start);
    into.set(part, at - position);
    return part.length;
  }
}
