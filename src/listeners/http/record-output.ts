/** Records as clients read them (docs/protocol.md, "Record object"): JSON text, made by hand since most of it is fixed. */
import type { RecordCursor } from '../../model/record-codec.ts';
import { encodeBase64 } from './base64.ts';
import { JsonScan } from './json-scan.ts';
import { TextBuffer } from './text-buffer.ts';

export type RecordFormat = 'text' | 'json' | 'base64';

/** What the records of one partition have in common. */
export interface RecordPlace {
  /** Its name is text that JSON takes as it is (`../../model/topic-name.ts`). */
  readonly topic: string;
  readonly partition: number;
  readonly format: RecordFormat;
}

/** Writes one JSON object without a line break. */
export function writeRecord(into: TextBuffer, cursor: RecordCursor, place: RecordPlace): void {
  into.text('{');
  writeMembers(into, cursor, place);
}

/** As `writeRecord`, but for the first brace, behind which there may be other members. */
export function writeMembers(into: TextBuffer, cursor: RecordCursor, { topic, partition, format }: RecordPlace): void {
  into.text('"topic":"');
  into.text(topic);
  into.text('","partition":');
  into.integer(partition);
  into.text(',"offset":');
  into.integer(cursor.offset);
  into.text(',"timestamp":');
  into.integer(cursor.timestamp);
  if (!cursor.hasKey) into.text(',"key":null');
  else writeMember(into, 'key', cursor.bytes, cursor.keyPosition, cursor.keyEnd, format);
  if (!cursor.hasValue) into.text(',"value":null');
  else if (format !== 'json' || !writeEmbedded(into, cursor)) {
    writeMember(into, 'value', cursor.bytes, cursor.valuePosition, cursor.valueEnd, format);
  }
  if (cursor.headerCount === 0) into.text(',"headers":[]}');
  else writeHeaders(into, cursor, format);
}

/** @param lead members in front of the record's own, as JSON text that ends with a comma. */
export function recordJson(cursor: RecordCursor, place: RecordPlace, lead: string): string {
  const into = new TextBuffer();
  into.text(`{${lead}`);
  writeMembers(into, cursor, place);
  const text = into.view.toString('utf8');
  into.release();
  return text;
}

/** A member that says by its name how to read it: text as it is, anything else in base64. */
function writeMember(
  into: TextBuffer,
  name: 'key' | 'value',
  bytes: Uint8Array,
  start: number,
  end: number,
  format: RecordFormat,
): void {
  if (format !== 'base64') {
    const { length } = into;
    into.text(name === 'key' ? ',"key":' : ',"value":');
    if (into.jsonString(bytes, start, end)) return;
    into.truncate(length);
  }
  into.text(`,"${name}Base64":"${encodeBase64(bytes.subarray(start, end))}"`);
}

/**
 * The value as the JSON it is, as stored but for line breaks between tokens, which NDJSON cannot carry.
 * @returns false where it is not text.
 */
function writeEmbedded(into: TextBuffer, cursor: RecordCursor): boolean {
  const text = cursor.valueText;
  if (text === undefined || text === null) return false;
  // A stored `null` would look like a tombstone.
  if (text === 'null' || !isJson(text)) into.text(`,"valueText":${JSON.stringify(text)}`);
  else into.text(`,"value":${/[\r\n]/.test(text) ? text.replaceAll(/[\r\n]/g, ' ') : text}`);
  return true;
}

/** The last member of a record. */
function writeHeaders(into: TextBuffer, cursor: RecordCursor, format: RecordFormat): void {
  let before = ',"headers":[';
  for (const { key, value } of cursor.headers) {
    into.text(`${before}{"name":${JSON.stringify(key)}`);
    if (value === null) into.text(',"value":null');
    else writeMember(into, 'value', value, 0, value.length, format);
    into.text('}');
    before = ',';
  }
  into.text(']}');
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
