/** A pipeline at work, and its being started again after failures that may pass. */
import { type AbortOptions, abortError, type Clock, delay, MillraceError, waitingClock } from '../client/internal.ts';
import { Attempt } from './attempt.ts';
import { Counters, type PipelineMetrics } from './metrics.ts';
import type { SomeStep } from './pipe.ts';
import { backoffMs, exactRetry, type RetryPolicy } from './retry.ts';
import type { Sink, Source } from './step.ts';

/** Options of `run` and `start`. */
export interface JobOptions extends AbortOptions {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Longest time between a record's being read and its commit, about. Default 1,000; with `exactlyOnce` 100. */
  readonly commitEveryMs?: number | undefined;
  /** Most records read between two commits, about. Default 100,000. */
  readonly commitEveryRecords?: number | undefined;
  /**
   * Begins anew at the last commit after a failure that may pass: by default one of kind `retry` or `refresh`. Attempts count
   * from the last commit. Default: the first failure ends the run.
   */
  readonly restart?: RetryPolicy | undefined;
  /** Results, states and positions are written in transactions. */
  readonly exactlyOnce?: ExactlyOnceOptions | undefined;
}

/** Results and positions in transactions. */
export interface ExactlyOnceOptions {
  /** Belongs to one running pipeline: a newer one fences the older. Each member of a load-balanced group needs one of its own. */
  readonly transactionalId: string;
  /** The server aborts a transaction that is open for longer. Default 60,000. */
  readonly timeoutMs?: number | undefined;
}

export interface JobParts {
  readonly source: Source<unknown>;
  readonly steps: readonly SomeStep[];
  readonly sink: Sink<never>;
}

/** A pipeline that runs: its end, its metrics, and a way to drain it. */
export class Job implements AsyncDisposable {
  /**
   * Resolves when the source has ended or the job is drained, and all is processed, committed and closed.
   * @throws as `Pipeline.run`.
   */
  readonly done: Promise<void>;
  readonly #parts: JobParts;
  readonly #options: JobOptions;
  readonly #clock: Clock;
  readonly #counters = new Counters();
  readonly #draining = new AbortController();
  #attempt: Attempt;
  #restarts = 0;

  /** @internal Use `pipe(...).start()`. */
  constructor(parts: JobParts, options: JobOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#clock = options.clock ?? waitingClock;
    this.#attempt = new Attempt(parts, options, this.#clock, this.#counters);
    this.done = this.#run();
    // Whoever looks at it gets the failure; that nobody does must not end the process.
    this.done.catch(() => undefined);
  }

  /**
   * Reads no more, lets all that was read go through, commits, closes. Open windows keep their records: those are not committed
   * and come again, or stand in the window's state.
   * @throws as `done`.
   */
  async drain(): Promise<void> {
    this.#draining.abort();
    this.#attempt.drain();
    await this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  /** A copy of the counters as they stand. */
  metrics(): PipelineMetrics {
    const { watermarkMs, uncommittedMs } = this.#attempt;
    const { steps, commits } = this.#counters;
    return {
      steps: steps.map((step) => ({ ...step })),
      recordsRead: steps[0]?.in ?? 0,
      commits,
      restarts: this.#restarts,
      watermarkMs: Number.isFinite(watermarkMs) ? watermarkMs : undefined,
      uncommittedMs,
    };
  }

  async #run(): Promise<void> {
    const { restart, signal } = this.#options;
    const policy = exactRetry(restart === undefined ? undefined : { when: mayPass, ...restart });
    for (let failures = 0; ; ) {
      try {
        await this.#attempt.run();
        return;
      } catch (error) {
        failures = this.#attempt.commits > 0 ? 1 : failures + 1;
        const goesOn = failures < policy.attempts && signal?.aborted !== true && policy.when(error, failures);
        if (!goesOn || this.#draining.signal.aborted) throw error;
      }
      await this.#pause(backoffMs(policy, failures, 0));
      this.#restarts += 1;
      this.#attempt = new Attempt(this.#parts, this.#options, this.#clock, this.#counters);
      if (this.#draining.signal.aborted) this.#attempt.drain();
    }
  }

  /** Ends early when the job is drained or given up. */
  async #pause(pauseMs: number): Promise<void> {
    const { signal } = this.#options;
    const signals = [this.#draining.signal, ...(signal === undefined ? [] : [signal])];
    await delay(this.#clock, pauseMs, AbortSignal.any(signals)).catch(() => undefined);
    if (signal?.aborted === true) throw abortError(signal);
  }
}

/** What the program itself threw is worth it only where it says so by an error of such a kind. */
function mayPass(error: unknown): boolean {
  const cause = error instanceof MillraceError && error.code === 'PROCESS_STEP_FAILED' ? error.cause : error;
  return cause instanceof MillraceError && (cause.kind === 'retry' || cause.kind === 'refresh');
}
