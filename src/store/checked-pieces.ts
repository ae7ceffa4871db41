/**
 * Pieces of files whose batches were checked a short while ago. When they are read again, by another consumer, they come from
 * the page cache, which is memory as the tail cache is, and are not checked again: that would be half of the cost of reading
 * them. After CHECKED_MS they may have been to the disk and back, and are checked as if for the first time.
 */
import type { Clock } from '../base/clock.ts';
import type { FileNumber } from './file-number.ts';
import type { Piece } from './read-plan.ts';

const CHECKED_MS = 10 * 60 * 1000;
/** Some 100 bytes each. */
const MAX_PIECES = 32 * 1024;

interface Checked {
  readonly sizeBytes: number;
  /** On the monotonic clock. */
  readonly until: number;
}

export class CheckedPieces {
  readonly #clock: Clock;
  /** By file, then by position. The file that was checked in longest ago first. */
  readonly #files = new Map<FileNumber, Map<number, Checked>>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has({ file, position, sizeBytes }: Piece): boolean {
    const found = this.#files.get(file)?.get(position);
    // The last piece of the active file grows.
    return found !== undefined && found.sizeBytes >= sizeBytes && found.until > this.#clock.monotonic();
  }

  /** All batches of the piece are sound. */
  add({ file, position, sizeBytes }: Piece): void {
    const known = this.#files.get(file);
    const pieces = known ?? new Map<number, Checked>();
    if (known !== undefined) this.#files.delete(file);
    this.#files.set(file, pieces);
    if (!pieces.has(position)) this.#count += 1;
    pieces.set(position, { sizeBytes, until: this.#clock.monotonic() + CHECKED_MS });
    if (this.#count > MAX_PIECES) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const [file, pieces] of this.#files) {
      this.#files.delete(file);
      this.#count -= pieces.size;
      return;
    }
  }
}
