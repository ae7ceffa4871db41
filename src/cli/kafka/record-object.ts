/**
 * Record objects (docs/protocol.md, "Record object") as records, for commands that do not send them over HTTP. They say the
 * same here as there: a `value` that is no string is stored as the JSON text that stands there, digit for digit.
 */
import { MillraceError } from '../../base/errors.ts';
import type { RecordHeaderInput } from '../../model/record.ts';

export interface RecordObject {
  /** Undefined: by key, else spread. */
  readonly partition: number | undefined;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeaderInput[];
  /** Milliseconds since 1970; undefined: now. */
  readonly timestamp: number | undefined;
}

type Json = Readonly<Record<string, unknown>>;

const MAX_PARTITION = 0x7fff_ffff;
/** What was read can be written elsewhere as it is. */
const IGNORED = ['topic', 'offset'];
const KNOWN = ['key', 'keyBase64', 'value', 'valueText', 'valueBase64', 'headers', 'timestamp', 'partition'];

/** @param text one JSON object, as `lineConverter` makes it. @throws MODEL_RECORD_INVALID. */
export function parseRecordObject(text: string): RecordObject {
  const object = JSON.parse(text) as Json;
  const unknown = Object.keys(object).find((name) => !KNOWN.includes(name) && !IGNORED.includes(name));
  if (unknown !== undefined) throw invalid(`unknown member ${JSON.stringify(unknown)}; known: ${KNOWN.join(', ')}`);
  return {
    partition: partitionOf(object['partition']),
    key: bytesOf('key', text, object, ['key', 'keyBase64']) ?? null,
    value: valueOf(text, object),
    headers: headersOf(object['headers']),
    timestamp: timestampOf(object['timestamp']),
  };
}

function valueOf(text: string, object: Json): Uint8Array | null {
  const value = bytesOf('value', text, object, ['value', 'valueText', 'valueBase64']);
  if (value === undefined)
    throw invalid('no value; give value, valueText or valueBase64, and value null for a tombstone');
  return value;
}

/** One of the members that fill a field. */
function bytesOf(field: string, text: string, object: Json, members: readonly string[]): Uint8Array | null | undefined {
  const given = members.filter((member) => Object.hasOwn(object, member));
  const [member] = given;
  if (member === undefined) return undefined;
  if (given.length > 1) throw invalid(`its ${field} twice, as ${given.join(' and ')}`);
  const content = object[member];
  if (content === null) return null;
  if (member === 'value') return Buffer.from(memberText(text, member));
  if (typeof content !== 'string') throw invalid(`${member} that is no string`);
  return member.endsWith('Base64') ? Buffer.from(content, 'base64') : Buffer.from(content);
}

function headersOf(headers: unknown): RecordHeaderInput[] {
  if (headers === undefined) return [];
  if (Array.isArray(headers)) return headers.map((header: unknown) => headerOf(header as Json));
  return Object.entries(headers as Json).map(([key, value]) => ({ key, value: textOf('header', value) }));
}

function headerOf({ name, value, valueBase64 }: Json): RecordHeaderInput {
  const bytes = typeof valueBase64 === 'string' ? Buffer.from(valueBase64, 'base64') : textOf('header', value ?? null);
  return { key: textOf('header name', name) ?? '', value: bytes };
}

function textOf(what: string, value: unknown): string | null {
  if (value === null || typeof value === 'string') return value;
  throw invalid(`a ${what} that is no string`);
}

function timestampOf(timestamp: unknown): number | undefined {
  if (timestamp === undefined) return undefined;
  const ms = typeof timestamp === 'string' ? Date.parse(timestamp) : timestamp;
  if (typeof ms === 'number' && Number.isSafeInteger(ms)) return ms;
  throw invalid('a timestamp that is neither milliseconds since 1970 nor an ISO 8601 string');
}

function partitionOf(partition: unknown): number | undefined {
  if (partition === undefined || partition === null) return undefined;
  if (typeof partition === 'number' && Number.isInteger(partition) && partition >= 0 && partition <= MAX_PARTITION) {
    return partition;
  }
  throw invalid('a partition that is no number from 0');
}

const SPACE = /[\t\n\r ]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const SCALAR = /[^\t\n\r ,}\]]+/y;

/** The text of a member's value in a JSON object that is known to be one; of the last where it comes twice. */
function memberText(text: string, wanted: string): string {
  let found = '';
  let at = skip(SPACE, text, 0) + 1;
  for (;;) {
    const keyStart = skip(SPACE, text, at);
    if (text[keyStart] === '}') return found;
    const keyEnd = skip(STRING, text, keyStart);
    const start = skip(SPACE, text, skip(SPACE, text, keyEnd) + 1);
    const end = valueEnd(text, start);
    if (JSON.parse(text.slice(keyStart, keyEnd)) === wanted) found = text.slice(start, end);
    at = skip(SPACE, text, end);
    if (text[at] === ',') at += 1;
  }
}

function valueEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    const char = text[at] ?? '';
    if (char === '"') at = skip(STRING, text, at);
    else if ('{[}]'.includes(char)) {
      depth += char === '{' || char === '[' ? 1 : -1;
      at += 1;
    } else at = ',: \t\n\r'.includes(char) ? at + 1 : skip(SCALAR, text, at);
    if (depth === 0) return at;
  }
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function invalid(what: string): MillraceError {
  return new MillraceError('MODEL_RECORD_INVALID', `A record has ${what}.`);
}
