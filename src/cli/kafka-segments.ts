/**
 * Partitions of a Kafka log directory: `TOPIC-N/` with segments `00000000000000000000.log`, each of them record batches back
 * to back. Read in place; nothing is changed. Source: Kafka, "Log" in its documentation of the implementation.
 */
import { type FileHandle, open, readdir } from 'node:fs/promises';
import path from 'node:path';
import { MillraceError } from '../base/errors.ts';
import { BATCH_HEADER_BYTES, batchSizeBytes, computeCrc, crc, magic } from '../model/record-batch.ts';
import { committedBatches } from './committed-batches.ts';

const SEGMENT = /^\d{20}\.log$/;
const PARTITION = /^(.+)-(\d+)$/;
const READ_BYTES = 1024 * 1024;
/** Kafka's own limit of a request; a larger length is damage. */
const MAX_BATCH_BYTES = 128 * 1024 * 1024;

export interface SegmentPartition {
  readonly topic: string;
  readonly partition: number;
  readonly directory: string;
  /** In order of their base offsets. */
  readonly segments: readonly string[];
}

/** A batch with its place, for messages. */
export interface SegmentBatch {
  readonly bytes: Uint8Array;
  readonly file: string;
  readonly position: number;
}

/** All partitions in a Kafka log directory, or the one that the directory is. In order of topics and partitions. */
export async function findPartitions(directory: string): Promise<SegmentPartition[]> {
  const own = await partitionAt(directory);
  if (own !== undefined) return [own];
  const found: SegmentPartition[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const partition = entry.isDirectory() ? await partitionAt(path.join(directory, entry.name)) : undefined;
    if (partition !== undefined) found.push(partition);
  }
  return found.sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}

async function partitionAt(directory: string): Promise<SegmentPartition | undefined> {
  const match = PARTITION.exec(path.basename(path.resolve(directory)));
  if (match?.[1] === undefined || match[2] === undefined) return undefined;
  const segments = (await readdir(directory)).filter((name) => SEGMENT.test(name)).sort();
  return segments.length === 0 ? undefined : { topic: match[1], partition: Number(match[2]), directory, segments };
}

/**
 * The batches of a partition that readers of committed records see: none of aborted or unfinished transactions, no markers.
 *
 * @param torn called where the last segment ends inside a batch, as after a crash: what stands before it is good.
 * @throws MODEL_BATCH_UNSUPPORTED (message formats before Kafka 0.11), MODEL_BATCH_CORRUPT, each naming the place.
 */
export async function* committedSegmentBatches(
  partition: SegmentPartition,
  torn: (place: string) => void,
): AsyncGenerator<SegmentBatch, void, undefined> {
  let isFirst = true;
  yield* committedBatches(() => {
    // Gone through twice, and told once.
    const tell = isFirst ? torn : (): void => {};
    isFirst = false;
    return allBatches(partition, tell);
  });
}

async function* allBatches(
  { directory, segments }: SegmentPartition,
  torn: (place: string) => void,
): AsyncGenerator<SegmentBatch, void, undefined> {
  for (const segment of segments) {
    const file = path.join(directory, segment);
    const handle = await open(file, 'r');
    try {
      yield* batchesOf(handle, file, segment === segments.at(-1), torn);
    } finally {
      await handle.close();
    }
  }
}

async function* batchesOf(
  handle: FileHandle,
  file: string,
  isLast: boolean,
  torn: (place: string) => void,
): AsyncGenerator<SegmentBatch, void, undefined> {
  const { size } = await handle.stat();
  let window = new Uint8Array(0);
  let windowAt = 0;
  for (let at = 0; at < size; ) {
    const have = async (count: number): Promise<Uint8Array> => {
      const from = at - windowAt;
      if (from + count <= window.length) return window.subarray(from, from + count);
      const next = new Uint8Array(Math.min(Math.max(count, READ_BYTES), size - at));
      const { bytesRead } = await handle.read(next, 0, next.length, at);
      window = next.subarray(0, bytesRead);
      windowAt = at;
      return window.subarray(0, Math.min(count, bytesRead));
    };
    const head = await have(Math.min(BATCH_HEADER_BYTES, size - at));
    // A segment may be longer than what was written into it: the rest is zeros.
    if (isLast && head.every((byte) => byte === 0)) return;
    const bytes = await have(wholeSize(head, file, at));
    if (bytes.length < BATCH_HEADER_BYTES || bytes.length < batchSizeBytes(head, 0)) {
      if (!isLast) throw damaged(file, at, 'it ends inside a batch');
      torn(`${file}, position ${at}`);
      return;
    }
    if (crc(bytes, 0) !== computeCrc(bytes, 0, bytes.length)) throw damaged(file, at, 'its checksum is wrong');
    yield { bytes: Uint8Array.from(bytes), file, position: at };
    at += bytes.length;
  }
}

function wholeSize(head: Uint8Array, file: string, position: number): number {
  if (head.length < BATCH_HEADER_BYTES) return head.length;
  const version = magic(head, 0);
  if (version < 2) {
    throw new MillraceError(
      'MODEL_BATCH_UNSUPPORTED',
      `${file}, position ${position}: message format ${version}. Only format 2 (Kafka 0.11 and later) is read; convert the ` +
        'topic with a Kafka that is newer, by copying its records to another topic.',
      { details: { file, position, magic: version } },
    );
  }
  const size = batchSizeBytes(head, 0);
  if (version === 2 && size >= BATCH_HEADER_BYTES && size <= MAX_BATCH_BYTES) return size;
  throw damaged(file, position, 'what stands there is no record batch');
}

function damaged(file: string, position: number, fault: string): MillraceError {
  return new MillraceError('MODEL_BATCH_CORRUPT', `${file}, position ${position}: ${fault}.`, {
    details: { file, position },
  });
}
