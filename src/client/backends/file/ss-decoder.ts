/**
 * Takes the bytes of a `.ss` file apart, in pieces of any size. Pure.
 *
 * Beacons are cut out at the multiples of the interval; what is left is one run of messages. A message that lies whole in
 * what was pushed is a view of it; one that a beacon or a piece's end cuts is put together.
 */
import { readInt64, readUint16, readUint32 } from '../../../base/bytes.ts';
import { MillraceError } from '../../../base/errors.ts';
import { decodeUtf8 } from '../../utf8.ts';
import { crc16InWindow } from './crc16.ts';
import {
  isSsKey,
  readUint64,
  SS_BEACON_FIXED_BYTES,
  SS_END,
  SS_MAX_PAYLOAD_BYTES,
  SS_MESSAGE_HEAD_BYTES,
  SS_MESSAGE_TAIL_BYTES,
  type SsBeacon,
  type SsBeaconItem,
  type SsMessage,
} from './ss-format.ts';

export type SsItem =
  | {
      readonly type: 'message';
      readonly message: SsMessage;
      /** In the file; `endOffset` is exclusive. */
      readonly offset: number;
      readonly endOffset: number;
    }
  | { readonly type: 'beacon'; readonly beacon: SsBeacon; readonly offset: number; readonly endOffset: number };

/** A message in the decoder's hands: each member is overwritten by the next, so that a run of them costs no objects. */
export interface SsFound {
  key: string;
  shard: number;
  sequence: bigint;
  timestamp: number;
  /** A view of what was pushed, or of what was put together. */
  payload: Uint8Array;
  checksum: number;
  /** In the file; `endOffset` is exclusive. */
  offset: number;
  endOffset: number;
}

const EMPTY = new Uint8Array(0);
const HEAD_NUMBERS_BYTES = 8 + 8 + 8;
/** A message up to its payload, with the longest key. */
const MAX_HEAD_BYTES = SS_MESSAGE_HEAD_BYTES + 249;

export class SsDecoder {
  /** The message that `step` found last. */
  readonly found: SsFound = {
    key: '',
    shard: 0,
    sequence: 0n,
    timestamp: 0,
    payload: EMPTY,
    checksum: 0,
    offset: 0,
    endOffset: 0,
  };
  #beaconFound: SsItem | undefined;
  readonly #interval: number;
  /** Pushed and not yet sorted into messages and beacons; its first byte is at `#rawOffset` of the file. */
  #raw: Uint8Array = EMPTY;
  #rawOffset: number;
  /** Message bytes, the first `#at` of them used. */
  #run: Uint8Array = EMPTY;
  /** The same bytes: it makes bigints at half the price of two halves. */
  #runView: DataView = new DataView(EMPTY.buffer);
  #at = 0;
  /** Where in the file parts of the run lie; the run is contiguous, the file has beacons in between. */
  #spans: { readonly at: number; readonly offset: number }[] = [];
  #lastKeyBytes: Uint8Array = EMPTY;
  #lastKey = '';
  /** Bytes of a message that began before the beacon where decoding began. */
  #skipping = 0;
  #atStart: boolean;

  /**
   * @param offset in the file of the first byte that will be pushed: behind the header, behind a message, or at a beacon;
   *   what remains of a message that the beacon interrupts is then left out.
   */
  constructor(interval: number, offset: number) {
    this.#interval = interval;
    this.#rawOffset = offset;
    this.#atStart = offset > 0 && offset % interval === 0;
  }

