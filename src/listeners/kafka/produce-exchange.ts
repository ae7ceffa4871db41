/** Produce 3-13: from a frame to `broker.produce` and back. The hot path; encoding in wire/produce.ts. */
import type { Lease } from '../../base/buffer-pool.ts';
import type { ErrorCode, MillraceError } from '../../base/errors.ts';
import { MAX_MESSAGE_ID_BYTES, MESSAGE_ID_HEADER } from '../../broker/message-ids/batch-ids.ts';
import { ProduceItem, type ProduceRequest } from '../../broker/produce.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Degree } from '../../journal/journal.ts';
import { batchError, CODEC, codec } from '../../model/record-batch.ts';
import {
  PRODUCE_BY_ID_VERSION,
  type ProduceCursor,
  type ProduceOutcome,
  writeProduceResponse,
} from '../../wire/produce.ts';
import { Exchange } from './exchange.ts';
import type { Output } from './output.ts';
import type { NamedTopic, TopicCache } from './topic-cache.ts';
import { KNOWN_SINCE, transactionError } from './transaction-facts.ts';

/** zstd came with this version; older clients could not read it back (KIP-110). */
const ZSTD_VERSION = 7;
/** A partition joins the transaction by being written to (KIP-890). */
const JOINS_VERSION = 12;
const NO_BYTES = Buffer.alloc(0);

/** What the batch alone does not show. */
const WORDS: Readonly<Partial<Record<ErrorCode, (topic: Topic) => string>>> = {
  BROKER_TIMESTAMP_INVALID: ({ name }) =>
    `Timestamps of the batch are further from the broker's clock than ${name} allows.`,
  BROKER_MESSAGE_ID_INVALID: () => `A header ${MESSAGE_ID_HEADER} is longer than ${MAX_MESSAGE_ID_BYTES} bytes.`,
  BROKER_MESSAGE_ID_PENDING: () =>
    `An open transaction has brought a record with the same ${MESSAGE_ID_HEADER}; send again when it has ended.`,
};

class PartitionOutcome extends ProduceItem implements ProduceOutcome {
  readonly topicName: Uint8Array;
  readonly partitionIndex: number;
  readonly startsTopic: boolean;
  errorMessage: string | null = null;
  errorCode = 0;

  constructor(named: NamedTopic, partitionIndex: number, startsTopic: boolean, batch: Uint8Array) {
    super(named.topic, named.topic?.partition(partitionIndex), batch);
    this.topicName = named.nameBytes;
    this.partitionIndex = partitionIndex;
    this.startsTopic = startsTopic;
  }

  /** The batch's memory is still there: says what is wrong with it, in words. */
  explain(): void {
    if (this.error === undefined || this.topic === undefined || this.batch.length === 0) return;
    this.errorMessage ??=
      WORDS[this.error]?.(this.topic) ?? batchError(this.batch, this.topic.limits.maxBatchBytes)?.message ?? null;
  }

  /** Translates what the broker said. */
  conclude(failure: MillraceError | undefined, version: number): void {
    const error = failure?.code ?? this.#named(version);
    if (error === undefined) return;
    this.errorCode = transactionError(error, version, KNOWN_SINCE.produce);
    this.errorMessage ??= failure?.message ?? this.#keyless();
    this.baseOffset = -1;
    this.logAppendTimeMs = -1;
  }

  /** Compressed batches are opened after `explain`. */
  #keyless(): string | null {
    if (this.topic === undefined || this.faultyRecords === undefined || this.faultyRecords.length === 0) return null;
    return `${this.topic.name} is compacted and takes no record without a key.`;
  }

  /** Where topics have ids, a topic that is not there (any more) is an unknown id. */
  #named(version: number): ErrorCode | undefined {
    const isGone = this.topic === undefined || this.topic.deleted;
    const isUnknown = version >= PRODUCE_BY_ID_VERSION && this.error === 'BROKER_PARTITION_NOT_FOUND' && isGone;
    return isUnknown ? 'BROKER_TOPIC_ID_UNKNOWN' : this.error;
  }
}

/** Told when answers are ready. */
export interface ProduceOwner {
  settled(exchange: ProduceExchange): void;
}

export class ProduceExchange extends Exchange implements ProduceRequest {
  readonly degree: Degree;
  readonly items: PartitionOutcome[] = [];
  readonly lease: Lease | undefined;
  /** acks=0: there is no answer, and an error closes the connection. */
  readonly silent: boolean;
  readonly joins: boolean;
  readonly #owner: ProduceOwner;

  constructor(owner: ProduceOwner, version: number, correlationId: number, acks: number, lease: Lease | undefined) {
    super(version, correlationId);
    this.#owner = owner;
    this.silent = acks === 0;
    this.degree = acks === 0 ? 'admitted' : acks === 1 ? 'written' : 'durable';
    this.lease = lease;
    this.joins = version >= JOINS_VERSION;
  }

  /**
   * Collects the partitions of the request that the cursor stands on.
   * @throws WIRE_TRUNCATED, WIRE_MALFORMED.
   */
  collect(cursor: ProduceCursor, topics: TopicCache, bytes: Buffer): void {
    const { acks } = cursor;
    const refusal = acks < -1 || acks > 1 ? 'BROKER_ACKS_INVALID' : undefined;
    let named: NamedTopic | undefined;
    while (cursor.next()) {
      if (cursor.startsTopic || named === undefined) named = topics.find(bytes, cursor.nameStart, cursor.nameEnd);
      const { recordsStart } = cursor;
      const batch = recordsStart < 0 ? NO_BYTES : bytes.subarray(recordsStart, cursor.recordsEnd);
      const item = new PartitionOutcome(named, cursor.partition, cursor.startsTopic, batch);
      if (refusal !== undefined) item.error = refusal;
      else if (item.partition === undefined) item.error = 'BROKER_PARTITION_NOT_FOUND';
      else if (batch.length === 0) item.error = 'MODEL_BATCH_INVALID';
      else if (this.version < ZSTD_VERSION && batch.length > 22 && codec(batch, 0) === CODEC.zstd) {
        item.error = 'MODEL_CODEC_UNSUPPORTED';
      }
      this.items.push(item);
    }
  }

  /** To be called when `broker.produce` has returned and the frame is still there. */
  explain(): void {
    for (const item of this.items) if (item.error !== undefined) item.explain();
  }

  get failed(): boolean {
    for (const item of this.items) if (item.errorCode !== 0) return true;
    return false;
  }

  settled(error: MillraceError | undefined): void {
    for (const item of this.items) item.conclude(error, this.version);
    this.done = true;
    this.#owner.settled(this);
  }

  write(output: Output): void {
    writeProduceResponse(output.writer, this.version, this.correlationId, this.items, this.throttleTimeMs);
  }
}
