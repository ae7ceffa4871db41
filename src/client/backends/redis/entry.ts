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

export function decodeEntry(
  topic: string,
  partition: number,
  id: Buffer,
  fields: readonly Buffer[],
  field: string,
): RawRecord {
  const offset = offsetOfId(id.toString('latin1'));
  let timestamp = Number(offset >> SUBSEQUENCE_BITS);
  let key: Buffer | null = null;
  let value: Buffer | null = null;
  const headers: { key: string; value: Buffer | null }[] = [];
  for (let i = 0; i + 1 < fields.length; i += 2) {
    const name = (fields[i] as Buffer).toString();
    const bytes = fields[i + 1] as Buffer;
    if (name === field) value = bytes;
    else if (name === 'key') key = bytes;
    else if (name === 'ts') timestamp = Number(bytes.toString('latin1'));
    else if (name.startsWith('h:')) headers.push({ key: name.slice(2), value: bytes });
    else if (name.startsWith('n:')) headers.push({ key: name.slice(2), value: null });
  }
  return { topic, partition, offset, timestamp, key, value, headers };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
