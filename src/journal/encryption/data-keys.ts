/**
 * Data keys: what files are encrypted with. They are random, stand in the data directory wrapped by a master key
 * (`key-files.ts`), and here in the clear, in memory alone. Each file says the number of its key; the keys of files come from
 * it and a salt of the file.
 */
import { hkdfSync } from 'node:crypto';
import { MillraceError } from '../../base/errors.ts';

export const KEY_BYTES = 32;

export interface DataKey {
  /** From 1; never used again. */
  readonly number: number;
  /** Topics whose names begin so (dotted) are encrypted with it once they are in chunks; empty: all that have no other. */
  readonly prefix: string;
  readonly key: Uint8Array;
}

export class DataKeys {
  readonly #byNumber: ReadonlyMap<number, DataKey>;
  /** Newest of each prefix. */
  readonly #active = new Map<string, DataKey>();
  /** Longest first. */
  readonly prefixes: readonly string[];

  /** As they travel to worker threads. At least one of them has the empty prefix. */
  constructor(keys: readonly DataKey[]) {
    this.#byNumber = new Map(keys.map((key) => [key.number, key]));
    for (const key of [...keys].sort((a, b) => a.number - b.number)) this.#active.set(key.prefix, key);
    this.prefixes = [...this.#active.keys()].filter((prefix) => prefix !== '').sort((a, b) => b.length - a.length);
  }

  get all(): DataKey[] {
    return [...this.#byNumber.values()];
  }

  /** That new files of the prefix get. */
  active(prefix: string): DataKey {
    const key = this.#active.get(prefix);
    if (key === undefined) throw new TypeError(`there is no data key of prefix '${prefix}'`);
    return key;
  }

  /** The prefix with a key of its own that the topic is under; empty: none. @param topic canonical name. */
  prefixOf(topic: string): string {
    return this.prefixes.find((prefix) => topic.startsWith(prefix)) ?? '';
  }

  /** @throws STORE_KEY_MISSING naming the key and what needs it. */
  byNumber(number: number, what: string): DataKey {
    const key = this.#byNumber.get(number);
    if (key !== undefined) return key;
    throw new MillraceError(
      'STORE_KEY_MISSING',
      `${what} is encrypted with data key ${number}, which is not in keys/: it was deleted, and with it what it encrypts.`,
      { details: { dataKey: number } },
    );
  }
}

/** Key of one file, of one object, or of another single use. @param salt random; repeated, it gives the same key. */
export function deriveKey(dataKey: DataKey, salt: Uint8Array, use: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', dataKey.key, salt, `millrace ${use}`, KEY_BYTES));
}
