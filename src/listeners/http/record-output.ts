/** Records as clients read them (docs/protocol.md, "Record object"): JSON text, made by hand since most of it is fixed. */
import { isUtf8 } from 'node:buffer';
import { asBuffer } from '../../base/bytes.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import { encodeBase64 } from './base64.ts';
import { JsonScan } from './json-scan.ts';

export type RecordFormat = 'text' | 'json' | 'base64';

/**
 * @param topicJson name of the topic as a JSON string, made once per answer.
 * @param lead members in front of the record's own, as JSON text that ends with a comma.
 * @returns one JSON object without a line break.
 */
export function recordJson(
  cursor: RecordCursor,
  topicJson: string,
  partition: number,
  format: RecordFormat,
  lead = '',
): string {
  const key = fieldJson('key', cursor.keyText, cursor, format);
  const value = format === 'json' ? embeddedJson(cursor) : fieldJson('value', cursor.valueText, cursor, format);
  return (
    `{${lead}"topic":${topicJson},"partition":${partition},"offset":${cursor.offset},"timestamp":${cursor.timestamp},` +
    `${key},${value},"headers":${headersJson(cursor, format)}}`
  );
}

/** A member that says by its name how to read it: text as it is, anything else in base64. */
function memberJson(name: string, bytes: Uint8Array | null, format: RecordFormat): string {
  if (bytes === null) return `"${name}":null`;
  if (format === 'base64' || !isUtf8(bytes)) return `"${name}Base64":"${encodeBase64(bytes)}"`;
  return `"${name}":${JSON.stringify(asBuffer(bytes).toString('utf8'))}`;
}

/** As `memberJson`, of what the cursor has as text. */
function fieldJson(
  name: 'key' | 'value',
  text: string | null | undefined,
  cursor: RecordCursor,
  format: RecordFormat,
): string {
  if (text === undefined || format === 'base64') return memberJson(name, cursor[name], 'base64');
  return text === null ? `"${name}":null` : `"${name}":${JSON.stringify(text)}`;
}

/** The value as the JSON it is, as stored but for line breaks between tokens, which NDJSON cannot carry. */
function embeddedJson(cursor: RecordCursor): string {
  const text = cursor.valueText;
  if (text === undefined || text === null) return fieldJson('value', text, cursor, 'json');
  // A stored `null` would look like a tombstone.
  if (text !== 'null' && isJson(text)) return `"value":${/[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, ' ') : text}`;
  return `"valueText":${JSON.stringify(text)}`;
}

function headersJson(cursor: RecordCursor, format: RecordFormat): string {
  if (cursor.headerCount === 0) return '[]';
  const parts = cursor.headers.map(
    (header) => `{"name":${JSON.stringify(header.key)},${memberJson('value', header.value, format)}}`,
  );
  return `[${parts.join(',')}]`;
}

function isJson(text: string): boolean {
  try {
    const scan = new JsonScan(text);
    const value = scan.value();
    scan.finish();
    return value.trim() !== 'null';
  } catch {
    return false;
  }
}
