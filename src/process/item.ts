/** What flows through a pipeline: a value with its key and time, and where it came from. */
import { encodeUtf8, PARENT_HEADER, RecordHeaders, type RecordPlace } from '../client/internal.ts';

/** A record of a source, unique within a running pipeline. */
export interface OriginPlace extends RecordPlace {
  /** Number of the source in the pipeline: two clusters may have topics of one name. */
  readonly source: number;
}

/** The records that an item stems from. */
export interface Origin {
  /** The newest ones, oldest first; at most `MAX_PARENTS`. They become the `millrace-parent` headers of what is written. */
  readonly parents: readonly OriginPlace[];
  /** The oldest of each partition: a commit must not pass them while the item is held. */
  readonly oldest: readonly OriginPlace[];
  /** The newest of each partition: what state has seen. */
  readonly newest: readonly OriginPlace[];
}

/** What goes through a pipeline: a value with key, time, headers, and where it came from. */
export interface Item<Value, Key = string> {
  readonly value: Value;
  readonly key: Key | null;
  /** Event time; milliseconds since 1970. */
  readonly timestamp: number;
  /** Of the record that was read; they are passed on. */
  readonly headers: RecordHeaders<unknown>;
  readonly origin: Origin;
}

export type AnyItem = Item<unknown, unknown>;

/** A result of thousands of records names the last of them only: headers have to stay small. */
const MAX_PARENTS = 16;

export const NO_HEADERS: RecordHeaders<unknown> = new RecordHeaders<unknown>([], undefined);

/** The origin of a record that was just read. */
export function originOf(place: OriginPlace): Origin {
  const places = [place];
  return { parents: places, oldest: places, newest: places };
}

/** Key of a source's partition in maps. */
export function originKey({ source, topic, partition }: OriginPlace): string {
  return `${source}:${topic}/${partition}`;
}

/** Gathers the origins of items that become one. */
export class OriginMerge {
  readonly #oldest = new Map<string, OriginPlace>();
  readonly #newest = new Map<string, OriginPlace>();
  #parents: OriginPlace[] = [];

  add({ parents, oldest, newest }: Origin): void {
    for (const place of oldest) this.#keep(this.#oldest, place, (kept) => place.offset < kept.offset);
    for (const place of newest) this.#keep(this.#newest, place, (kept) => place.offset > kept.offset);
    this.#parents.push(...parents);
    // Cut now and then, not each time.
    if (this.#parents.length > 4 * MAX_PARENTS) this.#parents = this.#parents.slice(-MAX_PARENTS);
  }

  get origin(): Origin {
    const parents = this.#parents.slice(-MAX_PARENTS);
    return { parents, oldest: [...this.#oldest.values()], newest: [...this.#newest.values()] };
  }

  get oldest(): Iterable<OriginPlace> {
    return this.#oldest.values();
  }

  #keep(places: Map<string, OriginPlace>, place: OriginPlace, wins: (kept: OriginPlace) => boolean): void {
    const key = originKey(place);
    const kept = places.get(key);
    if (kept === undefined || wins(kept)) places.set(key, place);
  }
}

/** The same item with another value. */
export function withValue<Value, Key>(item: Item<unknown, Key>, value: Value): Item<Value, Key> {
  const { key, timestamp, headers, origin } = item;
  return { value, key, timestamp, headers, origin };
}

/** Headers of a record that is written: those of the item, and its parents. */
export function outgoingHeaders({ headers, origin }: AnyItem): RecordHeaders<unknown> {
  if (origin.parents.length === 0) return headers;
  const entries = headers.entries.filter(({ key }) => key !== PARENT_HEADER);
  for (const { topic, partition, offset } of origin.parents)
    entries.push({ key: PARENT_HEADER, value: encodeUtf8(`${topic}/${partition}/${offset}`) });
  return new RecordHeaders<unknown>(entries, undefined);
}

/** A key as text: equal keys give equal texts. */
export function keyText(key: unknown): string {
  if (typeof key === 'string') return key;
  if (key instanceof Uint8Array)
    return `bytes:${Array.from(key, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  if (typeof key === 'bigint') return `${key}n`;
  return JSON.stringify(key) ?? 'null';
}
