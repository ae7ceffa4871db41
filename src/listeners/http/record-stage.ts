/** Records that somebody writes, over HTTP or a WebSocket: encoded, appended in one commit, and where they stand. */
import { setImmediate } from 'node:timers/promises';
import { Lease } from '../../base/buffer-pool.ts';
import { type ErrorCode, MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { WrittenTopic } from '../../broker/idempotency/idempotency-keys-state.ts';
import type { ExpectedEnd, KeyedRequest, WriteCondition } from '../../broker/idempotency/write-condition.ts';
import { MAX_MESSAGE_ID_BYTES, MESSAGE_ID_HEADER } from '../../broker/message-ids/batch-ids.ts';
import { ProduceItem } from '../../broker/produce.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Degree } from '../../journal/journal.ts';
import { checkedBatch, lastOffsetDelta, recordCount } from '../../model/record-batch.ts';
import type { HttpContext } from './context.ts';
import { autoCreatedTopic, topicNotFound } from './find-topic.ts';
import { onlyPartition, partitionOf } from './position.ts';
import type { ProducedRecord } from './record-input.ts';
import { RequestBatches } from './request-batches.ts';
import type { ProduceAnswer } from './schemas.ts';

export type WritingContext = Pick<HttpContext, 'broker' | 'settings'>;

export interface RecordsCall {
  /** Reads the records from the beginning; perhaps twice. */
  readonly records: () => Iterable<ProducedRecord>;
  /** Of records that name none. */
  readonly partition: number | undefined;
  /** Whether the answer lists the place of every record. */
  readonly eachOffset: boolean;
  /** Optimistic append: where the partitions of the topic must end. */
  readonly ends?: ((topic: Topic) => readonly ExpectedEnd[]) | undefined;
}

/** A record batch v2 that goes into the log as it is. */
export interface BatchCall {
  readonly batch: Uint8Array;
  readonly partition: number | undefined;
  readonly ends?: RecordsCall['ends'];
  /** Of the batch's memory; undefined where that is the batch's alone. */
  readonly lease?: Lease | undefined;
}

/** How a write is done, whatever it writes. */
export interface WriteOptions {
  readonly degree: Degree;
  readonly keyed?: KeyedRequest | undefined;
}

/** Records encoded in one turn of the event loop: a millisecond or two. */
const RECORDS_PER_TURN = 2_000;

/** What goes to one topic. */
interface TopicWrite {
  readonly topic: Topic;
  /** One for each partition, in the order in which the records first named them. */
  readonly parts: readonly { readonly index: number; readonly count: number; readonly items: readonly ProduceItem[] }[];
  readonly recordCount: number;
  readonly ends: readonly ExpectedEnd[];
  /** Partition of each record where the answer lists them; else undefined. A repeat is spread over as many as it was first. */
  readonly placesOf: ((partitionCount: number) => readonly number[]) | undefined;
}

/** A request that has its place in the log, whenever it is acknowledged. */
export interface StagedWrites {
  readonly writes: readonly TopicWrite[];
  readonly condition: WriteCondition | undefined;
  /** In an object, so that nobody waits for it by waiting for the stage. */
  readonly appended: Promise<void>;
}

/**
 * Encodes records and appends them, in one commit. Resolves when they have their place in the log.
 *
 * @param name canonical.
 * @throws BROKER_TOPIC_NOT_FOUND, HTTP_BODY_TOO_LARGE, MODEL_BATCH_TOO_LARGE, and what reading the records gives.
 */
export async function stageRecords(
  context: WritingContext,
  name: string,
  call: RecordsCall,
  options: WriteOptions,
): Promise<StagedWrites> {
  return await stageWrites(context, [await encodeWrite(context, name, call, options)], options);
}

/** Appends one batch as it is. @throws BROKER_TOPIC_NOT_FOUND, BROKER_PARTITION_NOT_FOUND, and why the batch is none. */
export async function stageBatch(
  context: WritingContext,
  name: string,
  call: BatchCall,
  options: WriteOptions,
): Promise<StagedWrites> {
  const { broker } = context;
  const check = (): unknown => checkedBatch(call.batch, Number.POSITIVE_INFINITY);
  const topic = broker.topics.find(name) ?? (await autoCreatedTopic(broker, name, check));
  const batch = checkedBatch(call.batch, topic.limits.maxBatchBytes);
  const partition = call.partition === undefined ? onlyPartition(topic, '') : partitionOf(topic, call.partition);
  const count = recordCount(batch, 0);
  const write = {
    topic,
    parts: [{ index: partition.index, count, items: [ProduceItem.ofBuilt(topic, partition, batch)] }],
    recordCount: count,
    ends: call.ends?.(topic) ?? [],
    placesOf: undefined,
  };
  return await stageWrites(context, [write], options, call.lease ?? new Lease(batch));
}

/** Encodes what goes to one topic; the topic is made where it is not there and topics make themselves. */
export async function encodeWrite(
  context: WritingContext,
  name: string,
  call: RecordsCall,
  { keyed }: WriteOptions,
): Promise<TopicWrite> {
  const { broker, settings } = context;
  const topic = broker.topics.find(name) ?? (await autoCreatedTopic(broker, name, () => readAll(call)));
  const batches = new RequestBatches(topic, {
    partition: call.partition,
    now: broker.clock.now(),
    maxRecords: settings.maxRecordsPerRequest,
    remembersPartitions: call.eachOffset,
    keylessSeed: keyed?.fingerprint,
  });
  try {
    await encode(call, batches);
  } catch (error) {
    batches.release();
    throw error;
  }
  const parts = batches.finish();
  checkSizes(
    topic,
    parts.flatMap((part) => part.items),
  );
  const { recordPartitions } = batches;
  const placesOf = (count: number): readonly number[] =>
    count === topic.partitionCount ? recordPartitions : [...batches.choicesOf(call.records(), count)];
  return {
    topic,
    parts,
    recordCount: batches.recordCount,
    ends: call.ends?.(topic) ?? [],
    placesOf: call.eachOffset ? placesOf : undefined,
  };
}

/**
 * Appends what was encoded, in one commit: all of it or nothing.
 *
 * @param lease of the memory of all batches; without one they are copied.
 */
export async function stageWrites(
  { broker }: WritingContext,
  writes: readonly TopicWrite[],
  { degree, keyed }: WriteOptions,
  lease?: Lease,
): Promise<StagedWrites> {
  const items = writes.flatMap(({ parts }) => parts.flatMap((part) => part.items));
  const ends = writes.flatMap((write) => write.ends);
  const condition =
    keyed === undefined && ends.length === 0
      ? undefined
      : broker.writeCondition({ ends, keyed, written: () => writes.map(writtenOf) });
  const isEmpty = items.length === 0 && condition === undefined;
  const empty = { appended: Promise.resolve(), placed: undefined };
  const { appended, placed } = isEmpty ? empty : append(broker, degree, items, condition, lease);
  // What comes behind on this connection must not overtake.
  await placed;
  return { writes, condition, appended };
}

async function encode({ records }: RecordsCall, batches: RequestBatches): Promise<void> {
  let count = 0;
  for (const record of records()) {
    batches.add(record);
    count += 1;
    if (count % RECORDS_PER_TURN === 0) await setImmediate();
  }
}

/** A request that is refused must not leave a topic behind, so its records are read before one is made for them. */
function readAll({ records }: RecordsCall): void {
  for (const _ of records());
}

/** The limit may have changed while records were encoded; then all are refused here, and not some by the broker. */
function checkSizes(topic: Topic, items: readonly ProduceItem[]): void {
  const { maxBatchBytes } = topic.limits;
  if (items.every((item) => item.batch.length <= maxBatchBytes)) return;
  throw new MillraceError('MODEL_BATCH_TOO_LARGE', `${topic.name} takes batches of ${maxBatchBytes} bytes at most.`, {
    details: { topic: topic.name, maxBytes: maxBatchBytes },
  });
}

function writtenOf({ topic, parts }: TopicWrite): WrittenTopic {
  const places = parts.map(({ index, count, items: [first] }) => ({
    partition: index,
    baseOffset: (first as ProduceItem).baseOffset,
    count,
  }));
  return { topicId: topic.id, partitionCount: topic.partitionCount, places };
}

/**
 * Resolves when the records are acknowledged, with an answer for each write.
 *
 * @throws what the journal refuses with, what the condition refuses with, or what became of a topic.
 */
export async function answersTo(staged: StagedWrites): Promise<ProduceAnswer[]> {
  await staged.appended;
  const { writes, condition } = staged;
  const { refused } = condition ?? {};
  if (refused !== undefined) throw refused;
  for (const { topic, parts } of writes) {
    for (const { error } of parts.flatMap(({ items }) => items)) {
      if (error !== undefined) throw itemError(topic, error);
    }
  }
  const replayed = condition?.replayed?.writes;
  return writes.map((write, index) => answerOf(write, replayed?.[index]));
}

/** Of one record that was appended by itself. @throws what became of its topic. */
export function answerToSingle(topic: Topic, item: ProduceItem): ProduceAnswer {
  if (item.error !== undefined) throw itemError(topic, item.error);
  const partition = item.partition?.index ?? 0;
  if (item.offsets === undefined) {
    return { topic: topic.name, count: 1, partitions: [{ partition, baseOffset: item.baseOffset, count: 1 }] };
  }
  const parts = [{ index: partition, count: 1, items: [item] }];
  return answerOf({ topic, parts, recordCount: 1, ends: [], placesOf: undefined }, undefined);
}

/** Of a request that writes to one topic. */
export async function answerTo(staged: StagedWrites): Promise<ProduceAnswer> {
  const [answer] = await answersTo(staged);
  return answer as ProduceAnswer;
}

/** @param replayed what the same request wrote when it came first. */
function answerOf(write: TopicWrite, replayed: WrittenTopic | undefined): ProduceAnswer {
  const { topic, parts, recordCount: count, placesOf } = write;
  const written = replayed ?? writtenOf(write);
  const repeats = new Map(replayed === undefined ? parts.map((part) => [part.index, repeatsIn(part)]) : []);
  const partitions = written.places
    .map((place) => {
      const known = repeats.get(place.partition) ?? 0;
      return known === 0 ? place : { ...place, repeats: known };
    })
    .toSorted((one, other) => one.partition - other.partition);
  const answer = { topic: topic.name, count, partitions };
  if (placesOf === undefined) return answer;
  const offsets =
    replayed === undefined
      ? new Map(parts.map((part) => [part.index, offsetsIn(part)]))
      : new Map(replayed.places.map(({ partition, baseOffset }) => [partition, countFrom(baseOffset)]));
  return { ...answer, records: placeOfEach(offsets, placesOf(written.partitionCount)) };
}

type Part = TopicWrite['parts'][number];

/** Records that were stored before, by their message ids. */
function repeatsIn({ items }: Part): number {
  let repeats = 0;
  for (const { offsets = [] } of items) for (const offset of offsets) if (!Number.isNaN(offset)) repeats += 1;
  return repeats;
}

export function append(
  broker: Broker,
  degree: Degree,
  items: readonly ProduceItem[],
  condition?: WriteCondition,
  lease?: Lease,
): { readonly appended: Promise<void>; readonly placed: Promise<void> | undefined } {
  const { promise: appended, resolve, reject } = Promise.withResolvers<void>();
  const placed = broker.produce({
    degree,
    items,
    lease,
    allOrNone: true,
    condition,
    settled: (error) => (error === undefined ? resolve() : reject(error)),
  });
  // Nobody listens while the request waits for its place; whoever answers does later.
  appended.catch(() => undefined);
  return { appended, placed };
}

function placeOfEach(
  offsets: ReadonlyMap<number, Generator<number, void, undefined>>,
  recordPartitions: readonly number[],
): { partition: number; offset: number }[] {
  return recordPartitions.map((partition) => ({
    partition,
    offset: offsets.get(partition)?.next().value as number,
  }));
}

function* countFrom(first: number): Generator<number, void, undefined> {
  for (let offset = first; ; offset++) yield offset;
}

/** Of each record of a partition: one behind the other in its batch, but for those that were stored before. */
function* offsetsIn({ items }: Part): Generator<number, void, undefined> {
  for (const { batch, baseOffset, offsets } of items) {
    for (let i = 0; i <= lastOffsetDelta(batch, 0); i++) {
      const known = offsets?.[i] ?? Number.NaN;
      yield Number.isNaN(known) ? baseOffset + i : known;
    }
  }
}

/** By what a topic asks of records. */
const REFUSALS: Readonly<Partial<Record<ErrorCode, (topic: Topic) => string>>> = {
  MODEL_RECORD_INVALID: () => 'it is compacted (cleanup.policy), and a record has no key',
  BROKER_TIMESTAMP_INVALID: ({ limits: { timestampBeforeMs, timestampAfterMs } }) =>
    "a timestamp is further from the broker's clock than it allows: message.timestamp.before.max.ms is " +
    `${timestampBeforeMs}, message.timestamp.after.max.ms is ${timestampAfterMs}`,
  BROKER_STREAM_CLOSED: () => 'it is a stream that was closed, and takes no more records',
  BROKER_MESSAGE_ID_INVALID: () => `a header ${MESSAGE_ID_HEADER} is longer than ${MAX_MESSAGE_ID_BYTES} bytes`,
  BROKER_MESSAGE_ID_PENDING: () =>
    `an open transaction has brought a record with the same ${MESSAGE_ID_HEADER}; send again when it has ended`,
};

/** What was encoded here a moment ago is refused for what the topic asks of records, or for what happened meanwhile. */
function itemError(topic: Topic, code: ErrorCode): MillraceError {
  if (topic.deleted) return topicNotFound(topic.name);
  if (code === 'BROKER_DISK_FULL') {
    return new MillraceError(
      code,
      `Nothing was written for ${topic.name}: the broker's disk is almost full (disk.min.free.bytes). Free some space or ` +
        'delete old records, then send again; reading goes on.',
      { details: { topic: topic.name } },
    );
  }
  const why = REFUSALS[code]?.(topic) ?? `the broker answered ${code}`;
  return new MillraceError(code, `Nothing was written for ${topic.name}: ${why}.`, { details: { topic: topic.name } });
}
