/**
 * All partitions of a lane, folded from the journal's batches. The same class folds live, in recovery and in the
 * checkpoint worker; reading (`reader.ts`) and deciding what may be appended (`src/broker`) stand beside it.
 */
import { assert, MillraceError } from '../base/errors.ts';
import type { StateReader, StateWriter } from '../base/state-bytes.ts';
import type { BatchRun, CommitNumber } from '../journal/journal.ts';
import {
  BATCH_HEADER_BYTES,
  baseOffset,
  baseSequence,
  batchSizeBytes,
  isControl,
  isTransactional,
  lastOffsetDelta,
  maxTimestamp,
  producerEpoch,
  producerId,
} from '../model/record-batch.ts';
import type { FileNumber } from './file-number.ts';
import { type FileRange, readRange } from './file-ranges.ts';
import { Partition, PartitionMemory } from './partition.ts';
import { PRODUCER_EXPIRATION_MS } from './producer-table.ts';
import { Publisher } from './publisher.ts';
import { NO_RANGE, type RangeBefore, readRangeStep, writeRangeStep } from './range-bytes.ts';

/** Of section PARTITION_VIEWS. */
const VIEWS_VERSION = 2;
/** Ranges are numbers of fixed sizes; read, not written. */
const FIRST_VIEWS_VERSION = 1;

export class LogStore {
  /** By number; numbers are dense but for deleted partitions. */
  readonly #partitions: (Partition | undefined)[] = [];
  readonly #publisher = new Publisher();
  readonly #memory = new PartitionMemory();
  #lastCommittedAt = 0;

  /** Number that the next new partition gets. */
  get nextPartitionNumber(): number {
    return this.#partitions.length;
  }

  /** Appended and not yet published, in entries of (commit, partition). */
  get unpublished(): number {
    return this.#publisher.pending;
  }

  partition(number: number): Partition | undefined {
    return this.#partitions[number];
  }

