/**
 * Arbitrary values of a wire message, made from its own table: fields that a version lacks carry their defaults, so
 * what was written equals what is read back.
 */

import { isIn } from '../../src/wire/compile-reader.ts';
import type { Field, Fields, FieldType, ScalarType } from '../../src/wire/schema.ts';
import * as fc from './properties.ts';

export type MessageValue = Readonly<Record<string, unknown>>;

/** Replaces the generator of single fields, by name at any depth; for oracles that know fewer values than the wire. */
export type Overrides = Readonly<Record<string, fc.Arbitrary<unknown>>>;

export function arbitraryMessage(
  fields: Fields,
  version: number,
  overrides: Overrides = {},
): fc.Arbitrary<MessageValue> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(fields)) {
    model[name] = isIn(field, version) ? arbitraryField(name, field, version, overrides) : fc.constant(field.default);
  }
  return fc.record(model, { noNullPrototype: true });
}

function arbitraryField(name: string, field: Field, version: number, overrides: Overrides): fc.Arbitrary<unknown> {
  const override = overrides[name];
  if (override !== undefined) return override;
  const value = arbitraryType(field.type, version, overrides);
  if (field.tag !== undefined) return fc.oneof(fc.constant(field.default), value);
  return version >= field.nullable ? fc.option(value, { nil: null, freq: 4 }) : value;
}

function arbitraryType(type: FieldType, version: number, overrides: Overrides): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'scalar':
      return SCALARS[type.scalar];
    case 'array':
      return fc.array(arbitraryType(type.element, version, overrides), { maxLength: 3 });
    case 'struct':
      return arbitraryMessage(type.fields, version, overrides);
  }
}

/** Long ones cross the one-byte limit of compact lengths (126 bytes). */
const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ maxLength: 12 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'grapheme', minLength: 40, maxLength: 140 }) },
);

const SCALARS: Readonly<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  boolean: fc.boolean(),
  int8: fc.integer({ min: -0x80, max: 0x7f }),
  int16: fc.integer({ min: -0x8000, max: 0x7fff }),
  int32: fc.integer(),
  int64: fc.oneof(fc.maxSafeInteger(), fc.constantFrom(-1, 0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER)),
  float64: fc.double({ noNaN: true }),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex')),
  string: text,
  bytes: fc.uint8Array({ maxLength: 200 }),
};

/** Byte views compare by content, whatever class they are of. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes:${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}
