/** Records as clients write them in JSON and NDJSON (docs/protocol.md, "Record object"), read straight off the text. */
import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../../base/errors.ts';
import type { RecordHeaderInput } from '../../model/record.ts';
import { decodeBase64 } from './base64.ts';
import { JsonScan } from './json-scan.ts';
import { parseTimestamp, TIMESTAMP_FORM } from './timestamp.ts';

/** What `value` means: the text of any JSON, or the string itself. */
export type ValueFormat = 'json' | 'text';

export interface ProducedRecord {
  /** Undefined: by key, else spread. Not yet held against the topic. */
  readonly partition: number | undefined;
  readonly key: Uint8Array | string | null;
  readonly value: Uint8Array | string | null;
  readonly headers: readonly RecordHeaderInput[];
  /** Undefined: now. */
  readonly timestamp: number | undefined;
}

const NO_HEADERS: readonly RecordHeaderInput[] = [];
const MAX_PARTITION = 0x7fff_ffff;
const NEWLINE = 0x0a;

/** The text of a body. @throws HTTP_JSON_INVALID where it is not UTF-8. */
export function bodyText(body: Buffer): string {
  if (isUtf8(body)) return body.toString('utf8');
  throw new MillraceError('HTTP_JSON_INVALID', 'The body is not UTF-8, which JSON must be. Send bytes as valueBase64.');
}

/**
 * One record object, or an array of them.
 *
 * @param within what they are part of, for refusals.
 * @throws HTTP_JSON_INVALID, HTTP_REQUEST_INVALID naming the record.
 */
export function* jsonRecords(
  text: string,
  format: ValueFormat,
  within?: string,
): Generator<ProducedRecord, void, undefined> {
  const scan = new JsonScan(text);
  const before = within === undefined ? '' : `${within}.`;
  if (scan.isArray) {
    let index = 0;
    for (const _ of scan.elements()) yield readRecord(scan, format, `${before}records[${index++}]`);
  } else yield readRecord(scan, format, within === undefined ? 'the record' : `${before}records`);
  scan.finish();
}

/** A body that is one record object; undefined where it is an array. @throws as `jsonRecords`. */
export function singleJsonRecord(text: string, format: ValueFormat): ProducedRecord | undefined {
  const scan = new JsonScan(text);
  if (scan.isArray) return undefined;
  const record = readRecord(scan, format, 'the record');
  scan.finish();
  return record;
}

/** One record object a line; lines of white space are skipped. */
export function* ndjsonRecords(text: string, format: ValueFormat): Generator<ProducedRecord, void, undefined> {
  let line = 0;
  for (let start = 0; start < text.length; ) {
    line += 1;
    const found = text.indexOf('\n', start);
    const end = found === -1 ? text.length : found;
    const scan = new JsonScan(text, start, end);
    if (!Number.isNaN(scan.peek())) {
      const record = readRecord(scan, format, `line ${line}`);
      scan.finish();
      yield record;
    }
    start = end + (text.charCodeAt(end) === NEWLINE ? 1 : 0);
  }
}

interface Draft {
  partition: number | undefined;
  key: Uint8Array | string | null;
  value: Uint8Array | string | null;
  headers: readonly RecordHeaderInput[];
  timestamp: number | undefined;
}

type Member = (draft: Draft, scan: JsonScan, where: string, format: ValueFormat) => void;

/** Members of a record object. Those that fill the same field exclude each other. */
const MEMBERS: Readonly<Record<string, { readonly field: string; readonly read: Member }>> = {
  value: {
    field: 'value',
    read: (draft, scan, where, format) => {
      if (format === 'text') draft.value = stringOrNull(scan, where);
      else {
        const text = scan.value();
        draft.value = text === 'null' ? null : text;
      }
    },
  },
  valueText: { field: 'value', read: (draft, scan, where) => void (draft.value = stringOrNull(scan, where)) },
  valueBase64: { field: 'value', read: (draft, scan, where) => void (draft.value = base64OrNull(scan, where)) },
  key: { field: 'key', read: (draft, scan, where) => void (draft.key = stringOrNull(scan, where)) },
  keyBase64: { field: 'key', read: (draft, scan, where) => void (draft.key = base64OrNull(scan, where)) },
  headers: { field: 'headers', read: (draft, scan, where) => void (draft.headers = readHeaders(scan, where)) },
  timestamp: { field: 'timestamp', read: (draft, scan, where) => void (draft.timestamp = readTimestamp(scan, where)) },
  partition: { field: 'partition', read: (draft, scan, where) => void (draft.partition = readPartition(scan, where)) },
  // What was read can be written elsewhere as it is.
  topic: { field: 'topic', read: (_draft, scan) => void scan.value() },
  offset: { field: 'offset', read: (_draft, scan) => void scan.value() },
};

