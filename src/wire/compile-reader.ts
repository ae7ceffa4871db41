/**
 * Turns a table of fields into a function that reads one version of it. Everything that depends on the version is
 * decided here, once; what runs per message is a loop over closures that end in a Reader call.
 */

import type { Reader } from './reader.ts';
import type { Field, Fields, FieldType, ScalarType } from './schema.ts';

export type Read = (reader: Reader) => unknown;

const FIXED: Readonly<Record<Exclude<ScalarType, 'string' | 'bytes'>, Read>> = {
  boolean: (reader) => reader.boolean(),
  int8: (reader) => reader.int8(),
  int16: (reader) => reader.int16(),
  int32: (reader) => reader.int32(),
  int64: (reader) => reader.int64(),
  float64: (reader) => reader.float64(),
  uuid: (reader) => reader.uuid(),
};

const FIXED_BYTES = { boolean: 1, int8: 1, int16: 2, int32: 4, int64: 8, float64: 8, uuid: 16 } as const;

/** @param flexible whether this version uses compact lengths and tag sections. */
export function compileReader(fields: Fields, version: number, flexible: boolean): Read {
  const names: string[] = [];
  const reads: Read[] = [];
  const tagged = new Map<number, { name: string; read: Read }>();
  const template: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields)) {
    template[name] = field.default;
    if (!isIn(field, version)) continue;
    const read = typeReader(field.type, version, flexible, field.tag === undefined && version >= field.nullable);
    if (field.tag === undefined) {
      names.push(name);
      reads.push(read);
    } else tagged.set(field.tag, { name, read: field.nullable <= version ? nullableTagged(field, version) : read });
  }
  const readTail = flexible ? tagsReader(tagged) : undefined;
  const count = names.length;
  return (reader) => {
    // Cloning a template gives every message of this version one hidden class, with the defaults already in place.
    const value = { ...template };
    let i = 0;
    try {
      for (; i < count; i++) value[names[i] as string] = (reads[i] as Read)(reader);
      readTail?.(reader, value);
    } catch (error) {
      if (i < count) reader.unwind(`.${names[i]}`);
      throw error;
    }
    return value;
  };
}

/** Whether `version` has the field. */
export function isIn(field: Field, version: number): boolean {
  return version >= field.since && version <= field.until;
}

/** Least bytes a value can take; what array counts are checked against. */
function minBytes(type: FieldType, version: number, flexible: boolean): number {
  if (type.kind === 'array') return flexible ? 1 : 4;
  if (type.kind === 'scalar') {
    if (type.scalar === 'string') return flexible ? 1 : 2;
    if (type.scalar === 'bytes') return flexible ? 1 : 4;
    return FIXED_BYTES[type.scalar];
  }
  let sum = flexible ? 1 : 0;
  for (const field of Object.values(type.fields)) {
    if (field.tag !== undefined || !isIn(field, version)) continue;
    const mayBeNull = version >= field.nullable;
    sum += field.type.kind === 'struct' && mayBeNull ? 1 : minBytes(field.type, version, flexible);
  }
  return Math.max(1, sum);
}

function typeReader(type: FieldType, version: number, flexible: boolean, nullable: boolean): Read {
  switch (type.kind) {
    case 'scalar':
      return scalarReader(type.scalar, flexible, nullable);
    case 'array':
      return arrayReader(type.element, version, flexible, nullable);
    case 'struct': {
      const read = compileReader(type.fields, version, flexible);
      return nullable ? (reader) => (reader.int8() < 0 ? null : read(reader)) : read;
    }
  }
}

function scalarReader(type: ScalarType, flexible: boolean, nullable: boolean): Read {
  if (type === 'string') {
    if (flexible) return nullable ? (reader) => reader.compactNullableString() : (reader) => reader.compactString();
    return nullable ? (reader) => reader.nullableString() : (reader) => reader.string();
  }
  if (type === 'bytes') {
    if (flexible) return nullable ? (reader) => reader.compactNullableBytes() : (reader) => reader.compactBytes();
    return nullable ? (reader) => reader.nullableBytes() : (reader) => reader.bytes();
  }
  return FIXED[type];
}

function arrayReader(element: FieldType, version: number, flexible: boolean, nullable: boolean): Read {
  const read = typeReader(element, version, flexible, false);
  const least = minBytes(element, version, flexible);
  const areInt32s = element.kind === 'scalar' && element.scalar === 'int32';
  return (reader) => {
    const count = flexible ? reader.compactArrayLength(least) : reader.arrayLength(least);
    if (count < 0) return nullable ? null : reader.malformed('is null where an array is required');
    if (areInt32s) return reader.int32s(count);
    const values: unknown[] = [];
    let i = 0;
    try {
      for (; i < count; i++) values.push(read(reader));
    } catch (error) {
      reader.unwind(`[${i}]`);
      throw error;
    }
    return values;
  };
}

/** A tagged struct is marked nullable nowhere: not being sent is its null. Other types carry null in their length. */
function nullableTagged(field: Field, version: number): Read {
  return typeReader(field.type, version, true, field.type.kind !== 'struct');
}

function tagsReader(tagged: ReadonlyMap<number, { name: string; read: Read }>) {
  return (reader: Reader, value: Record<string, unknown>): void => {
    const count = reader.uvarint();
    for (let i = 0; i < count; i++) {
      const tag = reader.uvarint();
      const size = reader.uvarint();
      const known = tagged.get(tag);
      if (known === undefined) reader.skip(size);
      else value[known.name] = readWithin(reader, size, known);
    }
  };
}

/** Reads one tagged value; it may not reach past its announced size, and what it leaves of that is skipped. */
function readWithin(reader: Reader, size: number, known: { name: string; read: Read }): unknown {
  const outerEnd = reader.end;
  const start = reader.position;
  reader.skip(size);
  reader.end = reader.position;
  reader.position = start;
  try {
    const value = known.read(reader);
    reader.position = reader.end;
    return value;
  } catch (error) {
    reader.unwind(`.${known.name}`);
    throw error;
  } finally {
    reader.end = outerEnd;
  }
}
