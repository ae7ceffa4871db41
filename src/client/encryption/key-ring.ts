/** Keys by id: the one that encrypts, and those that still decrypt. */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { MillraceError } from '../../base/errors.ts';

const KEY_BYTES = 32;
/** The length stands in one byte. */
const MAX_KEY_ID_BYTES = 255;

/** A key ready for use. */
export interface RingKey {
  readonly id: Uint8Array;
  readonly secret: KeyObject;
  /** For nonces that follow from the value; derived, so that one key does not serve two purposes. */
  readonly nonceSecret: Uint8Array;
}

/**
 * Rotate by adding a key under a new id and using it: what was written before stays readable for as long as its key is in the
 * ring. Removing a key makes all that was written under it unreadable, wherever its copies are.
 *
 * ```ts
 * const ring = new KeyRing({ current: '2026-11', keys: { '2026-11': newKey, '2026-05': oldKey } });
 * ```
 */
export class KeyRing {
  readonly #keys = new Map<string, RingKey>();
  #current: RingKey;

  /** @param keys 32 bytes each, from a secure random source. @throws MillraceError CLIENT_OPTION_INVALID. */
  constructor({ current, keys }: { readonly current: string; readonly keys: Readonly<Record<string, Uint8Array>> }) {
    for (const [id, key] of Object.entries(keys)) this.add(id, key);
    this.#current = this.#require(current);
  }

  /** The id under which is encrypted. */
  get current(): string {
    return Buffer.from(this.#current.id).toString();
  }

  add(id: string, key: Uint8Array): void {
    const idBytes = Buffer.from(id);
    if (idBytes.length === 0 || idBytes.length > MAX_KEY_ID_BYTES)
      throw new MillraceError('CLIENT_OPTION_INVALID', `A key id has 1 to ${MAX_KEY_ID_BYTES} bytes.`);
    if (key.length !== KEY_BYTES)
      throw new MillraceError(
        'CLIENT_OPTION_INVALID',
        `Key ${JSON.stringify(id)} has ${key.length} bytes; AES-256 takes ${KEY_BYTES}.`,
      );
    const nonceSecret = createHmac('sha256', key).update('millrace nonce').digest();
    this.#keys.set(id, { id: idBytes, secret: createSecretKey(key), nonceSecret });
  }

  /** Encrypts under this key from now on. */
  use(id: string): void {
    this.#current = this.#require(id);
  }

  /** @throws MillraceError CLIENT_OPTION_INVALID for the key in use. */
  remove(id: string): void {
    if (this.#keys.get(id) === this.#current)
      throw new MillraceError('CLIENT_OPTION_INVALID', `Key ${JSON.stringify(id)} is in use: use another one first.`);
    this.#keys.delete(id);
  }

  /** @internal */
  get encrypting(): RingKey {
    return this.#current;
  }

  /** @internal @throws MillraceError CLIENT_KEY_UNKNOWN. */
  decrypting(id: string): RingKey {
    const key = this.#keys.get(id);
    if (key !== undefined) return key;
    throw new MillraceError('CLIENT_KEY_UNKNOWN', `There is no key of id ${JSON.stringify(id)} in the ring.`, {
      details: { keyId: id },
    });
  }

  #require(id: string): RingKey {
    const key = this.#keys.get(id);
    if (key !== undefined) return key;
    throw new MillraceError('CLIENT_OPTION_INVALID', `There is no key of id ${JSON.stringify(id)} in the ring.`);
  }
}
