/**
 * One round of compaction, in its worker: partition by partition, the keys of what is new are learnt and what stays is
 * written into new chunks. Small partitions share them.
 *
 * ```
 *  ranges ──learn──► newest offset of each key ──┐
 *    └──────────────filter───────────────────────┴──► batches ──► ChunkOutput ──► chunks, durable ──► the swap
 * ```
 */
import type { Clock } from '../../base/clock.ts';
import { asMillraceError, MillraceError } from '../../base/errors.ts';
import type { Disk } from '../../journal/disk.ts';
import { diskUnder } from '../../journal/open-disk.ts';
import { baseOffset, batchSizeBytes, lastOffset, maxTimestamp } from '../../model/record-batch.ts';
import { ChunkOutput } from '../../store/chunk-output.ts';
import { describeFile } from '../../store/file-number.ts';
import type { FileRange } from '../../store/file-ranges.ts';
import type { Piece } from '../../store/read-plan.ts';
import { soundBytes } from '../../store/sound-batches.ts';
import { SealSources } from '../chunks/seal-sources.ts';
import { BatchPacker } from './batch-packer.ts';
import { LatestOffsets } from './latest-offsets.ts';
import type { CompactedPartition, CompactionAnswer, CompactionRound, CompactionTask } from './messages.ts';
import { RecordFilter } from './record-filter.ts';
import { Throttle } from './throttle.ts';

/** Damage, and keys that were deleted. */
const UNREADABLE: ReadonlySet<string> = new Set(['STORE_CORRUPT', 'STORE_KEY_MISSING']);

/** @returns false to end the walk before the next batch. */
type Visit = (bytes: Uint8Array, position: number) => boolean;

/** @throws JOURNAL_NO_SPACE, STORE_IO: the round is nothing; what was written is removed or overwritten by the next. */
export async function compactRound(
  disk: Disk,
  clock: Clock,
  directory: string,
  round: CompactionRound,
): Promise<CompactionAnswer> {
  const { firstChunk, chunkBytes } = round;
  const prefixes = new Map(round.tasks.map(({ partition, keyPrefix }) => [partition, keyPrefix]));
  const diskFor = (partition: number): Disk => diskUnder(disk, prefixes.get(partition) ?? '');
  const output = new ChunkOutput({ disk, diskFor, directory, firstChunk, chunkBytes });
  const work = new Round(disk, clock, directory, round, output);
  try {
    const partitions: CompactedPartition[] = [];
    for (const task of round.tasks) partitions.push(await work.compact(task));
    await output.finish();
    const written = Map.groupBy(output.entries, ({ partition }) => partition);
    const rangesOf = new Map(
      [...written].map(([partition, entries]) => [partition, entries.map(({ range }) => range)]),
    );
    return {
      partitions: partitions.map((each) => withRanges(each, rangesOf)),
      chunks: output.chunks,
      bytesRead: work.bytesRead,
      bytesWritten: output.bytesWritten,
    };
  } catch (error) {
    await output.abandon();
    throw error;
  } finally {
    await work.close();
  }
}

class Round {
  bytesRead = 0;
  readonly #sources: SealSources;
  readonly #round: CompactionRound;
  readonly #output: ChunkOutput;
  readonly #throttle: Throttle;
  #paidBytes = 0;

  constructor(disk: Disk, clock: Clock, directory: string, round: CompactionRound, output: ChunkOutput) {
    this.#sources = new SealSources(disk, directory);
    this.#round = round;
    this.#output = output;
    this.#throttle = new Throttle(clock, round.bytesPerSecond);
  }

  async close(): Promise<void> {
    await this.#sources.close();
  }

  /** A partition that cannot be read does not keep the others from being compacted. */
  async compact(task: CompactionTask): Promise<CompactedPartition> {
    const { partition } = task;
    try {
      return await this.#compact(task);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { outcome: 'moved', partition };
      const isUnreadable = error instanceof MillraceError && UNREADABLE.has(error.code);
      if (!isUnreadable) throw error;
      return { outcome: 'failed', partition, problem: asMillraceError(error).message };
    }
  }

