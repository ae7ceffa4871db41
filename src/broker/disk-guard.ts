/**
 * The disk watermark: writes are refused before the disk is full, while there is still room for what makes room again
 * (deletions, checkpoints, chunks). Reads go on, and writes too as soon as space has returned.
 *
 * ```
 *   free space:  ─────────────── writes ───────────────┤ disk.min.free.bytes ├── 0
 *                    budget = free - watermark         refused
 * ```
 * Asking the system costs a trip through the thread pool, so it is asked now and then, and what is appended in between
 * counts against what it said.
 */
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { DiskSpace } from '../journal/disk.ts';

/** How often the system is asked where nothing else asks sooner. */
const CHECK_EVERY_MS = 2_000;

export interface DiskGuardOptions {
  readonly space: () => Promise<DiskSpace>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0: nothing is ever refused. */
  readonly minFreeBytes: number;
}

export class DiskGuard {
  readonly #options: DiskGuardOptions;
  /** Bytes that may still be appended, by the last answer. Infinite where the system does not tell. */
  #budgetBytes = Number.POSITIVE_INFINITY;
  /** Below this the system is asked at once. */
  #askBelowBytes = 0;
  #checking: Promise<void> | undefined;
  #timer: Timer | undefined;
  #stopped = false;
  /** Free space by the last answer; -1: not known. */
  freeBytes = -1;
  /** Writes are being refused. */
  full = false;

  constructor(options: DiskGuardOptions) {
    this.#options = options;
  }

  /** Hot path. False: so many bytes do not fit above the watermark. */
  admits(sizeBytes: number): boolean {
    const left = this.#budgetBytes - sizeBytes;
    if (left < this.#askBelowBytes) void this.check();
    if (left < 0) return false;
    this.#budgetBytes = left;
    return true;
  }

  async start(): Promise<void> {
    if (this.#options.minFreeBytes <= 0) return;
    await this.check();
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Asks the system; joins the question that is under way. Never rejects. */
  check(): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    this.#checking ??= this.#ask().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  #schedule(): void {
    if (this.#stopped) return;
    this.#timer = this.#options.clock.schedule(CHECK_EVERY_MS, () => {
      void this.check().finally(() => this.#schedule());
    });
  }

  async #ask(): Promise<void> {
    const { space, minFreeBytes, logger } = this.#options;
    // A file system that does not answer is no reason to refuse: the journal tells when it is full.
    const { usableBytes } = await space().catch(() => ({ usableBytes: -1 }));
    this.freeBytes = usableBytes;
    this.#budgetBytes = usableBytes < 0 ? Number.POSITIVE_INFINITY : usableBytes - minFreeBytes;
    this.#askBelowBytes = Number.isFinite(this.#budgetBytes) ? this.#budgetBytes / 2 : 0;
    const full = this.#budgetBytes <= 0;
    if (full === this.full) return;
    this.full = full;
    const facts = { freeBytes: usableBytes, minFreeBytes };
    if (full) logger.error('The disk is almost full: writes are refused until space is free again.', facts);
    else logger.info('The disk has space again: writes are accepted.', facts);
  }
}
