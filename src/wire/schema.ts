/**
 * The vocabulary of the message tables. A table is an object of fields in wire order; each field says its type, the
 * versions that have it, where it may be null, its tag and its default. The TypeScript type of a message follows from
 * its table:
 *
 * ```ts
 * const fields = { groupId: string(), memberId: string({ since: 3, default: '' }), topics: structs({ name: string() }) };
 * type In = Decoded<typeof fields>; // { groupId: string; memberId: string; topics: readonly { name: string }[] }
 * type Out = Encodable<typeof fields>; // the same, but memberId may be left out
 * ```
 *
 * To add a version to a message: raise `versions` in its file, give new fields `since`, removed ones `until`
 * (inclusive), and name the KIP in the file's head. Never reorder fields: their order is the wire's.
 */
import { ZERO_UUID } from './reader.ts';

export type ScalarType = 'boolean' | 'int8' | 'int16' | 'int32' | 'int64' | 'float64' | 'uuid' | 'string' | 'bytes';

export type FieldType =
  | { readonly kind: 'scalar'; readonly scalar: ScalarType }
  | { readonly kind: 'array'; readonly element: FieldType }
  | { readonly kind: 'struct'; readonly fields: Fields };

/** All versions inclusive. */
export interface FieldOptions<T> {
  /** First version that has the field; 0 unless given. */
  readonly since?: number;
  /** Last version that has the field. */
  readonly until?: number;
  /** First version in which it may be null. */
  readonly nullable?: number;
  /** Sent in the tag section under this number, and only where it differs from its default. */
  readonly tag?: number;
  /** Read where the version lacks the field; makes the field optional for writers. */
  readonly default?: T;
  /** Refuse to write another value than the default in a version that lacks the field; others drop it silently. */
  readonly strict?: true;
}

/**
 * One field. `D` is its type when read, `E` when written, `O` whether writers may leave it out. `types` exists at
 * compile time only: it carries the three.
 */
export interface Field<D = unknown, E = unknown, O extends boolean = boolean> {
  readonly type: FieldType;
  readonly since: number;
  readonly until: number;
  readonly nullable: number;
  readonly tag: number | undefined;
  readonly default: unknown;
  readonly optional: boolean;
  readonly strict: boolean;
  readonly types?: { readonly decoded: D; readonly encodable: E; readonly optional: O };
}

export type Fields = Readonly<Record<string, Field>>;

type TypesOf<F extends Field> = NonNullable<F['types']>;

/** What reading a message of these fields yields. Byte fields are borrowed from the frame. */
export type Decoded<F extends Fields> = { readonly [K in keyof F]: TypesOf<F[K]>['decoded'] };

type OptionalNames<F extends Fields> = {
  [K in keyof F]: TypesOf<F[K]>['optional'] extends true ? K : never;
}[keyof F];

/** What writing a message of these fields takes: fields with a default may be left out. */
export type Encodable<F extends Fields> = {
  readonly [K in Exclude<keyof F, OptionalNames<F>>]: TypesOf<F[K]>['encodable'];
} & {
  readonly [K in OptionalNames<F>]?: TypesOf<F[K]>['encodable'] | undefined;
};

type OrNull<T, O> = O extends { nullable: number } ? T | null : T;
type HasDefault<O> = O extends { default: unknown } | { tag: number } ? true : false;
type ScalarField<T, O> = Field<OrNull<T, O>, OrNull<T, O>, HasDefault<O>>;

function scalar(type: ScalarType, zero: unknown) {
  return <T, O extends FieldOptions<T | null>>(options: O): ScalarField<T, O> =>
    field({ kind: 'scalar', scalar: type }, zero, options) as ScalarField<T, O>;
}

function field(type: FieldType, zero: unknown, options: FieldOptions<unknown>): Field {
  const isTagged = options.tag !== undefined;
  return {
    type,
    since: options.since ?? 0,
    until: options.until ?? Number.POSITIVE_INFINITY,
    nullable: options.nullable ?? Number.POSITIVE_INFINITY,
    tag: options.tag,
    default: options.default === undefined ? zero : options.default,
    optional: isTagged || options.default !== undefined,
    strict: options.strict ?? false,
  };
}

export const boolean = <const O extends FieldOptions<boolean>>(options: O = {} as O) =>
  scalar('boolean', false)<boolean, O>(options);
export const int8 = <const O extends FieldOptions<number>>(options: O = {} as O) =>
  scalar('int8', 0)<number, O>(options);
export const int16 = <const O extends FieldOptions<number>>(options: O = {} as O) =>
  scalar('int16', 0)<number, O>(options);
export const int32 = <const O extends FieldOptions<number>>(options: O = {} as O) =>
  scalar('int32', 0)<number, O>(options);
/** NaN where the value does not fit +-2^53. */
export const int64 = <const O extends FieldOptions<number>>(options: O = {} as O) =>
  scalar('int64', 0)<number, O>(options);
/** IEEE 754, double precision. */
export const float64 = <const O extends FieldOptions<number>>(options: O = {} as O) =>
  scalar('float64', 0)<number, O>(options);
/** 32 hex digits; `ZERO_UUID` says none. */
export const uuid = <const O extends FieldOptions<string>>(options: O = {} as O) =>
  scalar('uuid', ZERO_UUID)<string, O>(options);
export const string = <const O extends FieldOptions<string | null>>(options: O = {} as O) =>
  scalar('string', '')<string, O>(options);
const NO_BYTES = new Uint8Array(0);

/** Record batches are bytes too: int32 length, or compact, never looked into here. */
export const bytes = <const O extends FieldOptions<Uint8Array | null>>(options: O = {} as O) =>
  scalar('bytes', NO_BYTES)<Uint8Array, O>(options);

type ArrayField<D, E, O> = Field<OrNull<readonly D[], O>, OrNull<readonly E[], O>, HasDefault<O>>;

const NO_ELEMENTS: readonly never[] = Object.freeze([]);

/** An array of scalars: `array(int32())`. The element's own options other than its type are ignored. */
export function array<D, E, const O extends FieldOptions<readonly D[] | null>>(
  element: Field<D, E>,
  options: O = {} as O,
): ArrayField<D, E, O> {
  return field({ kind: 'array', element: element.type }, NO_ELEMENTS, options) as ArrayField<D, E, O>;
}

/** An array of structs. */
export function structs<const F extends Fields, const O extends FieldOptions<readonly Decoded<F>[] | null>>(
  fields: F,
  options: O = {} as O,
): ArrayField<Decoded<F>, Encodable<F>, O> {
  const element: FieldType = { kind: 'struct', fields };
  return field({ kind: 'array', element }, NO_ELEMENTS, options) as ArrayField<Decoded<F>, Encodable<F>, O>;
}

type StructField<F extends Fields, O> = O extends { nullable: number } | { tag: number }
  ? Field<Decoded<F> | null, Encodable<F> | null, true>
  : Field<Decoded<F>, Encodable<F>, false>;

/** One struct that may be absent: null by `nullable`, or tagged and not sent; both read as null. */
export function struct<const F extends Fields, const O extends FieldOptions<null>>(
  fields: F,
  options: O,
): StructField<F, O> {
  return field({ kind: 'struct', fields }, null, { ...options, default: null }) as StructField<F, O>;
}

/** Milliseconds the client shall wait before its next request. First in nearly every response. */
export const throttleTimeMs = (since = 0) => int32({ since, default: 0 });

/** A bit field of the operations the caller may do; this value says that they were not asked for. */
export const NO_OPERATIONS = -0x8000_0000;
