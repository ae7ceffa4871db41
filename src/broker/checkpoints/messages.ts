/** What the broker's thread and the checkpoint worker say to each other. */
import type { FileRange } from '../../store/file-ranges.ts';
import type { BrokerSettings } from '../settings.ts';

export interface WorkerStart {
  readonly directory: string;
  readonly settings: BrokerSettings;
}

export type ToWorker =
  /** A closed, durable journal file; files come in order. */
  | { readonly kind: 'fold'; readonly file: number; readonly sizeBytes: number }
  /** Write a checkpoint of what is folded, and end. */
  | { readonly kind: 'finish' };

export type FromWorker =
  | { readonly kind: 'indexed'; readonly file: number; readonly ranges: Float64Array }
  /** `removed`: journal files that nothing needs any more and that were removed, with their indexes. */
  | { readonly kind: 'checkpointed'; readonly file: number; readonly removed: readonly number[] }
  | { readonly kind: 'failed'; readonly message: string };

const STRIDE = 6;

/** Ranges as numbers, to be transferred instead of copied: partition, then the range without its file. */
export function packRanges(ranges: readonly { readonly partition: number; readonly range: FileRange }[]): Float64Array {
  const packed = new Float64Array(ranges.length * STRIDE);
  for (const [i, { partition, range }] of ranges.entries()) {
    const { baseOffset, endOffset, firstRow, rowCount, maxTimestamp } = range;
    packed.set([partition, baseOffset, endOffset, firstRow, rowCount, maxTimestamp], i * STRIDE);
  }
  return packed;
}

export function packedCount(packed: Float64Array): number {
  return packed.length / STRIDE;
}

export function unpackRange(
  packed: Float64Array,
  index: number,
  file: number,
): { partition: number; range: FileRange } {
  const at = index * STRIDE;
  return {
    partition: packed[at] as number,
    range: {
      file,
      baseOffset: packed[at + 1] as number,
      endOffset: packed[at + 2] as number,
      firstRow: packed[at + 3] as number,
      rowCount: packed[at + 4] as number,
      maxTimestamp: packed[at + 5] as number,
    },
  };
}
