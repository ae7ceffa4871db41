/** Answers of the library to records: every batch is decoded already, here they get offsets and our shape. */
import type { KafkaRecord, RecordsBatch } from '@platformatic/kafka';
import type { RecordHeader } from '../../../model/record.ts';
import type { RawRecord } from '../../record.ts';
import { decodeUtf8 } from '../../utf8.ts';

/** What we read of a partition's part of an answer. */
export interface FetchedPartition {
  readonly partitionIndex: number;
  readonly records?: readonly RecordsBatch[] | null;
}

const CONTROL_BIT = 0x20;
const NO_HEADERS: readonly RecordHeader[] = [];

export interface Fetched {
  readonly records: RawRecord[];
  /** Where to fetch next: behind control batches and what compaction removed, too. */
  readonly nextOffset: bigint;
}

/** Records from `fromOffset` on: a batch may begin before what was asked for. */
export function fetchedRecords(topic: string, partition: FetchedPartition, fromOffset: bigint): Fetched {
  const records: RawRecord[] = [];
  let nextOffset = fromOffset;
  for (const batch of partition.records ?? []) {
    const end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
    if (end > nextOffset) nextOffset = end;
    if ((batch.attributes & CONTROL_BIT) === 0) append(records, topic, partition.partitionIndex, batch, fromOffset);
  }
  return { records, nextOffset };
}

function append(records: RawRecord[], topic: string, partition: number, batch: RecordsBatch, fromOffset: bigint): void {
  const firstTimestamp = Number(batch.firstTimestamp);
  for (const record of batch.records) {
    const offset = batch.firstOffset + BigInt(record.offsetDelta);
    if (offset < fromOffset) continue;
    records.push({
      topic,
      partition,
      offset,
      timestamp: firstTimestamp + Number(record.timestampDelta),
      key: record.key,
      value: record.value,
      headers: record.headers.length === 0 ? NO_HEADERS : headersOf(record),
    });
  }
}

function headersOf(record: KafkaRecord): RecordHeader[] {
  return record.headers.map(([key, value]) => ({ key: key === null ? '' : decodeUtf8(key), value }));
}
