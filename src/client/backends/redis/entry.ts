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

/** An id as it comes, without a text in between. @throws as `offsetOfId`. */
export function offsetOfIdBytes(id: Buffer): bigint {
  let at = 0;
  let ms = 0;
  for (; at < id.length && id[at] !== DASH; at++) ms = ms * 10 + digit(id[at]);
  let sub = 0;
  const start = ++at;
  for (; at < id.length; at++) sub = sub * 10 + digit(id[at]);
  // What is no digit makes a NaN, of which no comparison is true.
  if (!(ms <= MAX_MS && sub <= MAX_SUBSEQUENCE) || start === 1 || start >= id.length)
    return offsetOfId(id.toString('latin1'));
  const low = (ms % SUBSEQUENCES) * SUBSEQUENCES + sub;
  WORDS.setUint32(0, Math.floor(ms / SUBSEQUENCES));
  WORDS.setUint32(4, low);
  return WORDS.getBigUint64(0);
}

export function decodeEntry(
  topic: string,
  partition: number,
  id: Buffer,
  fields: readonly Buffer[],
  field: Buffer,
): RawRecord {
  const offset = offsetOfIdBytes(id);
  let timestamp: number | undefined;
  let key: Buffer | null = null;
  let value: Buffer | null = null;
  let headers: { key: string; value: Buffer | null }[] | undefined;
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = fields[i] as Buffer;
    const bytes = fields[i + 1] as Buffer;
    if (isName(name, field)) value = bytes;
    else if (isName(name, KEY)) key = bytes;
    else if (isName(name, TIME)) timestamp = numberOf(bytes);
    else if (name[0] === HEADER && name[1] === COLON)
      (headers ??= []).push({ key: name.toString('utf8', 2), value: bytes });
    else if (name[0] === NULL_HEADER && name[1] === COLON)
      (headers ??= []).push({ key: name.toString('utf8', 2), value: null });
  }
  timestamp ??= Number(offset >> SUBSEQUENCE_BITS);
  return { topic, partition, offset, timestamp, key, value, headers: headers ?? NO_HEADERS };
}

/** Names have few bytes: comparing them here is faster than a call. */
function isName(name: Buffer, wanted: Buffer): boolean {
  if (name.length !== wanted.length) return false;
  for (let i = 0; i < wanted.length; i++) if (name[i] !== wanted[i]) return false;
  return true;
}

function numberOf(bytes: Buffer): number {
  let value = 0;
  for (const byte of bytes) value = value * 10 + digit(byte);
  return Number.isSafeInteger(value) ? value : Number(bytes.toString('latin1'));
}

/** NaN for anything else. */
function digit(byte: number | undefined): number {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : Number.NaN;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
