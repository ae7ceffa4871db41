/**
 * An object store in memory, and one that is slow, down or lying: answers that are lost after the work was done, errors,
 * bodies that are cut or altered. Seeded, so that what went wrong can be repeated.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../src/base/errors.ts';
import {
  type ByteRange,
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  piecesOf,
} from '../../src/store/object-store.ts';
import type { SeededRandom } from './seeded-random.ts';

export class MemoryObjectStore implements ObjectStore {
  readonly url = 'memory://';
  readonly objects = new Map<string, { readonly body: Uint8Array; readonly at: number }>();
  readonly counts = { puts: 0, gets: 0, getBytes: 0, lists: 0, deletes: 0 };
  readonly #now: () => number;

  constructor(now: () => number = () => 0) {
    this.#now = now;
  }

  async put(key: string, body: ObjectBody, options: { ifAbsent?: boolean } = {}): Promise<'stored' | 'exists'> {
    this.counts.puts += 1;
    if (options.ifAbsent === true && this.objects.has(key)) return 'exists';
    this.objects.set(key, { body: new Uint8Array(Buffer.concat(piecesOf(body))), at: this.#now() });
    return 'stored';
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    this.counts.gets += 1;
    const found = this.objects.get(key);
    if (found === undefined) return undefined;
    const { position, sizeBytes } = range ?? { position: 0, sizeBytes: found.body.length };
    const bytes = found.body.slice(position, position + sizeBytes);
    this.counts.getBytes += bytes.length;
    if (bytes.length < sizeBytes) throw new MillraceError('TIER_CORRUPT', `${key} ends at ${found.body.length}`);
    return bytes;
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    this.counts.lists += 1;
    for (const [key, { body, at }] of [...this.objects]) {
      if (key.startsWith(prefix)) yield { key, sizeBytes: body.length, ageMs: this.#now() - at };
    }
  }

  async delete(key: string): Promise<void> {
    this.counts.deletes += 1;
    this.objects.delete(key);
  }
}

export interface Hostility {
  /** Chances, 0 to 1. */
  readonly refuse?: number;
  /** The work is done, and the answer lost. */
  readonly loseAnswer?: number;
  /** A body comes cut or altered. */
  readonly lie?: number;
  readonly delayMs?: number;
}

export class HostileObjectStore implements ObjectStore {
  readonly url = 'hostile://';
  readonly #inner: ObjectStore;
  readonly #random: SeededRandom;
  hostility: Hostility;

  constructor(inner: ObjectStore, random: SeededRandom, hostility: Hostility) {
    this.#inner = inner;
    this.#random = random;
    this.hostility = hostility;
  }

  async put(key: string, body: ObjectBody, options?: { ifAbsent?: boolean }): Promise<'stored' | 'exists'> {
    await this.#before('TIER_OUTCOME_UNKNOWN');
    const whole = Buffer.concat(piecesOf(body));
    const cut = this.#chance('lie') ? whole.subarray(0, this.#random.below(whole.length)) : whole;
    const outcome = await this.#inner.put(key, cut, options);
    this.#after('TIER_OUTCOME_UNKNOWN');
    return outcome;
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | undefined> {
    await this.#before('TIER_UNAVAILABLE');
    const bytes = await this.#inner.get(key, range);
    this.#after('TIER_UNAVAILABLE');
    if (bytes === undefined || bytes.length === 0 || !this.#chance('lie')) return bytes;
    const altered = new Uint8Array(bytes);
    const at = this.#random.below(altered.length);
    altered[at] = (altered[at] as number) ^ (1 + this.#random.below(255));
    return altered;
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    await this.#before('TIER_UNAVAILABLE');
    for await (const each of this.#inner.list(prefix)) if (!this.#chance('lie')) yield each;
  }

  async delete(key: string): Promise<void> {
    await this.#before('TIER_UNAVAILABLE');
    await this.#inner.delete(key);
    this.#after('TIER_UNAVAILABLE');
  }

  async #before(code: 'TIER_OUTCOME_UNKNOWN' | 'TIER_UNAVAILABLE'): Promise<void> {
    if (this.hostility.delayMs !== undefined) await sleep(this.#random.below(this.hostility.delayMs));
    if (this.#chance('refuse')) throw new MillraceError(code, 'the store is down');
  }

  #after(code: 'TIER_OUTCOME_UNKNOWN' | 'TIER_UNAVAILABLE'): void {
    if (this.#chance('loseAnswer')) throw new MillraceError(code, 'the answer was lost');
  }

  #chance(what: 'refuse' | 'loseAnswer' | 'lie'): boolean {
    return this.#random.next() < (this.hostility[what] ?? 0);
  }
}
