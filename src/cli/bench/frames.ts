/**
 * The five Kafka requests a load generator needs, encoded by hand and before the run, so that sending one costs a
 * socket write and nothing else. All in the newest version before the flexible encoding, which every broker serves.
 *
 * Frame: size int32, apiKey int16, apiVersion int16, correlationId int32, clientId (int16 length), body. Big-endian.
 *
 * | API | version | body |
 * |---|---|---|
 * | Produce 0 | 7 | transactionalId null int16, acks int16, timeoutMs int32, [topic, [partition int32, records int32 + bytes]] |
 * | Fetch 1 | 11 | replica -1 int32, maxWaitMs, minBytes, maxBytes int32, isolation int8, session 0 -1 int32, [topic, [partition int32, leaderEpoch int32, fetchOffset int64, logStartOffset int64, partitionMaxBytes int32]], forgotten [], rack "" |
 * | ListOffsets 2 | 1 | replica int32, [topic, [partition int32, timestamp int64]] |
 * | Metadata 3 | 4 | [topic], allowAutoCreate int8 |
 * | CreateTopics 19 | 4 | [topic, partitions int32, replication int16, assignments [], configs []], timeoutMs int32, validateOnly int8 |
 *
 * Source: Apache Kafka protocol guide; KIP-98, KIP-227.
 */

const CLIENT_ID = Buffer.from('millrace-bench');
const API = { produce: [0, 7], fetch: [1, 11], listOffsets: [2, 1], metadata: [3, 4], createTopics: [19, 4] } as const;
/** How long a broker may take for durability before it answers with an error. */
const REQUEST_TIMEOUT_MS = 30_000;

/** One partition that a generator writes to or reads from. */
export interface Target {
  readonly topic: string;
  readonly partition: number;
}

/** Collects the parts of one frame; for setup and for frames encoded once. */
class FrameWriter {
  readonly #parts: Buffer[] = [];

  int8(value: number): this {
    return this.#number(1, (b) => b.writeInt8(value));
  }

  int16(value: number): this {
    return this.#number(2, (b) => b.writeInt16BE(value));
  }

  int32(value: number): this {
    return this.#number(4, (b) => b.writeInt32BE(value));
  }

  int64(value: number): this {
    return this.#number(8, (b) => b.writeBigInt64BE(BigInt(value)));
  }

  string(value: string): this {
    const bytes = Buffer.from(value);
    this.int16(bytes.length);
    return this.raw(bytes);
  }

  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  finish(): Buffer {
    const body = Buffer.concat(this.#parts);
    const frame = Buffer.allocUnsafe(4 + body.length);
    frame.writeInt32BE(body.length, 0);
    body.copy(frame, 4);
    return frame;
  }

  #number(size: number, write: (bytes: Buffer) => void): this {
    const bytes = Buffer.allocUnsafe(size);
    write(bytes);
    this.#parts.push(bytes);
    return this;
  }
}

function header([key, version]: readonly [number, number], correlationId: number): FrameWriter {
  const frame = new FrameWriter().int16(key).int16(version).int32(correlationId);
  return frame.int16(CLIENT_ID.length).raw(CLIENT_ID);
}

/** @param acks -1 means all. The batch is the frame's tail, byte for byte. */
export function produceFrame(correlationId: number, target: Target, acks: number, batch: Buffer): Buffer {
  const frame = header(API.produce, correlationId).int16(-1).int16(acks).int32(REQUEST_TIMEOUT_MS);
  frame.int32(1).string(target.topic).int32(1).int32(target.partition).int32(batch.length);
  return frame.raw(batch).finish();
}

export interface FetchSettings {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
}

/** A Fetch request that is sent again with moved offsets: `offsetPositions[i]` is where target i's offset stands. */
export interface FetchFrame {
  readonly bytes: Buffer;
  readonly offsetPositions: readonly number[];
}

/** Targets must be grouped by topic: each run of one topic becomes one topic entry. */
export function fetchFrame(correlationId: number, targets: readonly Target[], settings: FetchSettings): FetchFrame {
  const groups = groupByTopic(targets);
  const frame = header(API.fetch, correlationId).int32(-1).int32(settings.maxWaitMs).int32(1).int32(settings.maxBytes);
  frame.int8(0).int32(0).int32(-1).int32(groups.length);
  for (const group of groups) {
    frame.string(group.topic).int32(group.partitions.length);
    for (const partition of group.partitions) {
      frame.int32(partition).int32(-1).int64(0).int64(-1).int32(settings.maxBytes);
    }
  }
  const bytes = frame.int32(0).string('').finish();
  return { bytes, offsetPositions: offsetPositions(groups) };
}

const FETCH_TOPICS_AT = 4 + 10 + CLIENT_ID.length + 4 + 4 + 4 + 4 + 1 + 8 + 4;
const FETCH_PARTITION_BYTES = 28;

function offsetPositions(groups: readonly TopicGroup[]): number[] {
  const positions: number[] = [];
  let at = FETCH_TOPICS_AT;
  for (const group of groups) {
    at += 2 + Buffer.byteLength(group.topic) + 4;
    for (let i = 0; i < group.partitions.length; i++, at += FETCH_PARTITION_BYTES) positions.push(at + 8);
  }
  return positions;
}

/** @param timestamp -1 for the end, -2 for the start. */
export function listOffsetsFrame(correlationId: number, targets: readonly Target[], timestamp: -1 | -2): Buffer {
  const groups = groupByTopic(targets);
  const frame = header(API.listOffsets, correlationId).int32(-1).int32(groups.length);
  for (const group of groups) {
    frame.string(group.topic).int32(group.partitions.length);
    for (const partition of group.partitions) frame.int32(partition).int64(timestamp);
  }
  return frame.finish();
}

export function metadataFrame(correlationId: number, topics: readonly string[]): Buffer {
  const frame = header(API.metadata, correlationId).int32(topics.length);
  for (const topic of topics) frame.string(topic);
  return frame.int8(0).finish();
}

export function createTopicsFrame(correlationId: number, topics: readonly string[], partitions: number): Buffer {
  const frame = header(API.createTopics, correlationId).int32(topics.length);
  for (const topic of topics) frame.string(topic).int32(partitions).int16(1).int32(0).int32(0);
  return frame.int32(REQUEST_TIMEOUT_MS).int8(0).finish();
}

interface TopicGroup {
  readonly topic: string;
  readonly partitions: number[];
}

function groupByTopic(targets: readonly Target[]): TopicGroup[] {
  const groups: TopicGroup[] = [];
  for (const { topic, partition } of targets) {
    const last = groups.at(-1);
    if (last?.topic === topic) last.partitions.push(partition);
    else groups.push({ topic, partitions: [partition] });
  }
  return groups;
}
