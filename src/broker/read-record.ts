/** Reads one record by its place, for who needs it seldom. */
import { BatchCursor } from '../model/batch-cursor.ts';
import { CODEC, codec } from '../model/record-batch.ts';
import { RecordCursor, recordBytes } from '../model/record-codec.ts';
import type { Partition } from '../store/partition.ts';
import { AbortedBatches } from './aborted-batches.ts';
import type { Decompressor } from './decompressor/decompressor.ts';
import { FetchItem, type FetchPath, type FetchRequest, releaseFetch } from './fetch.ts';

export interface RecordReader {
  readonly fetchPath: FetchPath;
  readonly decompressor: Decompressor;
}

/**
 * @param use gets the cursor at the record; everything it gives is borrowed for the call.
 * @returns undefined where there is no such record: deleted, not written yet, aborted, or a marker.
 * @throws what opening its batch gives.
 */
export async function readRecord<T>(
  { fetchPath, decompressor }: RecordReader,
  partition: Partition,
  offset: number,
  use: (record: RecordCursor) => T,
): Promise<T | undefined> {
  const item = new FetchItem(partition, offset, 1);
  const request = await fetchOne(fetchPath, item);
  try {
    const batch = new BatchCursor(item.slices[0] ?? new Uint8Array(0));
    if (item.error !== undefined || batch.next() !== 'batch') return undefined;
    const { bytes, position } = batch;
    if (new AbortedBatches(item.abortedTransactions).hides(bytes, position)) return undefined;
    const isPlain = codec(bytes, position) === CODEC.none;
    const opened = isPlain ? recordBytes(bytes, position) : await decompressor.open(bytes, position);
    const records = new RecordCursor(bytes, position, opened);
    while (records.next()) if (records.offset === offset) return use(records);
    return undefined;
  } finally {
    releaseFetch(request);
  }
}

function fetchOne(fetchPath: FetchPath, item: FetchItem): Promise<FetchRequest> {
  return new Promise((resolve) => {
    const request: FetchRequest = {
      minBytes: 0,
      maxBytes: 1,
      maxWaitMs: 0,
      readCommitted: true,
      items: [item],
      settled: () => resolve(request),
    };
    fetchPath.fetch(request);
  });
}
