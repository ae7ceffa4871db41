/**
 * Appending: the hot path. A request is checked batch by batch, staged as one transaction, and settled when its commit
 * has reached the asked degree. Nothing is done per record, and per request there are one transaction object and no
 * promise.
 */
import type { Lease } from '../base/buffer-pool.ts';
import type { Clock } from '../base/clock.ts';
import { asMillraceError, type ErrorCode, type MillraceError } from '../base/errors.ts';
import type { CommitBuilder, Degree, Journal, Transaction } from '../journal/journal.ts';
import {
  type BuiltBatch,
  baseSequence,
  baseTimestamp,
  CODEC,
  codec,
  isTransactional,
  lastOffsetDelta,
  maxTimestamp,
  producerEpoch,
  producerId,
  recordCount,
  stampBatch,
  stampLogAppendTime,
  validateBatch,
  validateBuiltBatch,
} from '../model/record-batch.ts';
import { findKeyless, findRecordFault, recordBytes } from '../model/record-codec.ts';
import type { Partition } from '../store/partition.ts';
import { PRODUCER_EXPIRATION_MS, type SequenceCheck } from '../store/producer-table.ts';
import { Decompressor } from './decompressor/decompressor.ts';
import type { TargetCodec } from './decompressor/recompress.ts';
import type { DiskGuard } from './disk-guard.ts';
import type { BatchIds } from './message-ids/batch-ids.ts';
import type { MessageIds } from './message-ids/message-ids.ts';
import type { Topic } from './topic.ts';
import type { TopicLimits } from './topic-config.ts';
import type { Joining } from './transactions/joining.ts';
import type { TransactionsState } from './transactions/transactions-state.ts';

/** One broker holds every partition from its creation on, so leadership never changes. */
export const LEADER_EPOCH = 0;

export interface ProduceRequest {
  /** How far the commit must be before `settled`: acks=0, 1, all. */
  readonly degree: Degree;
  /** Appended in this order, in one commit. */
  readonly items: readonly ProduceItem[];
  /** Owner of the memory that the batches lie in; undefined: they are borrowed for the call and copied. */
  readonly lease: Lease | undefined;
  /** Transactional batches bring their partition into the transaction (KIP-890). */
  readonly joins?: boolean;
  /** All items or none: where one is refused for what it is, so are the others. */
  readonly allOrNone?: boolean;
  /** What must hold at the moment of the append; undefined: nothing. */
  readonly condition?: AppendCondition | undefined;
  /**
   * Once; perhaps inside `produce`. With an error the journal failed for the whole request (JOURNAL_SYNC_FAILED and
   * JOURNAL_IO: unknown whether it was written); without, each item tells.
   */
  settled(error: MillraceError | undefined): void;
}

/** Asked inside the append, so that nothing can come between. Pure over the head state, as a `build` is; perhaps twice. */
export interface AppendCondition {
  /** `skip`: nothing is written, and the request settles when what this saw has its degree. A code refuses every item. */
  check(): 'append' | 'skip' | ErrorCode;
  /** Stages what belongs into the same commit. Called when every item has its offset. */
  stage(commit: CommitBuilder): void;
}

/** One batch for one partition, and what became of it. */
export class ProduceItem {
  readonly topic: Topic | undefined;
  readonly partition: Partition | undefined;
  /** Exactly one batch. Offsets are written into it in place. Replaced where the topic stores another codec. */
  batch: Uint8Array;
  /** The batch as it came, where this process built it: its checksum is not computed again. */
  #built: BuiltBatch | undefined;
  /** Where the topic remembers message ids: what the batch brings of them. */
  messageIds: BatchIds | undefined;
  /**
   * By place in the batch: where records stand that were stored before, NaN for those that were stored now, each behind
   * `baseOffset` by its place. Undefined: all were stored now, or the whole batch was repeated by its producer.
   */
  offsets: Float64Array | undefined;
  /** Places in the batch of the records for which it was refused, where it was for some of them; ascending. */
  faultyRecords: readonly number[] | undefined;
  /** Set beforehand (unknown topic...) the item is skipped. */
  error: ErrorCode | undefined;
  /** Offset of the first record; -1 with an error. A repeated batch or record has the offset of its first arrival. */
  baseOffset = -1;
  /** Time the broker gave the batch, milliseconds; -1 where the producer's timestamps stay. */
  logAppendTimeMs = -1;
  logStartOffset = -1;

  constructor(topic: Topic | undefined, partition: Partition | undefined, batch: Uint8Array) {
    this.topic = topic;
    this.partition = partition;
    this.batch = batch;
  }

  /** Of a batch that this process built. */
  static ofBuilt(topic: Topic | undefined, partition: Partition | undefined, batch: BuiltBatch): ProduceItem {
    const item = new ProduceItem(topic, partition, batch);
    item.#built = batch;
    return item;
  }

