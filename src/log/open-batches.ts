import { AbortedBatches } from '../broker/aborted-batches.ts';
import type { Decompressor } from '../broker/decompressor/decompressor.ts';
import type { StoredRecord } from '../model/record.ts';
import { batchSizeBytes, CODEC, codec } from '../model/record-batch.ts';
import { RecordCursor, recordBytes } from '../model/record-codec.ts';
import type { AbortedTransaction } from '../store/transaction-index.ts';

/**
 * The records of whole batches from an offset on to another (exclusive), without those of aborted transactions. Large compressed batches are opened
 * on worker threads.
 *
 * @param bytes owned by the records that come of it.
 * @throws MODEL_RECORD_INVALID, MODEL_DECOMPRESSION_FAILED and the like, naming the offset.
 */
export async function* openBatches(
  bytes: Uint8Array,
  fromOffset: number,
  endOffset: number,
  aborted: readonly AbortedTransaction[],
  decompressor: Decompressor,
): AsyncGenerator<StoredRecord, void, undefined> {
  const hidden = new AbortedBatches(aborted);
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    if (hidden.hides(bytes, at)) continue;
    const records = codec(bytes, at) === CODEC.none ? recordBytes(bytes, at) : await decompressor.open(bytes, at);
    const cursor = new RecordCursor(bytes, at, records);
    while (cursor.next() && cursor.offset < endOffset) if (cursor.offset >= fromOffset) yield cursor.record();
  }
}
