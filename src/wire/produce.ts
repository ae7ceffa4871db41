/**
 * Produce 3-13, read in place and answered by hand: the hot path of the broker. The same layouts stand as a table in
 * messages/produce.ts, which tests compare this file with.
 *
 * Request body, versions 3 to 8; from 9 on lengths are compact and each struct ends in a tag section:
 * | type | name |
 * |---|---|
 * | nullable string | transactional id |
 * | int16 | acks: 0, 1 or -1 |
 * | int32 | timeout in milliseconds |
 * | array | topics: string name (to 12) or uuid (13), array of partitions: int32 index, nullable bytes records |
 *
 * Response body:
 * | type | name | versions |
 * |---|---|---|
 * | array | topics: name or uuid, array of partitions: | all |
 * | int32, int16, int64, int64 | index, error code, base offset, log append time | all |
 * | int64 | log start offset | 5+ |
 * | array, nullable string | record errors (never sent), error message | 8+ |
 * | int32 | throttle time, after the topics | all |
 *
 * Worked example, response v7 to correlation id 1, topic "t", partition 0, offset 5:
 * 00000031 00000001 | 00000001 0001 74 00000001 | 00000000 0000 0000000000000005 ffffffffffffffff 0000000000000000 | 00000000.
 * Source: KIP-98, KIP-467 (record errors), KIP-482 (flexible versions), KIP-516 (topic ids).
 */
import { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export const PRODUCE_FLEXIBLE_VERSION = 9;
/** From here on topics have ids instead of names. */
export const PRODUCE_BY_ID_VERSION = 13;
const ID_BYTES = 16;
const NO_BYTES = Buffer.alloc(0);

/**
 * Walks over the partitions of one request without allocating:
 *
 * ```ts
 * cursor.reset(bytes, bodyStart, end, version);
 * while (cursor.next()) use(cursor.startsTopic, cursor.nameStart, cursor.nameEnd, cursor.partition, cursor.recordsStart);
 * ```
 * Fields are valid until the next call. All positions are in the bytes given to `reset`.
 */
export class ProduceCursor {
  acks = 0;
  timeoutMs = 0;
  /** The request names a transactional id; which one, its batches tell by their producer id. */
  transactional = false;
  /** The partition is the first of its topic struct. */
  startsTopic = false;
  /** The UTF-8 of the name; from version 13 on the 16 bytes of the id. */
  nameStart = 0;
  nameEnd = 0;
  partition = 0;
  /** -1: null records. */
  recordsStart = -1;
  recordsEnd = -1;
  readonly #reader = new Reader(NO_BYTES);
  #flexible = false;
  #byId = false;
  #topicsLeft = 0;
  #partitionsLeft = 0;
  #inTopic = false;

  /** @throws WIRE_TRUNCATED, WIRE_MALFORMED; so does `next`. */
  reset(bytes: Buffer, start: number, end: number, version: number): void {
    const reader = this.#reader.reset(bytes, start, end);
    this.#flexible = version >= PRODUCE_FLEXIBLE_VERSION;
    this.#byId = version >= PRODUCE_BY_ID_VERSION;
    this.transactional = this.#skipNullableString();
    this.acks = reader.int16();
    this.timeoutMs = reader.int32();
    this.#topicsLeft = this.#count(this.#flexible ? 3 : 6);
    this.#partitionsLeft = 0;
    this.#inTopic = false;
  }

  /** Moves to the next partition; false after the last. Bytes after the last topic are not looked at. */
  next(): boolean {
    const reader = this.#reader;
    this.startsTopic = false;
    while (this.#partitionsLeft === 0) {
      if (this.#inTopic && this.#flexible) reader.skipTags();
      this.#inTopic = false;
      if (this.#topicsLeft === 0) return false;
      this.#beginTopic();
    }
    this.#partitionsLeft -= 1;
    this.partition = reader.int32();
    this.#readRecords();
    if (this.#flexible) reader.skipTags();
    return true;
  }

  #beginTopic(): void {
    const reader = this.#reader;
    this.#topicsLeft -= 1;
    const length = this.#nameLength();
    this.nameStart = reader.position;
    reader.skip(length);
    this.nameEnd = reader.position;
    this.#partitionsLeft = this.#count(this.#flexible ? 6 : 8);
    this.#inTopic = true;
    this.startsTopic = true;
  }

  #nameLength(): number {
    if (this.#byId) return ID_BYTES;
    return this.#flexible ? this.#reader.compactLength() : this.#reader.stringLength();
  }

  #readRecords(): void {
    const reader = this.#reader;
    const length = this.#flexible ? reader.uvarint() - 1 : reader.int32();
    if (length < 0) {
      if (length !== -1) reader.malformed(`has the negative length ${length}`);
      this.recordsStart = -1;
      this.recordsEnd = -1;
      return;
    }
    this.recordsStart = reader.position;
    reader.skip(length);
    this.recordsEnd = reader.position;
  }

  /** Returns whether there was one. */
  #skipNullableString(): boolean {
    const reader = this.#reader;
    const length = this.#flexible ? reader.uvarint() - 1 : reader.int16();
    if (length < -1) reader.malformed(`has the negative length ${length}`);
    if (length > 0) reader.skip(length);
    return length >= 0;
  }

  #count(minElementBytes: number): number {
    const reader = this.#reader;
    const count = this.#flexible ? reader.compactArrayLength(minElementBytes) : reader.arrayLength(minElementBytes);
    if (count < 0) reader.malformed('is null where an array is required');
    return count;
  }
}

