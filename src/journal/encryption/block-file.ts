/**
 * An encrypted file that is written once, from begin to end, and read anywhere: chunks, indexes, order files, checkpoints.
 * AES-256-GCM over blocks of 64 KiB, each with its tag behind it; the nonce is the number of the block, the key the file's own.
 *
 * A block whose tag is wrong reads as zeros: what the file holds has checksums, so exactly what was in the block is found damaged,
 * named, and not served, and everything else is.
 */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { DiskFile } from '../disk.ts';
import { FileInBlocks, WrittenFile } from '../written-once.ts';
import { encodeHead, type FileHead, HEAD_BYTES } from './file-head.ts';

/** On disk: never change. */
const BLOCK_BYTES = 64 * 1024;
const TAG_BYTES = 16;
const STORED_BYTES = BLOCK_BYTES + TAG_BYTES;

export class BlockFile extends WrittenFile {
  readonly #keyOf: () => KeyObject;
  #key: KeyObject | undefined;

  /** @param keyOf asked with the first read: of a file whose key was deleted the length can still be told. */
  constructor(file: DiskFile, keyOf: () => KeyObject) {
    super(file);
    this.#keyOf = keyOf;
  }

  /** @throws STORE_KEY_MISSING where the key was deleted. */
  override async read(into: Uint8Array, position: number): Promise<number> {
    this.#key ??= this.#keyOf();
    const first = Math.floor(position / BLOCK_BYTES);
    const last = Math.floor((position + Math.max(1, into.length) - 1) / BLOCK_BYTES);
    const stored = new Uint8Array((last - first + 1) * STORED_BYTES);
    const count = await this.file.read(stored, HEAD_BYTES + first * STORED_BYTES);
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

  override async size(): Promise<number> {
    return contentBytes(await this.file.size());
  }
}

/** While it is written: content comes in order. The last block is written, and synced, when it is closed. */
export class NewBlockFile extends FileInBlocks {
  readonly #key: KeyObject;
  readonly #head: Uint8Array;
  #blocks = 0;

  constructor(file: DiskFile, head: FileHead, key: KeyObject) {
    super(file, BLOCK_BYTES);
    this.#key = key;
    const copy = encodeHead(head);
    this.#head = Buffer.concat([copy, copy]);
  }

  protected override begin(): Uint8Array {
    return this.#head;
  }

  protected override pack(content: Uint8Array): readonly Uint8Array[] {
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(this.#blocks));
    const stored = cipher.update(content);
    cipher.final();
    this.#blocks += 1;
    return [stored, cipher.getAuthTag()];
  }

  protected override end(): readonly Uint8Array[] {
    return [];
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
