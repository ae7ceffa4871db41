/**
 * `millrace/encryption`: a codec around a codec. What leaves the program is encrypted, AES-256-GCM; brokers see ids of keys and
 * lengths, nothing else. Needs Node.js.
 *
 * | position | size | name | meaning |
 * |---|---|---|---|
 * | 0 | 1 | version | 1; another one is refused |
 * | 1 | 1 | idLength | n, from 1 |
 * | 2 | n | keyId | UTF-8 |
 * | 2 + n | 12 | nonce | |
 * | 14 + n | m | ciphertext | as long as the value |
 * | 14 + n + m | 16 | tag | over the ciphertext, version to keyId, and the context |
 *
 * Worked example: key id `k`, a value of 5 bytes: `01 01 6b`, nonce, 5 bytes, tag; 36 bytes.
 * Evolving it: another layout takes another version; readers keep all versions that were ever written.
 */
import { createCipheriv, createDecipheriv, createHmac, randomFillSync } from 'node:crypto';
import type { Codec } from '../codec.ts';
import type { KeyRing, RingKey } from './key-ring.ts';

export { KeyRing } from './key-ring.ts';

/** On the wire: never renumber. */
const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';
/** Random bytes are had from the system in pieces. */
const POOL_BYTES = NONCE_BYTES * 1024;

/** Options of `encrypted`. */
export interface EncryptionOptions {
  /**
   * Text that belongs to the value without being part of it, for example `orders.card`: what was encrypted with another context
   * is refused, so values cannot be moved from one place to another. Default: none.
   */
  readonly context?: string | undefined;
  /**
   * Equal values give equal bytes, as record keys need for partitions, tables and compaction. Whoever sees the bytes sees which
   * are equal. Default false: nonces are random; rotate a key before it has encrypted 2^32 values.
   */
  readonly deterministic?: boolean | undefined;
}

/**
 * Encrypts what the codec makes of a value. Undecodable for readers: an unknown key (`cause.code` CLIENT_KEY_UNKNOWN), changed
 * bytes, another context.
 *
 * ```ts
 * const ring = new KeyRing({ current: '2026-11', keys: { '2026-11': key } });
 * await client.producer({ topic: 'cards', value: encrypted(json<Card>(), ring) });
 * ```
 */
export function encrypted<Out, In>(
  codec: Codec<Out, In>,
  ring: KeyRing,
  { context = '', deterministic = false }: EncryptionOptions = {},
): Codec<Out, In> {
  const contextBytes = Buffer.from(context);
  return {
    name: `encrypted ${codec.name}`,
    ...(codec.takesNull === undefined ? {} : { takesNull: codec.takesNull }),
    encode(value) {
      const key = ring.encrypting;
      const plain = codec.encode(value);
      const nonce = deterministic ? nonceOf(key, contextBytes, plain) : randomNonce();
      return seal(key, nonce, contextBytes, plain);
    },
    decode: (bytes) => codec.decode(unseal(ring, contextBytes, bytes)),
  };
}

function seal({ id, secret }: RingKey, nonce: Uint8Array, context: Uint8Array, plain: Uint8Array): Uint8Array {
  const head = Buffer.concat([Uint8Array.of(VERSION, id.length), id]);
  const cipher = createCipheriv(ALGORITHM, secret, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.concat([head, context]));
  return Buffer.concat([head, nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws MillraceError CLIENT_KEY_UNKNOWN; Error for bytes that are not what was sealed. */
function unseal(ring: KeyRing, context: Uint8Array, bytes: Uint8Array): Uint8Array {
  const [version, idLength = 0] = bytes;
  if (version !== VERSION) throw new Error(`it is not encrypted in a form that is known here (first byte ${version})`);
  const headBytes = 2 + idLength;
  const cipherStart = headBytes + NONCE_BYTES;
  if (idLength === 0 || bytes.length < cipherStart + TAG_BYTES) throw new Error('it is cut off');
  const head = bytes.subarray(0, headBytes);
  const key = ring.decrypting(Buffer.from(head.subarray(2)).toString());
  const decipher = createDecipheriv(ALGORITHM, key.secret, bytes.subarray(headBytes, cipherStart), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.concat([head, context]));
  decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(cipherStart, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw new Error('it was changed, or encrypted with another key or context', { cause: error });
  }
}

/** A nonce that follows from what is encrypted: equal only for equal values (SIV). */
function nonceOf({ nonceSecret }: RingKey, context: Uint8Array, plain: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(context.length);
  return createHmac('sha256', nonceSecret)
    .update(length)
    .update(context)
    .update(plain)
    .digest()
    .subarray(0, NONCE_BYTES);
}

const pool = Buffer.alloc(POOL_BYTES);
let poolOffset = POOL_BYTES;

/** The view is valid until the pool is filled anew: copied into the result at once. */
function randomNonce(): Uint8Array {
  if (poolOffset === POOL_BYTES) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  poolOffset += NONCE_BYTES;
  return pool.subarray(poolOffset - NONCE_BYTES, poolOffset);
}
