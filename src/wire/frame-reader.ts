/**
 * Cuts a byte stream into frames without copying what need not be copied.
 *
 * | position | type | name |
 * |---|---|---|
 * | 0 | int32 | size: bytes that follow, 0 to the limit |
 * | 4 | .. | message: request header and body |
 *
 * Where bytes are read to, and what happens there:
 *
 * ```
 *  slab (shared by all sockets) ── whole frames: handed out in place, borrowed for the call
 *        │ rest of a small frame ──► carry: a copy, completed by the next read
 *        └ rest of a large frame ──► lease of its exact size; `place` is now inside the lease, so the rest lands uncopied
 * ```
 *
 * The sink may refuse a frame; then everything from it on is kept and offered again by `resume`. All memory that outlives
 * a call is charged to a budget that many readers share.
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';
import { asBuffer, readInt32 } from '../base/bytes.ts';
import { MillraceError } from '../base/errors.ts';

const SIZE_BYTES = 4;
/** From this size on a frame that did not arrive whole gets a buffer of its own. */
const LARGE_FRAME_BYTES = 32 * 1024;
/** After a frame of this size the next is probably as large: read only its beginning into the slab, the rest lands uncopied. */
const HUGE_FRAME_BYTES = 128 * 1024;
/** How much of the slab is offered where only a beginning is wanted. */
const SHORT_READ_BYTES = 16 * 1024;

/** Gets the frames, in order. */
export interface FrameSink {
  /**
   * @param bytes the message lies in [start, end): borrowed for the call, except that whoever keeps it retains `lease`.
   * @param lease owner of `bytes` where a large frame has a buffer of its own; undefined: the memory is reused at once.
   * @returns false: not now; the frame is offered again by `resume`.
   */
  frame(bytes: Buffer, start: number, end: number, lease: Lease | undefined): boolean;
}

/**
 * Bounds the sum of what many readers hold. Buffers of large frames and what is kept for lack of them are counted apart:
 * those that wait for room must not take the room they wait for.
 */
export interface MemoryBudget {
  /** For the buffer of a large frame. False: no room now. Always grants it when no other is taken, so nobody waits for ever. */
  takeFrame(bytes: number): boolean;
  giveFrame(bytes: number): void;
  /** For bytes that were received already. @throws BROKER_OVERLOADED beyond the limit. */
  takeRest(bytes: number): void;
  giveRest(bytes: number): void;
}

export interface FrameReaderOptions {
  /** Memory that reads go to; may be shared, because nothing in it is kept after `received` returns. */
  readonly slab: Buffer;
  readonly pool: BufferPool;
  readonly budget: MemoryBudget;
  /** Largest size a frame may announce, inclusive. */
  readonly maxFrameBytes: number;
}

