/** A record that an application does not take, as the dead-letter topic keeps it. */
import { MillraceError } from '../../base/errors.ts';
import { encodeBatch } from '../../model/batch-builder.ts';
import { formatRecordPosition, PARENT_HEADER } from '../../model/record-position.ts';
import { type RecordReader, readRecord } from '../read-record.ts';
import type { PushLink } from './push-link.ts';

/** Of the reason, in a header. */
const MAX_REASON_LENGTH = 1_000;

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
  const place = formatRecordPosition({ topic: topic.name, partition: partition.index, offset });
  const made = await readRecord(reader, partition, offset, ({ key, value, timestamp, headers }) => {
    const all = [
      ...headers,
      { key: 'millrace-push', value: push.id },
      { key: 'millrace-push-error', value: reason.slice(0, MAX_REASON_LENGTH).toWellFormed() },
      { key: PARENT_HEADER, value: place },
    ];
    const batch = encodeBatch([{ key, value, timestamp, headers: all }], { maxBytes });
    return { batch, key: key === null ? null : new Uint8Array(key) };
  });
  if (made !== undefined) return made;
  throw new MillraceError('STORE_OFFSET_OUT_OF_RANGE', `The record at ${place} is not there.`);
}
