/**
 * Reads through the library's `fetch`, not through its streams: positions stay ours (seek, assign, rebalance), and records
 * come in arrays.
 *
 * One fetch a broker is on the way while the program works on what the last one brought; no more is fetched while records
 * wait, so memory holds two answers a broker. A broker that is away is tried again until it is back.
 */
import type { Admin, ClusterMetadata } from '@platformatic/kafka';
import type { Clock } from '../../../base/clock.ts';
import { MillraceError } from '../../../base/errors.ts';
import { delay, within } from '../../abort.ts';
import type { Membership, Reader, ReaderOptions, ReadOptions } from '../../backend.ts';
import type { ExactPosition, Place } from '../../position.ts';
import { covers, type PositionMark, PositionMarks, partitionKey } from '../../position-marks.ts';
import type { RawRecord, RecordPlace } from '../../record.ts';
import { Wake } from '../../wake.ts';
import { Arrivals } from '../arrivals.ts';
import { fromKafka, isPassing, kafkaErrorName, partsOf } from './errors.ts';
import { fetchedRecords } from './fetched.ts';
import type { KafkaLibrary, KafkaSettings } from './library.ts';
import { commitAlone, committedOffsets, type KafkaConsumer, resolvePositions } from './positions.ts';

interface Cursor {
  readonly topic: string;
  readonly partition: number;
  /** Next offset to fetch: behind what waits. */
  nextOffset: bigint;
  /** Exclusive; undefined: read on for ever. */
  readonly endOffset: bigint | undefined;
}

export interface KafkaReaderParts {
  readonly kafka: KafkaLibrary;
  readonly admin: Admin;
  readonly settings: KafkaSettings;
  readonly clock: Clock;
  /** A name for consumers without a group; brokers see it nowhere. */
  readonly loneGroup: string;
}

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2000;
/** Answers to a member whose assignment is over, or about to be: it joins again. */
const REGROUPING = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'REBALANCE_IN_PROGRESS']);
/** Leaving the group is a courtesy: without it the others wait for the session to time out. */
const LEAVE_LIMIT_MS = 2000;

export class KafkaReader implements Reader {
  readonly #parts: KafkaReaderParts;
  readonly #options: ReaderOptions;
  readonly #consumer: KafkaConsumer;
  readonly #marks = new PositionMarks();
  readonly #changed = new Wake();
  readonly #closed = new AbortController();
  /** Brokers with a fetch on the way. */
  readonly #fetching = new Set<number>();
  #cursors = new Map<string, Cursor>();
  /** Records that wait to be read, with the cursor they came through: they count only while that one is in use. */
  readonly #arrivals = new Arrivals<Cursor>();
  #explicit: readonly Required<Place>[] | undefined;
  /** Taken when the reader opened, so that `latest` and `untilEnd` mean that moment. */
  #starts = new Map<string, bigint>();
  #ends = new Map<string, bigint>();
  #failure: MillraceError | undefined;
  #retryMs = FIRST_RETRY_MS;
  /** The membership as of which the cursors stand, and whether a newer one came. */
  #generation = -1;
  #rejoined = false;
  #needsJoin = false;
  /** A piece of background work is on the way. */
  #busy = false;

