/**
 * Fetch 4-17: from a frame to `broker.fetch` and back, batches by reference. Encoding in wire/fetch.ts, sessions in
 * fetch-session.ts.
 */
import { asBuffer } from '../../base/bytes.ts';
import type { ErrorCode } from '../../base/errors.ts';
import {
  cancelFetch,
  FetchItem,
  type FetchOperation,
  type FetchRequest,
  type FetchWaits,
  releaseFetch,
} from '../../broker/fetch.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Topics } from '../../broker/topics.ts';
import type { Partition } from '../../store/partition.ts';
import { ERROR_CODES } from '../../wire/error-codes.ts';
import { FETCH_BY_ID_VERSION, type FetchCursor, type FetchOutcome, writeFetchResponse } from '../../wire/fetch.ts';
import { kafkaError } from './error-codes.ts';
import { Exchange } from './exchange.ts';
import type { FetchSession, SessionEntry, SessionFetch, TopicRef } from './fetch-session.ts';
import type { FetchSessions } from './fetch-sessions.ts';
import { leaderEpochError } from './leader-epoch.ts';
import type { Output } from './output.ts';
import type { TopicCache } from './topic-cache.ts';

const NO_NAME = new Uint8Array(0);
const NO_SLICES: readonly Uint8Array[] = [];
/** In place of an epoch: no session is meant, and one that is named ends. */
const FINAL_EPOCH = -1;
/** In place of an epoch: please open one. */
const INITIAL_EPOCH = 0;

class PartitionOutcome extends FetchItem implements FetchOutcome {
  readonly topicName: Uint8Array;
  readonly topicId: string;
  readonly partitionIndex: number;
  startsTopic: boolean;
  readonly topic: Topic | undefined;
  errorCode = 0;
  /** Of the session that the fetch is for. */
  entry: SessionEntry | undefined;

  constructor(ref: TopicRef, partitionIndex: number, startsTopic: boolean, offset: number, maxBytes: number) {
    super(ref.topic?.partition(partitionIndex), offset, maxBytes);
    this.topic = ref.topic;
    this.topicName = ref.topicName;
    this.topicId = ref.topicId;
    this.partitionIndex = partitionIndex;
    this.startsTopic = startsTopic;
  }

  /** Topic as the client names it. */
  get topicKey(): string {
    return this.topicId === '' ? nameKey(this.topicName, 0, this.topicName.length) : this.topicId;
  }
}

export interface FetchOwner {
  settled(exchange: FetchExchange): void;
}

/** Where topics and sessions are found; shared by all connections of a listener. */
export interface FetchLookups {
  readonly names: TopicCache;
  readonly topics: Topics;
  readonly sessions: FetchSessions;
}

export class FetchExchange extends Exchange implements FetchRequest, FetchWaits, SessionFetch {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly readCommitted: boolean;
  readonly items: PartitionOutcome[] = [];
  operation: FetchOperation | undefined;
  /** Refusal of the whole request. */
  errorCode = 0;
  /** Answered; 0: none. */
  sessionId = 0;
  /** Whose quota the answer counts for; undefined where there are no quotas. */
  clientId: string | undefined;
  /** Fetched bytes that this answer holds. */
  sizeBytes = 0;
  #cut = false;
  #lookups: FetchLookups | undefined;
  /** A session is to be opened with what the answer says. */
  #opens = false;
  #session: FetchSession | undefined;
  /** Entries of the session that have an item. */
  readonly #included = new Set<SessionEntry>();
  /** What is told, where that is not all. */
  #told: readonly PartitionOutcome[] | undefined;
  readonly #owner: FetchOwner;

  /** @param maxBytes bound of ours, on top of the client's. */
  constructor(owner: FetchOwner, cursor: FetchCursor, version: number, correlationId: number, maxBytes: number) {
    super(version, correlationId);
    this.#owner = owner;
    this.maxWaitMs = Math.max(0, cursor.maxWaitMs);
    this.maxBytes = Math.max(0, Math.min(cursor.maxBytes, maxBytes));
    // More than we would give is never there: waiting for it would only cost the client time.
    this.minBytes = Math.min(cursor.minBytes, this.maxBytes);
    this.readCommitted = cursor.readCommitted;
  }

