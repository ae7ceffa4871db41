/**
 * The blocks opened last, over all compressed files of a disk: a reader that goes on in order, or looks rows of an index up, would
 * open the same block again and again.
 */
const MAX_BYTES = 4 * 1024 * 1024;

export class BlockCache {
  /** The one used longest ago first. */
  readonly #blocks = new Map<string, Uint8Array>();
  #bytes = 0;

  get(file: number, block: number): Uint8Array | undefined {
    const key = `${file} ${block}`;
    const found = this.#blocks.get(key);
    if (found === undefined) return undefined;
    this.#blocks.delete(key);
    this.#blocks.set(key, found);
    return found;
  }

  /** @param file a number that no other open file has, nor had. */
  keep(file: number, block: number, content: Uint8Array): void {
    const key = `${file} ${block}`;
    this.#bytes += content.length - (this.#blocks.get(key)?.length ?? 0);
    this.#blocks.delete(key);
    this.#blocks.set(key, content);
    for (const [oldest, { length }] of this.#blocks) {
      if (this.#bytes <= MAX_BYTES) return;
      this.#blocks.delete(oldest);
      this.#bytes -= length;
    }
  }
}
