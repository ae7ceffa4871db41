/**
 * Small helpers of all journal tests: batches with sound headers, a fold that remembers what it was told, a memory
 * that checks what it is given, transactions that note how they settled.
 */
import type { Lease } from '../../src/base/buffer-pool.ts';
import { writeInt64, writeUint16, writeUint32 } from '../../src/base/bytes.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import { assert, type MillraceError } from '../../src/base/errors.ts';
import type {
  BatchRun,
  CommitBuilder,
  CommitMemory,
  CommitNumber,
  Degree,
  Fold,
  Journal,
  Transaction,
} from '../../src/journal/journal.ts';

const BATCH_HEADER_BYTES = 61;

/** One RecordBatch v2 whose records are opaque filler: the journal never looks into them. */
export function makeBatch(baseOffset: number, recordCount: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(BATCH_HEADER_BYTES + payload.length);
  writeInt64(bytes, 0, baseOffset);
  writeUint32(bytes, 8, bytes.length - 12);
  bytes[16] = 2;
  writeUint16(bytes, 21, 0);
  writeUint32(bytes, 23, recordCount - 1);
  writeInt64(bytes, 43, -1);
  writeUint16(bytes, 51, 0xffff);
  writeUint32(bytes, 53, 0xffffffff);
  writeUint32(bytes, 57, recordCount);
  bytes.set(payload, BATCH_HEADER_BYTES);
  writeUint32(bytes, 17, crc32c(bytes.subarray(21)));
  return bytes;
}

/** One line per entry, so that a difference reads well and a comparison of histories is cheap. */
export class RecordingFold implements Fold {
  readonly entries: string[] = [];
  /** Next offset by partition; the fold asserts that runs continue it. */
  readonly ends = new Map<number, number>();
  readonly runs: (Omit<BatchRun, 'bytes'> & { readonly checksum: number; readonly sizeBytes: number })[] = [];
  publishedCommit: CommitNumber = 0;
  publishedCount = 0;

  batches(run: BatchRun): void {
    const end = this.ends.get(run.partition) ?? 0;
    assert(end === run.baseOffset, `partition ${run.partition} ends at ${end}, a run begins at ${run.baseOffset}`);
    this.ends.set(run.partition, end + run.offsetCount);
    const { bytes, ...rest } = run;
    const checksum = crc32c(bytes);
    this.runs.push({ ...rest, checksum, sizeBytes: bytes.length });
    this.entries.push(
      `b ${run.commit} p${run.partition} ${run.baseOffset}+${run.offsetCount} ${bytes.length}:${checksum}`,
    );
  }

  command(type: number, body: Uint8Array, commit: CommitNumber): void {
    this.entries.push(`c ${commit} t${type} ${body.length}:${crc32c(body)}`);
  }

  published(commit: CommitNumber): void {
    assert(commit >= this.publishedCommit, `published ${commit} after ${this.publishedCommit}`);
    this.publishedCommit = commit;
    this.publishedCount += 1;
  }
}

/** Keeps everything, and asserts what CommitMemory promises: gapless within a file, in order, inside the lease. */
export class CheckingMemory implements CommitMemory {
  readonly images = new Map<number, { readonly start: number; bytes: Uint8Array }>();
  #file = 0;
  #end = 0;

  hold(file: number, position: number, bytes: Uint8Array, lease: Lease): void {
    assert(file >= this.#file, `memory got file ${file} after ${this.#file}`);
    if (file === this.#file)
      assert(position === this.#end, `memory got position ${position} where ${this.#end} follows`);
    assert(bytes.buffer === lease.bytes.buffer, 'held bytes lie outside of their lease');
    const before = this.images.get(file);
    const start = before?.start ?? position;
    const image = new Uint8Array(position - start + bytes.length);
    if (before !== undefined) image.set(before.bytes);
    image.set(bytes, position - start);
    this.images.set(file, { start, bytes: image });
    this.#file = file;
    this.#end = position + bytes.length;
    lease.release();
  }
}

/** Lets every lease go at once. */
export const forgetfulMemory: CommitMemory = {
  hold: (_file, _position, _bytes, lease) => lease.release(),
};

export interface Settlement {
  readonly promise: Promise<MillraceError | undefined>;
  /** Undefined until settled. */
  outcome: { readonly error: MillraceError | undefined } | undefined;
}

/** Runs `build` and tells how the transaction settled; never rejects. */
export function transact(
  journal: Journal,
  degree: Degree,
  build: (commit: CommitBuilder) => void,
  onSettled?: (error: MillraceError | undefined) => void,
): Settlement {
  const { promise, resolve } = Promise.withResolvers<MillraceError | undefined>();
  const settlement: Settlement = { promise, outcome: undefined };
  const transaction: Transaction = {
    degree,
    build,
    settled(error) {
      assert(settlement.outcome === undefined, 'a transaction settled twice');
      settlement.outcome = { error };
      onSettled?.(error);
      resolve(error);
    },
  };
  journal.transact(transaction);
  return settlement;
}

/** Stages one batch at the end of the partition, as the fold knows it. */
export function appendBatch(
  fold: RecordingFold,
  partition: number,
  recordCount: number,
  payload: Uint8Array,
): (commit: CommitBuilder) => void {
  return (commit) => {
    const baseOffset = fold.ends.get(partition) ?? 0;
    commit.batches(partition, baseOffset, recordCount, makeBatch(baseOffset, recordCount, payload));
  };
}