  /** In a session, partitions without news are waited for as well. */
  get waits(): FetchWaits | undefined {
    return this.#session === undefined ? undefined : this;
  }

  /** There is something to read or to wait for; nothing is answered at once, as Kafka does. */
  get hasWork(): boolean {
    return this.errorCode === ERROR_CODES.NONE && (this.items.length > 0 || this.#session !== undefined);
  }

  /**
   * Collects the partitions of the request that the cursor stands on.
   * @throws WIRE_TRUNCATED, WIRE_MALFORMED.
   */
  collect(cursor: FetchCursor, lookups: FetchLookups, bytes: Buffer): void {
    const { sessionId, sessionEpoch } = cursor;
    this.#lookups = lookups;
    if (sessionEpoch !== FINAL_EPOCH && sessionEpoch !== INITIAL_EPOCH) {
      this.#continueSession(cursor, lookups, bytes);
      return;
    }
    if (sessionId !== 0) lookups.sessions.close(sessionId);
    this.#opens = sessionEpoch === INITIAL_EPOCH;
    let ref: TopicRef | undefined;
    while (cursor.next()) {
      if (cursor.startsTopic || ref === undefined) ref = this.#resolve(cursor, lookups, bytes);
      const { partition, fetchOffset, partitionMaxBytes, startsTopic } = cursor;
      const item = new PartitionOutcome(ref, partition, startsTopic, fetchOffset, Math.max(0, partitionMaxBytes));
      this.#judge(item, cursor.currentLeaderEpoch);
      this.items.push(item);
    }
  }

  #continueSession(cursor: FetchCursor, lookups: FetchLookups, bytes: Buffer): void {
    const { sessions } = lookups;
    const session = sessions.find(cursor.sessionId);
    this.errorCode = refusalOf(session, cursor.sessionEpoch, this.version);
    if (session === undefined || this.errorCode !== ERROR_CODES.NONE) return;
    const bytesBefore = session.sizeBytes;
    try {
      this.#update(session, cursor, lookups, bytes);
    } finally {
      session.advanceEpoch();
      sessions.changed(session, bytesBefore);
    }
    if (sessions.find(session.id) === undefined) {
      // It has outgrown the memory there is; the client starts anew and is told that there is no session.
      this.errorCode = ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND;
    } else if (session.size === 0) {
      sessions.close(session.id);
    } else {
      this.sessionId = session.id;
      this.#session = session;
      this.refresh();
    }
  }

  #update(session: FetchSession, cursor: FetchCursor, lookups: FetchLookups, bytes: Buffer): void {
    let ref: TopicRef | undefined;
    while (cursor.next()) {
      if (cursor.startsTopic || ref === undefined) ref = this.#resolve(cursor, lookups, bytes);
      const entry = session.entry(this.#topicKey(cursor, bytes), ref, cursor.partition);
      entry.offset = cursor.fetchOffset;
      entry.maxBytes = Math.max(0, cursor.partitionMaxBytes);
      entry.currentLeaderEpoch = cursor.currentLeaderEpoch;
    }
    cursor.startForgotten();
    while (cursor.nextForgotten()) session.forget(this.#topicKey(cursor, bytes), cursor.partition);
  }

  #topicKey(cursor: FetchCursor, bytes: Buffer): string {
    return this.version >= FETCH_BY_ID_VERSION ? cursor.topicId : nameKey(bytes, cursor.nameStart, cursor.nameEnd);
  }