  /** Where a decoder that begins anew finds what is not decoded yet. Undefined within a message of which the beginning is not known. */
  get restartOffset(): number | undefined {
    if (this.#skipping > 0) return undefined;
    return this.#run.length > this.#at ? this.#fileOffset(this.#at) : this.#rawOffset;
  }

  /** Next byte to push. */
  get nextOffset(): number {
    return this.#rawOffset + this.#raw.length;
  }

  /** @param bytes those at `nextOffset` of the file; owned by the decoder from here on. */
  push(bytes: Uint8Array): void {
    this.#raw = this.#raw.length === 0 ? bytes : concat(this.#raw, bytes);
  }

  /**
   * @returns undefined when more bytes are needed.
   * @throws MillraceError CLIENT_FILE_CORRUPT naming the position. The decoder is of no use afterwards.
   */
  next(): SsItem | undefined {
    switch (this.step()) {
      case 'more':
        return undefined;
      case 'beacon':
        return this.#beaconFound;
      case 'message': {
        const { offset, endOffset, ...message } = this.found;
        return { type: 'message', message, offset, endOffset };
      }
    }
  }

  /** As `next`, for whoever needs no object of each message: it stands in `found`. @throws as `next`. */
  step(): 'message' | 'beacon' | 'more' {
    for (;;) {
      if (this.#skipping === 0 && this.#message()) return 'message';
      if (this.#raw.length === 0) return 'more';
      if (this.#rawOffset % this.#interval === 0) {
        // Whole or not at all: a beacon may be cut by the end of a piece.
        this.#beaconFound = this.#beacon();
        return this.#beaconFound === undefined ? 'more' : 'beacon';
      }
      this.#moveToRun();
    }
  }

  #moveToRun(): void {
    const room = this.#interval - (this.#rawOffset % this.#interval);
    let piece = this.#raw.subarray(0, Math.min(room, this.#missing()));
    this.#raw = this.#raw.subarray(piece.length);
    const offset = this.#rawOffset;
    this.#rawOffset += piece.length;
    const skipped = Math.min(this.#skipping, piece.length);
    this.#skipping -= skipped;
    piece = piece.subarray(skipped);
    if (piece.length === 0) return;
    if (this.#at === this.#run.length) {
      this.#setRun(piece);
      this.#spans = [{ at: 0, offset: offset + skipped }];
      return;
    }
    const rest = this.#run.subarray(this.#at);
    this.#spans = [
      { at: 0, offset: this.#fileOffset(this.#at) },
      ...this.#laterSpans(),
      { at: rest.length, offset: offset + skipped },
    ];
    this.#setRun(concat(rest, piece));
  }

  #setRun(bytes: Uint8Array): void {
    this.#run = bytes;
    this.#runView = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = 0;
  }

  /**
   * Bytes that the message at the end of the run lacks, or its head where its size is not known yet: only these are copied to
   * what is there, and the messages behind it stay where they were read to.
   */
  #missing(): number {
    const have = this.#run.length - this.#at;
    if (have === 0 || this.#skipping > 0) return Number.POSITIVE_INFINITY;
    const size = this.#messageSize();
    return size === undefined ? Math.max(MAX_HEAD_BYTES - have, 1) : size - have;
  }

  #laterSpans(): { at: number; offset: number }[] {
    return this.#spans.filter(({ at }) => at > this.#at).map(({ at, offset }) => ({ at: at - this.#at, offset }));
  }

  /** @returns false where the next message is not whole. */
  #message(): boolean {
    const run = this.#run;
    const start = this.#at;
    const size = this.#messageSize();
    if (size === undefined || start + size > run.length) return false;
    const keyLength = run[start] as number;
    const head = start + 1 + keyLength;
    const payloadAt = head + HEAD_NUMBERS_BYTES + 4;
    const end = start + size;
    const payloadEnd = end - SS_MESSAGE_TAIL_BYTES;
    const checksum = readUint16(run, payloadEnd);
    if (run[end - 1] !== SS_END)
      throw this.#corrupt(start, `the message's last byte is ${run[end - 1]}, not ${SS_END}`);
    const computed = crc16InWindow(run, payloadAt, payloadEnd);
    if (computed !== checksum)
      throw this.#corrupt(start, `the message's checksum is ${checksum}, its payload has ${computed}`);
    const shard = readInt64(run, head);
    const timestamp = readInt64(run, head + 16);
    if (!(shard >= 0)) throw this.#corrupt(start, 'its shard is out of range');
    if (!(timestamp >= 0)) throw this.#corrupt(start, 'its timestamp is out of range');
    const { found } = this;
    found.key = this.#key(start + 1, keyLength);
    found.shard = shard;
    found.sequence = this.#runView.getBigUint64(head + 8);
    found.timestamp = timestamp;
    // `subarray` asks for the class to make first.
    found.payload = new Uint8Array(run.buffer, run.byteOffset + payloadAt, payloadEnd - payloadAt);
    found.checksum = checksum;
    found.offset = this.#fileOffset(start);
    found.endOffset = this.#fileOffset(end - 1) + 1;
    this.#at = end;
    return true;
  }

  /** Undefined where not even the size can be read yet. */
  #messageSize(): number | undefined {
    const run = this.#run;
    const keyLength = run[this.#at];
    if (keyLength === undefined) return undefined;
    if (keyLength === 0 || keyLength > 249) throw this.#corrupt(this.#at, `a stream key of ${keyLength} bytes`);
    const sizeAt = this.#at + 1 + keyLength + HEAD_NUMBERS_BYTES;
    if (sizeAt + 4 > run.length) return undefined;
    const payloadLength = readUint32(run, sizeAt);
    if (payloadLength > SS_MAX_PAYLOAD_BYTES) throw this.#corrupt(this.#at, `a payload of ${payloadLength} bytes`);
    return SS_MESSAGE_HEAD_BYTES + keyLength + payloadLength + SS_MESSAGE_TAIL_BYTES;
  }

