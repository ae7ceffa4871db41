/** One record as an HTTP answer of its own: the value is the body, the rest are headers. */
import { isUtf8 } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import { encodeBase64 } from './base64.ts';

/** Key and headers together; clients accept 8 to 16 KiB of headers in all. */
const MAX_HEADER_BYTES = 8 * 1024;
/** RFC 9110 token: what a field name may be. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export interface RawRecord {
  /** Owned. */
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

export function rawRecord(cursor: RecordCursor, partition: number): RawRecord {
  const headers: Record<string, string | string[]> = {
    'millrace-partition': String(partition),
    'millrace-offset': String(cursor.offset),
    'millrace-timestamp': String(cursor.timestamp),
  };
  const { value } = cursor;
  if (value === null) headers['millrace-null-value'] = 'true';
  const described = describe(cursor);
  if (sizeOf(described) > MAX_HEADER_BYTES) headers['millrace-truncated'] = 'true';
  else Object.assign(headers, described);
  return { body: Buffer.from(value ?? []), headers };
}

function describe(cursor: RecordCursor): Record<string, string | string[]> {
  const described: Record<string, string | string[]> = {};
  const { key } = cursor;
  if (key !== null && isUtf8(key)) described['millrace-key'] = encodeURIComponent(asBuffer(key).toString('utf8'));
  else if (key !== null) described['millrace-key-base64'] = encodeBase64(key);
  for (const header of cursor.headers) {
    if (header.value === null || !TOKEN.test(header.key) || !isUtf8(header.value)) continue;
    const name = `millrace-header-${header.key.toLowerCase()}`;
    const value = encodeURIComponent(asBuffer(header.value).toString('utf8'));
    const before = described[name];
    described[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return described;
}

function sizeOf(headers: Readonly<Record<string, string | string[]>>): number {
  let size = 0;
  for (const [name, values] of Object.entries(headers)) {
    for (const value of Array.isArray(values) ? values : [values]) size += name.length + value.length + 4;
  }
  return size;
}
