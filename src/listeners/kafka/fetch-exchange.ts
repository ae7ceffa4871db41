/** Fetch 4-17: from a frame to `broker.fetch` and back, batches by reference. Encoding in wire/fetch.ts. */
import type { ErrorCode } from '../../base/errors.ts';
import { cancelFetch, FetchItem, type FetchOperation, type FetchRequest, releaseFetch } from '../../broker/fetch.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Topics } from '../../broker/topics.ts';
import { FETCH_BY_ID_VERSION, type FetchCursor, type FetchOutcome, writeFetchResponse } from '../../wire/fetch.ts';
import { ERROR_CODES } from '../../wire/index.ts';
import { kafkaError } from './error-codes.ts';
import { Exchange } from './exchange.ts';
import { leaderEpochError } from './leader-epoch.ts';
import type { Output } from './output.ts';
import type { TopicCache } from './topic-cache.ts';

const NO_NAME = new Uint8Array(0);
const NO_SLICES: readonly Uint8Array[] = [];

interface TopicRef {
  readonly topic: Topic | undefined;
  readonly topicName: Uint8Array;
  readonly topicId: string;
}

class PartitionOutcome extends FetchItem implements FetchOutcome {
  readonly topicName: Uint8Array;
  readonly topicId: string;
  readonly partitionIndex: number;
  readonly startsTopic: boolean;
  readonly topic: Topic | undefined;
  errorCode = 0;

  constructor(ref: TopicRef, partitionIndex: number, startsTopic: boolean, offset: number, maxBytes: number) {
    super(ref.topic?.partitions[partitionIndex], offset, maxBytes);
    this.topic = ref.topic;
    this.topicName = ref.topicName;
    this.topicId = ref.topicId;
    this.partitionIndex = partitionIndex;
    this.startsTopic = startsTopic;
  }
}

export interface FetchOwner {
  settled(exchange: FetchExchange): void;
}

export class FetchExchange extends Exchange implements FetchRequest {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly maxWaitMs: number;
  readonly readCommitted: boolean;
  readonly items: PartitionOutcome[] = [];
  operation: FetchOperation | undefined;
  /** Refusal of the whole request. */
  errorCode = 0;
  /** Fetched bytes that this answer holds. */
  sizeBytes = 0;
  #cut = false;
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

  /**
   * Collects the partitions of the request that the cursor stands on.
   * @throws WIRE_TRUNCATED, WIRE_MALFORMED.
   */
  collect(cursor: FetchCursor, names: TopicCache, topics: Topics, bytes: Buffer): void {
    // We never hand out a session, so an incremental request refers to none (KIP-227); a full one needs none.
    if (cursor.sessionEpoch > 0) {
      this.errorCode = ERROR_CODES.FETCH_SESSION_ID_NOT_FOUND;
      return;
    }
    let ref: TopicRef | undefined;
    while (cursor.next()) {
      if (cursor.startsTopic || ref === undefined) ref = this.#resolve(cursor, names, topics, bytes);
      const { partition, fetchOffset, partitionMaxBytes } = cursor;
      const item = new PartitionOutcome(
        ref,
        partition,
        cursor.startsTopic,
        fetchOffset,
        Math.max(0, partitionMaxBytes),
      );
      if (item.partition === undefined) item.error = this.#unknown(ref);
      else item.errorCode = leaderEpochError(cursor.currentLeaderEpoch);
      if (item.errorCode !== 0) item.error = 'BROKER_REQUEST_INVALID';
      this.items.push(item);
    }
  }

  settled(): void {
    for (const item of this.items) {
      this.sizeBytes += item.sizeBytes;
      if (item.error !== undefined && item.errorCode === 0) item.errorCode = kafkaError(this.#translate(item));
    }
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
    const { errorCode, readCommitted } = this;
    const outcomes = this.#cut ? this.items.map((item) => withoutRecords(item)) : this.items;
    writeFetchResponse(output, this.version, this.correlationId, { errorCode, readCommitted, outcomes });
  }

  override released(): void {
    // A fetch that was cut may still read from disk; it releases by itself when that ends.
    if (!this.#cut) releaseFetch(this);
  }

  #resolve(cursor: FetchCursor, names: TopicCache, topics: Topics, bytes: Buffer): TopicRef {
    if (this.version >= FETCH_BY_ID_VERSION) {
      const { topicId } = cursor;
      return { topic: topics.byId(topicId), topicName: NO_NAME, topicId };
    }
    const named = names.find(bytes, cursor.nameStart, cursor.nameEnd);
    return { topic: named.topic, topicName: named.nameBytes, topicId: '' };
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
