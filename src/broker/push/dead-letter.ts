/** A record that an application does not take, as the dead-letter topic keeps it. */
import { MillraceError } from '../../base/errors.ts';
import { encodeBatch } from '../../model/batch-builder.ts';
import { BatchCursor } from '../../model/batch-cursor.ts';
import type { StoredRecord } from '../../model/record.ts';
import { CODEC, codec } from '../../model/record-batch.ts';
import { RecordCursor, recordBytes } from '../../model/record-codec.ts';
import type { Decompressor } from '../decompressor/decompressor.ts';
import { FetchItem, type FetchPath, type FetchRequest, releaseFetch } from '../fetch.ts';
import type { PushLink } from './push-link.ts';

/** Of the reason, in a header. */
const MAX_REASON_LENGTH = 1_000;

/** What reads one record. */
export interface RecordReader {
  readonly fetchPath: FetchPath;
  readonly decompressor: Decompressor;
}

/**
 * Reads the record again and makes a batch of it: key, value, headers and time as they are, and where it comes from and why.
 *
 * @throws STORE_OFFSET_OUT_OF_RANGE where it is gone, MODEL_BATCH_TOO_LARGE, and what reading gives.
 */
export async function deadLetterBatch(
  reader: RecordReader,
  { push, topic, partition }: PushLink,
  offset: number,
  { reason, maxBytes }: { readonly reason: string; readonly maxBytes: number },
): Promise<{ readonly batch: Uint8Array; readonly key: Uint8Array | null }> {
  return await readRecord(reader, new FetchItem(partition, offset, 1), offset, (record) => {
    const headers = [
      ...record.headers,
      { key: 'millrace-push', value: push.id },
      { key: 'millrace-push-error', value: reason.slice(0, MAX_REASON_LENGTH).toWellFormed() },
      { key: 'millrace-parent', value: `${topic.name}/${partition.index}/${offset}` },
    ];
    const { key, value, timestamp } = record;
    const batch = encodeBatch([{ key, value, timestamp, headers }], { maxBytes });
    return { batch, key: key === null ? null : new Uint8Array(key) };
  });
}

/** @param use gets views that are borrowed for the call. */
async function readRecord<T>(
  reader: RecordReader,
  item: FetchItem,
  offset: number,
  use: (record: StoredRecord) => T,
): Promise<T> {
  const request = await fetchOne(reader.fetchPath, item);
  try {
    const cursor = new BatchCursor(item.slices[0] ?? new Uint8Array(0));
    if (item.error === undefined && cursor.next() === 'batch') {
      const { bytes, position } = cursor;
      const isPlain = codec(bytes, position) === CODEC.none;
      const opened = isPlain ? recordBytes(bytes, position) : await reader.decompressor.open(bytes, position);
      const records = new RecordCursor(bytes, position, opened);
      while (records.next()) if (records.offset === offset) return use(records.record());
    }
  } finally {
    releaseFetch(request);
  }
  throw new MillraceError(item.error ?? 'STORE_OFFSET_OUT_OF_RANGE', `The record at offset ${offset} is not there.`);
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
