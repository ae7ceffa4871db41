/**
 * Chunks as folded from the journal: the number that the next one gets, and, through the partitions' ranges, which batches
 * stand in which. `BATCHES_SEALED` is the swap: until its commit the batches are read from where they were, and from then
 * on from the chunk, which was whole and durable before.
 *
 * `JOURNAL_ROLLED` changes nothing: it is the first commit of a new file where nothing else is written, so that the file
 * before it is closed and its space may come back.
 */
import { lengthOf } from '../../base/bytes.ts';
import { assert } from '../../base/errors.ts';
import { sharedBytes } from '../../base/mapped-bytes.ts';
import { PieceReader, StateReader, StateWriter } from '../../base/state-bytes.ts';
import { chunkFile } from '../../store/file-number.ts';
import { type FileRange, readRange, writeRange } from '../../store/file-ranges.ts';
import type { LogStore } from '../../store/log-store.ts';
import { checkBodyVersion } from '../body-version.ts';
import type { CompactionState } from '../compaction/compaction-state.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';

const BODY_VERSION = 1;

/** Bodies of the commands, versioned by their first byte. Byte layouts: docs/formats.md, "State commands". */
export const chunkCommands = {
  rolled(): Uint8Array {
    return new StateWriter().u8(BODY_VERSION).finish();
  },
};

/** Partitions told in one command: applying it takes about a millisecond. */
const PARTITIONS_PER_COMMAND = 1_000;

/**
 * Commands of a round of sealing, each of them whole: kept as bytes, since a round may be one of very many partitions. In mapped memory:
 * what a worker hands over of its own heap stays with a thread that has ended.
 */
export class SealedCommands {
  /** What follows the heads of all commands. */
  readonly #bodies = new StateWriter(1024);
  readonly #parts: { readonly from: number; count: number }[] = [];

  /** @param ranges take the place of the part's ranges. */
  add(partition: number, ranges: readonly FileRange[]): void {
    const writer = this.#bodies;
    let part = this.#parts.at(-1);
    if (part === undefined || part.count === PARTITIONS_PER_COMMAND) {
      part = { from: writer.sizeBytes, count: 0 };
      this.#parts.push(part);
    }
    part.count += 1;
    writer.u32(partition).list(ranges, (range) => writeRange(writer.u32(-range.file), range));
  }

  /**
   * @param through last journal file that the round has looked at.
   * @param nextChunk number of the chunk after those of the round: with the last command, what no partition has batches in, of
   *   chunks before it, may go.
   */
  finish(through: number, nextChunk: number): Uint8Array[] {
    const heads = this.#parts.map(({ count }, i) => {
      const isLast = i === this.#parts.length - 1;
      return new StateWriter().u8(BODY_VERSION).u32(through).u32(nextChunk).bool(isLast).u32(count).finish();
    });
    const headBytes = lengthOf(heads);
    const { sizeBytes } = this.#bodies;
    const all = sharedBytes(sizeBytes + headBytes);
    const bodies = new PieceReader(this.#bodies.pieces());
    let at = 0;
    return heads.map((head, i) => {
      const bodyBytes = (this.#parts[i + 1]?.from ?? sizeBytes) - (this.#parts[i]?.from as number);
      const command = all.subarray(at, at + head.length + bodyBytes);
      command.set(head);
      bodies.read(command.subarray(head.length));
      at += command.length;
      return command;
    });
  }
}

export class ChunksState implements StatePart {
  readonly section = CHECKPOINT_SECTION.CHUNKS;
  readonly commands = [COMMAND.JOURNAL_ROLLED, COMMAND.BATCHES_SEALED];
  readonly #store: LogStore;
  readonly #compaction: CompactionState;
  /** Number of the next chunk. */
  nextChunk = 1;
  /** Chunks before this one that no partition has batches in may go: their round is told whole. */
  removableBefore = 1;
  /** Last journal file that a round has looked at. */
  sealedThrough = 0;

  constructor(store: LogStore, compaction: CompactionState) {
    this.#store = store;
    this.#compaction = compaction;
  }

  apply(type: number, body: Uint8Array): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    switch (type) {
      case COMMAND.JOURNAL_ROLLED:
        return;
      case COMMAND.BATCHES_SEALED:
        return this.#sealed(reader);
      default:
        assert(false, `command ${type} is not one of chunks`);
    }
  }

  snapshot(writer: StateWriter): void {
    writer.u8(BODY_VERSION).u32(this.nextChunk).u32(this.removableBefore).u32(this.sealedThrough);
  }

  restore(reader: StateReader): void {
    checkBodyVersion(this.section, reader.u8(), BODY_VERSION);
    this.nextChunk = reader.u32();
    this.removableBefore = reader.u32();
    this.sealedThrough = reader.u32();
  }

  #sealed(reader: StateReader): void {
    this.sealedThrough = Math.max(this.sealedThrough, reader.u32());
    this.nextChunk = Math.max(this.nextChunk, reader.u32());
    if (reader.bool()) this.removableBefore = this.nextChunk;
    reader.list(() => {
      const number = reader.u32();
      const partition = this.#store.partition(number);
      const ranges = reader.list(() => readRange(reader, chunkFile(reader.u32())));
      // Compacted between the decision and the commit: what was sealed is older than what is there.
      if ((ranges[0]?.baseOffset ?? 0) < (this.#compaction.of(number)?.endOffset ?? 0)) return;
      // Deleted between the decision and the commit: nobody reads these batches any more.
      partition?.sealed(ranges);
    });
  }
}
