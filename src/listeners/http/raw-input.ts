/** Raw bodies: the body is the value, the rest comes with the headers or the query (docs/protocol.md, "Raw bodies"). */
import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../../base/errors.ts';
import type { RecordHeaderInput } from '../../model/record.ts';
import { decodeBase64 } from './base64.ts';
import { queryTimestamp } from './position.ts';
import type { ProducedRecord } from './record-input.ts';
import type { ProduceQuery } from './schemas.ts';

const KEY = 'millrace-key';
const KEY_BASE64 = 'millrace-key-base64';
const HEADER_PREFIX = 'millrace-header-';

/** @param rawHeaders names and values in turn, as node received them. @throws HTTP_REQUEST_INVALID. */
export function readRawRecord(body: Buffer, rawHeaders: readonly string[], query: ProduceQuery): ProducedRecord {
  const headers: RecordHeaderInput[] = [];
  const keys: (Uint8Array | string)[] = [];
  if (query.key !== undefined) keys.push(query.key);
  if (query.keyBase64 !== undefined) keys.push(base64(query.keyBase64, 'keyBase64'));
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    if (name === KEY) keys.push(percentDecoded(name, value));
    else if (name === KEY_BASE64) keys.push(base64(value, name));
    else if (name.startsWith(HEADER_PREFIX)) {
      const key = name.slice(HEADER_PREFIX.length);
      if (key === '') throw refuse(`Header ${name} lacks the name of the record's header behind its last dash.`, name);
      headers.push({ key, value: percentDecoded(name, value) });
    }
  }
  if (keys.length > 1) throw refuse('The key is given more than once, in headers or query.', 'key');
  const timestamp = query.timestamp === undefined ? undefined : queryTimestamp(query.timestamp);
  return { partition: undefined, key: keys[0] ?? null, value: body, headers, timestamp };
}

/** Node reads header bytes as Latin-1; clients send UTF-8, percent-encoded or as it is. */
function percentDecoded(name: string, value: string): string {
  const bytes = Buffer.from(value, 'latin1');
  try {
    if (isUtf8(bytes)) return decodeURIComponent(bytes.toString('utf8'));
  } catch {
    // Falls through to the same refusal.
  }
  throw refuse(`Header ${name} is not percent-encoded UTF-8; write a percent sign as %25.`, name);
}

function base64(text: string, name: string): Uint8Array {
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw refuse(`${name} is not base64.`, name);
  return bytes;
}

function refuse(message: string, name: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', message, { details: { name } });
}