  get built(): BuiltBatch | undefined {
    return this.#built;
  }
}

export interface ProduceCounters {
  requests: number;
  batches: number;
  records: number;
  bytes: number;
  duplicates: number;
  refused: number;
  /** Batches stored in another codec than they came in. */
  recompressed: number;
}

/** What the append path needs of transactions and of message ids. */
export interface AppendRules {
  readonly state: TransactionsState;
  readonly joining: Joining;
  readonly messageIds: MessageIds;
}

export class ProducePath {
  readonly counters: ProduceCounters = {
    requests: 0,
    batches: 0,
    records: 0,
    bytes: 0,
    duplicates: 0,
    refused: 0,
    recompressed: 0,
  };
  readonly #journal: Journal;
  readonly #clock: Clock;

  readonly #rules: AppendRules;
  readonly #recompressor: Decompressor;
  readonly #disk: DiskGuard | undefined;

  /** @param disk refuses what does not fit any more; undefined: nothing does. */
  constructor(
    journal: Journal,
    clock: Clock,
    rules: AppendRules,
    recompressor: Decompressor = new Decompressor(),
    disk?: DiskGuard,
  ) {
    this.#recompressor = recompressor;
    this.#disk = disk;
    this.#journal = journal;
    this.#clock = clock;
    this.#rules = rules;
  }

  /**
   * Order: requests are appended in call order, and settle in call order per degree. Only where a topic stores another
   * codec than the batch has, or a compressed batch has to be opened (for its keys where the topic is compacted, for its
   * message ids), the request is appended later: then the answer is a promise that resolves (and never rejects) when it
   * has its place, and who must keep an order sends nothing more before.
   */
  produce(request: ProduceRequest): Promise<void> | undefined {
    const now = this.#clock.now();
    this.counters.requests += 1;
    let waits = false;
    let sizeBytes = 0;
    for (const item of request.items) {
      this.#check(item, now);
      if (item.error === undefined) sizeBytes += item.batch.length;
      if (targetOf(item) !== undefined || mustOpen(item)) waits = true;
      if (item.topic?.limits.messageIds !== undefined && item.error === undefined) {
        if (!this.#rules.messageIds.read(item)) waits = true;
      }
    }
    // All of a request or nothing: callers rely on one commit.
    if (this.#disk?.admits(sizeBytes) === false) {
      for (const item of request.items) item.error ??= 'BROKER_DISK_FULL';
      waits = false;
    }
    if (waits) return this.#prepare(request, now);
    this.#append(request, request.lease, now);
    return undefined;
  }

  #append(request: ProduceRequest, lease: Lease | undefined, now: number): void {
    for (const item of request.items) {
      if (item.messageIds !== undefined) item.error ??= this.#rules.messageIds.refuse(item, now);
    }
    if (request.allOrNone === true) refuseAllWithOne(request.items);
    this.#journal.transact(new Append(request, lease, now, this.counters, this.#rules));
  }

  /** The request's memory is borrowed for the call, so what is not sent to a thread is copied before the first wait. */
  async #prepare(request: ProduceRequest, now: number): Promise<void> {
    await Promise.all(
      request.items.map(async (item) => {
        if (item.error !== undefined) return;
        let target = targetOf(item);
        const opens = mustOpen(item);
        const remembersIds = item.topic?.limits.messageIds !== undefined;
        if (target === undefined || remembersIds) item.batch = new Uint8Array(item.batch);
        if (remembersIds) {
          const sent = codec(item.batch, 0);
          await this.#rules.messageIds.settle(item, now);
          // Without its repeats it is not compressed.
          if (codec(item.batch, 0) !== sent) target = item.topic?.limits.codec ?? { codec: sent, level: undefined };
          if (target?.codec === codec(item.batch, 0)) target = undefined;
        }
        if (target !== undefined && item.error === undefined) await this.#recompressOne(item, target);
        if (opens) await this.#checkKeys(item);
      }),
    );
    this.#append(request, undefined, now);
  }

  async #recompressOne(item: ProduceItem, target: TargetCodec): Promise<void> {
    try {
      item.batch = await this.#recompressor.recompress(item.batch, target);
      this.counters.recompressed += 1;
      const maxBytes = item.topic?.limits.maxBatchBytes ?? 0;
      if (item.batch.length > maxBytes) item.error = 'MODEL_BATCH_TOO_LARGE';
    } catch (error) {
      item.error = asMillraceError(error).code;
    }
  }

  /** Of a compressed batch for a compacted topic: every record has a key. */
  async #checkKeys(item: ProduceItem): Promise<void> {
    if (item.error !== undefined) return;
    try {
      refuseKeyless(item, await this.#recompressor.open(item.batch, 0));
    } catch (error) {
      item.error = asMillraceError(error).code;
    }
  }

  /** What can be judged by the batch alone; the checksum is most of the work. */
  #check(item: ProduceItem, now: number): void {
    if (item.error !== undefined) return;
    const { topic, partition, batch, built } = item;
    if (topic === undefined || partition === undefined) item.error = 'BROKER_PARTITION_NOT_FOUND';
    else if (built === undefined) item.error = validateBatch(batch, topic.limits.maxBatchBytes);
    else item.error = validateBuiltBatch(built, topic.limits.maxBatchBytes);
    if (item.error !== undefined) return;
    const { limits } = topic as Topic;
    if (limits.compaction !== undefined && codec(batch, 0) === CODEC.none) {
      refuseKeyless(item, recordBytes(batch, 0));
      if (item.error !== undefined) return;
    }
    if (!limits.logAppendTime && isOutOfTime(batch, limits, now)) {
      item.error = 'BROKER_TIMESTAMP_INVALID';
    } else if (limits.logAppendTime) {
      stampLogAppendTime(batch, 0, now);
      item.logAppendTimeMs = now;
    }
  }
}

