/**
 * A reply of XREAD or XREADGROUP as bytes (reply-packer.ts), taken apart straight into records:
 * `*STREAMS`, for each `*2`, its key, `*ENTRIES`, for each `*2`, its id and `*FIELDS` with names and values in turn, or a null.
 */
import { MillraceError } from '../../../base/errors.ts';
import type { Place } from '../../position.ts';
import type { RawRecord } from '../../record.ts';
import { EntryFields, offsetOfIdBytes } from './entry.ts';

export interface StreamEntries {
  readonly key: string;
  /** Without those that have no fields any more. */
  readonly records: RawRecord[];
  readonly entryCount: number;
  /** Of the last entry. */
  readonly lastOffset: bigint;
}

const ARRAY = 0x2a;
const BULK = 0x24;
const MINUS = 0x2d;

/**
 * @param placeOf a stream by its key; undefined for one that nobody asked for, which is left out.
 * @param field name of the field that holds the value.
 * @throws MillraceError CLIENT_DECODE_FAILED for anything but such a reply; CLIENT_UNSUPPORTED for an id without an offset.
 */
export function decodeReply(
  bytes: Buffer,
  placeOf: (key: string) => Required<Place> | undefined,
  field: Buffer,
): StreamEntries[] {
  const reply = new Reply(bytes);
  const streams: StreamEntries[] = [];
  const fields = new EntryFields(field);
  for (let left = reply.array(); left > 0; left--) {
    reply.pair();
    const keyEnd = reply.bulk();
    const key = bytes.toString('utf8', reply.start, keyEnd);
    const place = placeOf(key) ?? { topic: key, partition: 0 };
    const entryCount = reply.array();
    const records: RawRecord[] = [];
    let lastOffset = -1n;
    for (let i = 0; i < entryCount; i++) {
      reply.pair();
      const idEnd = reply.bulk();
      lastOffset = offsetOfIdBytes(bytes, reply.start, idEnd);
      const count = reply.array();
      if (count < 0) continue;
      fields.begin();
      for (let read = 0; read < count; read += 2) {
        const nameEnd = reply.bulk();
        const nameStart = reply.start;
        const valueEnd = reply.bulk();
        fields.add(bytes, nameStart, nameEnd, bytes, reply.start, valueEnd);
      }
      records.push(fields.record(place.topic, place.partition, lastOffset));
    }
    if (entryCount > 0 && placeOf(key) !== undefined) streams.push({ key, records, entryCount, lastOffset });
  }
  return streams;
}

class Reply {
  readonly #bytes: Buffer;
  #at = 0;
  /** Of the last text. */
  start = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Items of a list; -1 for a null. */
  array(): number {
    const type = this.#bytes[this.#at];
    if (type !== ARRAY && type !== BULK) throw this.#unknown();
    const count = this.#number();
    if (type === BULK && count >= 0) throw this.#unknown();
    return count;
  }

  pair(): void {
    if (this.#bytes[this.#at] !== ARRAY || this.#number() !== 2) throw this.#unknown();
  }

  /** A text, from `start` on. @returns its end, exclusive. */
  bulk(): number {
    if (this.#bytes[this.#at] !== BULK) throw this.#unknown();
    const length = this.#number();
    const end = this.#at + length;
    if (length < 0 || end + 2 > this.#bytes.length) throw this.#unknown();
    this.start = this.#at;
    this.#at = end + 2;
    return end;
  }

  #number(): number {
    const bytes = this.#bytes;
    let at = this.#at + 1;
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at += 1;
    let value = 0;
    for (; at < bytes.length && bytes[at] !== 0x0d; at++) {
      const digit = (bytes[at] as number) - 0x30;
      if (!(digit >= 0 && digit <= 9)) throw this.#unknown();
      value = value * 10 + digit;
    }
    if (at + 2 > bytes.length) throw this.#unknown();
    this.#at = at + 2;
    return isNegative ? -value : value;
  }

  #unknown(): MillraceError {
    return new MillraceError(
      'CLIENT_DECODE_FAILED',
      `Byte ${this.#at} of a reply is not what entries of a stream have there.`,
    );
  }
}
