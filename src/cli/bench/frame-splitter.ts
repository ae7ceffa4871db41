/**
 * Cuts a byte stream into frames (int32 size, then that many bytes) where they lie; only a frame that spans two reads
 * is copied. For answers of bounded size; Fetch answers are parsed as they stream (`fetch-parser.ts`).
 */
import { MillraceError } from '../../base/errors.ts';

/** Sees one frame without its size field. The bytes are borrowed: valid until it returns. */
export type FrameHandler = (bytes: Buffer, start: number, end: number) => void;

export class FrameSplitter {
  readonly #handle: FrameHandler;
  readonly #maxFrameBytes: number;
  #carry = Buffer.allocUnsafeSlow(4096);
  #carried = 0;

  constructor(maxFrameBytes: number, handle: FrameHandler) {
    this.#maxFrameBytes = maxFrameBytes;
    this.#handle = handle;
  }

  /** @param chunk borrowed; what must outlive the call is copied. */
  push(chunk: Buffer, end: number): void {
    let at = this.#carried > 0 ? this.#finishCarried(chunk, end) : 0;
    while (end - at >= 4) {
      const frameEnd = at + 4 + this.#checkedSize(chunk, at);
      if (frameEnd > end) break;
      this.#handle(chunk, at + 4, frameEnd);
      at = frameEnd;
    }
    if (at < end) this.#keep(chunk, at, end);
  }

  /** Completes the frame begun in an earlier read. @returns where the next frame starts in `chunk`. */
  #finishCarried(chunk: Buffer, end: number): number {
    let at = 0;
    if (this.#carried < 4) {
      at = Math.min(end, 4 - this.#carried);
      this.#keep(chunk, 0, at);
      if (this.#carried < 4) return at;
    }
    const frameBytes = 4 + this.#checkedSize(this.#carry, 0);
    const taken = Math.min(end - at, frameBytes - this.#carried);
    this.#keep(chunk, at, at + taken);
    if (this.#carried === frameBytes) {
      this.#carried = 0;
      this.#handle(this.#carry, 4, frameBytes);
    }
    return at + taken;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const needed = this.#carried + end - start;
    if (needed > this.#carry.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#carry.length * 2));
      this.#carry.copy(larger, 0, 0, this.#carried);
      this.#carry = larger;
    }
    chunk.copy(this.#carry, this.#carried, start, end);
    this.#carried = needed;
  }

  #checkedSize(bytes: Buffer, at: number): number {
    const size = bytes.readInt32BE(at);
    if (size < 0 || size > this.#maxFrameBytes) {
      throw new MillraceError(
        'WIRE_FRAME_TOO_LARGE',
        `A frame of ${size} bytes came; 0 to ${this.#maxFrameBytes} were expected. Is this the Kafka port of a broker?`,
        { details: { sizeBytes: size, maxBytes: this.#maxFrameBytes } },
      );
    }
    return size;
  }
}
