/**
 * Reads the records of a stream as the protocol shows them: values one behind the other, over all the partitions that a
 * fork is stitched from. Control batches and aborted transactions are passed over.
 */
import { MillraceError } from '../../base/errors.ts';
import { BatchCursor } from '../../model/batch-cursor.ts';
import { CODEC, codec, lastOffset } from '../../model/record-batch.ts';
import { RecordCursor, recordBytes } from '../../model/record-codec.ts';
import { AbortedBatches } from '../aborted-batches.ts';
import type { Decompressor } from '../decompressor/decompressor.ts';
import { FetchItem, type FetchPath, type FetchRequest, releaseFetch } from '../fetch.ts';
import type { Stream, StreamSegment } from './stream.ts';

/** Takes the values of a read; a view, borrowed for the call. Null: the record has none. */
export type ValueTaker = (value: Uint8Array | null, offset: number) => void;

export interface StreamRead {
  /** Where the next read goes on. */
  readonly nextOffset: number;
  /** Nothing more was readable when this was read. */
  readonly atTail: boolean;
}

export class StreamReader {
  readonly #fetchPath: FetchPath;
  readonly #decompressor: Decompressor;

  constructor(fetchPath: FetchPath, decompressor: Decompressor) {
    this.#fetchPath = fetchPath;
    this.#decompressor = decompressor;
  }

  /**
   * Hands out records from `offset` on until about `maxBytes` of values; at least one where there is one.
   *
   * @throws BROKER_STREAM_GONE (the place is before what is retained), STORE_OFFSET_OUT_OF_RANGE (beyond the end),
   *   BROKER_STREAM_NOT_FOUND, STORE_CORRUPT, or what opening a batch gives.
   */
  async read(stream: Stream, offset: number, maxBytes: number, take: ValueTaker): Promise<StreamRead> {
    if (offset > stream.tailOffset) throw beyondEnd(stream, offset);
    const progress = { next: offset, sizeBytes: 0, count: 0 };
    const counted: ValueTaker = (value, at) => {
      take(value, at);
      progress.sizeBytes += value?.length ?? 0;
      progress.count += 1;
      progress.next = at + 1;
    };
    for (const segment of stream.segments) {
      if (segment.to <= progress.next) continue;
      while (progress.next < Math.min(segment.to, endOf(segment))) {
        const room = maxBytes - progress.sizeBytes;
        if (progress.count > 0 && room <= 0) return { nextOffset: progress.next, atTail: false };
        const before = progress.next;
        try {
          progress.next = await this.#readSegment(stream, segment, before, room, counted);
        } catch (error) {
          // What was taken is whole; the next read begins with the fault.
          if (progress.count === 0) throw error;
          return { nextOffset: progress.next, atTail: false };
        }
        if (progress.next === before) break;
      }
    }
    return { nextOffset: progress.next, atTail: progress.next >= stream.tailOffset };
  }

  /** Where a read from the very beginning starts. */
  firstOffset(stream: Stream): number {
    for (const { partition, from, to } of stream.segments) {
      const first = Math.max(from, partition.logStartOffset);
      if (first < to) return first;
    }
    return stream.tailOffset;
  }

  /** One fetch. @returns the next offset. */
  async #readSegment(
    stream: Stream,
    segment: StreamSegment,
    from: number,
    maxBytes: number,
    take: ValueTaker,
  ): Promise<number> {
    const item = new FetchItem(segment.partition, from, Math.max(1, maxBytes));
    const request = await this.#fetch(item, maxBytes);
    try {
      if (item.error !== undefined) throw refusal(stream, item, from);
      return await this.#walk(item, segment, from, maxBytes, take);
    } finally {
      releaseFetch(request);
    }
  }

  async #walk(
    item: FetchItem,
    segment: StreamSegment,
    from: number,
    maxBytes: number,
    take: ValueTaker,
  ): Promise<number> {
    const aborted = new AbortedBatches(item.abortedTransactions);
    const cursor = new BatchCursor(new Uint8Array(0));
    let next = from;
    let sizeBytes = 0;
    for (const slice of item.slices) {
      cursor.reset(slice);
      while (cursor.next() === 'batch') {
        const { bytes, position } = cursor;
        if (!aborted.hides(bytes, position)) {
          const isPlain = codec(bytes, position) === CODEC.none;
          const opened = isPlain ? recordBytes(bytes, position) : await this.#decompressor.open(bytes, position);
          const records = new RecordCursor(bytes, position, opened);
          while (records.next()) {
            const { offset, value } = records;
            if (offset < from) continue;
            if (offset >= segment.to) return segment.to;
            // The first always fits; a batch of Kafka's can be far larger than what was asked for.
            if (sizeBytes > 0 && sizeBytes + (value?.length ?? 0) > maxBytes) return next;
            take(segment.cutBytes >= 0 ? (value?.subarray(0, segment.cutBytes) ?? null) : value, offset);
            sizeBytes += value?.length ?? 0;
            next = offset + 1;
          }
        }
        next = Math.max(next, lastOffset(bytes, position) + 1);
        if (next >= segment.to) return segment.to;
      }
    }
    return next;
  }

  #fetch(item: FetchItem, maxBytes: number): Promise<FetchRequest> {
    return new Promise((resolve) => {
      const request: FetchRequest = {
        minBytes: 0,
        maxBytes: Math.max(1, maxBytes),
        maxWaitMs: 0,
        readCommitted: true,
        items: [item],
        settled: () => resolve(request),
      };
      this.#fetchPath.fetch(request);
    });
  }
}

/** End (exclusive) of what is readable in a segment now. */
function endOf({ partition, to }: StreamSegment): number {
  return to === Number.POSITIVE_INFINITY ? partition.lastStableOffset : to;
}

function refusal(stream: Stream, item: FetchItem, offset: number): MillraceError {
  const { name } = stream.topic;
  const details = { stream: name, offset };
  if (stream.topic.deleted)
    return new MillraceError('BROKER_STREAM_NOT_FOUND', `Stream ${name} was deleted.`, { details });
  if (item.error === 'STORE_OFFSET_OUT_OF_RANGE' && offset < item.logStartOffset) {
    return new MillraceError(
      'BROKER_STREAM_GONE',
      `Record ${offset} of stream ${name} was deleted; the oldest one is ${item.logStartOffset}. Begin again at offset=-1.`,
      { details: { ...details, logStartOffset: item.logStartOffset } },
    );
  }
  return new MillraceError(
    item.error ?? 'INTERNAL',
    `Record ${offset} of stream ${name} cannot be read. The broker's log says why.`,
    { details },
  );
}

function beyondEnd(stream: Stream, offset: number): MillraceError {
  const { name } = stream.topic;
  return new MillraceError(
    'STORE_OFFSET_OUT_OF_RANGE',
    `Stream ${name} ends at record ${stream.tailOffset}, before ${offset}. It may have been made anew: begin at offset=-1.`,
    { details: { stream: name, offset, tailOffset: stream.tailOffset } },
  );
}
