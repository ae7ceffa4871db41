/** `millrace/msgpack`: the MessagePack codec, an entry point of its own so that programs without it do not load the library. */
import { Decoder, Encoder } from '@msgpack/msgpack';
import { type Codec, checked } from '../codec.ts';
import type { InferInput, InferOutput, StandardSchema } from '../standard-schema.ts';

const encoder = new Encoder({ useBigInt64: true });
const decoder = new Decoder({ useBigInt64: true });

const MSGPACK: Codec<unknown> = {
  name: 'msgpack',
  encode: (value) => encoder.encode(value),
  decode: (bytes) => decoder.decode(bytes),
};

/**
 * MessagePack, with or without a schema; see `json`. 64-bit integers are bigints in both directions, so none is rounded;
 * JavaScript numbers beyond 32 bits travel as doubles. A reader refuses the key `__proto__` (`CLIENT_DECODE_FAILED`).
 */
export function msgpack<S extends StandardSchema>(schema: S): Codec<InferOutput<S>, InferInput<S>>;
export function msgpack<T>(): Codec<T>;
export function msgpack(schema?: StandardSchema): Codec<unknown> {
  return schema === undefined ? MSGPACK : checked(MSGPACK, schema);
}
