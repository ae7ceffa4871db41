/**
 * One run of a pipeline, from opening to closing: reads, pushes, and commits behind what is processed.
 *
 *   read ─► push every item ─► advance event time ─► ... now and then: flush all stages ─► commit
 *
 * A commit waits until everything read so far is through, the sink's writes included. That costs a short halt each time, and in
 * return nothing has to be kept about single records, and a commit never passes a record that is not processed.
 */
import { abortable, abortError, Client, type Clock, MillraceError, type Transactor, Wake } from '../client/internal.ts';
import { type OriginPlace, originKey } from './item.ts';
import type { JobOptions, JobParts } from './job.ts';
import type { Counters, StepMetrics } from './metrics.ts';
import type { Chunk, Opener, Positions, RunningSource, Stage } from './step.ts';
import type { TransactionHandle } from './transaction-handle.ts';

const DEFAULT_COMMIT_EVERY_MS = 1000;
/** Readers of the results see none before the commit. */
const DEFAULT_TRANSACTION_MS = 100;
const DEFAULT_COMMIT_EVERY_RECORDS = 100_000;

const NO_POSITIONS: Positions = { takeFor: () => ({ group: undefined, moves: [] }) };

/** A read on the way, and what became of it. */
interface Reading {
  outcome: { readonly chunk: Chunk<unknown> | undefined } | { readonly error: unknown } | undefined;
}

export class Attempt {
  readonly #parts: JobParts;
  readonly #options: JobOptions;
  readonly #clock: Clock;
  readonly #counters: Counters;
  /** Ends all work. */
  readonly #giveUp = new AbortController();
  /** Ends the read on the way. */
  readonly #noMoreReads = new AbortController();
  readonly #wake = new Wake();
  readonly #sourceMetrics: StepMetrics;
  #sources = 0;
  #stages: Stage<unknown>[] = [];
  #source: RunningSource<unknown> | undefined;
  #transactor: Transactor | undefined;
  #failure: { readonly error: unknown } | undefined;
  #draining = false;
  /** Monotonic milliseconds since when something waits for a commit. */
  #uncommittedSinceMs: number | undefined;
  #uncommittedRecords = 0;
  #commits = 0;
  #watermarkMs = Number.NEGATIVE_INFINITY;

  constructor(parts: JobParts, options: JobOptions, clock: Clock, counters: Counters) {
    this.#parts = parts;
    this.#options = options;
    this.#clock = clock;
    this.#counters = counters;
    counters.begin();
    this.#sourceMetrics = counters.step(`from ${parts.source.name}`);
  }

  /** Commits since this attempt began. */
  get commits(): number {
    return this.#commits;
  }

  get watermarkMs(): number {
    return this.#watermarkMs;
  }

  get uncommittedMs(): number {
    return this.#uncommittedSinceMs === undefined ? 0 : this.#clock.monotonic() - this.#uncommittedSinceMs;
  }

  /** Reads no more, lets what was read go through, commits. `run` resolves then. */
  drain(): void {
    this.#draining = true;
    this.#noMoreReads.abort();
    this.#wake.all();
  }

  /** Called once. @throws as `Pipeline.run`; everything is closed then. */
  async run(): Promise<void> {
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
    await this.#openTransactor();
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
      gained: async (places) => {
        for (const stage of this.#stages) await stage.gained?.(places);
      },
      lost: (places) => {
        for (const stage of this.#stages) stage.lost?.(places);
      },
    });
  }

  /** Before the source: whoever had the id is fenced and his transaction over, so the group stands where it stands. */
  async #openTransactor(): Promise<void> {
    const { exactlyOnce } = this.#options;
    if (exactlyOnce === undefined) return;
    const { source, sink } = this.#parts;
    const clients = new Set([...(source.traits.clients ?? [undefined]), ...(sink.clients ?? [undefined])]);
    const [client] = clients;
    if (clients.size !== 1 || !(client instanceof Client))
      throw new MillraceError(
        'CLIENT_UNSUPPORTED',
        'exactlyOnce takes a source and a sink that read and write topics through one client.',
      );
    this.#transactor = await client.openTransactor(exactlyOnce);
    this.#transactor.begin();
  }

  #transaction(): TransactionHandle | undefined {
    const transactor = this.#transactor;
    if (transactor === undefined) return undefined;
    const [own] = this.#parts.sink.clients ?? [];
    return {
      producer: async (client, options) => {
        if (client !== own)
          throw new MillraceError(
            'CLIENT_UNSUPPORTED',
            'With exactlyOnce all steps write through the client of the sink.',
          );
        return transactor.producer(options);
      },
    };
  }

  #opener(): Opener {
    const { acknowledgesRecords, partitionsMove } = this.#parts.source.traits;
    const transaction = this.#transaction();
    return {
      context: (name) => ({
        clock: this.#clock,
        random: chance,
        signal: this.#giveUp.signal,
        metrics: this.#counters.step(name),
        fail: (error) => this.#fail(error),
        transaction,
        acknowledgesRecords,
        partitionsMove,
        // Within a transaction `positions` must find what went away: it ends the transaction.
        followAssignment: () => (transaction === undefined ? this.#source?.followAssignment?.() : undefined),
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
    const source = this.#source as RunningSource<unknown>;
    const transactor = this.#transactor;
    const positions = source.stored?.(held) ?? NO_POSITIONS;
    for (const stage of this.#stages)
      if (stage.commit !== undefined) await this.#unlessGivenUp(stage.commit(positions));
    if (transactor === undefined) await this.#unlessGivenUp(source.commit(held));
    else {
      await this.#unlessGivenUp(transactor.commit(source.positions?.(held) ?? []));
      transactor.begin();
    }
    this.#commits += 1;
    this.#counters.commits += 1;
    this.#uncommittedSinceMs = undefined;
    this.#uncommittedRecords = 0;
  }

  #isCommitDue(): boolean {
    const { commitEveryRecords = DEFAULT_COMMIT_EVERY_RECORDS } = this.#options;
    return (this.#msUntilCommit() ?? 1) <= 0 || this.#uncommittedRecords >= commitEveryRecords;
  }

  #msUntilCommit(): number | undefined {
    const { exactlyOnce } = this.#options;
    const { commitEveryMs = exactlyOnce === undefined ? DEFAULT_COMMIT_EVERY_MS : DEFAULT_TRANSACTION_MS } =
      this.#options;
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
    // Producers of a transaction close with it; what is open then is aborted.
    const parts: ({ close(): Promise<void> } | undefined)[] = [this.#source, this.#transactor, ...this.#stages];
    for (const part of parts) {
      try {
        await part?.close();
      } catch (error) {
        this.#failure ??= { error };
      }
    }
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
