/** Where the records of one run of `produce` stand, for its report. */

export interface WrittenRange {
  readonly partition: number;
  readonly firstOffset: number;
  /** Inclusive. */
  readonly lastOffset: number;
  /** Of this writer; others may have written in between. */
  readonly count: number;
}

export class WrittenRanges {
  readonly #ranges = new Map<number, WrittenRange>();
  #count = 0;

  /** Records in all of them. */
  get count(): number {
    return this.#count;
  }

  values(): Iterable<WrittenRange> {
    return this.#ranges.values();
  }

  /** `count` records were acknowledged from `baseOffset` on, behind those of before. */
  add(partition: number, baseOffset: number, count: number): void {
    this.#count += count;
    const before = this.#ranges.get(partition);
    this.#ranges.set(partition, {
      partition,
      firstOffset: before?.firstOffset ?? baseOffset,
      lastOffset: baseOffset + count - 1,
      count: (before?.count ?? 0) + count,
    });
  }
}
