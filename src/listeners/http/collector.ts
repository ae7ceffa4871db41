/** Collects rendered records until a limit is reached. The first one always fits. */
import { TextBuffer } from './text-buffer.ts';

export interface CollectorLimits {
  readonly records: number;
  /** Of the rendered text, approximately. */
  readonly bytes: number;
}

/** Bytes in memory that is used again. */
export interface LentBytes {
  readonly bytes: Buffer;
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
    text.truncate(this.#sizeBytes);
    if (this.count > 0 && this.#separator !== '') text.text(this.#separator);
    return text;
  }

  /** The record is whole. @returns whether another one may come. */
  added(): boolean {
    this.count += 1;
    this.#sizeBytes = this.#text.length;
    return !this.isFull;
  }

  /** The records. Nothing can be added any more, and `release` is to be called once nobody needs the bytes. */
  lendBytes(): LentBytes {
    this.#text.truncate(this.#sizeBytes);
    return { bytes: this.#text.view, release: () => this.#text.release() };
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