/** What became of one partition; those of a topic follow each other, as in the request. */
export interface ProduceOutcome {
  readonly startsTopic: boolean;
  /** UTF-8, as the client wrote it; from version 13 on the 16 bytes of the topic's id. */
  readonly topicName: Uint8Array;
  readonly partitionIndex: number;
  readonly errorCode: number;
  /** For people; from version 8 on, beside an error. */
  readonly errorMessage: string | null;
  /** Places in the batch of the records that made the error, from version 8 on; undefined or empty: all alike. */
  readonly faultyRecords: readonly number[] | undefined;
  /** -1 with an error. */
  readonly baseOffset: number;
  readonly logAppendTimeMs: number;
  readonly logStartOffset: number;
}

/** Appends one response frame. */
export function writeProduceResponse(
  writer: Writer,
  version: number,
  correlationId: number,
  outcomes: readonly ProduceOutcome[],
  throttleTimeMs = 0,
): void {
  const flexible = version >= PRODUCE_FLEXIBLE_VERSION;
  const start = writer.position;
  writer.int32(0);
  writer.int32(correlationId);
  if (flexible) writer.noTags();
  writeCount(writer, countTopics(outcomes), flexible);
  for (let i = 0; i < outcomes.length; i++) {
    const outcome = outcomes[i] as ProduceOutcome;
    if (outcome.startsTopic) {
      if (i > 0 && flexible) writer.noTags();
      if (version >= PRODUCE_BY_ID_VERSION) writer.raw(outcome.topicName);
      else writeName(writer, outcome.topicName, flexible);
      writeCount(writer, countPartitions(outcomes, i), flexible);
    }
    writeOutcome(writer, version, outcome, flexible);
  }
  if (outcomes.length > 0 && flexible) writer.noTags();
  writer.int32(throttleTimeMs);
  if (flexible) writer.noTags();
  writer.patchInt32(start, writer.position - start - 4);
}

function writeOutcome(writer: Writer, version: number, outcome: ProduceOutcome, flexible: boolean): void {
  writer.int32(outcome.partitionIndex);
  writer.int16(outcome.errorCode);
  writer.int64(outcome.baseOffset);
  writer.int64(outcome.logAppendTimeMs);
  if (version >= 5) writer.int64(outcome.logStartOffset);
  if (version >= 8) {
    writeRecordErrors(writer, outcome.faultyRecords ?? [], flexible);
    if (flexible) writer.compactNullableString(outcome.errorMessage);
    else writer.nullableString(outcome.errorMessage);
  }
  if (flexible) writer.noTags();
}

/** Their message is the batch's. */
function writeRecordErrors(writer: Writer, places: readonly number[], flexible: boolean): void {
  writeCount(writer, places.length, flexible);
  for (const place of places) {
    writer.int32(place);
    if (flexible) writer.compactNullableString(null);
    else writer.nullableString(null);
    if (flexible) writer.noTags();
  }
}

/** Where answers name topics by the bytes that the request had, nothing is decoded and encoded again. */
export function writeName(writer: Writer, name: Uint8Array, flexible: boolean): void {
  if (flexible) writer.uvarint(name.length + 1);
  else writer.int16(name.length);
  writer.raw(name);
}

export function writeCount(writer: Writer, count: number, flexible: boolean): void {
  if (flexible) writer.compactArrayLength(count);
  else writer.arrayLength(count);
}

interface Grouped {
  readonly startsTopic: boolean;
}

export function countTopics(outcomes: readonly Grouped[]): number {
  let count = 0;
  for (const outcome of outcomes) if (outcome.startsTopic) count += 1;
  return count;
}

/** Partitions of the topic that starts at `first`. */
export function countPartitions(outcomes: readonly Grouped[], first: number): number {
  let end = first + 1;
  while (end < outcomes.length && !(outcomes[end] as Grouped).startsTopic) end += 1;
  return end - first;
}