function readRecord(scan: JsonScan, format: ValueFormat, where: string): ProducedRecord {
  if (!scan.isObject) {
    const found = scan.value();
    throw refuse(where, `is ${shorten(found)}; expected an object like {"key": "k", "value": {"any": "JSON"}}`);
  }
  const draft: Draft = { partition: undefined, key: null, value: null, headers: NO_HEADERS, timestamp: undefined };
  const seen: string[] = [];
  scan.object((name) => {
    const member = Object.hasOwn(MEMBERS, name) ? MEMBERS[name] : undefined;
    if (member === undefined) {
      throw refuse(
        where,
        `has an unknown member ${shorten(JSON.stringify(name))}; known: ${Object.keys(MEMBERS).join(', ')}`,
      );
    }
    if (seen.includes(member.field)) throw refuse(where, `gives its ${member.field} twice, the second time as ${name}`);
    seen.push(member.field);
    member.read(draft, scan, where === 'the record' ? name : `${where}.${name}`, format);
  });
  if (!seen.includes('value')) {
    throw refuse(where, 'has no value; give value, valueText or valueBase64, and value null for a tombstone');
  }
  return draft;
}

function stringOrNull(scan: JsonScan, where: string): string | null {
  const found = scan.value();
  if (found === 'null') return null;
  if (!found.startsWith('"')) throw refuse(where, `is ${shorten(found)}; expected a string or null`);
  return wellFormed(found, where);
}

function base64OrNull(scan: JsonScan, where: string): Uint8Array | null {
  const text = stringOrNull(scan, where);
  if (text === null) return null;
  const bytes = decodeBase64(text);
  if (bytes === undefined) throw refuse(where, `is not base64: ${shorten(JSON.stringify(text))}`);
  return bytes;
}

/** The string that a JSON text says. Half a surrogate pair has no UTF-8 and would be stored as something else. */
function wellFormed(json: string, where: string): string {
  const text = json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1);
  if (!text.isWellFormed())
    throw refuse(where, 'has half of a surrogate pair (\\ud800 to \\udfff alone), which is no character');
  return text;
}

function readTimestamp(scan: JsonScan, where: string): number {
  const found = scan.value();
  const timestamp = parseTimestamp(found.startsWith('"') ? wellFormed(found, where) : found);
  if (timestamp === undefined) throw refuse(where, `is ${shorten(found)}; expected ${TIMESTAMP_FORM}`);
  return timestamp;
}

function readPartition(scan: JsonScan, where: string): number | undefined {
  const found = scan.value();
  if (found === 'null') return undefined;
  const partition = /^\d{1,10}$/.test(found) ? Number(found) : Number.NaN;
  if (!(partition <= MAX_PARTITION)) throw refuse(where, `is ${shorten(found)}; expected a partition number from 0`);
  return partition;
}

function readHeaders(scan: JsonScan, where: string): RecordHeaderInput[] {
  const headers: RecordHeaderInput[] = [];
  if (scan.isArray) {
    for (const _ of scan.elements()) headers.push(readHeader(scan, `${where}[${headers.length}]`));
  } else if (scan.isObject) {
    scan.object((name) => {
      const key = wellFormed(JSON.stringify(name), where);
      headers.push({ key, value: stringOrNull(scan, `${where}.${shorten(name)}`) });
    });
  } else {
    throw refuse(where, `is ${shorten(scan.value())}; expected {"name": "text"} or [{"name": "n", "value": "text"}]`);
  }
  return headers;
}

function readHeader(scan: JsonScan, where: string): RecordHeaderInput {
  if (!scan.isObject) throw refuse(where, `is ${shorten(scan.value())}; expected {"name": "n", "value": "text"}`);
  let key: string | null = null;
  let value: Uint8Array | string | null | undefined;
  scan.object((name) => {
    const again = name === 'name' ? key !== null : value !== undefined;
    if (again) throw refuse(where, `gives its ${name === 'name' ? 'name' : 'value'} twice`);
    if (name === 'name') key = stringOrNull(scan, `${where}.name`);
    else if (name === 'value') value = stringOrNull(scan, `${where}.value`);
    else if (name === 'valueBase64') value = base64OrNull(scan, `${where}.valueBase64`);
    else throw refuse(where, `has an unknown member ${shorten(JSON.stringify(name))}; known: name, value, valueBase64`);
  });
  if (key === null) throw refuse(where, 'has no name');
  return { key, value: value ?? null };
}

function refuse(where: string, what: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `In the body, ${where} ${what}.`, { details: { where } });
}

/** How much of a refused value an error repeats. */
const SHOWN_LENGTH = 80;

function shorten(text: string): string {
  return text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text;
}
