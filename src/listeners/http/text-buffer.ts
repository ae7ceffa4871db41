/**
 * UTF-8 text that is being put together in memory that grows and is used again: what records are rendered into. Fields of
 * records go in as the bytes they are, without becoming strings on the way, where JSON takes them as they are.
 */
import { MAX_DECIMAL_BYTES, utf8Text, writeDecimal } from '../../base/bytes.ts';

const FIRST_BYTES = 4 * 1024;
/** What is larger is not kept for the next one, nor more than so many. */
const MAX_SPARE_BYTES = 256 * 1024;
const MAX_SPARES = 4;
/** Up to so many characters a loop is quicker than a call into native code. */
const SHORT_TEXT = 48;
/** Up to so many characters their bytes are not counted beforehand: three times as many at most. */
const SMALL_TEXT = 4 * 1024;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const QUOTES = 0x2222_2222;
const BACKSLASHES = 0x5c5c_5c5c;
const SPACES = 0x2020_2020;
const ONES = 0x0101_0101;
const HIGH_BITS = 0x8080_8080 | 0;

/** Memory that others left. Most reads end in the turn in which they begin, so few are enough. */
const spares: Buffer[] = [];

const NOTHING: Buffer = Buffer.alloc(0);
const NO_WORDS: Int32Array = new Int32Array(0);

export class TextBuffer {
  /** None until something is written. */
  #bytes = NOTHING;
  /** The same memory. */
  #words = NO_WORDS;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** Leaves room, content undefined. */
  skip(count: number): void {
    this.#reserve(count);
    this.#length += count;
  }

  /** Forgets what stands behind. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** A view, valid until more is written. */
  get view(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Leaves the memory to the next one. The text is gone. */
  release(): void {
    const { length } = this.#bytes;
    if (length > 0 && length <= MAX_SPARE_BYTES && spares.length < MAX_SPARES) spares.push(this.#bytes);
    this.#bytes = NOTHING;
    this.#words = NO_WORDS;
    this.#length = 0;
  }

  /** @param bytes short; made once of text that is written often. */
  literal(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(length);
    const into = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < length; i++) into[at + i] = bytes[i] as number;
    this.#length = at + length;
  }

  text(text: string): void {
    const { length } = text;
    this.#reserve(length <= SMALL_TEXT ? 3 * length : Buffer.byteLength(text));
    if (length > SHORT_TEXT || !this.#shortAscii(text)) this.#length += this.#bytes.write(text, this.#length);
  }

  #shortAscii(text: string): boolean {
    const bytes = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at + i] = code;
    }
    this.#length += text.length;
    return true;
  }

  /** @param value a safe integer, in decimal. */
  integer(value: number): void {
    if (value < 0) this.text('-');
    this.#reserve(MAX_DECIMAL_BYTES);
    this.#length = writeDecimal(this.#bytes, this.#length, Math.abs(value));
  }

  /** @param end exclusive. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.#reserve(end - start);
    this.#copy(bytes, start, end);
    this.#length += end - start;
  }

  /**
   * UTF-8 bytes as a JSON string, quotes included.
   * @param end exclusive.
   * @returns false, with nothing written, where they are not UTF-8.
   */
  jsonString(bytes: Uint8Array, start: number, end: number): boolean {
    const size = end - start;
    this.#reserve(size + 2);
    const first = this.#length;
    this.#length += 1;
    this.#copy(bytes, start, end);
    if (this.#isPlain(first + 1, first + 1 + size)) {
      this.#bytes[first] = QUOTE;
      this.#bytes[first + 1 + size] = QUOTE;
      this.#length = first + size + 2;
      return true;
    }
    this.#length = first;
    const text = utf8Text(bytes, start, end);
    if (text === undefined) return false;
    this.text(JSON.stringify(text));
    return true;
  }

  #copy(bytes: Uint8Array, start: number, end: number): void {
    Buffer.prototype.copy.call(bytes, this.#bytes, this.#length, start, end);
  }

  /** Whether it is ASCII that JSON does not escape. Four bytes at a time: a borrow begins only at a byte that is found. */
  #isPlain(start: number, end: number): boolean {
    const words = this.#words;
    const firstWord = Math.min((start + 3) & ~3, end);
    if (!this.#isPlainByByte(start, firstWord)) return false;
    const endWord = end >> 2;
    for (let i = firstWord >> 2; i < endWord; i++) {
      const word = words[i] as number;
      const bits = word | (word - SPACES) | ((word ^ QUOTES) - ONES) | ((word ^ BACKSLASHES) - ONES);
      if ((bits & HIGH_BITS) !== 0) return false;
    }
    return this.#isPlainByByte(Math.max(firstWord, endWord << 2), end);
  }

  #isPlainByByte(start: number, end: number): boolean {
    const bytes = this.#bytes;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte < SPACE || byte >= 0x80 || byte === QUOTE || byte === BACKSLASH) return false;
    }
    return true;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.#length + sizeBytes;
    if (needed > this.#bytes.length) this.#grow(needed);
  }

  #grow(neededBytes: number): void {
    const before = this.#bytes;
    const left = before.length === 0 ? spares.pop() : undefined;
    // In whole words.
    const sizeBytes = Math.max(FIRST_BYTES, 2 * before.length, 4 * Math.ceil(neededBytes / 4));
    const larger = left !== undefined && left.length >= neededBytes ? left : Buffer.allocUnsafeSlow(sizeBytes);
    before.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
    this.#words = new Int32Array(larger.buffer);
  }
}
