/**
 * Compresses blocks of one file with zstd, one after the other, where that pays. What producers have compressed does not shrink
 * again: after some blocks in vain only a few are tried, so that such a file costs next to nothing.
 */
import zlib from 'node:zlib';

/** On disk: never change. */
export const BLOCK_CODEC = { none: 0, zstd: 1 } as const;
/** A block that shrinks by less is kept as it is: reading it costs no time then. */
const WORTH = 0.9;
/** Where so many blocks in a row did not shrink, only some are tried. */
const GIVE_UP_AFTER = 3;
/** Blocks up to the next try, twice as many after each in vain. */
const FIRST_DISTANCE = 2;
const MAX_DISTANCE = 64;
/** Above the output: with exactly its size a second, empty step would follow. */
const SLACK_BYTES = 64;
/** Output that is expected of a first block, and the least that is of any. */
const FIRST_BYTES = 256 * 1024;
const LEAST_BYTES = 16 * 1024;
/** Blocks of one file shrink about alike. */
const HEADROOM = 1.2;

export interface PackedBlock {
  /** The block itself where it does not pay. */
  readonly stored: Uint8Array;
  readonly codec: number;
}

export class BlockPacker {
  readonly #level: number;
  #inVain = 0;
  /** Blocks that are not tried next. */
  #untried = 0;
  #distance = FIRST_DISTANCE;
  /** Memory for the output of the next block: much more than it takes costs as much as the compression. */
  #expectedBytes = FIRST_BYTES;

  /** @param level of zstd. */
  constructor(level: number) {
    this.#level = level;
  }

  /** Takes some milliseconds for a MiB: for worker threads. */
  pack(block: Uint8Array): PackedBlock {
    if (this.#untried > 0) {
      this.#untried -= 1;
      return { stored: block, codec: BLOCK_CODEC.none };
    }
    const stored = zlib.zstdCompressSync(block, {
      params: { [zlib.constants.ZSTD_c_compressionLevel]: this.#level },
      // In one step mostly: pieces of the default size would be put together again.
      chunkSize: Math.min(block.length, this.#expectedBytes) + SLACK_BYTES,
    });
    this.#expectedBytes = Math.max(LEAST_BYTES, Math.ceil(stored.length * HEADROOM));
    const pays = stored.length < block.length * WORTH;
    this.#judge(pays);
    return pays ? { stored, codec: BLOCK_CODEC.zstd } : { stored: block, codec: BLOCK_CODEC.none };
  }

  #judge(pays: boolean): void {
    if (pays) {
      this.#inVain = 0;
      this.#distance = FIRST_DISTANCE;
      return;
    }
    this.#inVain += 1;
    if (this.#inVain < GIVE_UP_AFTER) return;
    this.#untried = this.#distance - 1;
    this.#distance = Math.min(MAX_DISTANCE, this.#distance * 2);
  }
}

/** @returns the block, or what is wrong with it. */
export function unpackBlock(stored: Uint8Array, rawBytes: number): Uint8Array | string {
  try {
    const raw = zlib.zstdDecompressSync(stored, { maxOutputLength: rawBytes, chunkSize: rawBytes + SLACK_BYTES });
    return raw.length === rawBytes ? raw : `a block has ${raw.length} bytes and not ${rawBytes}`;
  } catch (error) {
    return `a block cannot be opened: ${String(error)}`;
  }
}

/** Above what `Buffer` cuts out of memory that others share. */
const OWN_MEMORY_BYTES = 64 * 1024;

/** Gives the memory of an unpacked block back at once: at hundreds of MB a second the collector comes too late for it. */
export function freeBlock(content: Uint8Array): void {
  const { buffer, length } = content;
  const isOwn = length >= OWN_MEMORY_BYTES && buffer.byteLength <= length + SLACK_BYTES;
  if (isOwn && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
