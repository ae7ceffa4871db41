/** Batches of records that carry a header `message-id`, written down as `id=value`, or `=value` for one without. */
import { BatchBuilder, type ProducerFields } from '../../src/model/batch-builder.ts';
import type { CodecName } from '../../src/model/record-batch.ts';
import { readRecords } from '../../src/model/record-codec.ts';

export interface MessageBatchOptions {
  readonly producer?: ProducerFields | undefined;
  readonly codec?: CodecName;
  readonly timestamp?: number;
}

export function messageBatch(records: readonly string[], options: MessageBatchOptions = {}): Uint8Array {
  const { producer, codec = 'none', timestamp = 1_700_000_000_000 } = options;
  const builder = new BatchBuilder({ codec, maxBytes: 8 * 1024 * 1024 });
  for (const [i, record] of records.entries()) {
    const cut = record.indexOf('=');
    const id = record.slice(0, cut);
    const headers = id === '' ? [] : [{ key: 'message-id', value: id }];
    builder.add({ key: null, value: record.slice(cut + 1), timestamp: timestamp + i, headers });
  }
  return Uint8Array.from(builder.build(producer));
}

/** `offset:value` of each record. */
export function placesOf(batch: Uint8Array): string[] {
  return Array.from(readRecords(batch), ({ offset, value }) => `${offset}:${Buffer.from(value ?? []).toString()}`);
}
