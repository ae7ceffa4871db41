/**
 * A running pipeline: reads, pushes, and commits behind what is processed.
 *
 *   read ─► push every item ─► advance event time ─► ... now and then: flush all stages ─► commit
 *
 * A commit waits until everything read so far is through, the sink's writes included. That costs a short halt each time, and in
 * return nothing has to be kept about single records, and a commit never passes a record that is not processed.
 */
import {
  type AbortOptions,
  abortable,
  abortError,
  type Clock,
  MillraceError,
  Wake,
  waitingClock,
} from '../client/internal.ts';
import { type OriginPlace, originKey } from './item.ts';
import { newStepMetrics, type PipelineMetrics, type StepMetrics } from './metrics.ts';
import type { SomeStep } from './pipe.ts';
import type { Chunk, Opener, RunningSource, Sink, Source, Stage } from './step.ts';

export interface JobOptions extends AbortOptions {
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** Longest time between a record's being read and its commit, about. Default 1,000. */
  readonly commitEveryMs?: number | undefined;
  /** Most records read between two commits, about. Default 100,000. */
  readonly commitEveryRecords?: number | undefined;
}

export interface JobParts {
  readonly source: Source<unknown>;
  readonly steps: readonly SomeStep[];
  readonly sink: Sink<never>;
}

const DEFAULT_COMMIT_EVERY_MS = 1000;
const DEFAULT_COMMIT_EVERY_RECORDS = 100_000;

/** A read on the way, and what became of it. */
interface Reading {
  outcome: { readonly chunk: Chunk<unknown> | undefined } | { readonly error: unknown } | undefined;
}

export class Job implements AsyncDisposable {
  /**
   * Resolves when the source has ended or the job is drained, and all is processed, committed and closed.
   * @throws as `Pipeline.run`.
   */
  readonly done: Promise<void>;
  readonly #parts: JobParts;
  readonly #options: JobOptions;
  readonly #clock: Clock;
  /** Ends all work. */
  readonly #giveUp = new AbortController();
  /** Ends the read on the way. */
  readonly #noMoreReads = new AbortController();
  readonly #wake = new Wake();
  readonly #steps: StepMetrics[] = [];
  readonly #sourceMetrics: StepMetrics;
  #sources = 0;
  #stages: Stage<unknown>[] = [];
  #source: RunningSource<unknown> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #draining = false;
  /** Monotonic milliseconds since when something waits for a commit. */
  #uncommittedSinceMs: number | undefined;
  #uncommittedRecords = 0;
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #commits = 0;

  /** @internal Use `pipe(...).start()`. */
  constructor(parts: JobParts, options: JobOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#clock = options.clock ?? waitingClock;
    this.#sourceMetrics = this.#newMetrics(`from ${parts.source.name}`);
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
    this.#draining = true;
    this.#noMoreReads.abort();
    this.#wake.all();
    await this.done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  /** A copy of the counters as they stand. */
  metrics(): PipelineMetrics {
    return {
      steps: this.#steps.map((step) => ({ ...step })),
      recordsRead: this.#sourceMetrics.in,
      commits: this.#commits,
      watermarkMs: Number.isFinite(this.#watermarkMs) ? this.#watermarkMs : undefined,
      uncommittedMs: this.#uncommittedSinceMs === undefined ? 0 : this.#clock.monotonic() - this.#uncommittedSinceMs,
    };
  }

  async #run(): Promise<void> {
    const { signal } = this.#options;
    const onAbort = (): void => this.#fail(abortError(signal as AbortSignal));
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      if (signal?.aborted === true) throw abortError(signal);
      await this.#open();
      await this.#loop();
    } catch (error) {
      this.#fail(error);
    } finally {
      signal?.removeEventListener('abort', onAbort);
      await this.#close();
    }
    this.#throwFailure();
  }

