/**
 * Compaction as folded from the journal: how far each partition is compacted, and the number that the next chunk of
 * compaction gets. `BATCHES_COMPACTED` is the swap: until its commit a partition is read from where it stood, and from then
 * on from the new chunks, which were whole and durable before.
 *
 * Chunks of compaction are numbered from 2^30 on. Sealing has the numbers below it, so neither waits for the other's last
 * round to be folded before it knows which number is free.
 */
import { assert } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import type { CommitNumber } from '../../journal/journal.ts';
import { chunkFile } from '../../store/file-number.ts';
import { type FileRange, readRange, writeRange } from '../../store/file-ranges.ts';
import type { LogStore } from '../../store/log-store.ts';
import { checkBodyVersion } from '../body-version.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import type { Topic } from '../topic.ts';

const BODY_VERSION = 1;

/** On disk: never change. */
export const FIRST_COMPACTED_CHUNK = 2 ** 30;

export interface PartitionCompaction {
  /** Records before it are compacted: keys are learnt from here on. */
  readonly dirtyFrom: number;
  /** Records of aborted transactions are gone before this offset. */
  readonly cleanEnd: number;
  /** End of the ranges that were rewritten, exclusive; sealing leaves what lies before it alone. */
  readonly endOffset: number;
  /** Commit of the swap: what stands in the journal before it holds the records that were dropped. */
  readonly commit: CommitNumber;
}

export interface CompactedSwap {
  readonly partition: number;
  readonly dirtyFrom: number;
  readonly cleanEnd: number;
  /** Aborted transactions whose marker lies before this offset are forgotten. */
  readonly abortedBefore: number;
  /** Neighbours, in order; none: nothing was rewritten. */
  readonly ranges: readonly FileRange[];
}

export interface CompactedBatches {
  /** Number of the chunk after those of the round. */
  readonly nextChunk: number;
  readonly partitions: readonly CompactedSwap[];
}

/** Bodies of the commands, versioned by their first byte. Byte layouts: docs/formats.md, "State commands". */
export const compactionCommands = {
  compacted({ nextChunk, partitions }: CompactedBatches): Uint8Array {
    const writer = new StateWriter(1024).u8(BODY_VERSION).u32(nextChunk);
    writer.list(partitions, ({ partition, dirtyFrom, cleanEnd, abortedBefore, ranges }) => {
      writer
        .u32(partition)
        .i64(dirtyFrom)
        .i64(cleanEnd)
        .i64(abortedBefore)
        .list(ranges, (range) => writeRange(writer.u32(-range.file), range));
    });
    return writer.finish();
  },
};

export class CompactionState implements StatePart {
  readonly section = CHECKPOINT_SECTION.COMPACTION;
  readonly commands = [COMMAND.BATCHES_COMPACTED];
  readonly #store: LogStore;
  readonly #partitions = new Map<number, PartitionCompaction>();
  /** Number of the next chunk of compaction. Those before it that no partition has batches in may go. */
  nextChunk = FIRST_COMPACTED_CHUNK;

  constructor(store: LogStore) {
    this.#store = store;
  }

  /** Undefined where the partition was never compacted. */
  of(partition: number): PartitionCompaction | undefined {
    return this.#partitions.get(partition);
  }

  apply(type: number, body: Uint8Array, commit: CommitNumber): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    assert(type === COMMAND.BATCHES_COMPACTED, `command ${type} is not one of compaction`);
    this.nextChunk = Math.max(this.nextChunk, reader.u32());
    reader.list(() => {
      const number = reader.u32();
      const dirtyFrom = reader.i64();
      const cleanEnd = reader.i64();
      const abortedBefore = reader.i64();
      const ranges = reader.list(() => readRange(reader, chunkFile(reader.u32())));
      const partition = this.#store.partition(number);
      if (partition === undefined) return;
      const before = this.#partitions.get(number)?.endOffset ?? 0;
      const endOffset = Math.max(before, ranges.at(-1)?.endOffset ?? 0);
      this.#partitions.set(number, { dirtyFrom, cleanEnd, endOffset, commit });
      if (ranges.length > 0) partition.sealed(ranges);
      partition.transactions?.dropBefore(abortedBefore);
    });
  }

  topicDeleted({ partitions }: Topic): void {
    for (const { number } of partitions) this.#partitions.delete(number);
  }

  snapshot(writer: StateWriter): void {
    writer.u8(BODY_VERSION).u32(this.nextChunk);
    writer.list(this.#partitions, ([number, { dirtyFrom, cleanEnd, endOffset, commit }]) => {
      writer.u32(number).i64(dirtyFrom).i64(cleanEnd).i64(endOffset).i64(commit);
    });
  }

  restore(reader: StateReader): void {
    checkBodyVersion(COMMAND.BATCHES_COMPACTED, reader.u8(), BODY_VERSION);
    this.nextChunk = reader.u32();
    reader.list(() => {
      const number = reader.u32();
      const dirtyFrom = reader.i64();
      const cleanEnd = reader.i64();
      this.#partitions.set(number, { dirtyFrom, cleanEnd, endOffset: reader.i64(), commit: reader.i64() });
    });
  }
}