const NOTHING = Buffer.alloc(0);

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #options: FrameReaderOptions;
  readonly #shortSlab: Buffer;
  /** Bytes received and not handed out: [start, end) of `#carry`. Either the begin of a small frame, or all that was refused. */
  #carry: Buffer = NOTHING;
  #carryStart = 0;
  #carryEnd = 0;
  /** The large frame that is arriving, or has arrived and was refused. */
  #landing: Lease | undefined;
  #landingSize = 0;
  #landed = 0;
  #place: Buffer;
  #refused = false;
  #starved = false;
  #shortReads = false;

  constructor(options: FrameReaderOptions, sink: FrameSink) {
    this.#options = options;
    this.#sink = sink;
    this.#shortSlab = options.slab.subarray(0, SHORT_READ_BYTES);
    this.#place = options.slab;
  }

  /** True while part of a frame has arrived and the rest has not. */
  get midFrame(): boolean {
    if (this.#refused || this.#starved) return false;
    return this.#landing !== undefined || this.#carryEnd > this.#carryStart;
  }

  /** Bytes kept because the sink refused a frame. */
  get heldBytes(): number {
    return this.#refused || this.#starved ? this.#carryEnd - this.#carryStart : 0;
  }

  /** Frames are kept for `resume`. */
  get holding(): boolean {
    return this.#refused || this.#starved;
  }

  /** A large frame waits for room in the budget: call `resume` when there is some. */
  get starved(): boolean {
    return this.#starved;
  }

  /** Where the next read shall go to. Ask again after each `received` or `resume`. */
  place(): Buffer {
    const { slab } = this.#options;
    if (this.#landing !== undefined && this.#landed < this.#landingSize) {
      this.#place = asBuffer(this.#landing.bytes).subarray(this.#landed, this.#landingSize);
    } else this.#place = this.#shortReads || this.#refused || this.#starved ? this.#shortSlab : slab;
    return this.#place;
  }

  /**
   * Takes `bytes[0..length)`, which may lie in `place()` or anywhere else.
   *
   * @throws MillraceError WIRE_MALFORMED (negative size), WIRE_FRAME_TOO_LARGE, BROKER_OVERLOADED, and what the sink
   *   throws. The stream cannot be read on after that: close it.
   */
  received(bytes: Buffer, length: number): void {
    let at = 0;
    if (this.#landing !== undefined && this.#landed < this.#landingSize) {
      at = this.#land(bytes, length);
      if (this.#landed < this.#landingSize) return;
      this.#deliverLanded();
    }
    if (this.#refused || this.#starved) {
      this.#keep(bytes, at, length);
      return;
    }
    if (this.#carryEnd > this.#carryStart) at = this.#complete(bytes, at, length);
    if (at < length) {
      const rest = this.#parse(bytes, at, length);
      if (rest < length) this.#keep(bytes, rest, length);
    }
  }

  /** Offers again what was refused. Throws as `received`. */
  resume(): void {
    this.#refused = false;
    this.#starved = false;
    if (this.#landing !== undefined && this.#landed === this.#landingSize) this.#deliverLanded();
    if (this.#refused || this.#carryStart === this.#carryEnd) return;
    this.#carryStart = this.#parse(this.#carry, this.#carryStart, this.#carryEnd);
    if (this.#carryStart === this.#carryEnd) this.#dropCarry();
  }

  /** Gives all memory back. Nothing may be called after. */
  close(): void {
    this.#dropCarry();
    this.#endLanding();
  }

  /** Hands out the whole frames in [start, end); returns the position of the first byte that stays. */
  #parse(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (end - at >= SIZE_BYTES) {
      const size = readInt32(bytes, at);
      this.#checkSize(size, bytes, at);
      const next = at + SIZE_BYTES + size;
      if (next > end) {
        if (size < LARGE_FRAME_BYTES || end === at + SIZE_BYTES) break;
        return this.#beginLanding(bytes, at + SIZE_BYTES, end, size) ? end : at;
      }
      if (!this.#sink.frame(bytes, at + SIZE_BYTES, next, undefined)) {
        this.#refused = true;
        break;
      }
      if (size < HUGE_FRAME_BYTES) this.#shortReads = false;
      at = next;
    }
    return at;
  }

  #checkSize(size: number, bytes: Buffer, at: number): void {
    if (size >= 0 && size <= this.#options.maxFrameBytes) return;
    const guess = guessProtocol(bytes, at);
    if (size < 0) {
      throw new MillraceError('WIRE_MALFORMED', `A frame announces the negative size ${size}${guess}.`, {
        details: { size },
      });
    }
    throw new MillraceError(
      'WIRE_FRAME_TOO_LARGE',
      `A frame announces ${size} bytes; at most ${this.#options.maxFrameBytes} are accepted${guess}.`,
      { details: { size, maxFrameBytes: this.#options.maxFrameBytes } },
    );
  }

  #beginLanding(bytes: Buffer, start: number, end: number, size: number): boolean {
    if (!this.#options.budget.takeFrame(size)) {
      this.#starved = true;
      return false;
    }
    const lease = this.#options.pool.acquire(size);
    lease.bytes.set(bytes.subarray(start, end), 0);
    this.#landing = lease;
    this.#landingSize = size;
    this.#landed = end - start;
    this.#shortReads = size >= HUGE_FRAME_BYTES;
    return true;
  }

  /** Returns the position after what belongs to the landing frame. */
  #land(bytes: Buffer, length: number): number {
    const missing = this.#landingSize - this.#landed;
    const taken = Math.min(missing, length);
    const lease = this.#landing as Lease;
    if (bytes !== this.#place || bytes.buffer !== lease.bytes.buffer) {
      lease.bytes.set(bytes.subarray(0, taken), this.#landed);
    }
    this.#landed += taken;
    return taken;
  }

  #deliverLanded(): void {
    const lease = this.#landing as Lease;
    if (this.#sink.frame(asBuffer(lease.bytes), 0, this.#landingSize, lease)) this.#endLanding();
    else this.#refused = true;
  }

  #endLanding(): void {
    if (this.#landing === undefined) return;
    this.#landing.release();
    this.#landing = undefined;
    this.#options.budget.giveFrame(this.#landingSize);
    this.#landed = 0;
    this.#landingSize = 0;
  }

  /** Fills the carry up to the end of its frame and hands that out; returns the position after what was used. */
  #complete(bytes: Buffer, start: number, end: number): number {
    let at = start;
    if (this.#carryLength < SIZE_BYTES) {
      at += this.#carryOver(bytes, at, Math.min(end, at + SIZE_BYTES - this.#carryLength));
      if (this.#carryLength < SIZE_BYTES) return at;
    }
    const size = readInt32(this.#carry, this.#carryStart);
    this.#checkSize(size, this.#carry, this.#carryStart);
    // A large frame leaves the carry as soon as one byte of it has come: see #parse.
    const wanted = size < LARGE_FRAME_BYTES ? SIZE_BYTES + size : SIZE_BYTES + 1;
    at += this.#carryOver(bytes, at, Math.min(end, at + wanted - this.#carryLength));
    if (this.#carryLength < wanted) return at;
    this.#carryStart = this.#parse(this.#carry, this.#carryStart, this.#carryEnd);
    if (this.#carryStart === this.#carryEnd) this.#dropCarry();
    if (this.#landing !== undefined && this.#landed < this.#landingSize && at < end) {
      at += this.#land(bytes.subarray(at, end), end - at);
      if (this.#landed === this.#landingSize) this.#deliverLanded();
    }
    if ((this.#refused || this.#starved) && at < end) {
      this.#keep(bytes, at, end);
      return end;
    }
    return at;
  }

  get #carryLength(): number {
    return this.#carryEnd - this.#carryStart;
  }

  #carryOver(bytes: Buffer, start: number, end: number): number {
    if (end <= start) return 0;
    this.#keep(bytes, start, end);
    return end - start;
  }

  /** Appends [start, end) to the carry. */
  #keep(bytes: Buffer, start: number, end: number): void {
    const added = end - start;
    if (added <= 0) return;
    if (this.#carryEnd + added > this.#carry.length) this.#growCarry(this.#carryLength + added, bytes, start);
    bytes.copy(this.#carry, this.#carryEnd, start, end);
    this.#carryEnd += added;
  }

  #growCarry(needed: number, bytes: Buffer, start: number): void {
    const length = this.#carryLength;
    // Where the size of the small frame is known, room for all of it; else for what is there.
    let capacity = needed;
    const sizeAt = length >= SIZE_BYTES ? this.#carryStart : start;
    const source = length >= SIZE_BYTES ? this.#carry : bytes;
    if ((length === 0 && needed >= SIZE_BYTES) || length >= SIZE_BYTES) {
      const size = readInt32(source, sizeAt);
      if (size >= 0 && size < LARGE_FRAME_BYTES) capacity = Math.max(capacity, SIZE_BYTES + size);
    }
    if (this.#refused || this.#starved) capacity = Math.max(capacity, Math.min(2 * needed, needed + SHORT_READ_BYTES));
    this.#options.budget.takeRest(capacity);
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#carry.copy(grown, 0, this.#carryStart, this.#carryEnd);
    this.#options.budget.giveRest(this.#carry.length);
    this.#carry = grown;
    this.#carryStart = 0;
    this.#carryEnd = length;
  }

  #dropCarry(): void {
    this.#options.budget.giveRest(this.#carry.length);
    this.#carry = NOTHING;
    this.#carryStart = 0;
    this.#carryEnd = 0;
  }
}

/** The two strangers that come by most often, in words that help whoever reads the log. */
function guessProtocol(bytes: Buffer, at: number): string {
  if (bytes[at] === 0x16 && bytes[at + 1] === 0x03) return ' (the bytes look like a TLS hello on a port without TLS)';
  const text = bytes.toString('latin1', at, at + SIZE_BYTES);
  return /^(?:GET |POST|PUT |HEAD|DELE|OPTI|PATC|PRI )$/.test(text)
    ? ' (the bytes look like HTTP on the Kafka port)'
    : '';
}
