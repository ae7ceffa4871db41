/**
 * What compaction keeps of a partition, decided batch by batch. Two passes over the same batches: `learn` reads the keys of
 * what is new, `filter` writes what stays.
 *
 * | goes | when |
 * |---|---|
 * | a record | a newer one of its key is among those that were learnt, or it lies before the log start |
 * | a tombstone | its batch's delete horizon is over; the horizon is set by the first pass that sees it |
 * | a record of an aborted transaction | at once |
 * | the marker of a committed transaction | at once: its records are ordinary ones from here on |
 * | the marker of an aborted one | once the partition's list of aborted transactions has forgotten it |
 *
 * Records without a key stay, and batches that cannot be opened: nobody said that they are superseded.
 * Source: KIP-354 (lags), KIP-534 (delete horizon), Kafka's LogCleaner for what a user may rely on.
 */
import { MillraceError } from '../../base/errors.ts';
import {
  attributes,
  baseOffset,
  baseTimestamp,
  batchSizeBytes,
  CODEC,
  codec,
  DELETE_HORIZON_BIT,
  isControl,
  isLogAppendTime,
  isTransactional,
  lastOffset,
  maxTimestamp,
  producerEpoch,
  producerId,
} from '../../model/record-batch.ts';
import { openRecords, RecordCursor, recordBytes } from '../../model/record-codec.ts';
import type { AbortedTransaction } from '../../store/transaction-index.ts';
import type { BatchPacker, PackShape } from './batch-packer.ts';
import type { LatestOffsets } from './latest-offsets.ts';

/** A batch so large is copied as it is where all of it stays, instead of being packed with others. */
const WORTH_KEEPING_BYTES = 4 * 1024;

export interface FilterRules {
  readonly logStartOffset: number;
  /** Records before it were compacted before: only what lies behind is learnt. */
  readonly dirtyFrom: number;
  /** Those that have batches in what is compacted, with their markers. */
  readonly aborted: readonly AbortedTransaction[];
  /** Aborted transactions whose markers lie before this offset are forgotten with this compaction. */
  readonly abortedBefore: number;
  readonly deleteRetentionMs: number;
  /** ms since 1970. */
  readonly now: number;
}

export interface FilterCounts {
  kept: number;
  dropped: number;
}

export class RecordFilter {
  readonly counts: FilterCounts = { kept: 0, dropped: 0 };
  readonly #rules: FilterRules;
  readonly #latest: LatestOffsets;
  readonly #aborted = new Map<number, AbortedTransaction[]>();
  readonly #markers = new Set<number>();
  #begin = 0;
  #keptEnd = 0;

  constructor(rules: FilterRules, latest: LatestOffsets) {
    this.#rules = rules;
    this.#latest = latest;
    for (const transaction of rules.aborted) {
      const known = this.#aborted.get(transaction.producerId);
      if (known === undefined) this.#aborted.set(transaction.producerId, [transaction]);
      else known.push(transaction);
      if (transaction.lastOffset >= rules.abortedBefore) this.#markers.add(transaction.lastOffset);
    }
  }

  /** Where the first batch begins that is filtered. */
  beginAt(offset: number): void {
    this.#begin = offset;
    this.#keptEnd = offset;
  }

  /** End of the last batch that something stays of, exclusive: of what lies behind, nothing does. */
  get keptEnd(): number {
    return this.#keptEnd;
  }

  get keptAny(): boolean {
    return this.#keptEnd > this.#begin;
  }

