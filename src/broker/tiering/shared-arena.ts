/**
 * One piece of memory that threads share, handed out in neighbouring blocks. It is never let go: no collector knows how large it is, so
 * that what is dropped stays for seconds to minutes, in each thread that has seen it.
 *
 * ```
 *  [ long runs, from the begin on ... free ... short ones, from the end on ]
 * ```
 */
import { Lease } from '../../base/buffer-pool.ts';

/** Blocks of a short run. At the other end they do not cut up the room of long ones. */
const FEW_BLOCKS = 4;

export class SharedArena {
  readonly #blockBytes: number;
  /** By block: 1 where somebody has it. */
  readonly #taken: Uint8Array;
  /** Made when somebody needs it; pages that nobody has written to take no room. */
  #memory: Uint8Array | undefined;

  constructor(blockBytes: number, blockCount: number) {
    this.#blockBytes = blockBytes;
    this.#taken = new Uint8Array(blockCount);
  }

  /** Content undefined, held once by the caller. @returns undefined where there is not as much side by side. */
  take(sizeBytes: number): Lease | undefined {
    const count = Math.ceil(sizeBytes / this.#blockBytes);
    const first = count <= FEW_BLOCKS ? this.#lastHole(count) : this.#firstHole(count);
    if (first < 0) return undefined;
    const taken = this.#taken.subarray(first, first + count).fill(1);
    this.#memory ??= new Uint8Array(new SharedArrayBuffer(this.#taken.length * this.#blockBytes));
    const start = first * this.#blockBytes;
    return new Lease(this.#memory.subarray(start, start + sizeBytes), { takeBack: () => taken.fill(0) });
  }

  /** @returns its first block; below 0 where there is none. */
  #firstHole(count: number): number {
    let first = 0;
    for (let block = 0; block < this.#taken.length && block - first < count; block++) {
      if (this.#taken[block] === 1) first = block + 1;
    }
    return first + count <= this.#taken.length ? first : -1;
  }

  #lastHole(count: number): number {
    let end = this.#taken.length;
    for (let block = end - 1; block >= 0 && end - block <= count; block--) {
      if (this.#taken[block] === 1) end = block;
    }
    return end - count;
  }
}
