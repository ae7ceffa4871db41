/**
 * Fetch 4-17, read in place and answered by hand, with record batches by reference. The same layouts stand as a table in
 * messages/fetch.ts, which tests compare this file with.
 *
 * Request body; from version 12 on lengths are compact and each struct ends in a tag section:
 * | type | name | versions |
 * |---|---|---|
 * | int32 | replica id | to 14 (then tagged) |
 * | int32, int32, int32, int8 | max wait ms, min bytes, max bytes, isolation level | all |
 * | int32, int32 | session id, session epoch | 7+ |
 * | array | topics: string name (to 12) or uuid (13+), array of partitions: | all |
 * | int32 | partition | all |
 * | int32 | current leader epoch | 9+ |
 * | int64 | fetch offset | all |
 * | int32 | last fetched epoch | 12+ |
 * | int64 | log start offset of a follower | 5+ |
 * | int32 | max bytes of the partition | all |
 *
 * | array | forgotten topics: string name (to 12) or uuid (13+), array of int32 partition | 7+, read for sessions only |
 *
 * What follows (rack, tags) matters only to replicas and is not read.
 *
 * Response body:
 * | type | name | versions |
 * |---|---|---|
 * | int32 | throttle time | all |
 * | int16, int32 | error code, session id (0: none) | 7+ |
 * | array | topics: name or uuid, array of partitions: | all |
 * | int32, int16, int64, int64 | partition, error code, high watermark, last stable offset | all |
 * | int64 | log start offset | 5+ |
 * | array | aborted transactions: int64 producer id, int64 first offset; null when uncommitted is read | all |
 * | int32 | preferred read replica, -1 | 11+ |
 * | bytes | records: never null, librdkafka wants an empty set even beside an error | all |
 *
 * Source: KIP-74, KIP-227 (sessions), KIP-320 (epochs), KIP-392 (replica), KIP-516 (topic ids).
 */
