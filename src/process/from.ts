/** The source that reads topics. */
import {
  type Client,
  type Codec,
  type ConsumedRecord,
  type Consumer,
  type ConsumerOptions,
  type GroupPositions,
  type Guarantee,
  type HeaderCodecs,
  MillraceError,
  type Place,
  type RecordPlace,
  type Timer,
} from '../client/internal.ts';
import { type Item, type OriginPlace, originKey, originOf } from './item.ts';
import type { OffsetStore, PositionMove } from './offset-store/offset-store.ts';
import type { Chunk, Held, Positions, RunningSource, Source, SourceContext } from './step.ts';
import { Watermark } from './watermark.ts';

/** A consumer's options but for `commit`: the pipeline commits, once what it read is processed. */
export type FromOptions<Value, Key = string, Headers = undefined> = ConsumerOptions<Value, Key, Headers> & {
  /**
   * Positions in a database of the program's, where the sink `into` writes them with its effects. In mode `real-time`: the back
   * end keeps none. Partitions without a position there begin at `from`, by default the earliest record.
   */
  readonly offsets?: { readonly store: OffsetStore<unknown>; readonly group: string } | undefined;
  readonly commit?: never;
  /** For metrics. Default: the topics. */
  readonly name?: string | undefined;
  /** Event time of a record, milliseconds since 1970. Default: its timestamp. */
  readonly eventTime?: ((record: ConsumedRecord<Value, Key, Headers>) => number) | undefined;
  /** How much later than its time, in event time, a record of a partition may come. Default 0: partitions are in order. */
  readonly outOfOrdernessMs?: number | undefined;
  /** A partition that gives nothing for so long does not hold up event time. Default 10,000. */
  readonly idleMs?: number | undefined;
};

const DEFAULT_IDLE_MS = 10_000;

/**
 * Reads topics of a client, each record once it is there, and commits behind what is processed (not in mode `real-time`, which
 * has nothing to commit).
 *
 * ```ts
 * from(client, { topics: 'orders', mode: 'resumable', group: 'totals', value: json<Order>() })
 * ```
 */
export function from<Value, Key, Can extends Guarantee, Headers extends HeaderCodecs | undefined = undefined>(
  client: Client<Can>,
  options: FromOptions<Value, Key, Headers> & { readonly key: Codec<Key, never> },
): Source<Item<Value, Key>, Can>;
export function from<Value, Can extends Guarantee, Headers extends HeaderCodecs | undefined = undefined>(
  client: Client<Can>,
  options: FromOptions<Value, string, Headers>,
): Source<Item<Value>, Can>;
export function from<Value, Key, Headers extends HeaderCodecs | undefined>(
  client: Client,
  options: FromOptions<Value, Key, Headers>,
): Source<Item<Value, Key>> {
  const balanced = options.mode === 'load-balanced';
  return {
    name: options.name ?? [options.topics ?? client.topics].flat().join(','),
    traits: {
      acknowledgesRecords: balanced && client.features.acknowledgesRecords,
      partitionsMove: balanced,
      clients: [client],
    },
    open: async (context) => await TopicSource.open(client, options, context),
  };
}

/** A partition for as long as it stays with the consumer. */
interface Tenure {
  /** The consumer's object: another one means that the partition came anew. */
  readonly token: object;
  readonly place: Omit<OriginPlace, 'offset'>;
  /** Behind the last record that was accepted; undefined before the first. */
  nextOffset: bigint | undefined;
}

class TopicSource<Value, Key, Headers extends HeaderCodecs | undefined> implements RunningSource<Item<Value, Key>> {
  readonly #consumer: Consumer<Value, Key, Headers>;
  readonly #options: FromOptions<Value, Key, Headers>;
  readonly #context: SourceContext;
  readonly #source: number;
  readonly #watermark: Watermark;
  readonly #tenures = new Map<string, Tenure>();
  /** Records that were accepted and not committed, where each is acknowledged. */
  #unacknowledged: RecordPlace[] = [];
  readonly #acknowledgesRecords: boolean;
  #idleTimer: Timer | undefined;
  /** Positions that went into a transaction, or stand in the store; a transaction that fails ends this source. */
  readonly #written = new Map<string, bigint>();
  /** Partitions that came, and that the stages do not know of yet. */
  #untold: Tenure[] = [];
  /** Some back ends never say what they read. */
  #namesPartitions = false;
  /** Gone to another member with records that were read and not committed. */
  #lostInWork: Omit<OriginPlace, 'offset'> | undefined;

