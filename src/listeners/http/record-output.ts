/** Records as clients read them (docs/protocol.md, "Record object"): JSON text, made by hand since most of it is fixed. */
import type { RecordCursor } from '../../model/record-codec.ts';
import { encodeBase64 } from './base64.ts';
import { JsonScan } from './json-scan.ts';
import { TextBuffer } from './text-buffer.ts';

export type RecordFormat = 'text' | 'json' | 'base64';

const ENCODER = new TextEncoder();
const BRACE = utf8('{');
const TIMESTAMP = utf8(',"timestamp":');
const NO_KEY = utf8(',"key":null');
const KEY = utf8(',"key":');
const NO_VALUE = utf8(',"value":null');
const VALUE = utf8(',"value":');
const NO_HEADERS = utf8(',"headers":[]}');

/** What the records of one partition have in common. */
export class RecordPlace {
  readonly format: RecordFormat;
  /** The members that say it, with the name of the offset behind them. */
  readonly members: Uint8Array;

  /** @param topic text that JSON takes as it is (`../../model/topic-name.ts`). */
  constructor(topic: string, partition: number, format: RecordFormat) {
    this.format = format;
    this.members = utf8(`"topic":"${topic}","partition":${partition},"offset":`);
  }
}

/** The places of a topic's partitions, each made when it is asked for first. */
export class RecordPlaces {
  readonly #topic: string;
  readonly #format: RecordFormat;
  readonly #places: RecordPlace[] = [];

  constructor(topic: string, format: RecordFormat) {
    this.#topic = topic;
    this.#format = format;
  }

  /** @param partition its index in the topic. */
  of(partition: number): RecordPlace {
    const known = this.#places[partition];
    if (known !== undefined) return known;
    const place = new RecordPlace(this.#topic, partition, this.#format);
    this.#places[partition] = place;
    return place;
  }
}

/** Writes one JSON object without a line break. */
export function writeRecord(into: TextBuffer, cursor: RecordCursor, place: RecordPlace): void {
  into.literal(BRACE);
  writeMembers(into, cursor, place);
}

/** As `writeRecord`, but for the first brace, behind which there may be other members. */
export function writeMembers(into: TextBuffer, cursor: RecordCursor, { members, format }: RecordPlace): void {
  into.literal(members);
  into.integer(cursor.offset);
  into.literal(TIMESTAMP);
  into.integer(cursor.timestamp);
  if (!cursor.hasKey) into.literal(NO_KEY);
  else writeMember(into, 'key', cursor.bytes, cursor.keyPosition, cursor.keyEnd, format);
  if (!cursor.hasValue) into.literal(NO_VALUE);
  else if (format !== 'json' || !writeEmbedded(into, cursor)) {
    writeMember(into, 'value', cursor.bytes, cursor.valuePosition, cursor.valueEnd, format);
  }
  if (cursor.headerCount === 0) into.literal(NO_HEADERS);
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
    into.literal(name === 'key' ? KEY : VALUE);
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

/** What is written often, made once. In memory of its own: a small Buffer would keep the piece that many share. */
export function utf8(text: string): Uint8Array {
  return ENCODER.encode(text);
}
