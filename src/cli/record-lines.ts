/** Turns lines of input into the record objects of the HTTP API (docs/protocol.md), one JSON text each. */
import { isUtf8 } from 'node:buffer';
import { MillraceError } from '../base/errors.ts';

export interface LineFormat {
  /** Every line is a record object: key, value, headers, partition, timestamp. */
  readonly ndjson: boolean;
  /** Key of every record. */
  readonly key: string | undefined;
  /** Splits a line into key and value at its first occurrence; a line without it has no key. */
  readonly keySeparator: string | undefined;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly timestamp: number | undefined;
}

export type LineConverter = (line: Buffer, lineNumber: number) => string;

/** @param name of the input, for messages. */
export function lineConverter(format: LineFormat, name: string): LineConverter {
  if (format.ndjson) return (line, lineNumber) => fromObject(line, name, lineNumber);
  const common = {
    ...(format.headers.length > 0
      ? { headers: format.headers.map(([header, value]) => ({ name: header, value })) }
      : {}),
    ...(format.timestamp === undefined ? {} : { timestamp: format.timestamp }),
  };
  const separator = format.keySeparator === undefined ? undefined : Buffer.from(format.keySeparator);
  const key = format.key === undefined ? {} : { key: format.key };
  return (line) => {
    const at = separator === undefined ? -1 : line.indexOf(separator);
    if (separator === undefined || at < 0) return JSON.stringify({ ...key, ...asMember('value', line), ...common });
    const value = line.subarray(at + separator.length);
    return JSON.stringify({ ...asMember('key', line.subarray(0, at)), ...asMember('value', value), ...common });
  };
}

/** Text travels as text; bytes that are no UTF-8 in base64, so that they arrive as they are. */
function asMember(member: 'key' | 'value', bytes: Buffer): Record<string, string> {
  if (!isUtf8(bytes)) return { [`${member}Base64`]: bytes.toString('base64') };
  return { [member === 'value' ? 'valueText' : 'key']: bytes.toString('utf8') };
}

/**
 * A string as value means its text, as `consume --json` prints it. Any other value is stored as its JSON text, for
 * which the line goes out untouched: parsing and printing it again would round large numbers.
 */
function fromObject(line: Buffer, name: string, lineNumber: number): string {
  const text = line.toString('utf8');
  const record = parseObject(text, name, lineNumber);
  if (typeof record['value'] !== 'string') return text;
  const { value, ...others } = record;
  return JSON.stringify({ ...others, valueText: value });
}

function parseObject(text: string, name: string, lineNumber: number): Record<string, unknown> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw invalid(name, lineNumber, `is not JSON (${(error as Error).message})`, error);
  }
  if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) return parsed as Record<string, unknown>;
  throw invalid(name, lineNumber, 'is no JSON object');
}

function invalid(name: string, line: number, what: string, cause?: unknown): MillraceError {
  const hint = 'Each line must look like {"key":"k","value":"v"}; without --ndjson lines are values as they are.';
  return new MillraceError('MODEL_RECORD_INVALID', `Line ${line} of ${name} ${what}. ${hint}`, {
    details: { input: name, line },
    cause,
  });
}
