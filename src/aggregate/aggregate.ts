/**
 * An event-sourced aggregate: its state is what results from its events, and new events are written only if nobody else wrote
 * since the state was looked at.
 *
 *   transactWrite: refresh ─► decide on the state ─► append if unchanged ─► apply
 *                     ▲                                    │ others wrote
 *                     └──────────── wait a little ◄────────┘
 */
import {
  type AbortOptions,
  type Client,
  type Codec,
  type ConditionalWriter,
  delay,
  encodePart,
  MillraceError,
  type Place,
} from '../client/internal.ts';
import type { SnapshotStore } from './snapshot-store.ts';

/** What an aggregate needs from those of its kind. */
export interface AggregateParts<State, Event> {
  readonly client: Client;
  readonly writer: ConditionalWriter;
  readonly place: Required<Place>;
  readonly event: Codec<Event>;
  readonly initial: () => State;
  readonly apply: (state: State, event: Event) => State;
  readonly snapshots?: SnapshotStore<State> | undefined;
  readonly snapshotEvery: number;
  readonly version: string;
  readonly maxAttempts: number;
  readonly onSnapshotFailed?: ((error: unknown) => void) | undefined;
}

/**
 * Looks at the state and says which events follow; none where there is nothing to do. What it throws refuses the write and
 * reaches the caller. It runs again when others wrote meanwhile, so it has no effects of its own.
 */
export type Decision<State, Event> = (
  state: State,
  info: { readonly attempt: number },
) => readonly Event[] | Promise<readonly Event[]>;

/** Options of `transactWrite`. */
export type WriteOptions = AbortOptions;

/** What `transactWrite` wrote. */
export interface Written<State, Event> {
  readonly events: readonly Event[];
  /** Of the events, in order. */
  readonly offsets: readonly bigint[];
  /** After the events. */
  readonly state: State;
}

/** After a lost race, or no answer; doubled with each. */
const FIRST_WAIT_MS = 5;
const LAST_WAIT_MS = 500;

/** A thing whose state results from its events; made by `aggregates(...).open()`. */
export class Aggregate<State, Event> {
  readonly #parts: AggregateParts<State, Event>;
  #state: State;
  #nextOffset = 0n;
  /** Events since the last snapshot. */
  #unsaved = 0;
  /** Work on the state is done by one caller at a time. */
  #line: Promise<unknown> = Promise.resolve();

  /** @internal Use `aggregates(...).open()`. */
  constructor(parts: AggregateParts<State, Event>) {
    this.#parts = parts;
    this.#state = parts.initial();
  }

  /** As of the last refresh or write. */
  get state(): State {
    return this.#state;
  }

  /** Offset of the first event that the state has not seen. */
  get nextOffset(): bigint {
    return this.#nextOffset;
  }

