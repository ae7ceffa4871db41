/**
 * A compressed file while it is written: content comes in order, and each block goes out once it is full. The last block, the table
 * and the trailer are written, and synced, when it is closed; memory holds one block and what is on its way.
 */
import { assert } from '../../base/errors.ts';
import type { DiskFile } from '../disk.ts';
import { BlockPacker } from './block-packer.ts';
import { encodeHeader, encodeRow, encodeTail } from './file-layout.ts';

/** Of zstd. Higher ones save some percent and take twice the time, which readers and writers of the machine have less. */
const LEVEL = 1;

export class NewCompressedFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #packer = new BlockPacker(LEVEL);
  readonly #rows: Uint8Array[] = [];
  /** Content of the block that is not full. */
  readonly #block: Uint8Array;
  #blockFilled = 0;
  #contentBytes = 0;
  #storedBytes = 0;
  #closed = false;
  #failed = false;

  constructor(file: DiskFile, blockBytes: number) {
    this.#file = file;
    this.#block = new Uint8Array(blockBytes);
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    assert(position === this.#contentBytes, 'a file that is written once is written in order');
    const stored: Uint8Array[] = [];
    if (position === 0 && this.#storedBytes === 0) stored.push(encodeHeader(this.#block.length));
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const count = Math.min(this.#block.length - this.#blockFilled, piece.length - at);
        this.#block.set(piece.subarray(at, at + count), this.#blockFilled);
        this.#blockFilled += count;
        this.#contentBytes += count;
        at += count;
        if (this.#blockFilled === this.#block.length) stored.push(this.#pack());
      }
    }
    await this.#store(stored);
  }

  writeSync(): void {
    assert(false, 'only the journal is written so');
  }

  /** Full blocks: the rest is with `close`. */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async truncate(): Promise<void> {
    assert(false, 'a file that is written once is not cut');
  }

  async read(): Promise<number> {
    assert(false, 'a file is read once it is written');
  }

  async size(): Promise<number> {
    return this.#contentBytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      // Who gave up has nothing to end any more.
      if (this.#contentBytes > 0 && !this.#failed) {
        const stored = this.#blockFilled > 0 ? [this.#pack()] : [];
        await this.#store([...stored, encodeTail(this.#contentBytes, this.#block.length, this.#rows)]);
        await this.#file.sync();
      }
    } finally {
      await this.#file.close();
    }
  }

  /** @returns the block as it is stored; a copy, as the next one is gathered in the same place. */
  #pack(): Uint8Array {
    const block = this.#block.slice(0, this.#blockFilled);
    this.#blockFilled = 0;
    const packed = this.#packer.pack(block);
    this.#rows.push(encodeRow(packed));
    return packed.stored;
  }

  async #store(stored: readonly Uint8Array[]): Promise<void> {
    if (stored.length === 0) return;
    try {
      await this.#file.write(stored, this.#storedBytes);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    this.#storedBytes += stored.reduce((sum, { length }) => sum + length, 0);
  }
}