  /** @returns false where the keys have no more room: the batch was learnt in part, and none may be behind it. */
  learn(bytes: Uint8Array, position: number): boolean {
    if (lastOffset(bytes, position) < this.#rules.dirtyFrom || !this.#holdsData(bytes, position)) return true;
    const records = readableRecords(bytes, position);
    if (records === undefined) return true;
    const cursor = new RecordCursor(bytes, position, records);
    while (cursor.next()) {
      const { key, offset } = cursor;
      if (key === null || offset < this.#rules.dirtyFrom || offset < this.#rules.logStartOffset) continue;
      if (!this.#latest.put(key, offset)) return false;
    }
    return true;
  }

  /** The next batch, in order. */
  filter(bytes: Uint8Array, position: number, packer: BatchPacker): void {
    const first = baseOffset(bytes, position);
    const endOffset = lastOffset(bytes, position) + 1;
    if (endOffset <= this.#rules.logStartOffset) return;
    if (isControl(bytes, position)) {
      // The last offset: an earlier round may have let the marker's batch begin before it.
      if (this.#markers.has(endOffset - 1)) this.#keepMarker(bytes, position, packer, endOffset);
      return;
    }
    if (!this.#holdsData(bytes, position)) return;
    const records = readableRecords(bytes, position);
    if (records === undefined) {
      packer.flush(this.#keptEnd);
      this.#keepWhole(bytes, position, packer, endOffset);
      return;
    }
    const { kept, all, tombstones } = this.#judge(bytes, position, records);
    this.counts.kept += kept.length;
    this.counts.dropped += all - kept.length;
    if (kept.length === 0) return;
    const horizon = this.#horizonOf(bytes, position, tombstones);
    const unchanged =
      kept.length === all && !isTransactional(bytes, position) && horizon === ownHorizon(bytes, position);
    const large = batchSizeBytes(bytes, position) >= WORTH_KEEPING_BYTES;
    // Behind a gap a batch has to begin earlier, so it is written anew.
    if (unchanged && first === this.#keptEnd && (large || packer.isEmpty)) {
      this.#keepWhole(bytes, position, packer, endOffset);
      return;
    }
    this.#pack(bytes, position, records, kept, horizon, packer);
    this.#keptEnd = endOffset;
  }

  #keepWhole(bytes: Uint8Array, position: number, packer: BatchPacker, endOffset: number): void {
    const batch = bytes.subarray(position, position + batchSizeBytes(bytes, position));
    packer.verbatim(batch, baseOffset(bytes, position), endOffset, maxTimestamp(bytes, position));
    this.#keptEnd = endOffset;
  }

  #keepMarker(bytes: Uint8Array, position: number, packer: BatchPacker, endOffset: number): void {
    if (baseOffset(bytes, position) === this.#keptEnd) return this.#keepWhole(bytes, position, packer, endOffset);
    const cursor = new RecordCursor(bytes, position, recordBytes(bytes, position));
    if (!cursor.next()) return;
    const control = { producerId: producerId(bytes, position), producerEpoch: producerEpoch(bytes, position) };
    packer.add(cursor, { codec: CODEC.none, appendTime: undefined, deleteHorizon: undefined, control });
    this.#keptEnd = endOffset;
  }

  #pack(
    bytes: Uint8Array,
    position: number,
    records: Uint8Array,
    kept: readonly number[],
    deleteHorizon: number | undefined,
    packer: BatchPacker,
  ): void {
    const appendTime = isLogAppendTime(bytes, position) ? maxTimestamp(bytes, position) : undefined;
    const shape: PackShape = { codec: codec(bytes, position), appendTime, deleteHorizon };
    const cursor = new RecordCursor(bytes, position, records);
    let next = 0;
    while (next < kept.length && cursor.next()) {
      if (cursor.offset !== kept[next]) continue;
      packer.add(cursor, shape);
      next += 1;
    }
  }

  /** Offsets of the records that stay. */
  #judge(
    bytes: Uint8Array,
    position: number,
    records: Uint8Array,
  ): { readonly kept: number[]; readonly all: number; readonly tombstones: boolean } {
    const { logStartOffset, now } = this.#rules;
    const horizon = ownHorizon(bytes, position);
    const cursor = new RecordCursor(bytes, position, records);
    const kept: number[] = [];
    let all = 0;
    let tombstones = false;
    while (cursor.next()) {
      all += 1;
      const { offset, key } = cursor;
      if (offset < logStartOffset) continue;
      if (key !== null) {
        if (this.#latest.get(key) > offset) continue;
        if (!cursor.hasValue) {
          if (horizon !== undefined && horizon <= now) continue;
          tombstones = true;
        }
      }
      kept.push(offset);
    }
    return { kept, all, tombstones };
  }

  #horizonOf(bytes: Uint8Array, position: number, tombstones: boolean): number | undefined {
    if (!tombstones) return undefined;
    return ownHorizon(bytes, position) ?? this.#rules.now + this.#rules.deleteRetentionMs;
  }

  /** No marker, and not of an aborted transaction. */
  #holdsData(bytes: Uint8Array, position: number): boolean {
    if (isControl(bytes, position)) return false;
    if (!isTransactional(bytes, position)) return true;
    return !isWithin(this.#aborted.get(producerId(bytes, position)) ?? [], baseOffset(bytes, position));
  }
}

/** Whether the offset lies in one of a producer's transactions, which come one after the other. */
function isWithin(transactions: readonly AbortedTransaction[], offset: number): boolean {
  let low = 0;
  let high = transactions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((transactions[middle] as AbortedTransaction).lastOffset < offset) low = middle + 1;
    else high = middle;
  }
  const found = transactions[low];
  return found !== undefined && found.firstOffset <= offset;
}

function ownHorizon(bytes: Uint8Array, position: number): number | undefined {
  return (attributes(bytes, position) & DELETE_HORIZON_BIT) === 0 ? undefined : baseTimestamp(bytes, position);
}

/** Undefined where the records cannot be read: a producer may have sent anything under a right checksum. */
function readableRecords(bytes: Uint8Array, position: number): Uint8Array | undefined {
  try {
    const records = openRecords(bytes, position);
    const cursor = new RecordCursor(bytes, position, records);
    while (cursor.next());
    return records;
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}
