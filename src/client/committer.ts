/**
 * Turns processed records into commits, as the policy says. Commits never overlap; a failed one in the background is thrown
 * by the next call of the consumer, so that it is not lost.
 */
import type { Clock, Timer } from '../base/clock.ts';
import { abortable } from './abort.ts';
import type { Reader } from './backend.ts';
import type { ExactPolicy } from './commit-policy.ts';
import type { RawRecord } from './record.ts';

export class Committer {
  readonly #reader: Reader;
  readonly #policy: ExactPolicy;
  readonly #clock: Clock;
  /** Marked and not yet part of a commit. */
  #pending = 0;
  #running: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #failure: { readonly error: unknown } | undefined;
  #stopped = false;

  constructor(reader: Reader, policy: ExactPolicy, clock: Clock) {
    this.#reader = reader;
    this.#policy = policy;
    this.#clock = clock;
    this.#startTimer();
  }

  /** These are processed. @returns true where the policy wants a commit now. */
  processed(records: readonly RawRecord[], readIsDone: boolean): boolean {
    if (this.#policy.type === 'none') return false;
    for (const record of records) this.#reader.mark(record);
    this.#pending += records.length;
    if (this.#pending === 0) return false;
    if (this.#policy.type === 'after-processing') return readIsDone;
    return this.#policy.type === 'every' && this.#pending >= this.#policy.count;
  }

  /**
   * Makes what is processed durable. @throws what the back end failed with; CLIENT_ABORTED, and the commit goes on: what it fails
   * with then is thrown by the next call.
   */
  async commit(signal?: AbortSignal): Promise<void> {
    const before = this.#running;
    const commit = (async () => {
      await before.catch(() => undefined);
      this.#pending = 0;
      await this.#reader.commit();
    })();
    this.#running = commit;
    try {
      await abortable(commit, signal);
    } catch (error) {
      if (signal?.aborted === true) void this.#keepFailure(commit);
      throw error;
    }
  }

  /** Never rejects. */
  async #keepFailure(commit: Promise<void>): Promise<void> {
    try {
      await commit;
    } catch (error) {
      this.#failure ??= { error };
    }
  }

  /** `throwFailure` would throw. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws the failure of a commit in the background, once. */
  throwFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  /** The last commit, where the policy makes commits by itself. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const { type } = this.#policy;
    if (type !== 'manual' && type !== 'none' && this.#pending > 0) await this.commit();
    else await this.#running.catch(() => undefined);
  }

  #startTimer(): void {
    if (this.#policy.type !== 'interval' || this.#stopped) return;
    this.#timer = this.#clock.schedule(this.#policy.intervalMs, () => void this.#commitInBackground());
  }

  /** Never rejects. */
  async #commitInBackground(): Promise<void> {
    if (this.#pending > 0) await this.#keepFailure(this.commit());
    this.#startTimer();
  }
}
