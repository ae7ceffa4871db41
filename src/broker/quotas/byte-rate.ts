/**
 * A limit in bytes a second, kept by making those wait who were too fast: what was used beyond the allowance is a debt,
 * and whoever has one waits until it is paid off. A second's worth may be used at once. So the rate over any time is the
 * limit and at most one allowance and one request more.
 */
export class ByteRate {
  readonly bytesPerSecond: number;
  /** Bytes that may be used now; negative: the debt. */
  #allowance: number;
  /** Monotonic, milliseconds. */
  #at: number;

  /** @param now monotonic, milliseconds. */
  constructor(bytesPerSecond: number, now: number) {
    this.bytesPerSecond = bytesPerSecond;
    this.#allowance = bytesPerSecond;
    this.#at = now;
  }

  /** Takes note of bytes that were used. @returns milliseconds to wait before the next; 0: none. */
  use(bytes: number, now: number): number {
    this.#refill(now);
    this.#allowance -= bytes;
    return this.#allowance >= 0 ? 0 : Math.ceil((-this.#allowance * 1000) / this.bytesPerSecond);
  }

  /** Nothing was used for so long that a new one would be the same. */
  isIdle(now: number): boolean {
    this.#refill(now);
    return this.#allowance >= this.bytesPerSecond;
  }

  #refill(now: number): void {
    const earned = ((now - this.#at) * this.bytesPerSecond) / 1000;
    this.#allowance = Math.min(this.bytesPerSecond, this.#allowance + earned);
    this.#at = now;
  }
}
