/**
 * @platformatic/kafka's codecs as an oracle for ours: its request encoders and response parsers, called by API name and
 * version, with the differences in shape (bigint, dashed uuids, other names) ironed out here.
 */
import assert from 'node:assert/strict';
import * as platformatic from '@platformatic/kafka';
import { isIn } from '../../src/wire/compile-reader.ts';
import type { Fields, FieldType } from '../../src/wire/schema.ts';

interface Codec {
  createRequest(...args: unknown[]): platformatic.Writer;
  parseResponse(correlationId: number, apiKey: number, apiVersion: number, reader: platformatic.Reader): unknown;
}

/** Undefined where it has no codec of this API and version. */
export function codecOf(apiName: string, version: number): Codec | undefined {
  const name = `${apiName.charAt(0).toLowerCase()}${apiName.slice(1)}V${version}`;
  return (platformatic as unknown as Record<string, Codec | undefined>)[name];
}

export function encodeTheirs(codec: Codec, args: readonly unknown[]): Buffer {
  return Buffer.from(codec.createRequest(...args).buffer);
}

/** Their parsers throw where a response carries errors; the response hangs on the exception. */
export function parseTheirs(codec: Codec, key: number, version: number, bytes: Buffer): unknown {
  try {
    return codec.parseResponse(1, key, version, platformatic.Reader.from(bytes));
  } catch (error) {
    if (error instanceof platformatic.ResponseError) return (error as unknown as { response: unknown }).response;
    throw error;
  }
}

/** Our value in their terms. */
export function toTheirs(type: FieldType, value: unknown): unknown {
  if (value === null || value === undefined) return value;
  switch (type.kind) {
    case 'array':
      return (value as readonly unknown[]).map((element) => toTheirs(type.element, element));
    case 'struct': {
      const struct = value as Readonly<Record<string, unknown>>;
      return Object.fromEntries(
        Object.entries(type.fields).map(([name, field]) => [name, toTheirs(field.type, struct[name])]),
      );
    }
    case 'scalar':
      if (type.scalar === 'int64') return BigInt(value as number);
      if (type.scalar === 'bytes') return Buffer.from(value as Uint8Array);
      return type.scalar === 'uuid' ? dashed(value as string) : value;
  }
}

function dashed(hex: string): string {
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/**
 * Compares our message with theirs, field by field as the table says.
 *
 * @param missing collects the fields that their value does not have under our name.
 */
export function compareFields(
  fields: Fields,
  version: number,
  ours: unknown,
  theirs: unknown,
  path: string,
  missing: Set<string>,
): void {
  const here = ours as Readonly<Record<string, unknown>>;
  const there = theirs as Readonly<Record<string, unknown>>;
  for (const [name, field] of Object.entries(fields)) {
    if (!isIn(field, version)) continue;
    if (name in there) compareValues(field.type, version, here[name], there[name], `${path}.${name}`, missing);
    else missing.add(`${path}.${name}`);
  }
}

function compareValues(
  type: FieldType,
  version: number,
  ours: unknown,
  theirs: unknown,
  path: string,
  missing: Set<string>,
): void {
  if (type.kind === 'struct') {
    // A tagged struct that was not sent is null here and a struct of its defaults there.
    const value = ours ?? Object.fromEntries(Object.entries(type.fields).map(([name, field]) => [name, field.default]));
    if (ours === null && (theirs === null || theirs === undefined)) return;
    compareFields(type.fields, version, value, theirs, path, missing);
  } else if (type.kind === 'array' && ours !== null) {
    const here = ours as readonly unknown[];
    const there = theirs as readonly unknown[];
    assert.equal(there.length, here.length, `length of ${path}`);
    here.forEach((value, i) => compareValues(type.element, version, value, there[i], path, missing));
  } else assert.equal(scalarOfTheirs(theirs), scalarOfOurs(ours), path);
}

function scalarOfOurs(value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

function scalarOfTheirs(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (typeof value === 'string' && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value))
    return value.replaceAll('-', '');
  return value ?? null;
}
