/** Collects rendered records until a limit is reached. The first one always fits. */
export interface CollectorLimits {
  readonly records: number;
  /** Of the rendered text, approximately. */
  readonly bytes: number;
}

export class Collector {
  readonly parts: string[] = [];
  readonly #limits: CollectorLimits;
  #sizeBytes = 0;

  constructor(limits: CollectorLimits) {
    this.#limits = limits;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get isFull(): boolean {
    return this.parts.length >= this.#limits.records || this.#sizeBytes >= this.#limits.bytes;
  }

  /** @returns whether another one may come. */
  add(part: string): boolean {
    this.parts.push(part);
    this.#sizeBytes += part.length;
    return !this.isFull;
  }
}
