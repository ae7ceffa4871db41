/** `pipe`: a source, steps and a sink, typed from end to end. */
import { type ExactlyOnceOptions, Job, type JobOptions } from './job.ts';
import type { Guarantee, Sink, Source, Step } from './step.ts';

/**
 * `exactlyOnce` does not compile where source or sink are on a back end without transactions, or where the sink calls a function,
 * whose effects no transaction covers.
 */
export type RunOptions<Can extends Guarantee> = JobOptions & {
  readonly exactlyOnce?: ([Can] extends ['exactly-once'] ? ExactlyOnceOptions : never) | undefined;
};

// Steps of any types, as the list holds them; `pipe` has checked that they fit.
export type SomeStep = Step<never, unknown>;

/** A source, steps and a sink, ready to run; made by `pipe`. */
export class Pipeline<Can extends Guarantee = Guarantee> {
  readonly #source: Source<unknown>;
  readonly #steps: readonly SomeStep[];
  readonly #sink: Sink<never>;
  /** For the compiler alone. */
  declare readonly types?: () => Can;

  /** @internal Use `pipe`. */
  constructor(source: Source<unknown>, steps: readonly SomeStep[], sink: Sink<never>) {
    this.#source = source;
    this.#steps = steps;
    this.#sink = sink;
  }

  /**
   * Runs until the source ends (`until: 'end'`, a pipe that closed), and resolves when all is processed and committed.
   * @throws MillraceError PROCESS_STEP_FAILED; CLIENT_ABORTED when `signal` says so: what is not committed comes again; what
   *   back ends refuse with.
   */
  async run(options: RunOptions<Can> = {}): Promise<void> {
    await this.start(options).done;
  }

  /** Runs in the background. Each call is a run of its own. */
  start(options: RunOptions<Can> = {}): Job {
    return new Job({ source: this.#source, steps: this.#steps, sink: this.#sink }, options);
  }
}

/**
 * Makes a pipeline of a source, up to eight steps and a sink. It does nothing before `run` or `start`.
 *
 * ```ts
 * await pipe(
 *   from(client, { topics: 'orders', mode: 'resumable', group: 'big', value: json<Order>() }),
 *   filter((order) => order.total >= 100),
 *   map((order) => ({ id: order.id, total: order.total.toFixed(2) })),
 *   to(client, { topic: 'big-orders', value: json() }),
 * ).run();
 * ```
 */
export function pipe<A, Can extends Guarantee>(source: Source<A, Can>, sink: Sink<A, Can>): Pipeline<Can>;
export function pipe<A, B, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  sink: Sink<B, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  sink: Sink<C, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, D, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
  sink: Sink<D, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, D, E, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
  s4: Step<D, E>,
  sink: Sink<E, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, D, E, F, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
  s4: Step<D, E>,
  s5: Step<E, F>,
  sink: Sink<F, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, D, E, F, G, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
  s4: Step<D, E>,
  s5: Step<E, F>,
  s6: Step<F, G>,
  sink: Sink<G, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, D, E, F, G, H, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
  s4: Step<D, E>,
  s5: Step<E, F>,
  s6: Step<F, G>,
  s7: Step<G, H>,
  sink: Sink<H, Can>,
): Pipeline<Can>;
export function pipe<A, B, C, D, E, F, G, H, I, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
  s4: Step<D, E>,
  s5: Step<E, F>,
  s6: Step<F, G>,
  s7: Step<G, H>,
  s8: Step<H, I>,
  sink: Sink<I, Can>,
): Pipeline<Can>;
export function pipe(source: Source<unknown>, ...rest: readonly (SomeStep | Sink<never>)[]): Pipeline {
  return new Pipeline(source, rest.slice(0, -1) as SomeStep[], rest.at(-1) as Sink<never>);
}
