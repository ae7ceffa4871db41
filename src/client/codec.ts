/**
 * Codecs: how values become bytes and bytes values, with their types. A producer or consumer without one does not compile.
 *
 * `In` is what a producer gives, `Out` what a consumer gets. They differ where a schema transforms, for example where a
 * date travels as text: the text is `In`, the Date is `Out`.
 */
import { MillraceError } from '../base/errors.ts';
import { type InferInput, type InferOutput, type StandardSchema, validate } from './standard-schema.ts';
import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** How values become bytes and back. */
export interface Codec<Out, In = Out> {
  /** For messages: `json`, `msgpack`. */
  readonly name: string;
  /** True where `null` (a tombstone) is a value; see `nullable`. */
  readonly takesNull?: boolean;
  /** @returns bytes that the caller owns. Throws whatever says best what is wrong. */
  encode(value: In): Uint8Array;
  /** @param bytes borrowed: whoever keeps a view of them keeps the whole batch in memory. */
  decode(bytes: Uint8Array): Out;
}

/** What it gives back. */
export type OutputOf<C> = C extends Codec<infer Out, never> ? Out : never;
/** What a codec or schema takes. */
export type InputOf<C> = C extends Codec<unknown, infer In> ? In : never;

const RAW: Codec<Uint8Array> = { name: 'raw', encode: (value) => value, decode: (bytes) => bytes };
const STRING: Codec<string> = {
  name: 'string',
  encode(value) {
    if (typeof value !== 'string') throw new TypeError(`expected a string, got ${typeof value}`);
    // UTF-8 has no half characters: an encoder writes something else in their place, and says nothing.
    if (!value.isWellFormed()) throw new TypeError('half a surrogate pair is no character');
    return encodeUtf8(value);
  },
  decode: decodeUtf8,
};
const JSON_CODEC: Codec<unknown> = {
  name: 'json',
  encode(value) {
    const text = JSON.stringify(value) as string | undefined;
    if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`);
    return encodeUtf8(text);
  },
  decode: (bytes) => JSON.parse(decodeUtf8(bytes)) as unknown,
};

/** Bytes as they are. What is read are views: copy what you keep. */
export function raw(): Codec<Uint8Array> {
  return RAW;
}

/** UTF-8 text, strict: bytes that are none are undecodable. */
export function string(): Codec<string> {
  return STRING;
}

/**
 * JSON. With a schema of the Standard Schema kind (zod, valibot, arktype and others) values are checked both ways and their
 * types come from it; without, `T` is believed.
 *
 * ```ts
 * const order = json(z.object({ id: z.string(), total: z.number() }));
 * const trusted = json<Order>();
 * ```
 */
export function json<S extends StandardSchema>(schema: S): Codec<InferOutput<S>, InferInput<S>>;
export function json<T>(): Codec<T>;
export function json(schema?: StandardSchema): Codec<unknown> {
  return schema === undefined ? JSON_CODEC : checked(JSON_CODEC, schema);
}

/** Puts a schema around a codec: what goes out and what comes in is validated. */
export function checked<S extends StandardSchema>(
  codec: Codec<unknown>,
  schema: S,
): Codec<InferOutput<S>, InferInput<S>> {
  return {
    name: codec.name,
    encode(value) {
      // The input form travels; the reader's schema transforms it.
      validate(schema, value);
      return codec.encode(value);
    },
    decode: (bytes) => validate(schema, codec.decode(bytes)),
  };
}

/** Lets `null` through in both directions: tombstones. Without it a record without a value is undecodable. */
export function nullable<Out, In>(codec: Codec<Out, In>): Codec<Out | null, In | null> {
  return { ...(codec as Codec<Out | null, In | null>), takesNull: true };
}

/** For programs in JavaScript. @throws MillraceError CLIENT_OPTION_INVALID. */
export function requireCodec(codec: unknown, way: 'encode' | 'decode'): void {
  if (typeof (codec as Partial<Codec<unknown>> | undefined)?.[way] === 'function') return;
  throw new MillraceError('CLIENT_OPTION_INVALID', 'value is a codec: json(), string(), raw() or one of your own.');
}

export type Part = 'key' | 'value' | `header ${string}`;

/** @throws MillraceError CLIENT_ENCODE_FAILED saying which part of the record does not fit, and why. */
export function encodePart<In>(codec: Codec<unknown, In>, part: Part, value: In): Uint8Array | null {
  if (value === null && codec.takesNull === true) return null;
  try {
    return codec.encode(value);
  } catch (error) {
    throw failed('CLIENT_ENCODE_FAILED', `The ${part} cannot be written as ${codec.name}`, error, { part });
  }
}

/** @throws MillraceError CLIENT_DECODE_FAILED saying which part of the record does not fit, and why. */
export function decodePart<Out>(codec: Codec<Out, never>, part: Part, bytes: Uint8Array | null): Out {
  if (bytes === null) {
    if (codec.takesNull === true) return null as Out;
    throw new MillraceError(
      'CLIENT_DECODE_FAILED',
      `The ${part} is null (a tombstone); wrap the codec in nullable() to read those.`,
      { details: { part } },
    );
  }
  try {
    return codec.decode(bytes);
  } catch (error) {
    throw failed('CLIENT_DECODE_FAILED', `The ${part} cannot be read as ${codec.name}`, error, { part });
  }
}

function failed(
  code: 'CLIENT_ENCODE_FAILED' | 'CLIENT_DECODE_FAILED',
  what: string,
  cause: unknown,
  details: { part: string },
): MillraceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError(code, `${what}: ${why}`, { details, cause });
}
