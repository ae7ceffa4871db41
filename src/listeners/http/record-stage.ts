/** Records that somebody writes, over HTTP or a WebSocket: encoded, appended in one commit, and where they stand. */
import { setImmediate } from 'node:timers/promises';
import { type ErrorCode, MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { ProduceItem } from '../../broker/produce.ts';
import type { Topic } from '../../broker/topic.ts';
import type { Degree } from '../../journal/journal.ts';
import type { HttpContext } from './context.ts';
import { autoCreatedTopic, topicNotFound } from './find-topic.ts';
import type { ProducedRecord } from './record-input.ts';
import { RequestBatches } from './request-batches.ts';
import type { ProduceAnswer } from './schemas.ts';

export type WritingContext = Pick<HttpContext, 'broker' | 'settings'>;

export interface RecordsCall {
  /** Reads the records from the beginning; perhaps twice. */
  readonly records: () => Iterable<ProducedRecord>;
  /** Of records that name none. */
  readonly partition: number | undefined;
  readonly degree: Degree;
  /** Whether the answer lists the place of every record. */
  readonly eachOffset: boolean;
}

/** Records encoded in one turn of the event loop: a millisecond or two. */
const RECORDS_PER_TURN = 2_000;

async function encode({ records }: RecordsCall, batches: RequestBatches): Promise<void> {
  let count = 0;
  for (const record of records()) {
    batches.add(record);
    count += 1;
    if (count % RECORDS_PER_TURN === 0) await setImmediate();
  }
}

/** A request that has its place in the log, whenever it is acknowledged. */
export interface StagedRecords {
  readonly topic: Topic;
  readonly batches: RequestBatches;
  readonly parts: ReturnType<RequestBatches['finish']>;
  readonly items: readonly ProduceItem[];
  /** In an object, so that nobody waits for it by waiting for the stage. */
  readonly appended: Promise<void>;
  readonly eachOffset: boolean;
}

/**
 * Encodes records and appends them, in one commit. Resolves when they have their place in the log.
 *
 * @param name canonical.
 * @throws BROKER_TOPIC_NOT_FOUND, HTTP_BODY_TOO_LARGE, MODEL_BATCH_TOO_LARGE, and what reading the records gives.
 */
export async function stageRecords(context: WritingContext, name: string, call: RecordsCall): Promise<StagedRecords> {
  const { broker, settings } = context;
  const topic = broker.topics.find(name) ?? (await autoCreatedTopic(broker, name, () => readAll(call)));
  const batches = new RequestBatches(topic, {
    partition: call.partition,
    now: broker.clock.now(),
    maxRecords: settings.maxRecordsPerRequest,
    remembersPartitions: call.eachOffset,
  });
  try {
    await encode(call, batches);
  } catch (error) {
    batches.release();
    throw error;
  }
  const parts = batches.finish();
  const items = parts.flatMap((part) => part.items);
  checkSizes(topic, items);
  const empty = { appended: Promise.resolve(), placed: undefined };
  const { appended, placed } = items.length === 0 ? empty : append(broker, call.degree, items);
  // What comes behind on this connection must not overtake.
  await placed;
  return { topic, batches, parts, items, appended, eachOffset: call.eachOffset };
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

/** Resolves when the records are acknowledged. @throws what the journal refuses with, or what became of the topic. */
export async function answerTo(staged: StagedRecords): Promise<ProduceAnswer> {
  const { topic, batches, parts, items } = staged;
  await staged.appended;
  const refused = items.find((item) => item.error !== undefined);
  if (refused !== undefined) throw itemError(topic, refused.error as ErrorCode);
  const partitions = parts
    .map(({ index, count, items: [first] }) => ({
      partition: index,
      baseOffset: (first as ProduceItem).baseOffset,
      count,
    }))
    .sort((one, other) => one.partition - other.partition);
  const answer = { topic: topic.name, count: batches.recordCount, partitions };
  if (!staged.eachOffset) return answer;
  return { ...answer, records: placeOfEach(partitions, batches.recordPartitions) };
}

export function append(
  broker: Broker,
  degree: Degree,
  items: readonly ProduceItem[],
): { readonly appended: Promise<void>; readonly placed: Promise<void> | undefined } {
  const { promise: appended, resolve, reject } = Promise.withResolvers<void>();
  const placed = broker.produce({
    degree,
    items,
    lease: undefined,
    allOrNone: true,
    settled: (error) => (error === undefined ? resolve() : reject(error)),
  });
  // Nobody listens while the request waits for its place; whoever answers does later.
  appended.catch(() => undefined);
  return { appended, placed };
}

/** Records of one partition stand one behind the other, over all of its batches: they are one commit. */
function placeOfEach(
  partitions: readonly { readonly partition: number; readonly baseOffset: number }[],
  recordPartitions: readonly number[],
): { partition: number; offset: number }[] {
  const next = new Map(partitions.map(({ partition, baseOffset }) => [partition, baseOffset]));
  return recordPartitions.map((partition) => {
    const offset = next.get(partition) as number;
    next.set(partition, offset + 1);
    return { partition, offset };
  });
}

/** What was encoded here a moment ago is refused only when the topic went away meanwhile, or the disk is almost full. */
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
  return new MillraceError(code, `Records for ${topic.name} were refused (${code}); nothing was written.`, {
    details: { topic: topic.name },
  });
}
