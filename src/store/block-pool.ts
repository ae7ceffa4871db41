/**
 * Memory for lists of which there are very many, most of them with one or two rows: blocks cut from large pages, and used again. A
 * typed array for each list would lie outside of V8's heap, where a small one costs several times what it holds; a plain one, made
 * anew with each append, would be garbage that has outlived the young generation.
 *
 * A block has 1, 2, 4 units and so on, and begins at a multiple of its size (buddies, Knowlton 1965): two free halves of a larger
 * block become that block again. Lists of very many partitions grow in step, and none would take the small blocks that all
 * have grown out of. Pages stay while the pool lives, and go back to the system with it.
 *
 * Numbers of blocks are made without `**`: what comes of that is a number with memory of its own, 16 bytes for each list that keeps it.
 */
import { mappedBytes } from '../base/mapped-bytes.ts';

/** Mapped, so that only what was used once is memory. */
export const PAGE_BYTES = 4 * 1024 * 1024;

export class BlockPool<Page extends Float64Array | Uint8Array> {
  readonly #asPage: (bytes: Uint8Array<ArrayBuffer>) => Page;
  /** Numbers of a unit. */
  readonly #unit: number;
  readonly #unitsPerPage: number;
  readonly #pages: Page[] = [];
  /** Of each page, by unit: one more than the order of the free block that begins there; 0: none does. */
  readonly #freeAt: Uint8Array[] = [];
  /** By order: blocks that were free when they were put here. What a larger one took in meanwhile is passed over. */
  readonly #free: number[][];

  /** @param unit numbers of the smallest block; the largest has `maxUnits` of them, a power of two: longer lists need memory of their own. */
  constructor(
    asPage: (bytes: Uint8Array<ArrayBuffer>) => Page,
    bytesPerNumber: number,
    unit: number,
    maxUnits: number,
  ) {
    this.#asPage = asPage;
    this.#unit = unit;
    this.#unitsPerPage = Math.floor(PAGE_BYTES / bytesPerNumber / unit);
    this.#free = Array.from({ length: orderOf(maxUnits) + 1 }, () => []);
  }

  get sizeBytes(): number {
    return this.#pages.length * PAGE_BYTES;
  }

  /** @param units a power of two, `maxUnits` at most. What stands in the block is what was there before. */
  take(units: number): number {
    const order = orderOf(units);
    for (let from = order; from < this.#free.length; from++) {
      const block = this.#takeFree(from);
      if (block === undefined) continue;
      // The first part is what is wanted.
      for (let rest = from - 1; rest >= order; rest--) this.#putFree(block + (1 << rest), rest);
      return block;
    }
    this.#addPage();
    return this.take(units);
  }

  /** Nobody looks at the block any more. @param units it was taken for. */
  giveBack(block: number, units: number): void {
    const freeAt = this.#freeAt[Math.floor(block / this.#unitsPerPage)] as Uint8Array;
    const first = block - (block % this.#unitsPerPage);
    let at = block - first;
    let order = orderOf(units);
    while (order < this.#free.length - 1 && freeAt[at ^ (1 << order)] === order + 1) {
      const buddy = at ^ (1 << order);
      freeAt[buddy] = 0;
      at = Math.min(at, buddy);
      order += 1;
    }
    this.#putFree(first + at, order);
  }

  /** The page of a block; the block begins at `placeOf(block)` in it. */
  pageOf(block: number): Page {
    return this.#pages[Math.floor(block / this.#unitsPerPage)] as Page;
  }

  placeOf(block: number): number {
    return (block % this.#unitsPerPage) * this.#unit;
  }

  #takeFree(order: number): number | undefined {
    const free = this.#free[order] as number[];
    for (let block = free.pop(); block !== undefined; block = free.pop()) {
      const freeAt = this.#freeAt[Math.floor(block / this.#unitsPerPage)] as Uint8Array;
      const at = block % this.#unitsPerPage;
      if (freeAt[at] !== order + 1) continue;
      freeAt[at] = 0;
      return block;
    }
    return undefined;
  }

  #putFree(block: number, order: number): void {
    (this.#freeAt[Math.floor(block / this.#unitsPerPage)] as Uint8Array)[block % this.#unitsPerPage] = order + 1;
    (this.#free[order] as number[]).push(block);
  }

  /** In as few blocks as it has: all of the largest size, then what is left at its end. */
  #addPage(): void {
    const first = this.#pages.length * this.#unitsPerPage;
    this.#pages.push(this.#asPage(mappedBytes(PAGE_BYTES)));
    this.#freeAt.push(mappedBytes(this.#unitsPerPage));
    for (let at = 0; at < this.#unitsPerPage; ) {
      const order = Math.min(this.#free.length - 1, 31 - Math.clz32(this.#unitsPerPage - at));
      this.#putFree(first + at, order);
      at += 1 << order;
    }
  }
}

/** The least power of two that is not below `count`, from 1 on. */
export function powerOfTwo(count: number): number {
  return count <= 1 ? 1 : 2 ** (32 - Math.clz32(count - 1));
}

/** @param units a power of two. */
function orderOf(units: number): number {
  return 31 - Math.clz32(units);
}
