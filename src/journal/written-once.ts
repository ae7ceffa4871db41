/** Files that are written once, from begin to end, and read afterwards: what neither half of their life allows. */
import { lengthOf } from '../base/bytes.ts';
import { assert } from '../base/errors.ts';
import type { DiskFile } from './disk.ts';

/** Once it is written. */
export abstract class WrittenFile implements DiskFile {
  protected readonly file: DiskFile;

  constructor(file: DiskFile) {
    this.file = file;
  }

  abstract read(into: Uint8Array, position: number): Promise<number>;
  abstract size(): Promise<number>;

  async close(): Promise<void> {
    await this.file.close();
  }

  async sync(): Promise<void> {
    await this.file.sync();
  }

  async write(): Promise<void> {
    assert(false, 'a file that was written once is not written again');
  }

  writeSync(): void {
    assert(false, 'a file that was written once is not written again');
  }

  async truncate(): Promise<void> {
    assert(false, 'a file that was written once is not cut');
  }
}

/** While it is written: content comes in order and leaves in blocks, the last of them, synced, when it is closed. */
export abstract class FileInBlocks implements DiskFile {
  protected readonly file: DiskFile;
  /** Content of the block that is not full. */
  readonly #block: Uint8Array;
  #filled = 0;
  #contentBytes = 0;
  #storedBytes = 0;
  #closed = false;
  #failed = false;

  constructor(file: DiskFile, blockBytes: number) {
    this.file = file;
    this.#block = new Uint8Array(blockBytes);
  }

  protected get contentBytes(): number {
    return this.#contentBytes;
  }

  /** What stands before the first block. */
  protected abstract begin(): Uint8Array;

  /** @param content of a block, borrowed: the next one is gathered in the same place. @returns what is stored. */
  protected abstract pack(content: Uint8Array): readonly Uint8Array[];

  /** What stands behind the last block. */
  protected abstract end(): readonly Uint8Array[];

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    assert(position === this.#contentBytes, 'a file that is written once is written in order');
    const stored: Uint8Array[] = [];
    if (position === 0 && this.#storedBytes === 0) stored.push(this.begin());
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const count = Math.min(this.#block.length - this.#filled, piece.length - at);
        this.#block.set(piece.subarray(at, at + count), this.#filled);
        this.#filled += count;
        this.#contentBytes += count;
        at += count;
        if (this.#filled === this.#block.length) stored.push(...this.#pack());
      }
    }
    await this.#store(stored);
  }

  writeSync(): void {
    assert(false, 'only the journal is written so');
  }

  /** Full blocks: the rest is with `close`. */
  async sync(): Promise<void> {
    await this.file.sync();
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
      const rest = this.#contentBytes > 0 && !this.#failed ? [...this.#pack(), ...this.end()] : [];
      if (rest.length > 0) {
        await this.#store(rest);
        await this.file.sync();
      }
    } finally {
      await this.file.close();
    }
  }

  #pack(): readonly Uint8Array[] {
    const content = this.#block.subarray(0, this.#filled);
    this.#filled = 0;
    return content.length === 0 ? [] : this.pack(content);
  }

  async #store(stored: readonly Uint8Array[]): Promise<void> {
    if (stored.length === 0) return;
    try {
      await this.file.write(stored, this.#storedBytes);
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    this.#storedBytes += lengthOf(stored);
  }
}
