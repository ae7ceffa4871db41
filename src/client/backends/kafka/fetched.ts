/** Answers of the library to records: every batch is decoded already, here they get offsets and our shape. */
import type { KafkaRecord, RecordsBatch } from '@platformatic/kafka';
import type { RecordHeader } from '../../../model/record.ts';
import type { RawRecord } from '../../record.ts';
import { decodeUtf8 } from '../../utf8.ts';

/** What we read of a partition's part of an answer. */
export interface FetchedPartition {
  readonly partitionIndex: number;
  readonly abortedTransactions?: readonly { readonly producerId: bigint; readonly firstOffset: bigint }[] | null;
  readonly records?: readonly RecordsBatch[] | null;
}

const TRANSACTIONAL_BIT = 0x10;
const CONTROL_BIT = 0x20;
/** Key of a control record: version, then type, 16 bits each. */
const ABORT_MARKER = 0;
const NO_HEADERS: readonly RecordHeader[] = [];

export interface Fetched {
  readonly records: RawRecord[];
  /** Where to fetch next: behind control batches and what compaction removed, too. */
  readonly nextOffset: bigint;
}

/**
 * Records from `fromOffset` on: a batch may begin before what was asked for. Those of aborted transactions are left out: the
 * answer lists the transactions that were aborted in its range, and a marker ends each. Source: KIP-98, read committed.
 */
export function fetchedRecords(topic: string, partition: FetchedPartition, fromOffset: bigint): Fetched {
  const records: RawRecord[] = [];
  let nextOffset = fromOffset;
  const aborted = [...(partition.abortedTransactions ?? [])].sort((a, b) => Number(a.firstOffset - b.firstOffset));
  const dropped = new Set<bigint>();
  for (const batch of partition.records ?? []) {
    const end = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
    if (end > nextOffset) nextOffset = end;
    for (let next = aborted[0]; next !== undefined && next.firstOffset < end; next = aborted[0]) {
      dropped.add(next.producerId);
      aborted.shift();
    }
    if ((batch.attributes & CONTROL_BIT) !== 0) {
      if (isAbortMarker(batch)) dropped.delete(batch.producerId);
    } else if ((batch.attributes & TRANSACTIONAL_BIT) === 0 || !dropped.has(batch.producerId))
      append(records, topic, partition.partitionIndex, batch, fromOffset);
  }
  return { records, nextOffset };
}

function isAbortMarker({ records: [marker] }: RecordsBatch): boolean {
  const key = marker?.key;
  return key !== undefined && key !== null && key.length >= 4 && key.readInt16BE(2) === ABORT_MARKER;
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