  async #open(): Promise<void> {
    const { source, steps, sink } = this.#parts;
    const opener = this.#opener();
    // From the end: what a source brings must find all that stands behind it.
    let next = (await sink.open(opener)) as Stage<unknown>;
    this.#stages.unshift(next);
    for (const step of steps.toReversed()) {
      next = await step.open(next, opener);
      this.#stages.unshift(next);
    }
    this.#source = await source.open({
      clock: this.#clock,
      signal: this.#giveUp.signal,
      metrics: this.#sourceMetrics,
      opener,
      wake: () => this.#wake.all(),
      nextSource: () => this.#sources++,
      gained: async (place) => {
        for (const stage of this.#stages) await stage.gained?.(place);
      },
    });
  }

  #opener(): Opener {
    const { acknowledgesRecords, partitionsMove } = this.#parts.source.traits;
    return {
      context: (name) => ({
        clock: this.#clock,
        random: chance,
        signal: this.#giveUp.signal,
        metrics: this.#newMetrics(name),
        fail: (error) => this.#fail(error),
        transaction: undefined,
        acknowledgesRecords,
        partitionsMove,
      }),
    };
  }

  async #loop(): Promise<void> {
    const source = this.#source as RunningSource<unknown>;
    let reading: Reading | undefined;
    for (;;) {
      this.#throwFailure();
      if (this.#isCommitDue()) await this.#commit();
      reading ??= this.#startRead(source);
      await this.#untilSomething(reading);
      this.#throwFailure();
      const { outcome } = reading;
      if (outcome !== undefined) {
        reading = undefined;
        if ('error' in outcome) {
          if (this.#draining) break;
          throw outcome.error;
        }
        if (outcome.chunk === undefined) {
          await this.#advance(Number.POSITIVE_INFINITY);
          break;
        }
        await this.#pushAll(await this.#unlessGivenUp(outcome.chunk.accept()));
      }
      await this.#advance(source.watermark());
      if (this.#draining && reading === undefined) break;
    }
    if (this.#uncommittedSinceMs !== undefined) await this.#commit();
  }

  #startRead(source: RunningSource<unknown>): Reading {
    const reading: Reading = { outcome: undefined };
    source
      .read(this.#noMoreReads.signal)
      .then(
        (chunk) => void (reading.outcome = { chunk }),
        (error: unknown) => void (reading.outcome = { error }),
      )
      .finally(() => this.#wake.all());
    return reading;
  }

  /** Until the read is done, event time may have moved, a commit is due, or the pipeline ends. */
  async #untilSomething(reading: Reading): Promise<void> {
    if (reading.outcome !== undefined) return;
    const dueMs = this.#msUntilCommit();
    const timer = dueMs === undefined ? undefined : this.#clock.schedule(dueMs, () => this.#wake.all());
    try {
      await this.#wake.ticket;
    } finally {
      timer?.cancel();
    }
  }

  async #pushAll(items: readonly unknown[]): Promise<void> {
    // Even where nothing came out of it: the position moved.
    this.#uncommittedSinceMs ??= this.#clock.monotonic();
    this.#uncommittedRecords += items.length;
    const first = this.#stages[0] as Stage<unknown>;
    for (const item of items) {
      const pushed = first.push(item);
      if (pushed === undefined) continue;
      await this.#unlessGivenUp(pushed);
      this.#throwFailure();
    }
  }

  async #advance(watermarkMs: number): Promise<void> {
    if (watermarkMs <= this.#watermarkMs) return;
    this.#watermarkMs = watermarkMs;
    this.#uncommittedSinceMs ??= this.#clock.monotonic();
    const advanced = this.#stages[0]?.advance(watermarkMs);
    if (advanced !== undefined) await this.#unlessGivenUp(advanced);
  }

  async #commit(): Promise<void> {
    await this.#unlessGivenUp((this.#stages[0] as Stage<unknown>).flush());
    // A stage that failed meanwhile may have answered as if all were well.
    this.#throwFailure();
    const held = new Map<string, bigint>();
    for (const stage of this.#stages) stage.held?.((place) => keepOldest(held, place));
    await this.#unlessGivenUp((this.#source as RunningSource<unknown>).commit(held));
    this.#commits += 1;
    this.#uncommittedSinceMs = undefined;
    this.#uncommittedRecords = 0;
  }

  #isCommitDue(): boolean {
    const { commitEveryRecords = DEFAULT_COMMIT_EVERY_RECORDS } = this.#options;
    return (this.#msUntilCommit() ?? 1) <= 0 || this.#uncommittedRecords >= commitEveryRecords;
  }

  #msUntilCommit(): number | undefined {
    const { commitEveryMs = DEFAULT_COMMIT_EVERY_MS } = this.#options;
    if (this.#uncommittedSinceMs === undefined) return undefined;
    return Math.max(0, this.#uncommittedSinceMs + commitEveryMs - this.#clock.monotonic());
  }

  /** Does not wait for functions of the program, or servers, once the pipeline has given up. */
  async #unlessGivenUp<T>(work: Promise<T>): Promise<T> {
    return await abortable(work, this.#giveUp.signal);
  }

  /** The first failure counts; those that follow from it do not. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = { error };
    this.#noMoreReads.abort();
    this.#giveUp.abort(error);
    this.#wake.all();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** Never rejects: failures of closing count where there are no others. */
  async #close(): Promise<void> {
    // Functions of the program that still run learn that nobody waits.
    this.#giveUp.abort(new MillraceError('CLIENT_CLOSED', 'The pipeline has ended.'));
    const parts: ({ close(): Promise<void> } | undefined)[] = [this.#source, ...this.#stages];
    for (const part of parts) {
      try {
        await part?.close();
      } catch (error) {
        this.#failure ??= { error };
      }
    }
  }

  #newMetrics(name: string): StepMetrics {
    const same = this.#steps.filter(({ step }) => step === name || step.startsWith(`${name} #`)).length;
    const metrics = newStepMetrics(same === 0 ? name : `${name} #${same + 1}`);
    this.#steps.push(metrics);
    return metrics;
  }
}

function keepOldest(held: Map<string, bigint>, place: OriginPlace): void {
  const key = originKey(place);
  const kept = held.get(key);
  if (kept === undefined || place.offset < kept) held.set(key, place.offset);
}

/** For jitter. */
function chance(): number {
  const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
  return bits / 2 ** 32;
}