/**
 * Whether a batch's times are further from now than its topic allows. Judged by the header, which has the first and the
 * largest timestamp: opening every batch for those in between would cost more than they are worth.
 */
function isOutOfTime(batch: Uint8Array, { timestampBeforeMs, timestampAfterMs }: TopicLimits, now: number): boolean {
  return maxTimestamp(batch, 0) - now > timestampAfterMs || now - baseTimestamp(batch, 0) > timestampBeforeMs;
}

/** The codec that the batch must be brought into; undefined where it may stay as it is. */
function targetOf({ topic, batch, error }: ProduceItem): TargetCodec | undefined {
  const target = topic?.limits.codec;
  return target === undefined || error !== undefined || codec(batch, 0) === target.codec ? undefined : target;
}

/** A compacted topic takes no record without a key, and a compressed batch has to be opened to see. */
function mustOpen({ topic, batch, error }: ProduceItem): boolean {
  return topic?.limits.compaction !== undefined && error === undefined && codec(batch, 0) !== CODEC.none;
}

/** @param records of the batch, uncompressed. */
function refuseKeyless(item: ProduceItem, records: Uint8Array): void {
  item.error = findRecordFault(item.batch, records, true)?.code;
  if (item.error !== undefined) item.faultyRecords = findKeyless(item.batch, records);
}

function refuseAllWithOne(items: readonly ProduceItem[]): void {
  const refused = items.find(({ error }) => error !== undefined);
  if (refused !== undefined) for (const item of items) item.error ??= refused.error;
}

/** What happened to topics since the items were checked. */
function refuseAllWithOneGone(items: readonly ProduceItem[]): void {
  for (const item of items) {
    if (item.error !== undefined) continue;
    if (item.partition?.deleted === true) item.error = 'BROKER_PARTITION_NOT_FOUND';
    else if (item.topic?.sealed === true) item.error = 'BROKER_STREAM_CLOSED';
  }
  refuseAllWithOne(items);
}

class Append implements Transaction {
  readonly degree: Degree;
  readonly #request: ProduceRequest;
  readonly #lease: Lease | undefined;
  readonly #now: number;
  readonly #counters: ProduceCounters;
  readonly #rules: AppendRules;
  /** Transactional ids whose transactions got partitions by this. */
  #joined: Set<string> | undefined;

  /** @param lease owner of the batches' memory now. */
  constructor(
    request: ProduceRequest,
    lease: Lease | undefined,
    now: number,
    counters: ProduceCounters,
    rules: AppendRules,
  ) {
    this.degree = request.degree;
    this.#request = request;
    this.#lease = lease;
    this.#now = now;
    this.#counters = counters;
    this.#rules = rules;
  }

  build(commit: CommitBuilder): void {
    const { items, condition, allOrNone } = this.#request;
    if (allOrNone === true) refuseAllWithOneGone(items);
    const verdict = condition?.check() ?? 'append';
    if (verdict === 'skip') return;
    if (verdict !== 'append') for (const item of items) item.error ??= verdict;
    for (const item of items) {
      if (item.error === undefined) this.#append(commit, item, item.partition as Partition);
      else this.#counters.refused += 1;
    }
    if (condition !== undefined && items.every(({ error }) => error === undefined)) condition.stage(commit);
  }

