/**
 * Reads as a read-committed consumer of Kafka does: batches in order, those of aborted transactions and the markers left
 * out, by nothing but the batches themselves and the list of aborted transactions that came with them.
 */
import { markerCommits } from '../../src/broker/transactions/marker.ts';
import { isControl, isTransactional, lastOffset, producerId } from '../../src/model/record-batch.ts';
import { readRecords } from '../../src/model/record-codec.ts';
import { splitBatches } from './broker-kit.ts';

/** As it comes with an answer. */
interface Aborted {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface ReadRecord {
  readonly offset: number;
  readonly value: string;
}

/** @param from records before this offset are dropped, as a consumer drops what it did not ask for. */
export function committedRecords(bytes: Buffer, aborted: readonly Aborted[], from: number): readonly ReadRecord[] {
  const waiting = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const dropped = new Set<number>();
  const records: ReadRecord[] = [];
  for (const batch of splitBatches(bytes)) {
    while (waiting[0] !== undefined && waiting[0].firstOffset <= lastOffset(batch, 0)) {
      dropped.add((waiting.shift() as Aborted).producerId);
    }
    const id = producerId(batch, 0);
    if (isControl(batch, 0)) {
      if (!markerCommits(batch, 0)) dropped.delete(id);
    } else if (!isTransactional(batch, 0) || !dropped.has(id)) {
      for (const { offset, value } of readRecords(batch)) {
        records.push({ offset, value: Buffer.from(value ?? []).toString() });
      }
    }
  }
  return records.filter(({ offset }) => offset >= from);
}
