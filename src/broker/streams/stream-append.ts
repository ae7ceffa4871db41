/** Appends to streams: one is a transaction, which decides what becomes of it and stages what is taken. */
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import type { CommitBuilder, Degree, Transaction } from '../../journal/journal.ts';
import {
  isLogAppendTime,
  lastOffsetDelta,
  recordCount,
  stampBatch,
  stampLogAppendTime,
} from '../../model/record-batch.ts';
import { LEADER_EPOCH, type ProduceCounters } from '../produce.ts';
import { COMMAND } from '../state-part.ts';
import type { Topic } from '../topic.ts';
import type { OwnedBatch } from './owned-batch.ts';
import { decideProducer, type ProducerStamp, producersToForget } from './producer-rules.ts';
import { mediaTypeOf, type Stream } from './stream.ts';
import { encodeAppended } from './stream-commands.ts';
import { checkAlive } from './stream-life.ts';

export interface StreamAppend {
  /** None: only closes. */
  readonly batches: readonly OwnedBatch[];
  /** Of the request; undefined where nothing is appended. */
  readonly contentType: string | undefined;
  readonly closes: boolean;
  readonly writerSeq: string | undefined;
  readonly producer: ProducerStamp | undefined;
}

/** What became of an append. Where producers are concerned the numbers are for their answer. */
export type AppendOutcome =
  | {
      readonly kind: 'appended' | 'duplicate';
      readonly nextOffset: number;
      readonly closed: boolean;
      readonly lastSeq: number;
    }
  | { readonly kind: 'closed'; readonly nextOffset: number }
  | { readonly kind: 'stale-epoch'; readonly currentEpoch: number }
  | { readonly kind: 'gap'; readonly expectedSeq: number };

/** An error says that nothing was appended, or (JOURNAL_SYNC_FAILED, JOURNAL_IO) that nobody knows. */
export type AppendSettled = (result: AppendOutcome | MillraceError) => void;

export class AppendTransaction implements Transaction {
  readonly degree: Degree = 'durable';
  readonly #stream: Stream;
  readonly #append: StreamAppend;
  readonly #now: number;
  readonly #counters: ProduceCounters;
  readonly #settled: AppendSettled;
  #result: AppendOutcome | MillraceError | undefined;

  /** @param now milliseconds since 1970: a build has no clock. */
  constructor(stream: Stream, append: StreamAppend, now: number, counters: ProduceCounters, settled: AppendSettled) {
    this.#stream = stream;
    this.#append = append;
    this.#now = now;
    this.#counters = counters;
    this.#settled = settled;
  }

  build(commit: CommitBuilder): void {
    try {
      this.#result = stageAppend(commit, this.#stream, this.#append, this.#now, this.#counters);
    } catch (error) {
      // A refusal: it is told when what it was decided on is durable.
      this.#result = asMillraceError(error);
    }
  }

  settled(error: MillraceError | undefined): void {
    this.#settled(error ?? (this.#result as AppendOutcome | MillraceError));
  }
}

/** @throws as `Streams.append` tells; nothing is staged then. */
function stageAppend(
  commit: CommitBuilder,
  stream: Stream,
  append: StreamAppend,
  now: number,
  counters: ProduceCounters,
): AppendOutcome {
  checkAlive(stream, now);
  const { producer, closes, writerSeq, batches } = append;
  if (stream.closed) return ofClosed(stream, append);
  if (batches.length > 0) checkContentType(stream, append.contentType);
  if (producer !== undefined) {
    const verdict = decideProducer(stream, producer);
    if (verdict !== undefined) return verdict;
  }
  if (writerSeq !== undefined) checkWriterSeq(stream, writerSeq);
  const forgotten = producer === undefined ? [] : producersToForget(stream, producer, now);
  stageBatches(commit, stream.topic, batches, now, counters);
  if (closes || writerSeq !== undefined || producer !== undefined) {
    commit.command(
      COMMAND.STREAM_APPENDED,
      encodeAppended({ topicId: stream.topic.id, at: now, closes, writerSeq, producer, forgotten }),
    );
  }
  return { kind: 'appended', nextOffset: stream.partition.endOffset, closed: closes, lastSeq: producer?.seq ?? 0 };
}

/** Inside `build`: records at the end of a topic of one partition. */
export function stageBatches(
  commit: CommitBuilder,
  topic: Topic,
  batches: readonly OwnedBatch[],
  now: number,
  counters: ProduceCounters,
): void {
  const partition = topic.partition(0);
  if (partition === undefined) return;
  if (batches.length > 0) counters.requests += 1;
  for (const { bytes: batch, lease } of batches) {
    if (topic.limits.logAppendTime && !isLogAppendTime(batch, 0)) stampLogAppendTime(batch, 0, now);
    const offset = partition.endOffset;
    stampBatch(batch, 0, offset, LEADER_EPOCH);
    commit.batches(partition.number, offset, lastOffsetDelta(batch, 0) + 1, batch, lease);
    counters.batches += 1;
    counters.records += recordCount(batch, 0);
    counters.bytes += batch.length;
  }
}

/** @throws BROKER_STREAM_CONFLICT. */
export function checkContentType(stream: Stream, contentType: string | undefined): void {
  if (contentType !== undefined && mediaTypeOf(contentType) === stream.mediaType) return;
  throw new MillraceError(
    'BROKER_STREAM_CONFLICT',
    `Stream ${stream.topic.name} has content type ${stream.config.contentType}, and takes no other.`,
    { details: { stream: stream.topic.name, contentType: stream.config.contentType } },
  );
}

/** Byte-wise, as the protocol says. @throws BROKER_STREAM_SEQUENCE_OLD. */
function checkWriterSeq({ writerSeq, topic }: Stream, given: string): void {
  if (writerSeq === undefined || Buffer.compare(Buffer.from(given), Buffer.from(writerSeq)) > 0) return;
  throw new MillraceError(
    'BROKER_STREAM_SEQUENCE_OLD',
    `Stream-Seq ${JSON.stringify(given)} is not greater than ${JSON.stringify(writerSeq)}, the last one of ${topic.name}.`,
    { details: { stream: topic.name, lastSeq: writerSeq } },
  );
}

function ofClosed(stream: Stream, { producer, batches, closes }: StreamAppend): AppendOutcome {
  const nextOffset = Math.max(stream.partition.endOffset, stream.ownStart);
  const { closedBy } = stream;
  if (producer === undefined) {
    if (batches.length > 0 || !closes) return { kind: 'closed', nextOffset };
    return { kind: 'appended', nextOffset, closed: true, lastSeq: 0 };
  }
  if (closedBy?.producerId === producer.id && closedBy.epoch === producer.epoch && closedBy.seq === producer.seq) {
    return { kind: 'duplicate', nextOffset, closed: true, lastSeq: closedBy.seq };
  }
  const known = stream.producers?.get(producer.id);
  if (known !== undefined && producer.epoch < known.epoch) return { kind: 'stale-epoch', currentEpoch: known.epoch };
  return { kind: 'closed', nextOffset };
}