  static async open<Value, Key, Headers extends HeaderCodecs | undefined>(
    client: Client,
    options: FromOptions<Value, Key, Headers>,
    context: SourceContext,
  ): Promise<TopicSource<Value, Key, Headers>> {
    // In real-time mode a policy is refused; elsewhere the pipeline says when.
    const isRealTime = options.mode === undefined || options.mode === 'real-time';
    const { offsets } = options;
    if (offsets !== undefined && !isRealTime)
      throw new MillraceError(
        'CLIENT_OPTION_INVALID',
        "With 'offsets' the mode is real-time: the group's positions stand in the store.",
      );
    const start = offsets === undefined ? {} : { from: options.from ?? 'earliest' };
    const opened = { ...options, ...start, ...(isRealTime ? {} : { commit: 'manual' }) } as ConsumerOptions<
      Value,
      Key,
      Headers
    >;
    const stored = await offsets?.store.load(offsets.group);
    const consumer = await client.consumer<Value, Key, Headers>(opened);
    for (const { topic, partition, nextOffset } of stored ?? [])
      await consumer.seek({ offset: nextOffset }, { topic, partition });
    const acknowledgesRecords = options.mode === 'load-balanced' && client.features.acknowledgesRecords;
    const source = new TopicSource(consumer, options, context, acknowledgesRecords);
    for (const position of stored ?? []) source.#written.set(source.#key(position), position.nextOffset);
    return source;
  }

  private constructor(
    consumer: Consumer<Value, Key, Headers>,
    options: FromOptions<Value, Key, Headers>,
    context: SourceContext,
    acknowledgesRecords: boolean,
  ) {
    this.#consumer = consumer;
    this.#options = options;
    this.#context = context;
    this.#source = context.nextSource();
    this.#acknowledgesRecords = acknowledgesRecords;
    const { outOfOrdernessMs = 0, idleMs = DEFAULT_IDLE_MS } = options;
    this.#watermark = new Watermark({ outOfOrdernessMs, idleMs });
    // Others may have had them until now, and have changed what stages have loaded.
    this.#followAssignment();
  }