  settled(error: MillraceError | undefined): void {
    if (this.#joined !== undefined) for (const id of this.#joined) this.#rules.joining.joined(id);
    this.#request.settled(error);
  }

  #append(commit: CommitBuilder, item: ProduceItem, partition: Partition): void {
    const { batch } = item;
    item.logStartOffset = partition.logStartOffset;
    if (partition.deleted) {
      item.error = 'BROKER_PARTITION_NOT_FOUND';
      return;
    }
    if (item.topic?.sealed === true) {
      item.error = 'BROKER_STREAM_CLOSED';
      this.#counters.refused += 1;
      return;
    }
    if (producerId(batch, 0) >= 0 && !this.#isProducersNext(commit, item, partition)) return;
    if (item.messageIds === undefined) this.#store(commit, item, partition, batch, this.#lease);
    else this.#storeOnce(commit, item, partition);
  }

  #store(
    commit: CommitBuilder,
    item: ProduceItem,
    partition: Partition,
    batch: Uint8Array,
    lease: Lease | undefined,
  ): void {
    const offset = partition.endOffset;
    stampBatch(batch, 0, offset, LEADER_EPOCH);
    item.baseOffset = offset;
    commit.batches(partition.number, offset, lastOffsetDelta(batch, 0) + 1, batch, lease);
    this.#counters.batches += 1;
    this.#counters.records += recordCount(batch, 0);
    this.#counters.bytes += batch.length;
  }

  /** What of the batch is not stored yet, by its message ids. */
  #storeOnce(commit: CommitBuilder, item: ProduceItem, partition: Partition): void {
    const { messageIds } = this.#rules;
    const judgement = messageIds.judge(item, this.#now);
    if (judgement?.kind === 'refuse') {
      item.error = judgement.error;
      this.#counters.refused += 1;
      return;
    }
    item.offsets = judgement === undefined ? item.messageIds?.offsets : judgement.offsets;
    if (judgement?.kind === 'repeat') {
      item.baseOffset = judgement.offsets[0] as number;
      messageIds.stageRepeat(commit, item, this.#now);
    } else {
      const batch = judgement?.batch ?? item.batch;
      this.#store(commit, item, partition, batch, batch === item.batch ? this.#lease : undefined);
      if (judgement !== undefined) messageIds.stageSeen(commit, item, judgement.kept, this.#now);
    }
    for (const offset of item.offsets ?? []) if (!Number.isNaN(offset)) messageIds.counters.repeats += 1;
  }

  /** Whether this batch is what its producer may append now; otherwise the item says what became of it. */
  #isProducersNext(commit: CommitBuilder, item: ProduceItem, partition: Partition): boolean {
    const { batch } = item;
    const check = partition.producers?.check(
      producerId(batch, 0),
      producerEpoch(batch, 0),
      baseSequence(batch, 0),
      lastOffsetDelta(batch, 0),
      this.#now - PRODUCER_EXPIRATION_MS,
    );
    // First of all: the repeat of a batch that is stored stays good when its transaction has ended.
    if (check?.outcome === 'duplicate') {
      item.baseOffset = check.baseOffset;
      this.#counters.duplicates += 1;
      return false;
    }
    const refusal = this.#refuseByTransaction(batch, partition);
    const joins = refusal === 'BROKER_TRANSACTION_ABORTABLE' && this.#request.joins === true;
    item.error = joins ? this.#refuseJoining(batch, check) : refusal;
    if (check?.outcome === 'refuse') item.error ??= check.error;
    if (item.error !== undefined) {
      this.#counters.refused += 1;
      return false;
    }
    if (joins) this.#join(commit, item, partition);
    return true;
  }

  /** Of one who joins what it sends first is its first; elsewhere any sequence is taken from a producer nobody knows. */
  #refuseJoining(batch: Uint8Array, check: SequenceCheck | undefined): ErrorCode | undefined {
    const isUnknown = check === undefined || (check.outcome === 'append' && check.isNew);
    if (isUnknown && baseSequence(batch, 0) !== 0) return 'BROKER_SEQUENCE_GAP';
    return this.#rules.joining.refuse(producerId(batch, 0));
  }

  #join(commit: CommitBuilder, { topic, batch }: ProduceItem, partition: Partition): void {
    const id = this.#rules.joining.stage(commit, producerId(batch, 0), topic?.name ?? '', partition);
    this.#joined ??= new Set();
    this.#joined.add(id);
  }

  #refuseByTransaction(batch: Uint8Array, partition: Partition): ErrorCode | undefined {
    const id = producerId(batch, 0);
    if (isTransactional(batch, 0)) {
      return this.#rules.state.refuseBatch(id, producerEpoch(batch, 0), partition.number);
    }
    // Records that belong to no transaction would be committed or aborted with it.
    return partition.transactions?.openSince(id) === undefined ? undefined : 'BROKER_TRANSACTION_STATE_INVALID';
  }
}
