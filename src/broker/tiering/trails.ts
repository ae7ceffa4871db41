/** Readers who go through one chunk in order: several at once, each at its own place. */

/** Of more the one that was heard of longest ago is forgotten. Who reads here and there comes upon one by chance, the more there are. */
const MAX_TRAILS = 4;
/** In front of the first block. */
const AT_START = -1;

export interface Trail {
  /** Last block that its reader asked for. */
  readonly lastBlock: number;
  /** So many behind it are fetched ahead. */
  readonly aheadBlocks: number;
}

export class Trails {
  /** The first block is the first in order; a reader that begins elsewhere shows itself with its second read. */
  #trails: readonly Trail[] = [{ lastBlock: AT_START, aheadBlocks: 0 }];

  /** Where a read that begins in `firstBlock` goes on; undefined: it goes on nowhere. */
  find(firstBlock: number): Trail | undefined {
    return this.#trails.find(({ lastBlock }) => firstBlock === lastBlock || firstBlock === lastBlock + 1);
  }

  /** @param before what it goes on from; undefined: a reader begins. */
  goOn(before: Trail | undefined, trail: Trail): void {
    this.#trails = [...this.#trails.filter((each) => each !== before), trail].slice(-MAX_TRAILS);
  }

  /** Readers that come to the block. */
  countBefore(block: number): number {
    return this.#trails.filter(({ lastBlock, aheadBlocks }) => aheadBlocks > 0 && lastBlock < block).length;
  }

  /** A reader comes to the first block. */
  expect(aheadBlocks: number): void {
    const known = this.#trails.find(({ lastBlock }) => lastBlock === AT_START);
    this.goOn(known, { lastBlock: AT_START, aheadBlocks: Math.max(aheadBlocks, known?.aheadBlocks ?? 0) });
  }
}
