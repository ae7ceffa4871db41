/** Closed journal files that no sealing round has taken yet, and what they hold together. */
export class UnsealedFiles {
  /** Bytes by file, in the order of closing. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** A file that is known already stays as it is. */
  add(file: number, sizeBytes: number): void {
    if (this.#sizes.has(file)) return;
    this.#sizes.set(file, sizeBytes);
    this.#bytes += sizeBytes;
  }

  drop(file: number): void {
    this.#bytes -= this.#sizes.get(file) ?? 0;
    this.#sizes.delete(file);
  }

  /** A round has taken all up to `file`; those that were closed during the round are not in it. */
  dropThrough(file: number): void {
    for (const each of this.#sizes.keys()) if (each <= file) this.drop(each);
  }
}