import { writeInt64, writeUint16, writeUint32 } from '../base/bytes.ts';
import { countPartitions, countTopics, writeCount, writeName } from './produce.ts';
import { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export const FETCH_FLEXIBLE_VERSION = 12;
/** From here on topics have ids instead of names. */
export const FETCH_BY_ID_VERSION = 13;
const NO_BYTES = Buffer.alloc(0);
/** Records below this size are copied: one more piece in a gathered write costs as much. */
const COPY_BELOW_BYTES = 16 * 1024;

/** Walks over the partitions of one request without allocating (but for topic ids); used as `ProduceCursor`. */
export class FetchCursor {
  maxWaitMs = 0;
  minBytes = 0;
  maxBytes = 0;
  readCommitted = false;
  /** 0 and -1 before version 7. */
  sessionId = 0;
  sessionEpoch = -1;
  startsTopic = false;
  /** Before version 13. */
  nameStart = 0;
  nameEnd = 0;
  /** From version 13 on; 32 hex digits. */
  topicId = '';
  partition = 0;
  /** -1: the client does not know. */
  currentLeaderEpoch = -1;
  /** NaN beyond 2^53. */
  fetchOffset = 0;
  partitionMaxBytes = 0;
  readonly #reader = new Reader(NO_BYTES);
  #version = 0;
  #flexible = false;
  #topicsLeft = 0;
  #partitionsLeft = 0;
  #inTopic = false;

  /** @throws WIRE_TRUNCATED, WIRE_MALFORMED; so does `next`. */
  reset(bytes: Buffer, start: number, end: number, version: number): void {
    const reader = this.#reader.reset(bytes, start, end);
    this.#version = version;
    this.#flexible = version >= FETCH_FLEXIBLE_VERSION;
    if (version <= 14) reader.int32();
    this.maxWaitMs = reader.int32();
    this.minBytes = reader.int32();
    this.maxBytes = reader.int32();
    this.readCommitted = reader.int8() === 1;
    this.sessionId = version >= 7 ? reader.int32() : 0;
    this.sessionEpoch = version >= 7 ? reader.int32() : -1;
    this.#topicsLeft = this.#count(this.#flexible ? 3 : 6);
    this.#partitionsLeft = 0;
    this.#inTopic = false;
  }

  /** Moves to the next partition; false after the last. */
  next(): boolean {
    if (!this.#toPartition(16)) return false;
    this.#readPartition();
    return true;
  }

  /** To be called when `next` has answered false: moves on to what a session shall forget. @throws as `reset`. */
  startForgotten(): void {
    this.#topicsLeft = this.#version >= 7 ? this.#count(this.#flexible ? 3 : 6) : 0;
    this.#partitionsLeft = 0;
    this.#inTopic = false;
  }

  /** Moves to the next partition to be forgotten (topic and `partition` only); false after the last. */
  nextForgotten(): boolean {
    if (!this.#toPartition(4)) return false;
    this.partition = this.#reader.int32();
    return true;
  }

  /** Moves in front of the next partition, into the next topic where needed; false after the last. */
  #toPartition(minPartitionBytes: number): boolean {
    this.startsTopic = false;
    while (this.#partitionsLeft === 0) {
      if (this.#inTopic && this.#flexible) this.#reader.skipTags();
      this.#inTopic = false;
      if (this.#topicsLeft === 0) return false;
      this.#beginTopic(minPartitionBytes);
    }
    this.#partitionsLeft -= 1;
    return true;
  }

  #beginTopic(minPartitionBytes: number): void {
    const reader = this.#reader;
    this.#topicsLeft -= 1;
    if (this.#version >= FETCH_BY_ID_VERSION) this.topicId = reader.uuid();
    else {
      const length = this.#flexible ? reader.compactLength() : reader.stringLength();
      this.nameStart = reader.position;
      reader.skip(length);
      this.nameEnd = reader.position;
    }
    this.#partitionsLeft = this.#count(minPartitionBytes);
    this.#inTopic = true;
    this.startsTopic = true;
  }

  #readPartition(): void {
    const reader = this.#reader;
    const version = this.#version;
    this.partition = reader.int32();
    this.currentLeaderEpoch = version >= 9 ? reader.int32() : -1;
    this.fetchOffset = reader.int64();
    if (version >= 12) reader.int32();
    if (version >= 5) reader.skip(8);
    this.partitionMaxBytes = reader.int32();
    if (this.#flexible) reader.skipTags();
  }

  #count(minElementBytes: number): number {
    const reader = this.#reader;
    const count = this.#flexible ? reader.compactArrayLength(minElementBytes) : reader.arrayLength(minElementBytes);
    if (count < 0) reader.malformed('is null where an array is required');
    return count;
  }
}

/** Records of this producer from this offset on are to be dropped, up to its next abort marker. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

/** What was read of one partition; those of a topic follow each other, as in the request. */
export interface FetchOutcome {
  readonly startsTopic: boolean;
  /** To version 12: UTF-8, as the client wrote it. */
  readonly topicName: Uint8Array;
  /** From version 13 on. */
  readonly topicId: string;
  readonly partitionIndex: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  /** Written for readers of committed records only. */
  readonly abortedTransactions: readonly AbortedTransaction[];
  /** Whole batches. */
  readonly slices: readonly Uint8Array[];
  /** Sum of the slices. */
  readonly sizeBytes: number;
}

export interface FetchAnswer {
  readonly throttleTimeMs: number;
  readonly errorCode: number;
  /** 0: none. */
  readonly sessionId: number;
  readonly readCommitted: boolean;
  readonly outcomes: readonly FetchOutcome[];
}

/** Takes what goes between the written bytes without being copied into them. */
export interface SliceTarget {
  readonly writer: Writer;
  /** `bytes` stand after everything written so far and before everything written later. */
  slice(bytes: Uint8Array): void;
}

/** Appends one response frame to the target's writer, and the larger record batches to its slices. */
export function writeFetchResponse(
  target: SliceTarget,
  version: number,
  correlationId: number,
  answer: FetchAnswer,
): void {
  const { writer } = target;
  const { outcomes } = answer;
  const flexible = version >= FETCH_FLEXIBLE_VERSION;
  const start = writer.position;
  writer.int32(0);
  writer.int32(correlationId);
  if (flexible) writer.noTags();
  writer.int32(answer.throttleTimeMs);
  if (version >= 7) {
    writer.int16(answer.errorCode);
    writer.int32(answer.sessionId);
  }
  writeCount(writer, countTopics(outcomes), flexible);
  let slicedBytes = 0;
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i] as FetchOutcome;
    if (outcome.startsTopic) {
      if (i > 0 && flexible) writer.noTags();
      if (version >= FETCH_BY_ID_VERSION) writer.uuid(outcome.topicId);
      else writeName(writer, outcome.topicName, flexible);
      writeCount(writer, countPartitions(outcomes, i), flexible);
    }
    writeHead(writer, version, outcome, answer.readCommitted, flexible);
    slicedBytes += writeRecords(target, outcome);
    if (flexible) writer.noTags();
  }
  if (outcomes.length > 0 && flexible) writer.noTags();
  if (flexible) writer.noTags();
  writer.patchInt32(start, writer.position - start - 4 + slicedBytes);
}

/** Everything of a partition but the records' bytes. */
function writeHead(
  writer: Writer,
  version: number,
  outcome: FetchOutcome,
  readCommitted: boolean,
  flexible: boolean,
): void {
  writer.ensure(64);
  const { buffer, position } = writer;
  writeUint32(buffer, position, outcome.partitionIndex);
  writeUint16(buffer, position + 4, outcome.errorCode);
  writeInt64(buffer, position + 6, outcome.highWatermark);
  writeInt64(buffer, position + 14, outcome.lastStableOffset);
  writer.position = position + 22;
  if (version >= 5) writer.int64(outcome.logStartOffset);
  writeAborted(writer, readCommitted ? outcome.abortedTransactions : null, flexible);
  if (version >= 11) writer.int32(-1);
  if (flexible) writer.uvarint(outcome.sizeBytes + 1);
  else writer.int32(outcome.sizeBytes);
}

function writeAborted(writer: Writer, aborted: readonly AbortedTransaction[] | null, flexible: boolean): void {
  writeCount(writer, aborted === null ? -1 : aborted.length, flexible);
  if (aborted === null) return;
  for (const { producerId, firstOffset } of aborted) {
    writer.int64(producerId);
    writer.int64(firstOffset);
    if (flexible) writer.noTags();
  }
}

/** Returns how many bytes went by reference. */
function writeRecords(target: SliceTarget, outcome: FetchOutcome): number {
  let slicedBytes = 0;
  for (const slice of outcome.slices) {
    if (slice.length < COPY_BELOW_BYTES) target.writer.raw(slice);
    else {
      target.slice(slice);
      slicedBytes += slice.length;
    }
  }
  return slicedBytes;
}