  *partitions(): Iterable<Partition> {
    for (const partition of this.#partitions) if (partition !== undefined) yield partition;
  }

  /** Chunks, and closed journal files, that some partition has readable batches in. */
  referencedFiles(): Set<FileNumber> {
    const referenced = new Set<FileNumber>();
    for (const { ranges } of this.partitions()) {
      for (let i = 0; i < (ranges?.count ?? 0); i++) referenced.add(ranges?.file(i) as number);
    }
    return referenced;
  }

  /** Folds a creation in: numbers are given out in order, so a replay gives the same ones. */
  create(number: number, index: number): Partition {
    assert(number === this.#partitions.length, `partition ${number} created where ${this.#partitions.length} is next`);
    const partition = new Partition(number, index, this.#memory);
    this.#partitions.push(partition);
    return partition;
  }

  /** Folds a deletion in; waiting readers are told when it is published. The bytes stay until their files go. */
  remove(partition: Partition, commit: CommitNumber): void {
    this.#partitions[partition.number] = undefined;
    partition.drop();
    this.#publisher.stagedDeletion(commit, partition);
  }

  /** Folds a new log start in; who waits at the partition is told when it is published. */
  trim(partition: Partition, logStartOffset: number, commit: CommitNumber): void {
    partition.moveStart(logStartOffset);
    if (partition.waiters !== undefined) this.#publisher.stagedTrim(commit, partition);
  }

  /** Folds a run of batches in. @throws STORE_CORRUPT where it does not continue its partition. */
  batches(run: BatchRun): void {
    const partition = this.#continued(run);
    const sizeBytes = run.bytes.length;
    const latest = foldHeaders(run, partition, false);
    partition.append(run.offsetCount, run.file, run.position, sizeBytes, latest);
    this.#publisher.staged(run.commit, partition, partition.endOffset, sizeBytes);
    this.#lastCommittedAt = run.committedAt;
  }

  /**
   * The same for a run whose `bytes` are only its batch headers, back to back, as a scan of a closed file gives them. The
   * extents are left out: they come from the file's index (`Partition.indexed`).
   */
  batchHeaders(run: BatchRun): void {
    const partition = this.#continued(run);
    foldHeaders(run, partition, true);
    partition.advance(run.offsetCount);
    this.#lastCommittedAt = run.committedAt;
  }

  published(commit: CommitNumber): void {
    this.#publisher.publish(commit);
  }

  /** Section PARTITION_VIEWS of a checkpoint: what is folded up to the end of a closed file, whose extents are indexed. */
  snapshotPartitions(writer: StateWriter): void {
    writer.u8(VIEWS_VERSION).u32(this.#partitions.length);
    writer.list(this.partitions(), (partition) => {
      assert(partition.extents === undefined, 'a checkpoint is taken when every extent is indexed');
      writer.varlong(partition.number).varlong(partition.index);
      writer.varlong(partition.logStartOffset).varlong(partition.endOffset);
      const ranges = partition.ranges;
      writer.varlong(ranges?.count ?? 0);
      let last: RangeBefore = NO_RANGE;
      for (let i = 0; i < (ranges?.count ?? 0); i++) {
        const range = ranges?.at(i) as FileRange;
        writeRangeStep(writer, last, range);
        last = range;
      }
    });
  }

  restorePartitions(reader: StateReader): void {
    const version = reader.u8();
    checkViewsVersion(version);
    const isFirst = version === FIRST_VIEWS_VERSION;
    this.#restorePartitions(
      reader,
      isFirst ? numbersOf(reader, () => readRange(reader, reader.i32())) : stepsOf(reader),
    );
  }

  /** Section PARTITIONS, which checkpoints had before there were chunks: journal files only, and no sizes. */
  restoreFirstPartitions(reader: StateReader): void {
    const nextRange = (): FileRange => ({
      file: reader.u32(),
      baseOffset: reader.i64(),
      endOffset: reader.i64(),
      firstRow: reader.u32(),
      rowCount: reader.u32(),
      maxTimestamp: reader.i64(),
      sizeBytes: 0,
    });
    this.#restorePartitions(reader, numbersOf(reader, nextRange));
  }

  #restorePartitions(reader: StateReader, form: ViewForm): void {
    const total = reader.u32();
    reader.list(() => {
      const partition = new Partition(form.number(), form.number(), this.#memory);
      const logStartOffset = form.offset();
      partition.endOffset = form.offset();
      partition.highWatermark = partition.endOffset;
      let last: RangeBefore = NO_RANGE;
      for (let count = form.count(); count > 0; count--) {
        const range = form.range(last);
        partition.indexed(range);
        last = range;
      }
      partition.moveStart(logStartOffset);
      this.#partitions[partition.number] = partition;
    });
    this.#partitions.length = total;
  }

  /** Section PRODUCERS: sequence state of every partition that has any; expired producers are left out. */
  snapshotProducers(writer: StateWriter): void {
    this.expireProducers(this.#lastCommittedAt - PRODUCER_EXPIRATION_MS);
    const withProducers = [...this.partitions()].filter((partition) => partition.producers !== undefined);
    writer.i64(this.#lastCommittedAt);
    writer.list(withProducers, (partition) => {
      writer.u32(partition.number);
      partition.producersForUpdate().snapshot(writer);
    });
  }

  restoreProducers(reader: StateReader): void {
    this.#lastCommittedAt = reader.i64();
    reader.list(() => {
      const partition = this.#partitions[reader.u32()];
      assert(partition !== undefined, 'a checkpoint has producers of a partition that it does not have');
      partition.producersForUpdate().restore(reader);
    });
  }

  /** Section PARTITION_TRANSACTIONS: which transactions are open and which were aborted, where there are any. */
  snapshotTransactions(writer: StateWriter): void {
    const withTransactions = [...this.partitions()].filter(
      ({ transactions }) => transactions !== undefined && transactions.openCount + transactions.abortedCount > 0,
    );
    writer.list(withTransactions, (partition) => {
      writer.u32(partition.number);
      partition.transactionsForUpdate().snapshot(writer);
    });
  }

  restoreTransactions(reader: StateReader): void {
    reader.list(() => {
      const partition = this.#partitions[reader.u32()];
      assert(partition !== undefined, 'a checkpoint has transactions of a partition that it does not have');
      partition.transactionsForUpdate().restore(reader);
    });
  }

  /** Drops producers that wrote last before this time (ms since 1970). */
  expireProducers(before: number): void {
    for (const partition of this.partitions()) {
      if (partition.producers?.expire(before) === 0) partition.dropProducers();
    }
  }

  #continued(run: BatchRun): Partition {
    const partition = this.#partitions[run.partition];
    if (partition === undefined || run.baseOffset !== partition.endOffset) throw misplaced(run, partition);
    return partition;
  }
}

/**
 * Sequences of idempotent producers, and the begins and ends of transactions, into the partition's tables; returns the
 * latest timestamp of the run.
 */
function foldHeaders(run: BatchRun, partition: Partition, headersOnly: boolean): number {
  const { bytes } = run;
  let latest = -1;
  for (
    let at = 0;
    at + BATCH_HEADER_BYTES <= bytes.length;
    at += headersOnly ? BATCH_HEADER_BYTES : batchSizeBytes(bytes, at)
  ) {
    latest = Math.max(latest, maxTimestamp(bytes, at));
    const id = producerId(bytes, at);
    if (id < 0) continue;
    if (isControl(bytes, at)) {
      partition.producers?.fence(id, producerEpoch(bytes, at));
      partition.transactions?.end(id, baseOffset(bytes, at), partition.highWatermark);
      continue;
    }
    if (isTransactional(bytes, at)) partition.transactionsForUpdate().append(id, baseOffset(bytes, at));
    partition
      .producersForUpdate()
      .record(
        id,
        producerEpoch(bytes, at),
        baseSequence(bytes, at),
        lastOffsetDelta(bytes, at),
        baseOffset(bytes, at),
        run.committedAt,
      );
  }
  return latest;
}

/** How partitions stand in a checkpoint. */
interface ViewForm {
  number(): number;
  offset(): number;
  /** Of ranges. */
  count(): number;
  range(last: RangeBefore): FileRange;
}

function numbersOf(reader: StateReader, nextRange: () => FileRange): ViewForm {
  return { number: () => reader.u32(), offset: () => reader.i64(), count: () => reader.count(), range: nextRange };
}

function stepsOf(reader: StateReader): ViewForm {
  const natural = (): number => reader.natural();
  return { number: natural, offset: natural, count: natural, range: (last) => readRangeStep(reader, last) };
}

function checkViewsVersion(version: number): void {
  if (version === VIEWS_VERSION || version === FIRST_VIEWS_VERSION) return;
  throw new MillraceError(
    'STORE_CORRUPT',
    `The checkpoint's partitions have version ${version}, known is ${VIEWS_VERSION}: it was made by a newer Millrace.`,
  );
}

function misplaced(run: BatchRun, partition: Partition | undefined): MillraceError {
  const expected = partition === undefined ? 'no such partition' : `its end is ${partition.endOffset}`;
  return new MillraceError(
    'STORE_CORRUPT',
    `Journal file ${run.file}, position ${run.position}, commit ${run.commit}: batches of partition ${run.partition} ` +
      `begin at offset ${run.baseOffset}, but ${expected}.`,
    { details: { file: run.file, position: run.position, commit: run.commit, partition: run.partition } },
  );
}