  /** Reads what is new. @returns the state then. @throws MillraceError as `Aggregates.open`. */
  async refresh(options: AbortOptions = {}): Promise<State> {
    return await this.#inLine(async () => {
      await this.#refresh(options);
      await this.#saveIfDue(options);
      return this.#state;
    });
  }

  /**
   * Writes events that follow from the state, if nobody else wrote since it was looked at; else looks again and decides anew.
   *
   * ```ts
   * await account.transactWrite(({ balance }) => {
   *   if (balance < 50) throw new Error('not enough');
   *   return [{ type: 'withdrawn', amount: -50 }];
   * });
   * ```
   *
   * @returns what was written, and the state after it.
   * @throws what `decide` threw; MillraceError BROKER_OFFSET_CONFLICT where others were faster each time: nothing is written.
   *   Abort: it may still be written; the next refresh shows.
   */
  async transactWrite(decide: Decision<State, Event>, options: WriteOptions = {}): Promise<Written<State, Event>> {
    return await this.#inLine(async () => {
      const { maxAttempts, client } = this.#parts;
      for (let attempt = 1; attempt <= maxAttempts; attempt++) {
        await this.#refresh(options);
        const events = await decide(this.#state, { attempt });
        const offsets = events.length === 0 ? [] : await this.#append(events, options);
        if (offsets !== undefined) {
          await this.#saveIfDue(options);
          return { events, offsets, state: this.#state };
        }
        // Some part of it, so that those who race do not meet again.
        if (attempt < maxAttempts) await delay(client.clock, waitMs(attempt) * client.random(), options.signal);
      }
      const { topic, partition } = this.#parts.place;
      throw new MillraceError(
        'BROKER_OFFSET_CONFLICT',
        `${maxAttempts} times others wrote to ${topic}/${partition} first; nothing was written.`,
        { details: { topic, partition, attempts: maxAttempts } },
      );
    });
  }

  /** @internal The newest snapshot, and what came since. */
  async load(options: AbortOptions): Promise<void> {
    await this.#inLine(async () => {
      const { snapshots, version } = this.#parts;
      const found = await this.#snapshotting(async () => await snapshots?.load(this.#stream(), version, options));
      const facts = await this.#facts(options);
      // One from beyond the end belongs to a stream that was deleted, and made anew under its name.
      if (found !== undefined && found.nextOffset <= facts.endOffset) {
        this.#state = found.state;
        this.#nextOffset = found.nextOffset;
      }
      await this.#refresh(options);
      await this.#saveIfDue(options);
    });
  }

  async #refresh(options: AbortOptions): Promise<void> {
    const { startOffset, endOffset } = await this.#facts(options);
    this.#checkRange(startOffset, endOffset);
    if (endOffset === this.#nextOffset) return;
    const { client, place, event } = this.#parts;
    const consumer = await client.consumer({
      topics: place.topic,
      partitions: [place],
      from: { offset: this.#nextOffset },
      until: 'end',
      value: event,
    });
    try {
      for (;;) {
        const record = await consumer.next(options);
        if (record === undefined) break;
        this.#applied(record.value, record.offset);
      }
    } finally {
      await consumer.close();
    }
    // Behind the last event there may be what is no event: ends of transactions.
    if (this.#nextOffset < endOffset) this.#nextOffset = endOffset;
  }

  /** @returns offsets; undefined where others wrote meanwhile. */
  async #append(events: readonly Event[], options: AbortOptions): Promise<bigint[] | undefined> {
    const { writer, place, event, client } = this.#parts;
    const timestamp = client.clock.now();
    const records = events.map((value) => ({
      key: null,
      value: encodePart(event, 'value', value),
      headers: [],
      timestamp,
    }));
    const answer = await writer.append({ ...place, records }, this.#nextOffset, options);
    if (answer.outcome === 'moved') return undefined;
    const offsets = events.map((_, index) => answer.offsets(index));
    for (const [index, value] of events.entries()) this.#applied(value, offsets[index] as bigint);
    return offsets;
  }

  #applied(event: Event, offset: bigint): void {
    this.#state = this.#parts.apply(this.#state, event);
    this.#nextOffset = offset + 1n;
    this.#unsaved += 1;
  }

  async #saveIfDue(options: AbortOptions): Promise<void> {
    const { snapshots, snapshotEvery, version } = this.#parts;
    if (snapshots === undefined || this.#unsaved < snapshotEvery) return;
    const snapshot = { state: this.#state, nextOffset: this.#nextOffset, version };
    await this.#snapshotting(async () => {
      await snapshots.save(this.#stream(), snapshot, options);
      this.#unsaved = 0;
    });
  }

  /** The events are what counts: without snapshots everything goes on, slower. */
  async #snapshotting<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      this.#parts.onSnapshotFailed?.(error);
      return undefined;
    }
  }

  /** Asked until there is an answer, as reading and writing are: a broker that is away comes back. */
  async #facts(options: AbortOptions): Promise<{ readonly startOffset: bigint; readonly endOffset: bigint }> {
    const { client, place } = this.#parts;
    for (let attempt = 1; ; attempt++) {
      try {
        const { partitions } = await client.admin.describeTopic(place.topic, options);
        return partitions.find(({ partition }) => partition === place.partition) ?? NOTHING;
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        if (error.code === 'CLIENT_TOPIC_NOT_FOUND') return NOTHING;
        if (error.kind !== 'retry') throw error;
        await delay(client.clock, waitMs(attempt), options.signal);
      }
    }
  }

  /** A state without some of its events would be wrong and not look it. */
  #checkRange(startOffset: bigint, endOffset: bigint): void {
    const next = this.#nextOffset;
    const known = next > 0n || this.#parts.client.features.offsetsFromZero;
    if ((startOffset <= next || !known) && endOffset >= next) return;
    const { topic, partition } = this.#parts.place;
    throw new MillraceError(
      'CLIENT_POSITION_OUT_OF_RANGE',
      `Events of ${topic}/${partition} from ${next} on are gone: it has those from ${startOffset} up to ${endOffset}.`,
      { details: { topic, partition, nextOffset: String(next), startOffset: String(startOffset) } },
    );
  }

  #stream(): string {
    return `${this.#parts.place.topic}/${this.#parts.place.partition}`;
  }

  async #inLine<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#line.then(work, work);
    this.#line = turn.catch(() => undefined);
    return await turn;
  }
}

function waitMs(attempt: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** (attempt - 1), LAST_WAIT_MS);
}

const NOTHING = { startOffset: 0n, endOffset: 0n };