  async read(signal: AbortSignal): Promise<Chunk<Item<Value, Key>> | undefined> {
    const pulled = await this.#consumer.pull({ signal });
    if (pulled === undefined) return undefined;
    const owned = new Map(this.#consumer.partitions.map((token) => [this.#key(token), token]));
    return { accept: async () => await this.#accept(pulled.records, pulled.places, owned) };
  }

  followAssignment(): void {
    this.#followAssignment();
  }

  watermark(): number {
    return this.#watermark.at(this.#context.clock.monotonic());
  }

  async commit(held: Held): Promise<void> {
    const { mode, offsets } = this.#options;
    if (offsets !== undefined) {
      const { moves } = this.#moves(held);
      if (moves.length > 0) await offsets.store.transact(offsets.group, moves, () => undefined);
      return;
    }
    if (mode === undefined || mode === 'real-time') return;
    if (this.#acknowledgesRecords) {
      for (const place of this.#unacknowledged) this.#consumer.markProcessed(place);
      this.#unacknowledged = [];
    } else {
      this.#followAssignment();
      // Every one each time: an undecodable record that was passed over has left a mark of its own, further on.
      for (const { topic, partition, nextOffset } of this.#next(held))
        this.#consumer.markProcessed({ topic, partition, offset: nextOffset - 1n });
    }
    await this.#consumer.commit();
  }

  stored(held: Held): Positions {
    const { offsets } = this.#options;
    return {
      takeFor: (store) => (offsets?.store === store ? this.#moves(held) : { group: undefined, moves: [] }),
    };
  }

  /** What has moved since the last time; each is told once. */
  #moves(held: Held): { readonly group: string | undefined; readonly moves: readonly PositionMove[] } {
    const moves: PositionMove[] = [];
    for (const { topic, partition, nextOffset } of this.#next(held)) {
      const key = this.#key({ topic, partition });
      const written = this.#written.get(key);
      if (written !== nextOffset) moves.push({ topic, partition, nextOffset, from: written });
      this.#written.set(key, nextOffset);
    }
    return { group: this.#options.offsets?.group, moves };
  }

  positions(held: Held): readonly GroupPositions[] {
    const { mode, group } = this.#options;
    if (mode === undefined || mode === 'real-time' || group === undefined) return [];
    this.#followAssignment();
    // It may have gone at an earlier read: its results are in this transaction all the same.
    const lost = this.#lostInWork;
    if (lost !== undefined)
      throw new MillraceError(
        'BROKER_REBALANCE_IN_PROGRESS',
        `${lost.topic}/${lost.partition} went to another member while its records were in work.`,
      );
    // Each is a request of its own, so only those that moved.
    const moved = this.#next(held).filter(({ topic, partition, nextOffset }) => {
      const key = this.#key({ topic, partition });
      const isNew = this.#written.get(key) !== nextOffset;
      this.#written.set(key, nextOffset);
      return isNew;
    });
    return [{ group, positions: moved, membership: this.#consumer.membership }];
  }

  async close(): Promise<void> {
    this.#idleTimer?.cancel();
    await this.#consumer.close();
  }

  /** @param owned partitions as of the read. */
  async #accept(
    pulled: readonly ConsumedRecord<Value, Key, Headers>[],
    pulledPlaces: readonly RecordPlace[],
    owned: ReadonlyMap<string, object>,
  ): Promise<readonly Item<Value, Key>[]> {
    const nowMs = this.#context.clock.monotonic();
    const { metrics } = this.#context;
    await this.#tellGained();
    // What another member has by now, or what came back and will be read again from the last commit on, is not ours.
    const isOurs = (place: RecordPlace): boolean => {
      const key = this.#key(place);
      const token = owned.get(key);
      return token === undefined || this.#tenures.get(key)?.token === token;
    };
    const [records, places] = [pulled.filter(isOurs), pulledPlaces.filter(isOurs)];
    metrics.in += records.length;
    for (const place of places) {
      const tenure = this.#tenures.get(this.#key(place)) ?? (await this.#beginAndTell(place));
      tenure.nextOffset = place.offset + 1n;
      if (this.#acknowledgesRecords) this.#unacknowledged.push({ ...at(place), offset: place.offset });
    }
    const items = records.map((record) => this.#item(record, nowMs));
    metrics.out += items.length;
    this.#watchIdle(nowMs);
    return items;
  }

  #item(record: ConsumedRecord<Value, Key, Headers>, nowMs: number): Item<Value, Key> {
    const { topic, partition, offset, key, value, headers } = record;
    const timestamp = this.#options.eventTime?.(record) ?? record.timestamp;
    if (!Number.isFinite(timestamp))
      throw new MillraceError(
        'PROCESS_STEP_FAILED',
        `eventTime gave ${timestamp} for ${topic}/${partition}/${offset}, which is no time.`,
      );
    const place = { source: this.#source, topic, partition, offset };
    this.#watermark.seen(originKey(place), timestamp, nowMs);
    return { value, key, timestamp, headers: headers, origin: originOf(place) };
  }

  /** Where to go on, in each partition that gave something. */
  #next(held: Held): { topic: string; partition: number; nextOffset: bigint }[] {
    const positions: { topic: string; partition: number; nextOffset: bigint }[] = [];
    for (const [key, { place, nextOffset }] of this.#tenures) {
      if (nextOffset === undefined) continue;
      const heldOffset = held.get(key);
      const next = heldOffset !== undefined && heldOffset < nextOffset ? heldOffset : nextOffset;
      positions.push({ topic: place.topic, partition: place.partition, nextOffset: next });
    }
    return positions;
  }

  /** Until nothing more comes meanwhile. */
  async #tellGained(): Promise<void> {
    this.#followAssignment();
    while (this.#untold.length > 0) {
      await this.#context.gained(this.#untold.splice(0).map(({ place }) => place));
      this.#followAssignment();
    }
  }

  /** Forgets what went to others, so that nothing is committed for them, and tells of it. What came is told before the next items. */
  #followAssignment(): void {
    const now = this.#consumer.partitions;
    this.#namesPartitions ||= now.length > 0;
    if (!this.#namesPartitions) return;
    const current = new Map(now.map((token) => [this.#key(token), token]));
    const gone = [...this.#tenures].filter(([key, { token }]) => current.get(key) !== token);
    for (const [key, tenure] of gone) {
      this.#tenures.delete(key);
      this.#watermark.remove(key);
      if (tenure.nextOffset !== undefined && this.#written.get(key) !== tenure.nextOffset)
        this.#lostInWork = tenure.place;
    }
    if (gone.length > 0) this.#context.lost(gone.map(([, { place }]) => place));
    for (const [key, token] of current) if (!this.#tenures.has(key)) this.#untold.push(this.#begin(token));
  }

  #begin(token: Required<Place>): Tenure {
    const place = { source: this.#source, ...at(token) };
    const tenure: Tenure = { token, place, nextOffset: undefined };
    const key = this.#key(token);
    this.#tenures.set(key, tenure);
    this.#watermark.add(key, this.#context.clock.monotonic());
    return tenure;
  }

  /** For back ends that do not say beforehand what there is. */
  async #beginAndTell(place: RecordPlace): Promise<Tenure> {
    const tenure = this.#begin(at(place));
    await this.#context.gained([tenure.place]);
    return tenure;
  }

  /** A partition that falls silent moves the watermark without a record. */
  #watchIdle(nowMs: number): void {
    this.#idleTimer?.cancel();
    const waitMs = this.#tenures.size < 2 ? undefined : this.#watermark.nextIdleMs(nowMs);
    if (waitMs === undefined) return;
    this.#idleTimer = this.#context.clock.schedule(waitMs, () => {
      this.#context.wake();
      this.#watchIdle(this.#context.clock.monotonic());
    });
  }

  #key(place: Required<Place>): string {
    return originKey({ source: this.#source, ...at(place), offset: 0n });
  }
}

function at({ topic, partition }: Required<Place>): Required<Place> {
  return { topic, partition };
}
