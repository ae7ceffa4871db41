/**
 * Memory for the rows of extent lists, most of which have one or two: blocks cut from large pages, and used again. A typed array
 * for each list would lie outside of V8's heap, where a small one costs several times what it holds; a plain one, made anew with
 * each append, would be garbage that has outlived the young generation.
 *
 * A block has room for 1, 2, 4 rows and so on; one that was given back waits for the next of its size. Pages stay while the
 * pool lives: what closed files let go, the next file takes.
 */

/** Numbers of a row. */
export const EXTENT_NUMBERS = 5;
/** 1 MiB. */
const PAGE_NUMBERS = 128 * 1024;
/** Rows of the largest block. Longer lists have memory of their own, which goes back when they shrink. */
export const MAX_BLOCK_ROWS = 4096;

export class ExtentPool {
  readonly #pages: Float64Array[] = [];
  #usedNumbers = PAGE_NUMBERS;
  /** Blocks that nobody has, by the logarithm of their rows. */
  readonly #free: number[][] = Array.from({ length: Math.log2(MAX_BLOCK_ROWS) + 1 }, () => []);

  get sizeBytes(): number {
    return this.#pages.length * PAGE_NUMBERS * Float64Array.BYTES_PER_ELEMENT;
  }

  /** @param rows a power of two, `MAX_BLOCK_ROWS` at most. What stands in the block is what was there before. */
  take(rows: number): number {
    const free = (this.#free[31 - Math.clz32(rows)] as number[]).pop();
    if (free !== undefined) return free;
    const needed = rows * EXTENT_NUMBERS;
    if (this.#usedNumbers + needed > PAGE_NUMBERS) {
      this.#pages.push(new Float64Array(PAGE_NUMBERS));
      this.#usedNumbers = 0;
    }
    const block = (this.#pages.length - 1) * PAGE_NUMBERS + this.#usedNumbers;
    this.#usedNumbers += needed;
    return block;
  }

  /** Nobody looks at the block any more. @param rows it was taken for. */
  giveBack(block: number, rows: number): void {
    (this.#free[31 - Math.clz32(rows)] as number[]).push(block);
  }

  /** The page of a block; the block begins at `placeOf(block)` in it. */
  pageOf(block: number): Float64Array {
    return this.#pages[Math.floor(block / PAGE_NUMBERS)] as Float64Array;
  }

  placeOf(block: number): number {
    return block % PAGE_NUMBERS;
  }
}