  private constructor(parts: KafkaReaderParts, options: ReaderOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#explicit = options.partitions;
    const { settings, kafka } = parts;
    const { mode } = options;
    this.#consumer = new kafka.Consumer({
      ...settings.base,
      groupId: mode.type === 'load-balanced' ? mode.group : parts.loneGroup,
      autocommit: false,
      sessionTimeout: settings.sessionTimeoutMs,
      rebalanceTimeout: Math.max(settings.sessionTimeoutMs, 10_000),
      heartbeatInterval: settings.heartbeatMs,
    });
    this.#consumer.topics.trackAll(...options.topics);
    this.#consumer.on('consumer:group:join', () => {
      this.#rejoined = true;
      this.#changed.all();
    });
    // A leave that fails makes the library a member again, whose heartbeats would keep the process alive for ever.
    this.#consumer.on('consumer:heartbeat:start', () => {
      if (this.#closed.signal.aborted) this.#consumer.leaveGroup(true, () => undefined);
    });
    // A rejoin of the library's own that failed for good: from then on it is up to us.
    this.#consumer.on('error', () => {
      this.#needsJoin = true;
      this.#changed.all();
    });
  }

  static async open(parts: KafkaReaderParts, options: ReaderOptions): Promise<KafkaReader> {
    let reader: KafkaReader | undefined;
    try {
      reader = new KafkaReader(parts, options);
      await reader.#open();
      return reader;
    } catch (error) {
      await reader?.close();
      throw fromKafka(error, `Opening a consumer of ${options.topics.join(', ')}`);
    }
  }

  async read({ maxRecords, signal }: ReadOptions): Promise<readonly RawRecord[] | undefined> {
    let taken: RawRecord[] = [];
    await this.#changed.until(() => {
      if (this.#closed.signal.aborted) throw new MillraceError('CLIENT_CLOSED', 'The reader has been closed.');
      taken = this.#take(maxRecords);
      if (taken.length > 0) return true;
      this.#throwFailure();
      if (this.#options.untilEnd && this.#atEnd()) return true;
      this.#work();
      return false;
    }, signal);
    if (taken.length === 0) return undefined;
    this.#work();
    return taken;
  }

  mark(place: RecordPlace): void {
    if (this.#options.mode.type !== 'real-time' && this.#cursors.has(partitionKey(place))) this.#marks.mark(place);
  }

  takeMarks(): readonly PositionMark[] {
    return this.#marks.take();
  }

  /** As of the assignment that the cursors stand for: a newer one of the library's must not vouch for them. */
  membership(): Membership | undefined {
    if (this.#options.mode.type !== 'load-balanced') return undefined;
    return { memberId: this.#consumer.memberId ?? '', generation: this.#generation };
  }

  partitions(): readonly Required<Place>[] {
    return [...this.#cursors.values()];
  }

  async commit(): Promise<void> {
    const { mode } = this.#options;
    if (mode.type === 'real-time') return;
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)) {
      const marks = this.#marks.take();
      if (marks.length === 0) return;
      try {
        if (mode.type === 'resumable') await commitAlone(this.#parts.admin, mode.group, marks);
        else {
          const offsets = marks.map(({ topic, partition, nextOffset }) => ({
            topic,
            partition,
            offset: nextOffset,
            leaderEpoch: -1,
          }));
          await this.#consumer.commit({ offsets });
        }
        return;
      } catch (error) {
        this.#marks.putBack(marks);
        if (!this.#passes(error) || this.#closed.signal.aborted) throw fromKafka(error, 'Committing');
        if (mode.type === 'load-balanced') this.#regroup();
        await delay(this.#parts.clock, retryMs, this.#closed.signal);
      }
    }
  }

  async seek(position: ExactPosition, place: Place): Promise<void> {
    const moved = [...this.#cursors.values()].filter((cursor) => covers(place, cursor));
    try {
      const offsets = await resolvePositions(this.#consumer, moved, position);
      this.#marks.retain((marked) => !covers(place, marked));
      for (const cursor of moved) {
        const key = partitionKey(cursor);
        // A new cursor: whatever is on the way through the old one does not count any more.
        if (this.#cursors.get(key) === cursor)
          this.#cursors.set(key, { ...cursor, nextOffset: offsets.get(key) ?? cursor.nextOffset });
      }
    } catch (error) {
      throw fromKafka(error, 'Seeking');
    }
    this.#changed.all();
  }

  async assign(partitions: readonly Required<Place>[]): Promise<void> {
    this.#explicit = partitions;
    try {
      await this.#settleCursors(await this.#ownPlaces(), true);
    } catch (error) {
      throw fromKafka(error, 'Assigning partitions');
    }
    this.#changed.all();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#changed.all();
    // Out of the group first: a join that is answered while the library closes would leave it sending heartbeats for ever.
    if (this.#options.mode.type === 'load-balanced') {
      // Its types know no promise here.
      const left = new Promise<void>((resolve) => this.#consumer.leaveGroup(true, () => resolve()));
      await this.#atMost('Leaving the group', left);
    }
    await this.#atMost('Closing', this.#consumer.close(true));
  }

  /** What fails or takes long at the end is nobody's concern any more. Never rejects. */
  async #atMost(what: string, work: Promise<void>): Promise<void> {
    await within(this.#parts.clock, LEAVE_LIMIT_MS, what, work).catch(() => undefined);
  }

  async #open(): Promise<void> {
    const { mode, topics, from, untilEnd } = this.#options;
    const metadata = await this.#metadata();
    const all = topics.flatMap((topic) => partitionsOf(metadata, topic));
    // Taken before the group is joined, so that `latest` means the moment of opening whoever gets the partition.
    const starts = await resolvePositions(this.#consumer, all, from);
    this.#starts = starts;
    if (untilEnd) this.#ends = await resolvePositions(this.#consumer, all, { at: 'latest' });
    if (mode.type === 'load-balanced') {
      await this.#consumer.joinGroup({});
      await this.#takeAssignment();
    } else await this.#settleCursors(await this.#ownPlaces(), false);
  }

  /** Starts whatever should be on the way and is not. */
  #work(): void {
    if (this.#needsJoin) this.#background(async () => await this.#join());
    else if (this.#rejoined) this.#background(async () => await this.#takeAssignment());
    else if (this.#arrivals.isEmpty) this.#background(async () => await this.#fetchAll());
  }

  /** One piece of background work at a time; what fails for a while is tried again, what fails for good is thrown by `read`. */
  #background(work: () => Promise<void>): void {
    if (this.#busy || this.#closed.signal.aborted) return;
    this.#busy = true;
    void (async () => {
      try {
        await work();
        this.#retryMs = FIRST_RETRY_MS;
      } catch (error) {
        await this.#failed(error);
      } finally {
        this.#busy = false;
        this.#changed.all();
      }
    })();
  }

  /** Never rejects. */
  async #failed(error: unknown): Promise<void> {
    if (this.#closed.signal.aborted) return;
    if (!this.#passes(error)) {
      this.#failure = fromKafka(error, `Reading ${this.#options.topics.join(', ')}`);
      return;
    }
    const waitMs = this.#retryMs;
    this.#retryMs = Math.min(waitMs * 2, LAST_RETRY_MS);
    this.#consumer.clearMetadata();
    await this.#pause(waitMs);
  }

  /** Ends early, and well, when the reader closes. */
  async #pause(pauseMs: number): Promise<void> {
    try {
      await delay(this.#parts.clock, pauseMs, this.#closed.signal);
    } catch {
      // Closed meanwhile: whoever waits looks at that himself.
    }
  }

  /** Whether the same may succeed later, by itself or once we are members again. */
  #passes(error: unknown): boolean {
    const isMember = this.#options.mode.type === 'load-balanced';
    return isPassing(error) || (isMember && REGROUPING.has(kafkaErrorName(error) ?? ''));
  }

  /** What stays ours is committed under the new assignment; the rest goes to others, who process it again. */
  #regroup(): void {
    // Where the library has given up joining by itself.
    if (!this.#consumer.isActive()) this.#needsJoin = true;
    this.#work();
  }

  async #join(): Promise<void> {
    await this.#consumer.joinGroup({});
    this.#needsJoin = false;
    await this.#takeAssignment();
  }

  /** Cursors for what the group gave us. A partition that stayed goes on where it is, unless we were out in between. */
  async #takeAssignment(): Promise<void> {
    this.#rejoined = false;
    const { generationId } = this.#consumer;
    const keep = generationId === this.#generation + 1 || generationId === this.#generation;
    await this.#settleCursors(await this.#ownPlaces(), keep);
    this.#generation = generationId;
  }

  async #ownPlaces(): Promise<Required<Place>[]> {
    if (this.#options.mode.type === 'load-balanced') {
      return (this.#consumer.assignments ?? []).flatMap(({ topic, partitions }) =>
        partitions.map((partition) => ({ topic, partition })),
      );
    }
    const metadata = await this.#metadata();
    const all = this.#options.topics.flatMap((topic) => partitionsOf(metadata, topic));
    const explicit = this.#explicit;
    return explicit === undefined ? all : all.filter((place) => explicit.some((wanted) => covers(wanted, place)));
  }

  async #settleCursors(places: readonly Required<Place>[], keep: boolean): Promise<void> {
    const { mode, from } = this.#options;
    const fresh = places.filter((place) => !(keep && this.#cursors.has(partitionKey(place))));
    const committed =
      mode.type === 'real-time'
        ? new Map<string, bigint>()
        : await committedOffsets(this.#parts.admin, mode.group, fresh);
    const unknown = fresh.filter(
      (place) => !committed.has(partitionKey(place)) && !this.#starts.has(partitionKey(place)),
    );
    const late = await resolvePositions(this.#consumer, unknown, from.at === 'latest' ? { at: 'earliest' } : from);
    const cursors = new Map<string, Cursor>();
    for (const place of places) {
      const key = partitionKey(place);
      const kept = keep ? this.#cursors.get(key) : undefined;
      const nextOffset = committed.get(key) ?? this.#starts.get(key) ?? late.get(key) ?? 0n;
      cursors.set(
        key,
        kept ?? { ...place, nextOffset, endOffset: this.#options.untilEnd ? (this.#ends.get(key) ?? 0n) : undefined },
      );
    }
    this.#cursors = cursors;
    this.#marks.retain((place) => cursors.has(partitionKey(place)));
  }

  async #metadata(): Promise<ClusterMetadata> {
    return await this.#consumer.metadata({ topics: [...this.#options.topics] });
  }

  /** A fetch to every broker that leads one of our partitions; resolves when the first brought something, or all are back. */
  async #fetchAll(): Promise<void> {
    const metadata = await this.#metadata();
    const byNode = new Map<number, Cursor[]>();
    for (const cursor of this.#cursors.values()) {
      if (cursor.endOffset !== undefined && cursor.nextOffset >= cursor.endOffset) continue;
      const leader = metadata.topics.get(cursor.topic)?.partitions[cursor.partition]?.leader;
      if (leader === undefined || this.#fetching.has(leader)) continue;
      byNode.set(leader, [...(byNode.get(leader) ?? []), cursor]);
    }
    if (byNode.size === 0) {
      // Nothing assigned, or all brokers busy: look again when something changes, or a little later.
      await this.#pause(FIRST_RETRY_MS);
      return;
    }
    await Promise.race([...byNode].map(async ([node, cursors]) => await this.#fetch(node, cursors, metadata)));
  }

  async #fetch(node: number, cursors: readonly Cursor[], metadata: ClusterMetadata): Promise<void> {
    const { fetchMaxBytes, fetchWaitMs } = this.#parts.settings;
    const asked = new Map(cursors.map((cursor) => [partitionKey(cursor), { cursor, offset: cursor.nextOffset }]));
    this.#fetching.add(node);
    try {
      const response = await this.#consumer.fetch({
        node,
        maxWaitTime: fetchWaitMs,
        minBytes: 1,
        maxBytes: fetchMaxBytes,
        isolationLevel: 1,
        topics: cursors.map(({ topic, partition, nextOffset }) => ({
          topicId: metadata.topics.get(topic)?.id ?? '',
          partitions: [
            {
              partition,
              fetchOffset: nextOffset,
              partitionMaxBytes: fetchMaxBytes,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
            },
          ],
        })),
      });
      const names = new Map([...metadata.topics].map(([name, { id }]) => [id, name]));
      for (const { topicId, partitions } of response.responses) {
        const topic = names.get(topicId) ?? '';
        for (const partition of partitions) {
          const request = asked.get(partitionKey({ topic, partition: partition.partitionIndex }));
          if (request !== undefined) this.#arrived(request.cursor, fetchedRecords(topic, partition, request.offset));
        }
      }
    } catch (error) {
      if (kafkaErrorName(error) !== 'OFFSET_OUT_OF_RANGE') throw error;
      this.#outOfRange(error, metadata);
    } finally {
      this.#fetching.delete(node);
    }
  }

  #arrived(cursor: Cursor, { records, nextOffset }: { records: RawRecord[]; nextOffset: bigint }): void {
    if (this.#cursors.get(partitionKey(cursor)) !== cursor) return;
    cursor.nextOffset = nextOffset;
    const { endOffset } = cursor;
    const wanted = endOffset === undefined ? records : records.filter(({ offset }) => offset < endOffset);
    this.#arrivals.push(cursor, wanted);
  }

  /** No silent skip: the program is told, once, and reading goes on at the nearest record that is there. */
  #outOfRange(error: unknown, metadata: ClusterMetadata): void {
    const names = new Map([...metadata.topics].map(([name, { id }]) => [id, name]));
    for (const { response } of partsOf(error)) {
      const { responses = [] } = (response ?? {}) as {
        responses?: readonly {
          topicId: string;
          partitions: readonly {
            partitionIndex: number;
            errorCode: number;
            logStartOffset: bigint;
            highWatermark: bigint;
          }[];
        }[];
      };
      for (const { topicId, partitions } of responses) {
        for (const { partitionIndex, errorCode, logStartOffset, highWatermark } of partitions ?? []) {
          const cursor = this.#cursors.get(
            partitionKey({ topic: names.get(topicId) ?? topicId, partition: partitionIndex }),
          );
          if (errorCode !== 1 || cursor === undefined) continue;
          const wanted = cursor.nextOffset;
          // Some brokers leave these out of refusals; the next fetch then is refused again and asks anew.
          cursor.nextOffset = wanted < logStartOffset || highWatermark < 0n ? logStartOffset : highWatermark;
          this.#failure = new MillraceError(
            'CLIENT_POSITION_OUT_OF_RANGE',
            `${cursor.topic}/${cursor.partition} has records from ${logStartOffset} to before ${highWatermark}, not ${wanted}; reading goes on at ${cursor.nextOffset}.`,
            { details: { topic: cursor.topic, partition: cursor.partition, offset: String(wanted) } },
          );
        }
      }
    }
  }

  #take(maxRecords: number): RawRecord[] {
    return this.#arrivals.take(maxRecords, (cursor) => this.#cursors.get(partitionKey(cursor)) === cursor);
  }

  #atEnd(): boolean {
    return (
      this.#arrivals.isEmpty &&
      [...this.#cursors.values()].every(({ nextOffset, endOffset }) => nextOffset >= (endOffset ?? 0n))
    );
  }

  #throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

function partitionsOf(metadata: ClusterMetadata, topic: string): Required<Place>[] {
  const count = metadata.topics.get(topic)?.partitionsCount ?? 0;
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
}
