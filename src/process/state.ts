/**
 * State by key that outlives the pipeline: in memory, and in a topic of which the newest record of each key counts (a compacted
 * topic, where the back end has such). It is written behind the results that came of it and before the source's position is
 * committed; with each entry stands which records it has seen, so that those that come again after a crash change nothing.
 *
 *   key: the entry's name     value: the state     headers: millrace-applied = topic/partition/offset, one a partition
 */
import {
  type Client,
  type Codec,
  decodePart,
  encodePart,
  encodeUtf8,
  type HeaderCodecs,
  MillraceError,
  nullable,
  type Producer,
  type RecordHeader,
  RecordHeaders,
  raw,
} from '../client/internal.ts';
import type { Origin, OriginPlace } from './item.ts';
import type { StageContext } from './step.ts';

/** Where state is kept; see `compacted`. */
export interface StateStore<State> {
  readonly client: Client;
  readonly topic: string;
  readonly value: Codec<State>;
  /** Most entries in memory; more end the pipeline with PROCESS_STATE_FULL. */
  readonly maxEntries: number;
}

/** Options of `compacted`. */
export interface CompactedOptions<State> {
  /** Belongs to one step of one pipeline. Made when it is not there: one partition, `cleanup.policy=compact`. */
  readonly topic: string;
  readonly value: Codec<State>;
  /** Default 1,000,000. */
  readonly maxEntries?: number | undefined;
}

const DEFAULT_MAX_ENTRIES = 1_000_000;
const APPLIED_HEADER = 'millrace-applied';

/**
 * State in a topic.
 *
 * ```ts
 * reduce({ initial: () => 0, fold: (sum, order: Order) => sum + order.total, state: compacted(client, { topic: 'sums', value: json<number>() }) })
 * ```
 */
export function compacted<State>(client: Client, options: CompactedOptions<State>): StateStore<State> {
  const { topic, value, maxEntries = DEFAULT_MAX_ENTRIES } = options;
  return { client, topic, value, maxEntries };
}

/** Newest offset by partition. */
type Applied = Map<string, bigint>;

export interface StateEntry<State> {
  state: State;
  /** More than the state's bytes, for whoever owns the entry. */
  headers: readonly RecordHeader[];
  readonly applied: Applied;
  /** As of when it was loaded: records up to there have been seen before this run. */
  readonly restored: ReadonlyMap<string, bigint>;
}

export class KeyedState<State> {
  readonly #store: StateStore<State> | undefined;
  readonly #producer: Producer<Uint8Array | null, string, HeaderCodecs | undefined> | undefined;
  readonly #context: StageContext;
  #entries = new Map<string, StateEntry<State>>();
  /** Changed since the last save. */
  readonly #changed = new Set<string>();
  /** Of the changed ones that are gone: what they were, where the topic has them as of earlier. */
  readonly #last = new Map<string, StateEntry<State>>();
  /** Entries that the topic has, as of whenever. */
  #saved = new Set<string>();
  /** Text entries of the step itself, such as a watermark. */
  #notes = new Map<string, string>();
  /** Entries are missing that the topic has. */
  #isStale = false;

  private constructor(
    store: StateStore<State> | undefined,
    producer: Producer<Uint8Array | null, string, HeaderCodecs | undefined> | undefined,
    context: StageContext,
  ) {
    this.#store = store;
    this.#producer = producer;
    this.#context = context;
  }

