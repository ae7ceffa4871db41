/**
 * An encrypted file that is written once, from begin to end, and read anywhere: chunks, indexes, order files, checkpoints.
 * AES-256-GCM over blocks of 64 KiB, each with its tag behind it; the nonce is the number of the block, the key the file's own.
 *
 * A block whose tag is wrong reads as zeros: what the file holds has checksums, so exactly what was in the block is found damaged,
 * named, and not served, and everything else is.
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import { assert } from '../../base/errors.ts';
import type { DiskFile } from '../disk.ts';
import { encodeHead, type FileHead, HEAD_BYTES } from './file-head.ts';

/** On disk: never change. */
const BLOCK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const STORED_BYTES = BLOCK_BYTES + TAG_BYTES;

export class BlockFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #keyOf: () => KeyObject;
  #key: KeyObject | undefined;

  /** @param keyOf asked with the first read: of a file whose key was deleted the length can still be told. */
  constructor(file: DiskFile, keyOf: () => KeyObject) {
    this.#file = file;
    this.#keyOf = keyOf;
  }

  /** @throws STORE_KEY_MISSING where the key was deleted. */
  async read(into: Uint8Array, position: number): Promise<number> {
    this.#key ??= this.#keyOf();
    const first = Math.floor(position / BLOCK_BYTES);
    const last = Math.floor((position + Math.max(1, into.length) - 1) / BLOCK_BYTES);
    const stored = new Uint8Array((last - first + 1) * STORED_BYTES);
    const count = await this.#file.read(stored, HEAD_BYTES + first * STORED_BYTES);
    let end = position;
    for (let block = first; block <= last; block++) {
      const at = (block - first) * STORED_BYTES;
      const bytes = stored.subarray(at, Math.min(at + STORED_BYTES, count));
      if (bytes.length <= TAG_BYTES) break;
      const content = openBlock(this.#key, block, bytes);
      const from = Math.max(0, position - block * BLOCK_BYTES);
      const to = Math.min(content.length, position + into.length - block * BLOCK_BYTES);
      if (to <= from) break;
      into.set(content.subarray(from, to), block * BLOCK_BYTES + from - position);
      end = block * BLOCK_BYTES + to;
    }
    return end - position;
  }

  async size(): Promise<number> {
    return contentBytes(await this.#file.size());
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  async sync(): Promise<void> {
    await this.#file.sync();
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

/** While it is written: content comes in order. The last block is written, and synced, when it is closed. */
export class NewBlockFile implements DiskFile {
  readonly #file: DiskFile;
  readonly #key: KeyObject;
  readonly #head: Uint8Array;
  /** Content of the block that is not full. */
  readonly #tail = new Uint8Array(BLOCK_BYTES);
  #tailBytes = 0;
  #blocks = 0;
  #closed = false;
  #failed = false;

  constructor(file: DiskFile, head: FileHead, key: KeyObject) {
    this.#file = file;
    this.#key = key;
    const copy = encodeHead(head);
    this.#head = Buffer.concat([copy, copy]);
  }

  get #sizeBytes(): number {
    return this.#blocks * BLOCK_BYTES + this.#tailBytes;
  }

  async write(pieces: readonly Uint8Array[], position: number): Promise<void> {
    assert(position === this.#sizeBytes, 'a file that is written once is written in order');
    const before = this.#blocks;
    const sealed: Uint8Array[] = before === 0 && position === 0 ? [this.#head] : [];
    for (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const count = Math.min(BLOCK_BYTES - this.#tailBytes, piece.length - at);
        this.#tail.set(piece.subarray(at, at + count), this.#tailBytes);
        this.#tailBytes += count;
        at += count;
        if (this.#tailBytes === BLOCK_BYTES) sealed.push(...this.#seal());
      }
    }
    const from = sealed[0] === this.#head ? 0 : HEAD_BYTES + before * STORED_BYTES;
    try {
      if (sealed.length > 0) await this.#file.write(sealed, from);
    } catch (error) {
      // Who gives up closes it: there is nothing to end any more.
      this.#failed = true;
      throw error;
    }
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
    return this.#sizeBytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      const at = HEAD_BYTES + this.#blocks * STORED_BYTES;
      if (this.#tailBytes > 0 && !this.#failed) {
        await this.#file.write(this.#seal(), at);
        await this.#file.sync();
      }
    } finally {
      await this.#file.close();
    }
  }

  #seal(): Uint8Array[] {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(this.#blocks));
    const stored = cipher.update(this.#tail.subarray(0, this.#tailBytes));
    cipher.final();
    this.#blocks += 1;
    this.#tailBytes = 0;
    return [stored, cipher.getAuthTag()];
  }
}

function openBlock(key: KeyObject, block: number, stored: Uint8Array): Uint8Array {
  const sealed = stored.subarray(0, stored.length - TAG_BYTES);
  const decipher = createDecipheriv('aes-256-gcm', key, nonceOf(block));
  decipher.setAuthTag(stored.subarray(stored.length - TAG_BYTES));
  const content = decipher.update(sealed);
  try {
    decipher.final();
    return content;
  } catch {
    return new Uint8Array(sealed.length);
  }
}

function nonceOf(block: number): Uint8Array {
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(block, 8);
  return nonce;
}

function contentBytes(fileBytes: number): number {
  const stored = Math.max(0, fileBytes - HEAD_BYTES);
  const rest = stored % STORED_BYTES;
  return Math.floor(stored / STORED_BYTES) * BLOCK_BYTES + Math.max(0, rest - TAG_BYTES);
}

/** Length of a file with so much content. */
export function blockFileBytes(content: number): number {
  return HEAD_BYTES + content + Math.ceil(content / BLOCK_BYTES) * TAG_BYTES;
}