  #beacon(): SsItem | undefined {
    const raw = this.#raw;
    const offset = this.#rawOffset;
    if (raw.length < SS_BEACON_FIXED_BYTES) return undefined;
    const index = offset / this.#interval;
    const fail = (why: string): MillraceError => corruptAt(offset, `beacon ${index}: ${why}`);
    if (raw[0] !== SS_END) throw fail(`it begins with ${raw[0]}, not ${SS_END}`);
    const remainingBytes = readUint32(raw, 1);
    const count = raw[5] as number;
    const items: SsBeaconItem[] = [];
    let at = 6;
    for (let i = 0; i < count; i++) {
      const keyLength = raw[at] as number;
      const end = at + 1 + keyLength + HEAD_NUMBERS_BYTES + 2;
      if (end >= this.#interval) throw fail('its items are longer than the interval');
      if (end >= raw.length) return undefined;
      const key = asKey(raw.subarray(at + 1, at + 1 + keyLength));
      if (key === undefined) throw fail(`item ${i} has no stream key`);
      items.push({ key, ...numbersOf(raw, at + 1 + keyLength, fail), runningChecksum: readUint16(raw, end - 2) });
      at = end;
    }
    if (at >= raw.length) return undefined;
    if (raw[at] !== SS_END) throw fail(`it ends with ${raw[at]}, not ${SS_END}`);
    this.#checkRemaining(remainingBytes, fail);
    const endOffset = offset + at + 1;
    this.#raw = raw.subarray(at + 1);
    this.#rawOffset = endOffset;
    return { type: 'beacon', beacon: { index, remainingBytes, items }, offset, endOffset };
  }

  /** A damaged payload size would swallow what follows; the beacon knows better. */
  #checkRemaining(remainingBytes: number, fail: (why: string) => MillraceError): void {
    const have = this.#run.length - this.#at;
    const size = have === 0 ? 0 : this.#messageSize();
    if (this.#atStart) this.#skipping = remainingBytes;
    else if (this.#skipping > 0 || have === 0) {
      if (remainingBytes !== this.#skipping)
        throw fail(`${remainingBytes} bytes of a message remain, not ${this.#skipping}`);
    } else if (size !== undefined && size - have !== remainingBytes)
      throw this.#corrupt(
        this.#at,
        `the message's size leaves ${size - have} bytes after the beacon, which says ${remainingBytes}`,
      );
    this.#atStart = false;
  }

  #key(start: number, length: number): string {
    const last = this.#lastKeyBytes;
    const run = this.#run;
    let same = last.length === length;
    for (let i = 0; same && i < length; i++) same = last[i] === run[start + i];
    if (same) return this.#lastKey;
    const bytes = run.subarray(start, start + length);
    const key = asKey(bytes);
    if (key === undefined) throw this.#corrupt(start - 1, 'the message has no stream key');
    this.#lastKeyBytes = bytes;
    this.#lastKey = key;
    return key;
  }

  #fileOffset(at: number): number {
    const spans = this.#spans;
    let span = spans[0] ?? { at: 0, offset: this.#rawOffset };
    for (let i = 1; i < spans.length && (spans[i] as typeof span).at <= at; i++) span = spans[i] as typeof span;
    return span.offset + (at - span.at);
  }

  #corrupt(at: number, why: string): MillraceError {
    return corruptAt(this.#fileOffset(at), why);
  }
}

function numbersOf(bytes: Uint8Array, at: number, fail: (why: string) => MillraceError) {
  const shard = readInt64(bytes, at);
  const timestamp = readInt64(bytes, at + 16);
  if (!(shard >= 0)) throw fail('its shard is out of range');
  if (!(timestamp >= 0)) throw fail('its timestamp is out of range');
  return { shard, sequence: readUint64(bytes, at + 8), timestamp };
}

function asKey(bytes: Uint8Array): string | undefined {
  try {
    const key = decodeUtf8(bytes);
    return isSsKey(key) ? key : undefined;
  } catch {
    return undefined;
  }
}

function corruptAt(offset: number, why: string): MillraceError {
  return new MillraceError('CLIENT_FILE_CORRUPT', `Damaged at byte ${offset}: ${why}.`, { details: { offset } });
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