  include(entry: SessionEntry): void {
    const session = this.#session;
    if (session === undefined || this.#included.has(entry)) return;
    this.#included.add(entry);
    if (entry.partition === undefined || entry.partition.deleted) session.resolve(entry, this.#lookUp(entry.ref));
    const item = new PartitionOutcome(entry.ref, entry.partitionIndex, false, entry.offset, entry.maxBytes);
    item.entry = entry;
    this.#judge(item, entry.currentLeaderEpoch);
    this.items.push(item);
  }

  refresh(): boolean {
    const before = this.items.length;
    for (const entry of this.#session?.ready ?? []) this.include(entry);
    return this.items.length > before;
  }

  begin(): void {
    this.#session?.wait(this);
  }

  end(): void {
    this.#session?.stopWaiting(this);
  }

  advanced(partition: Partition, bytes: number): void {
    this.operation?.advanced(partition, bytes);
  }

  trimmed(partition: Partition): void {
    this.operation?.trimmed(partition);
  }

  gone(): void {
    this.operation?.gone();
  }

  settled(): void {
    for (const item of this.items) {
      this.sizeBytes += item.sizeBytes;
      if (item.error !== undefined && item.errorCode === 0) item.errorCode = kafkaError(this.#translate(item));
    }
    if (this.#opens) this.#openSession();
    else if (this.#session !== undefined) this.#tell(this.#session);
    this.done = true;
    this.#owner.settled(this);
  }

  /** Ends the waiting: the answer is what a time-out would have given, no records. */
  cut(): void {
    if (this.done) return;
    cancelFetch(this);
    this.#cut = true;
    this.done = true;
  }

  override cancel(): void {
    if (!this.done) cancelFetch(this);
  }

  write(output: Output): void {
    const { throttleTimeMs, errorCode, sessionId, readCommitted } = this;
    let outcomes: readonly FetchOutcome[] = this.#told ?? this.items;
    // A session's client is told nothing new; what is ready stays ready.
    if (this.#cut) outcomes = this.#session === undefined ? this.items.map((item) => withoutRecords(item)) : [];
    writeFetchResponse(output, this.version, this.correlationId, {
      throttleTimeMs,
      errorCode,
      sessionId,
      readCommitted,
      outcomes,
    });
  }

  override released(): void {
    // A fetch that was cut may still read from disk; it releases by itself when that ends.
    if (!this.#cut) releaseFetch(this);
  }

  /** What stands against reading it at all. */
  #judge(item: PartitionOutcome, currentLeaderEpoch: number): void {
    if (item.partition === undefined) item.error = this.#unknown(item);
    else item.errorCode = leaderEpochError(currentLeaderEpoch);
    if (item.errorCode !== 0) item.error = 'BROKER_REQUEST_INVALID';
  }

  /** With no room for a session, the client is told none and goes on with whole requests. */
  #openSession(): void {
    const sessions = this.#lookups?.sessions;
    const session = sessions?.create(this.items.length, this.version >= FETCH_BY_ID_VERSION);
    if (sessions === undefined || session === undefined) return;
    const bytesBefore = session.sizeBytes;
    for (const item of this.items) {
      const entry = session.entry(item.topicKey, item, item.partitionIndex);
      entry.offset = item.offset;
      entry.maxBytes = item.maxBytes;
      remember(entry, item);
    }
    sessions.changed(session, bytesBefore);
    if (sessions.find(session.id) !== undefined) this.sessionId = session.id;
  }

  /** Leaves out what the client knows, and decides which entries the next request looks at. */
  #tell(session: FetchSession): void {
    const told: PartitionOutcome[] = [];
    for (const item of this.items) {
      const entry = item.entry as SessionEntry;
      // Another request of the session may have forgotten it meanwhile.
      if (entry.removed) continue;
      if (item.sizeBytes > 0 || item.errorCode !== ERROR_CODES.NONE || isNews(entry, item)) told.push(item);
      remember(entry, item);
      session.ready.delete(entry);
      // Behind all others: whoever got something now comes last next time.
      if (!this.#isQuiet(entry, item)) session.ready.add(entry);
    }
    this.#told = groupedByTopic(told);
  }

  /** Nothing is there beyond what was told: not even what came while the answer was made. */
  #isQuiet(entry: SessionEntry, item: PartitionOutcome): boolean {
    const { partition } = entry;
    if (item.errorCode !== ERROR_CODES.NONE || item.sizeBytes > 0 || partition === undefined || partition.deleted) {
      return false;
    }
    const { highWatermark, lastStableOffset } = partition;
    if (highWatermark !== item.highWatermark || lastStableOffset !== item.lastStableOffset) return false;
    return entry.offset >= (this.readCommitted ? lastStableOffset : highWatermark);
  }

  #resolve(cursor: FetchCursor, { names, topics }: FetchLookups, bytes: Buffer): TopicRef {
    if (this.version >= FETCH_BY_ID_VERSION) {
      const { topicId } = cursor;
      return { topic: topics.byId(topicId), topicName: NO_NAME, topicId };
    }
    const named = names.find(bytes, cursor.nameStart, cursor.nameEnd);
    return { topic: named.topic, topicName: named.nameBytes, topicId: '' };
  }

  #lookUp({ topic, topicName, topicId }: TopicRef): TopicRef {
    if (this.#lookups === undefined) return { topic, topicName, topicId };
    const { names, topics } = this.#lookups;
    if (topicId !== '') return { topic: topics.byId(topicId), topicName, topicId };
    return { topic: names.find(asBuffer(topicName), 0, topicName.length).topic, topicName, topicId };
  }

  #unknown(ref: TopicRef): ErrorCode {
    if (ref.topic !== undefined || this.version < FETCH_BY_ID_VERSION) return 'BROKER_PARTITION_NOT_FOUND';
    return 'BROKER_TOPIC_ID_UNKNOWN';
  }

  /** A topic deleted while the fetch waited: its id is what the client must learn is gone. */
  #translate(item: PartitionOutcome): ErrorCode | undefined {
    const gone = item.error === 'BROKER_PARTITION_NOT_FOUND' && item.topic?.deleted === true;
    return gone && this.version >= FETCH_BY_ID_VERSION ? 'BROKER_TOPIC_ID_UNKNOWN' : item.error;
  }
}

function refusalOf(session: FetchSession | undefined, epoch: number, version: number): number {
  if (session === undefined) return ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND;
  if (session.epoch !== epoch) return ERROR_CODES.INVALID_FETCH_SESSION_EPOCH;
  return session.byId === version >= FETCH_BY_ID_VERSION ? ERROR_CODES.NONE : ERROR_CODES.FETCH_SESSION_TOPIC_ID_ERROR;
}

/** One character a byte: a name that is no UTF-8 has a key of its own, too. */
function nameKey(bytes: Uint8Array, start: number, end: number): string {
  return asBuffer(bytes).toString('latin1', start, end);
}

function isNews(entry: SessionEntry, item: FetchOutcome): boolean {
  return (
    entry.highWatermark !== item.highWatermark ||
    entry.lastStableOffset !== item.lastStableOffset ||
    entry.logStartOffset !== item.logStartOffset
  );
}

function remember(entry: SessionEntry, item: FetchOutcome): void {
  const isKnown = item.errorCode === ERROR_CODES.NONE;
  entry.highWatermark = isKnown ? item.highWatermark : -1;
  entry.lastStableOffset = isKnown ? item.lastStableOffset : -1;
  entry.logStartOffset = isKnown ? item.logStartOffset : -1;
}

/** The encoder wants partitions of one topic one behind the other. */
function groupedByTopic(items: readonly PartitionOutcome[]): readonly PartitionOutcome[] {
  const groups = Map.groupBy(items, (item) => item.topicKey);
  return [...groups.values()].flatMap((group) => {
    for (const [i, item] of group.entries()) item.startsTopic = i === 0;
    return group;
  });
}

function withoutRecords(item: PartitionOutcome): FetchOutcome {
  const { startsTopic, topicName, topicId, partitionIndex, errorCode, highWatermark, lastStableOffset } = item;
  const { logStartOffset } = item;
  return {
    startsTopic,
    topicName,
    topicId,
    partitionIndex,
    errorCode,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions: [],
    slices: NO_SLICES,
    sizeBytes: 0,
  };
}
