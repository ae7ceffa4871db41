/**
 * Records as entries of Redis Streams, as SeaStreamer has them, with more fields:
 *
 * | field | |
 * |---|---|
 * | `msg` | the value; missing: none (a tombstone) |
 * | `key` | the key; missing: none |
 * | `ts` | milliseconds since 1970, where the id does not say it |
 * | `h:NAME` | a header, in order; names may repeat |
 * | `n:NAME` | a header whose value is null |
 * | `w` | name of the conditional write (conditional-writer.ts); nothing to readers |
 *
 * An id `MS-N` is the offset MS × 65,536 + N. Shard 0 of a topic with one shard is the key `TOPIC`, otherwise shard s is
 * `TOPIC:s`.
 */
import { MillraceError } from '../../../base/errors.ts';
import type { EncodedRecord, RawRecord } from '../../record.ts';

const SUBSEQUENCE_BITS = 16n;
const MAX_SUBSEQUENCE = 0xffff;
const SUBSEQUENCES = 0x1_0000;
/** Milliseconds that fit beside them. */
const MAX_MS = 0xffff_ffff_ffff;
const WORDS = new DataView(new ArrayBuffer(8));
const DASH = 0x2d;
const COLON = 0x3a;
const HEADER = 0x68;
const NULL_HEADER = 0x6e;
const KEY = Buffer.from('key');
const TIME = Buffer.from('ts');
const NO_HEADERS: RawRecord['headers'] = [];

/** @throws MillraceError CLIENT_UNSUPPORTED for an id that does not fit 64 bits this way. */
export function offsetOfId(id: string): bigint {
  const [, ms = '', sub = ''] = /^(\d{1,15})-(\d{1,5})$/.exec(id) ?? [];
  if (ms === '' || Number(sub) > MAX_SUBSEQUENCE)
    throw new MillraceError(
      'CLIENT_UNSUPPORTED',
      `Redis id ${id} is not MS-N with N up to ${MAX_SUBSEQUENCE}: ids given by hand may be so, and have no offset here.`,
    );
  return (BigInt(ms) << SUBSEQUENCE_BITS) | BigInt(sub);
}

export function idOfOffset(offset: bigint): string {
  return `${offset >> SUBSEQUENCE_BITS}-${offset & 0xffffn}`;
}

export function offsetOfTime(timestamp: number): bigint {
  return BigInt(timestamp) << SUBSEQUENCE_BITS;
}

export function streamKey(topic: string, partition: number, shards: number): string {
  return shards === 1 && partition === 0 ? topic : `${topic}:${partition}`;
}

/** Fields and values of an entry. */
export function encodeEntry(record: EncodedRecord, field: string, withTime: boolean): (string | Buffer)[] {
  const { key, value, headers, timestamp } = record;
  const fields: (string | Buffer)[] = [];
  if (value !== null) fields.push(field, asBuffer(value));
  if (key !== null) fields.push('key', asBuffer(key));
  if (withTime || fields.length === 0) fields.push('ts', String(timestamp));
  for (const header of headers) {
    if (header.value === null) fields.push(`n:${header.key}`, '');
    else fields.push(`h:${header.key}`, asBuffer(header.value));
  }
  return fields;
}

/** An id as it comes, without a text in between. @param end exclusive. @throws as `offsetOfId`. */
export function offsetOfIdBytes(bytes: Buffer, start = 0, end = bytes.length): bigint {
  let at = start;
  let ms = 0;
  for (; at < end && bytes[at] !== DASH; at++) ms = ms * 10 + digit(bytes[at]);
  const subStart = ++at;
  let sub = 0;
  for (; at < end; at++) sub = sub * 10 + digit(bytes[at]);
  // What is no digit makes a NaN, of which no comparison is true.
  if (!(ms <= MAX_MS && sub <= MAX_SUBSEQUENCE) || subStart === start + 1 || subStart >= end)
    return offsetOfId(bytes.toString('latin1', start, end));
  WORDS.setUint32(0, Math.floor(ms / SUBSEQUENCES));
  WORDS.setUint32(4, (ms % SUBSEQUENCES) * SUBSEQUENCES + sub);
  return WORDS.getBigUint64(0);
}

/** Makes records of fields, one after the other; names are compared where they lie. */
export class EntryFields {
  readonly #field: Buffer;
  #timestamp = -1;
  #key: Uint8Array | null = null;
  #value: Uint8Array | null = null;
  #headers: { key: string; value: Uint8Array | null }[] | undefined;

  /** @param field name of the one that holds the value. */
  constructor(field: Buffer) {
    this.#field = field;
  }

  begin(): void {
    this.#timestamp = -1;
    this.#key = null;
    this.#value = null;
    this.#headers = undefined;
  }

  add(names: Buffer, nameStart: number, nameEnd: number, values: Buffer, start: number, end: number): void {
    if (isName(names, nameStart, nameEnd, this.#field)) this.#value = viewOf(values, start, end);
    else if (isName(names, nameStart, nameEnd, KEY)) this.#key = viewOf(values, start, end);
    else if (isName(names, nameStart, nameEnd, TIME)) this.#timestamp = numberIn(values, start, end);
    else if (names[nameStart + 1] === COLON) {
      const kind = names[nameStart];
      if (kind !== HEADER && kind !== NULL_HEADER) return;
      const key = names.toString('utf8', nameStart + 2, nameEnd);
      (this.#headers ??= []).push({ key, value: kind === HEADER ? viewOf(values, start, end) : null });
    }
  }

  record(topic: string, partition: number, offset: bigint): RawRecord {
    const timestamp = this.#timestamp === -1 ? Number(offset >> SUBSEQUENCE_BITS) : this.#timestamp;
    const headers = this.#headers ?? NO_HEADERS;
    return { topic, partition, offset, timestamp, key: this.#key, value: this.#value, headers };
  }
}

export function decodeEntry(
  topic: string,
  partition: number,
  id: Buffer,
  fields: readonly Buffer[],
  field: Buffer,
): RawRecord {
  const gathered = new EntryFields(field);
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const [name, value] = [fields[i] as Buffer, fields[i + 1] as Buffer];
    gathered.add(name, 0, name.length, value, 0, value.length);
  }
  return gathered.record(topic, partition, offsetOfIdBytes(id));
}

/** Names have few bytes: comparing them here is faster than a call. */
function isName(bytes: Buffer, start: number, end: number, wanted: Buffer): boolean {
  if (end - start !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (bytes[start + i] !== wanted[i]) return false;
  return true;
}

/** Plain: views of a Buffer are Buffers, which take twice as long to make. */
function viewOf(bytes: Buffer, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

function numberIn(bytes: Buffer, start: number, end: number): number {
  let value = 0;
  for (let at = start; at < end; at++) value = value * 10 + digit(bytes[at]);
  return Number.isSafeInteger(value) ? value : Number(bytes.toString('latin1', start, end));
}

/** NaN for anything else. */
function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : Number.NaN;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