  /** Without a store the state lives as long as the pipeline. @throws MillraceError CLIENT_UNSUPPORTED. */
  static async open<State>(store: StateStore<State> | undefined, context: StageContext): Promise<KeyedState<State>> {
    if (store === undefined) return new KeyedState<State>(undefined, undefined, context);
    const { client, topic } = store;
    const { keys, headers, tombstones } = client.features;
    if (!keys || !headers || !tombstones)
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        `The ${client.backendName} back end cannot hold state: it takes keys, headers and records without a value.`,
      );
    await makeTopic(client, topic);
    const options = { topic, value: nullable(raw()), partitioner: () => 0 };
    const producer =
      context.transaction === undefined
        ? await client.producer<Uint8Array | null, string, HeaderCodecs | undefined>(options)
        : await context.transaction.producer<Uint8Array | null, string, HeaderCodecs | undefined>(client, options);
    const state = new KeyedState(store, producer, context);
    await state.load();
    return state;
  }

  get isKept(): boolean {
    return this.#store !== undefined;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(name: string): StateEntry<State> | undefined {
    return this.#entries.get(name);
  }

  entries(): Iterable<[string, StateEntry<State>]> {
    return this.#entries;
  }

  /** Text that goes with the entries, and is written before them. */
  note(name: string): string | undefined {
    return this.#notes.get(name);
  }

  setNote(name: string, text: string): void {
    if (this.#notes.get(name) === text) return;
    this.#notes.set(name, text);
    if (this.isKept) this.#changed.add(NOTE_PREFIX + name);
  }

  /** @throws MillraceError PROCESS_STATE_FULL. */
  set(name: string, state: State, { newest }: Origin, headers: readonly RecordHeader[] = []): void {
    let entry = this.#entries.get(name);
    if (entry === undefined) {
      const maxEntries = this.#store?.maxEntries ?? DEFAULT_MAX_ENTRIES;
      if (this.#entries.size >= maxEntries)
        throw new MillraceError(
          'PROCESS_STATE_FULL',
          `The state of step ${this.#context.metrics.step} has ${maxEntries} entries, its limit (maxEntries).`,
          { details: { step: this.#context.metrics.step, maxEntries } },
        );
      entry = { state, headers, applied: new Map(), restored: NOTHING };
      this.#entries.set(name, entry);
    }
    entry.state = state;
    entry.headers = headers;
    this.#context.metrics.inFlight = this.#entries.size;
    if (!this.isKept) return;
    for (const place of newest) {
      const key = appliedKey(place);
      const offset = entry.applied.get(key);
      if (offset === undefined || place.offset > offset) entry.applied.set(key, place.offset);
    }
    this.#changed.add(name);
  }

  /** @param replaced another entry has taken it in: nothing more comes of it. */
  delete(name: string, replaced = false): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    this.#context.metrics.inFlight = this.#entries.size;
    if (!this.isKept) return;
    if (!replaced && this.#changed.has(name) && this.#saved.has(name)) this.#last.set(name, entry);
    this.#changed.add(name);
  }

  /**
   * Drops what has changed since the last save in entries that have records of these partitions: their owner reads those records
   * again, and what it writes must not be overwritten. The topic is read again behind the next save.
   */
  forget(places: readonly Omit<OriginPlace, 'offset'>[]): void {
    const keys = places.map((place) => appliedKey({ ...place, offset: 0n }));
    for (const name of [...this.#changed]) {
      const entry = this.#entries.get(name) ?? this.#last.get(name);
      if (entry === undefined || !keys.some((key) => entry.applied.has(key))) continue;
      this.#changed.delete(name);
      this.#entries.delete(name);
      this.#last.delete(name);
      this.#isStale = true;
    }
  }

  /** Whether all that the item stems from was in the entry already when it was loaded. */
  hasSeen(name: string, { newest }: Origin): boolean {
    const restored = this.#entries.get(name)?.restored;
    if (restored === undefined || restored.size === 0 || newest.length === 0) return false;
    return newest.every((place) => place.offset <= (restored.get(appliedKey(place)) ?? -1n));
  }

  /**
   * Writes what has changed; durable when it resolves. Whatever came of the state must be durable before. It may end half way,
   * and what is there must then give the same results again: so entries first, in full, also those that are gone by now; then
   * the notes, which say what is over; then the deletions.
   */
  async save(): Promise<void> {
    const producer = this.#producer;
    if (producer === undefined) return;
    await this.#saveChanged(producer);
    if (this.#isStale) await this.load();
  }

  async #saveChanged(producer: Producer<Uint8Array | null, string, HeaderCodecs | undefined>): Promise<void> {
    if (this.#changed.size === 0) return;
    const names = [...this.#changed];
    this.#changed.clear();
    const { signal } = this.#context;
    const notes = names.filter((name) => name.startsWith(NOTE_PREFIX));
    const entries = names.filter((name) => !name.startsWith(NOTE_PREFIX));
    for (const name of entries) {
      const entry = this.#entries.get(name) ?? this.#last.get(name);
      if (entry === undefined) continue;
      await this.#write(producer, name, entry, signal);
      this.#saved.add(name);
    }
    await producer.flush({ signal });
    for (const name of notes) {
      const text = this.#notes.get(name.slice(NOTE_PREFIX.length)) ?? '';
      await producer.submit({ key: name, value: encodeUtf8(text) }, { signal });
    }
    await producer.flush({ signal });
    for (const name of entries) {
      // What came and went since the last save was never written.
      if (this.#entries.has(name) || !this.#saved.delete(name)) continue;
      await producer.submit({ key: name, value: null }, { signal });
    }
    await producer.flush({ signal });
    this.#last.clear();
  }

  /** Takes the state as the topic has it: at the start, and when partitions came from another member. */
  async load(): Promise<void> {
    const store = this.#store;
    if (store === undefined) return;
    const entries = new Map<string, StateEntry<State>>();
    const notes = new Map<string, string>();
    const consumer = await store.client.consumer({
      topics: store.topic,
      from: 'earliest',
      until: 'end',
      value: nullable(raw()),
    });
    try {
      for await (const { records } of consumer.batches({ signal: this.#context.signal })) {
        for (const { key, value, headers } of records) {
          if (key === null) continue;
          if (key.startsWith(NOTE_PREFIX))
            notes.set(key.slice(NOTE_PREFIX.length), value === null ? '' : Buffer.from(value).toString());
          else if (value === null) entries.delete(key);
          else entries.set(key, readEntry(store, value, headers.entries));
        }
      }
    } finally {
      await consumer.close();
    }
    this.#isStale = false;
    this.#entries = entries;
    this.#saved = new Set(entries.keys());
    this.#notes = notes;
    this.#context.metrics.inFlight = entries.size;
  }

  async close(): Promise<void> {
    await this.#producer?.close();
  }

  async #write(
    producer: Producer<Uint8Array | null, string, HeaderCodecs | undefined>,
    name: string,
    entry: StateEntry<State>,
    signal: AbortSignal,
  ): Promise<void> {
    const headers = [...entry.headers];
    for (const [partition, offset] of entry.applied)
      headers.push({ key: APPLIED_HEADER, value: encodeUtf8(`${partition}/${offset}`) });
    const value = encodePart((this.#store as StateStore<State>).value, 'value', entry.state);
    await producer.submit({ key: name, value, headers: new RecordHeaders<unknown>(headers, undefined) }, { signal });
  }
}

/** Keys of programs do not begin so. */
const NOTE_PREFIX = '\u0000';
const NOTHING: ReadonlyMap<string, bigint> = new Map();

function readEntry<State>(
  store: StateStore<State>,
  value: Uint8Array,
  headers: readonly RecordHeader[],
): StateEntry<State> {
  const applied: Applied = new Map();
  for (const { key, value: text } of headers) {
    if (key !== APPLIED_HEADER || text === null) continue;
    const match = /^(.+)\/(\d+)$/s.exec(Buffer.from(text).toString());
    if (match?.[1] !== undefined) applied.set(match[1], BigInt(match[2] as string));
  }
  return {
    state: decodePart(store.value, 'value', value),
    headers: headers.filter(({ key }) => key !== APPLIED_HEADER),
    applied,
    restored: new Map(applied),
  };
}

/** The first source goes without its number: its state can be read by people. */
function appliedKey({ source, topic, partition }: OriginPlace): string {
  return `${source === 0 ? '' : `${source}:`}${topic}/${partition}`;
}

/** Places that an entry has seen, as an origin: what comes of it names them as parents. */
export function appliedOrigin({ applied }: StateEntry<unknown>): Origin {
  const places: OriginPlace[] = [];
  for (const [name, offset] of applied) {
    const match = /^(?:(\d+):)?(.+)\/(\d+)$/s.exec(name);
    if (match?.[2] !== undefined)
      places.push({ source: Number(match[1] ?? 0), topic: match[2], partition: Number(match[3]), offset });
  }
  return { parents: places, oldest: [], newest: places };
}

async function makeTopic(client: Client, topic: string): Promise<void> {
  const create = async (config: Record<string, string> | undefined): Promise<void> => {
    try {
      await client.admin.createTopic(topic, { partitions: 1, config });
    } catch (error) {
      // Where topics are made by their first record, this one will be.
      if (!isCode(error, 'BROKER_TOPIC_EXISTS', 'CLIENT_UNSUPPORTED')) throw error;
    }
  };
  try {
    await create({ 'cleanup.policy': 'compact' });
  } catch (error) {
    // Not every back end can compact; the newest record of a key counts all the same.
    if (!isCode(error, 'BROKER_CONFIG_UNSUPPORTED', 'BROKER_CONFIG_INVALID')) throw error;
    await create(undefined);
  }
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof MillraceError && codes.includes(error.code);
}