  async #compact(task: CompactionTask): Promise<CompactedPartition> {
    const { partition, ranges } = task;
    const first = ranges[0] as FileRange;
    const latest = new LatestOffsets(this.#round.keyBytes);
    const filter = new RecordFilter({ ...task, now: this.#round.now }, latest);
    const learntEnd = await this.#learn(task, filter);
    // Ranges that no learnt key lies in stay as they are.
    const taken = ranges.filter(({ baseOffset: base }) => base < learntEnd);
    const endOffset = (taken.at(-1) as FileRange).endOffset;
    const packing: { packer: BatchPacker | undefined } = { packer: undefined };
    await this.#walk(task, taken, first.baseOffset, (bytes, position) => {
      const base = baseOffset(bytes, position);
      if (base >= learntEnd) return false;
      packing.packer ??= this.#beginPacking(partition, base, filter);
      filter.filter(bytes, position, packing.packer);
      return true;
    });
    const { keptEnd, keptAny } = filter;
    const facts = { keptRecords: filter.counts.kept, droppedRecords: filter.counts.dropped };
    if (!keptAny) {
      const cleanEnd = first.baseOffset;
      return { outcome: 'compacted', partition, ranges: [], dirtyFrom: learntEnd, cleanEnd, ...facts };
    }
    packing.packer?.flush(keptEnd);
    await this.#output.drain();
    // Nothing behind takes in the gap that would be left, so what could go here goes with a later round.
    if (keptEnd < endOffset) {
      await this.#walk(task, taken, keptEnd, (bytes, position) => {
        this.#copy(partition, bytes, position);
        return true;
      });
    }
    // The ranges are known when their chunk is ended.
    return { outcome: 'compacted', partition, ranges: taken, dirtyFrom: learntEnd, cleanEnd: keptEnd, ...facts };
  }

  /** @returns where learning ended: all keys before it are known. Exclusive. */
  async #learn(task: CompactionTask, filter: RecordFilter): Promise<number> {
    const { ranges, dirtyFrom } = task;
    let end = (ranges.at(-1) as FileRange).endOffset;
    await this.#walk(task, ranges, dirtyFrom, (bytes, position) => {
      if (filter.learn(bytes, position)) return true;
      // The first batch alone may be too much: then some of its keys are not known, and more stays than must.
      const first = baseOffset(bytes, position);
      end = first > dirtyFrom ? first : lastOffset(bytes, position) + 1;
      return false;
    });
    return end;
  }

  /** Batches of the ranges from the one on that contains the offset, in order; what is appended is written on the way. */
  async #walk(task: CompactionTask, ranges: readonly FileRange[], from: number, visit: Visit): Promise<void> {
    for (const range of ranges) {
      if (range.endOffset <= from) continue;
      const part = { partition: task.partition, logStartOffset: task.logStartOffset, ranges: [range], sizeBytes: 0 };
      const pieces = (await this.#sources.pieces(part)).filter(({ endOffset }) => endOffset > from);
      for await (const { span, bytes } of this.#sources.read(pieces)) {
        this.bytesRead += span.sizeBytes;
        for (const piece of span.pieces) {
          const at = piece.position - span.position;
          if (!visitPiece(bytes.subarray(at, at + piece.sizeBytes), piece, from, visit)) return;
        }
        await this.#output.drain();
        await this.#pay();
      }
    }
  }

  #copy(partition: number, bytes: Uint8Array, position: number): void {
    const batch = bytes.subarray(position, position + batchSizeBytes(bytes, position));
    this.#output.append(partition, batch, {
      baseOffset: baseOffset(bytes, position),
      endOffset: lastOffset(bytes, position) + 1,
      maxTimestamp: maxTimestamp(bytes, position),
    });
  }

  /** From the first batch on that is read: where the log start has left some behind, not from the first range on. */
  #beginPacking(partition: number, base: number, filter: RecordFilter): BatchPacker {
    filter.beginAt(base);
    return new BatchPacker(base, (batch, firstOffset, endOffset, timestamp) => {
      this.#output.append(partition, batch, { baseOffset: firstOffset, endOffset, maxTimestamp: timestamp });
    });
  }

  async #pay(): Promise<void> {
    const spent = this.bytesRead + this.#output.bytesWritten;
    const owed = spent - this.#paidBytes;
    this.#paidBytes = spent;
    await this.#throttle.spend(owed);
  }
}

function visitPiece(bytes: Uint8Array, piece: Piece, from: number, visit: Visit): boolean {
  const sound = soundBytes(bytes, piece.baseOffset);
  if (sound < bytes.length) throw damaged(piece, sound);
  for (let at = 0; at < bytes.length; at += batchSizeBytes(bytes, at)) {
    if (lastOffset(bytes, at) >= from && !visit(bytes, at)) return false;
  }
  return true;
}

/** The ranges of what was written: known once the chunks are ended. */
function withRanges(
  compacted: CompactedPartition,
  written: ReadonlyMap<number, readonly FileRange[]>,
): CompactedPartition {
  if (compacted.outcome !== 'compacted' || compacted.ranges.length === 0) return compacted;
  return { ...compacted, ranges: written.get(compacted.partition) ?? [] };
}

function damaged(piece: Piece, sound: number): MillraceError {
  return new MillraceError(
    'STORE_CORRUPT',
    `${describeFile(piece.file)}, position ${piece.position + sound}: batches between offsets ${piece.baseOffset} and ` +
      `${piece.endOffset - 1} are damaged. Their partition is not compacted.`,
    { details: { file: piece.file, position: piece.position + sound } },
  );
}
