/** Ranges of one file, of very many partitions: in one piece of memory, which another thread sees without its being copied. */
import { sharedBytes } from '../base/mapped-bytes.ts';
import type { FileNumber } from './file-number.ts';
import { type FileRange, rangeAt, setRange } from './file-ranges.ts';

/** A row: partition, then the range without its file. */
const STRIDE = 7;

export class PackedRanges {
  readonly file: FileNumber;
  /** In shared memory. */
  readonly numbers: Float64Array;

  /** @param numbers those of another one, or how many ranges there are to be. */
  constructor(file: FileNumber, numbers: Float64Array | number) {
    this.file = file;
    this.numbers = typeof numbers === 'number' ? newNumbers(numbers * STRIDE) : numbers;
  }

  get count(): number {
    return this.numbers.length / STRIDE;
  }

  set(index: number, partition: number, range: Omit<FileRange, 'file'>): void {
    const at = index * STRIDE;
    this.numbers[at] = partition;
    setRange(this.numbers, at, range);
  }

  partition(index: number): number {
    return this.numbers[index * STRIDE] as number;
  }

  at(index: number): FileRange {
    return rangeAt(this.file, this.numbers, index * STRIDE);
  }

  *[Symbol.iterator](): Generator<{ readonly partition: number; readonly range: FileRange }> {
    for (let i = 0; i < this.count; i++) yield { partition: this.partition(i), range: this.at(i) };
  }
}

function newNumbers(count: number): Float64Array {
  return new Float64Array(sharedBytes(count * Float64Array.BYTES_PER_ELEMENT).buffer, 0, count);
}
