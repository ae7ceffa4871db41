/**
 * A progress bar on stderr for work that takes longer than a second while a terminal watches; otherwise nothing.
 *
 * ```
 * [##########..........]  50%  853 of 1,707 records  12,300/s
 * ```
 */
const SHOW_AFTER_MS = 1000;
const REDRAW_MS = 100;
const BAR_WIDTH = 20;

export interface ProgressTarget {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export class Progress {
  readonly #noun: string;
  readonly #total: number | undefined;
  readonly #target: ProgressTarget;
  readonly #now: () => number;
  readonly #startedAt: number;
  #drawnAt = 0;
  #drawn = false;

  /** @param total amount at the end, of what `update` counts; undefined where it is not known. */
  constructor(
    noun: string,
    total?: number,
    target: ProgressTarget = process.stderr,
    now: () => number = () => performance.now(),
  ) {
    this.#noun = noun;
    this.#total = total;
    this.#target = target;
    this.#now = now;
    this.#startedAt = now();
  }

  /** @param amount what is done so far. @param suffix further words, for instance a count of something else. */
  update(amount: number, suffix = ''): void {
    if (this.#target.isTTY !== true) return;
    const now = this.#now();
    if (now - this.#startedAt < SHOW_AFTER_MS || now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    this.#drawn = true;
    const width = (this.#target.columns ?? 80) - 1;
    this.#target.write(`\r${this.#line(amount, suffix, now).slice(0, width)}\u001B[K`);
  }

  /** Removes the bar, so that what is printed next stands on a clean line. Safe to call twice. */
  end(): void {
    if (this.#drawn) this.#target.write('\r\u001B[K');
    this.#drawn = false;
  }

  #line(amount: number, suffix: string, now: number): string {
    const perSecond = Math.round(amount / Math.max((now - this.#startedAt) / 1000, 0.001));
    const rate = `${perSecond.toLocaleString('en-US')}/s`;
    const done = amount.toLocaleString('en-US');
    if (this.#total === undefined) return `${done} ${this.#noun}  ${rate}  ${suffix}`;
    const share = this.#total === 0 ? 1 : Math.min(amount / this.#total, 1);
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}`;
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    return `[${bar}] ${percent}  ${done} of ${this.#total.toLocaleString('en-US')} ${this.#noun}  ${rate}  ${suffix}`;
  }
}
