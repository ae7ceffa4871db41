/**
 * Blocks that were fetched a while ago. Who reads an archive through fetches each once; what is fetched again before as much else as the
 * cache holds is worth a place in it (as in 2Q, Johnson and Shasha 1994).
 */

/** Each takes some hundred bytes. */
const MAX_CHUNKS = 2_048;

export class FetchedBlocks {
  readonly #maxBlocks: number;
  /** By chunk: 1 for each block that was fetched. The one fetched from longest ago first. */
  readonly #chunks = new Map<number, Uint8Array>();
  #blockCount = 0;

  /** @param maxBlocks remembered. */
  constructor(maxBlocks: number) {
    this.#maxBlocks = maxBlocks;
  }

  /** @param ofChunk blocks that it has. @returns whether one of them had been fetched before. */
  add(chunk: number, ofChunk: number, firstBlock: number, blockCount: number): boolean {
    const blocks = this.#chunks.get(chunk) ?? new Uint8Array(ofChunk);
    this.#chunks.delete(chunk);
    this.#chunks.set(chunk, blocks);
    const end = firstBlock + blockCount;
    const isAgain = blocks.subarray(firstBlock, end).includes(1);
    this.#blockCount += blockCount - countOf(blocks.subarray(firstBlock, end));
    blocks.fill(1, firstBlock, end);
    this.#shrink();
    return isAgain;
  }

  forget(chunk: number): void {
    this.#blockCount -= countOf(this.#chunks.get(chunk) ?? new Uint8Array());
    this.#chunks.delete(chunk);
  }

  #shrink(): void {
    for (const chunk of this.#chunks.keys()) {
      if (this.#chunks.size === 1) return;
      if (this.#chunks.size <= MAX_CHUNKS && this.#blockCount <= this.#maxBlocks) return;
      this.forget(chunk);
    }
  }
}

function countOf(blocks: Uint8Array): number {
  return blocks.reduce((sum, block) => sum + block, 0);
}
