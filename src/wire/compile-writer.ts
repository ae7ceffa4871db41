/**
 * Turns a table of fields into a function that writes one version of it; the counterpart of compile-reader.ts.
 */
import { MillraceError } from '../base/errors.ts';
import { isIn } from './compile-reader.ts';
import type { Field, Fields, FieldType, ScalarType } from './schema.ts';
import type { Writer } from './writer.ts';

export type Write = (writer: Writer, value: unknown) => void;

type Struct = Readonly<Record<string, unknown>>;

interface TaggedWrite {
  readonly name: string;
  readonly tag: number;
  readonly default: unknown;
  readonly write: Write;
}

const FIXED: Readonly<Record<Exclude<ScalarType, 'string' | 'bytes'>, Write>> = {
  boolean: (writer, value) => writer.boolean(value as boolean),
  int8: (writer, value) => writer.int8(value as number),
  int16: (writer, value) => writer.int16(value as number),
  int32: (writer, value) => writer.int32(value as number),
  int64: (writer, value) => writer.int64(value as number),
  float64: (writer, value) => writer.float64(value as number),
  uuid: (writer, value) => writer.uuid(value as string),
};

/** @param flexible whether this version uses compact lengths and tag sections. */
export function compileWriter(fields: Fields, version: number, flexible: boolean): Write {
  const names: string[] = [];
  const writes: Write[] = [];
  const tagged: TaggedWrite[] = [];
  for (const [name, field] of Object.entries(fields)) {
    const write = fieldWriter(field, version, flexible);
    if (write === undefined) continue;
    if (field.tag === undefined || !isIn(field, version)) {
      names.push(name);
      writes.push(write);
    } else tagged.push({ name, tag: field.tag, default: field.default, write });
  }
  tagged.sort((a, b) => a.tag - b.tag);
  const count = names.length;
  return (writer, value) => {
    const struct = value as Struct;
    let i = 0;
    try {
      for (; i < count; i++) (writes[i] as Write)(writer, struct[names[i] as string]);
      if (flexible) writeTags(writer, struct, tagged);
    } catch (error) {
      if (i < count) writer.unwind(`.${names[i]}`);
      throw error;
    }
  };
}

/** Undefined where this version neither writes nor checks the field. */
function fieldWriter(field: Field, version: number, flexible: boolean): Write | undefined {
  if (!isIn(field, version)) return field.strict ? refuseOther(field.default) : undefined;
  const isStruct = field.type.kind === 'struct';
  const nullable = version >= field.nullable;
  if (field.tag !== undefined) return typeWriter(field.type, version, flexible, nullable && !isStruct);
  const write = typeWriter(field.type, version, flexible, nullable);
  const fallback = field.default;
  const { optional } = field;
  return (writer, given) => {
    if (given === undefined && !optional) throw new TypeError('A required field is missing.');
    const value = given === undefined ? fallback : given;
    if (value === null && !nullable) refuseNull(field, version);
    write(writer, value);
  };
}

function refuseNull(field: Field, version: number): never {
  if (field.nullable === Number.POSITIVE_INFINITY) throw new TypeError('The field may not be null.');
  throw new MillraceError(
    'WIRE_UNSUPPORTED_VERSION',
    `The field can be null from version ${field.nullable} on, not in ${version}.`,
  );
}

function refuseOther(only: unknown): Write {
  return (_writer, value) => {
    if (value === undefined || isDefault(value, only)) return;
    throw new MillraceError(
      'WIRE_UNSUPPORTED_VERSION',
      'This version has no such field, and leaving it out would change what is asked.',
    );
  };
}

function isDefault(value: unknown, fallback: unknown): boolean {
  if (value === fallback) return true;
  return Array.isArray(value) && value.length === 0 && Array.isArray(fallback);
}

function typeWriter(type: FieldType, version: number, flexible: boolean, nullable: boolean): Write {
  switch (type.kind) {
    case 'scalar':
      return scalarWriter(type.scalar, flexible, nullable);
    case 'array':
      return arrayWriter(type.element, version, flexible);
    case 'struct': {
      const write = compileWriter(type.fields, version, flexible);
      if (!nullable) return write;
      return (writer, value) => {
        writer.int8(value === null ? -1 : 1);
        if (value !== null) write(writer, value);
      };
    }
  }
}

function scalarWriter(type: ScalarType, flexible: boolean, nullable: boolean): Write {
  if (type === 'string') {
    if (flexible) {
      return nullable
        ? (writer, value) => writer.compactNullableString(value as string | null)
        : (writer, value) => writer.compactString(value as string);
    }
    return nullable
      ? (writer, value) => writer.nullableString(value as string | null)
      : (writer, value) => writer.string(value as string);
  }
  if (type === 'bytes') {
    if (flexible) {
      return nullable
        ? (writer, value) => writer.compactNullableBytes(value as Uint8Array | null)
        : (writer, value) => writer.compactBytes(value as Uint8Array);
    }
    return nullable
      ? (writer, value) => writer.nullableBytes(value as Uint8Array | null)
      : (writer, value) => writer.bytes(value as Uint8Array);
  }
  return FIXED[type];
}

/** Null arrives here only where the field may be null. */
function arrayWriter(element: FieldType, version: number, flexible: boolean): Write {
  const write = typeWriter(element, version, flexible, false);
  const areInt32s = element.kind === 'scalar' && element.scalar === 'int32';
  return (writer, value) => {
    const values = value as readonly unknown[] | null;
    const count = values === null ? -1 : values.length;
    if (flexible) writer.compactArrayLength(count);
    else writer.arrayLength(count);
    if (values === null) return;
    if (areInt32s) {
      writer.int32s(values as readonly number[]);
      return;
    }
    let i = 0;
    try {
      for (; i < count; i++) write(writer, values[i]);
    } catch (error) {
      writer.unwind(`[${i}]`);
      throw error;
    }
  };
}

function writeTags(writer: Writer, struct: Struct, tagged: readonly TaggedWrite[]): void {
  let count = 0;
  for (const field of tagged) if (isSent(struct[field.name], field.default)) count += 1;
  writer.uvarint(count);
  if (count === 0) return;
  for (const field of tagged) {
    const value = struct[field.name];
    if (!isSent(value, field.default)) continue;
    writer.uvarint(field.tag);
    const start = writer.position;
    try {
      field.write(writer, value);
    } catch (error) {
      writer.unwind(`.${field.name}`);
      throw error;
    }
    writer.prefixSize(start);
  }
}

function isSent(value: unknown, fallback: unknown): boolean {
  return value !== undefined && !isDefault(value, fallback);
}
