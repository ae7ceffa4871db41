/** Collects rendered records until a limit is reached. The first one always fits. */
import { CHUNK_HEAD_BYTES, CHUNK_TAIL, frameChunk } from './chunk-frame.ts';
import { TextBuffer } from './text-buffer.ts';

export interface CollectorLimits {
  readonly records: number;
  /** Of the rendered text, approximately. */
  readonly bytes: number;
}

/** Bytes in memory that is used again. */
export interface LentBytes {
  readonly bytes: Buffer;
  /** The same as a chunk of an answer, line breaks and all. */
  readonly chunk: Buffer;
  /** To be called once. Forgetting it leaks nothing but speed. */
  readonly release: () => void;
}

export class Collector {
  /** Records that are whole. */
  count = 0;
  readonly #limits: CollectorLimits;
  readonly #separator: string;
  readonly #text = new TextBuffer();
  /** Of the whole records. */
  #sizeBytes = 0;

  /** @param separator between records, as a JSON array has it. */
  constructor(limits: CollectorLimits, separator = '') {
    this.#limits = limits;
    this.#separator = separator;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isFull(): boolean {
    return this.count >= this.#limits.records || this.#sizeBytes >= this.#limits.bytes;
  }

  /** What the next record is to be written to; `added` follows. What was written in between and not added is dropped. */
  get next(): TextBuffer {
    const text = this.#text;
    if (this.#sizeBytes > 0) text.truncate(CHUNK_HEAD_BYTES + this.#sizeBytes);
    else {
      text.truncate(0);
      text.skip(CHUNK_HEAD_BYTES);
    }
    if (this.count > 0 && this.#separator !== '') text.text(this.#separator);
    return text;
  }

  /** The record is whole. @returns whether another one may come. */
  added(): boolean {
    this.count += 1;
    this.#sizeBytes = this.#text.length - CHUNK_HEAD_BYTES;
    return !this.isFull;
  }

  /** The records. Nothing can be added any more, and `release` is to be called once nobody needs the bytes. */
  lendBytes(): LentBytes {
    const text = this.#text;
    // A chunk of nothing would be the end of the answer.
    if (this.#sizeBytes === 0) {
      text.truncate(0);
      return { bytes: text.view, chunk: text.view, release: () => text.release() };
    }
    text.truncate(CHUNK_HEAD_BYTES + this.#sizeBytes);
    text.text(CHUNK_TAIL);
    const { view } = text;
    const bytes = view.subarray(CHUNK_HEAD_BYTES, CHUNK_HEAD_BYTES + this.#sizeBytes);
    return { bytes, chunk: frameChunk(view), release: () => text.release() };
  }

  /** As `lendBytes`, in memory of their own. */
  takeBytes(): Buffer {
    const lent = this.lendBytes();
    const bytes = Buffer.from(lent.bytes);
    lent.release();
    return bytes;
  }

  /** As `takeBytes`, of records that are text. */
  takeText(): string {
    const lent = this.lendBytes();
    const text = lent.bytes.toString('utf8');
    lent.release();
    return text;
  }
}
