/**
 * Where the LZ4 and Snappy decoders write: grows with what has really been decoded, never with what a header claims, and
 * stops at a limit. Both formats are made of the same two steps, literals and copies from what was written before.
 */
import { MillraceError } from '../base/errors.ts';

/** Below this, a loop is faster than a call into the runtime. */
const LOOP_BYTES = 24;
const MIN_CAPACITY_BYTES = 256;

export class ExpandingOutput {
  #bytes: Buffer;
  #end = 0;
  readonly #maxBytes: number;

  /** @param expectedBytes a guess; neither a promise nor a limit. */
  constructor(expectedBytes: number, maxBytes: number) {
    this.#bytes = Buffer.allocUnsafe(Math.min(Math.max(expectedBytes, MIN_CAPACITY_BYTES), maxBytes));
    this.#maxBytes = maxBytes;
  }

  /** Bytes written so far. */
  get sizeBytes(): number {
    return this.#end;
  }

  /** Appends `length` bytes of `source` from `start` on; the caller has checked that they are there. */
  literals(source: Buffer, start: number, length: number): void {
    const to = this.#end;
    if (to + length > this.#bytes.length) this.#grow(length);
    const bytes = this.#bytes;
    if (length > LOOP_BYTES) source.copy(bytes, to, start, start + length);
    else for (let i = 0; i < length; i++) bytes[to + i] = source[start + i] as number;
    this.#end = to + length;
  }

  /**
   * Appends `length` bytes that stand `distance` bytes back; they may overlap what is being written, which repeats them.
   * @param floor first byte that may be referred to.
   * @returns false where the distance is 0 or reaches below the floor: the data is damaged.
   */
  copyBack(distance: number, length: number, floor: number): boolean {
    const to = this.#end;
    const from = to - distance;
    if (distance === 0 || from < floor) return false;
    if (to + length > this.#bytes.length) this.#grow(length);
    const bytes = this.#bytes;
    if (length <= LOOP_BYTES) {
      for (let i = 0; i < length; i++) bytes[to + i] = bytes[from + i] as number;
    } else {
      // Each round copies what stands already, so an overlap doubles until it is long enough.
      for (let done = 0; done < length; ) {
        const step = Math.min(distance + done, length - done);
        bytes.copyWithin(to + done, from, from + step);
        done += step;
      }
    }
    this.#end = to + length;
    return true;
  }

  /** The written bytes, without a copy; the output is not used any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#end);
  }

  #grow(length: number): void {
    const needed = this.#end + length;
    if (needed > this.#maxBytes) throw decompressedTooLarge(this.#maxBytes);
    const grown = Buffer.allocUnsafe(Math.min(Math.max(needed, this.#bytes.length * 2), this.#maxBytes));
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

export function decompressedTooLarge(maxBytes: number): MillraceError {
  return new MillraceError(
    'MODEL_DECOMPRESSED_TOO_LARGE',
    `The compressed records expand to more than ${maxBytes} bytes; produce smaller batches.`,
    { details: { maxBytes } },
  );
}

/** A compressed blob that its own format does not allow. */
export function malformed(format: string, what: string, position: number): MillraceError {
  return new MillraceError(
    'MODEL_RECORD_INVALID',
    `The ${format} data of the batch cannot be read: ${what} at byte ${position}.`,
    {
      details: { format, position },
    },
  );
}
