/** Record batches as they stand in the log, for who can read them: no record is opened on the way. */
import { AbortedBatches } from '../../broker/aborted-batches.ts';
import { FetchItem, releaseFetch } from '../../broker/fetch.ts';
import { BatchCursor } from '../../model/batch-cursor.ts';
import { batchSizeBytes, lastOffset, recordCount } from '../../model/record-batch.ts';
import type { PartitionPosition } from './position.ts';
import type { Reading, ReadingRoom } from './reading.ts';
import { awaitRecords, itemError } from './round.ts';

export interface BatchAnswer {
  /** Owned: copies. The first batch may begin before the position. */
  readonly batches: readonly Uint8Array[];
  readonly recordCount: number;
}

/**
 * Whole batches from the position on, at least one where there is any; moves the position behind them. Aborted batches and
 * the broker's own are passed over. The caller has taken `maxBytes` of the budget.
 *
 * @returns undefined when the reading ended first.
 * @throws as a round does.
 */
export async function collectBatches(
  room: ReadingRoom,
  reading: Reading,
  position: PartitionPosition,
  { maxBytes, waitMs }: { readonly maxBytes: number; readonly waitMs: number },
): Promise<BatchAnswer | undefined> {
  const { clock } = room.broker;
  const deadline = clock.monotonic() + waitMs;
  for (;;) {
    const answer = await readBatches(room, reading, position, maxBytes);
    const leftMs = deadline - clock.monotonic();
    if (answer === undefined || answer.batches.length > 0 || leftMs <= 0) return answer;
    if ((await awaitRecords(room, reading, [position], leftMs)) === 'ended') return undefined;
  }
}

async function readBatches(
  room: ReadingRoom,
  reading: Reading,
  position: PartitionPosition,
  maxBytes: number,
): Promise<BatchAnswer | undefined> {
  const item = new FetchItem(position.partition, position.nextOffset, maxBytes);
  const request = await room.fetch(reading, [item], maxBytes, 0);
  if (request === undefined) return undefined;
  try {
    if (item.error !== undefined) throw itemError(position, item);
    position.highWatermark = item.highWatermark;
    position.logStartOffset = item.logStartOffset;
    const aborted = new AbortedBatches(item.abortedTransactions);
    const batches: Uint8Array[] = [];
    let records = 0;
    const cursor = new BatchCursor(new Uint8Array(0));
    for (const slice of item.slices) {
      cursor.reset(slice);
      while (cursor.next() === 'batch') {
        const { bytes, position: at } = cursor;
        position.nextOffset = Math.max(position.nextOffset, lastOffset(bytes, at) + 1);
        if (aborted.hides(bytes, at)) continue;
        batches.push(new Uint8Array(bytes.subarray(at, at + batchSizeBytes(bytes, at))));
        records += recordCount(bytes, at);
      }
    }
    return { batches, recordCount: records };
  } finally {
    releaseFetch(request);
  }
}
