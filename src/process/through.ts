/** A source with steps behind it, as a source: for `fuse` and `join`. */

import { originKey } from './item.ts';
import type { SomeStep } from './pipe.ts';
import type { Guarantee, Held, RunningSource, Source, SourceContext, Stage, Step } from './step.ts';

/** The steps run to the end with every read. */
export function through<A, B, Can extends Guarantee>(source: Source<A, Can>, s1: Step<A, B>): Source<B, Can>;
export function through<A, B, C, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
): Source<C, Can>;
export function through<A, B, C, D, Can extends Guarantee>(
  source: Source<A, Can>,
  s1: Step<A, B>,
  s2: Step<B, C>,
  s3: Step<C, D>,
): Source<D, Can>;
export function through(source: Source<unknown>, ...steps: readonly SomeStep[]): Source<unknown> {
  return {
    name: source.name,
    traits: source.traits,
    open: async (context) => await ThroughSource.open(source, steps, context),
  };
}

/** Gathers what comes out of the steps. */
class Collector implements Stage<unknown> {
  items: unknown[] = [];
  watermarkMs = Number.NEGATIVE_INFINITY;

  push(item: unknown): void {
    this.items.push(item);
  }

  advance(watermarkMs: number): void {
    this.watermarkMs = watermarkMs;
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}

class ThroughSource implements RunningSource<unknown> {
  readonly #collector: Collector;
  /** First to last. */
  readonly #stages: readonly Stage<unknown>[];
  readonly #source: RunningSource<unknown>;
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #ended = false;

  static async open(
    source: Source<unknown>,
    steps: readonly SomeStep[],
    context: SourceContext,
  ): Promise<ThroughSource> {
    const collector = new Collector();
    const stages: Stage<unknown>[] = [];
    try {
      for (const step of steps.toReversed()) {
        const next = (stages[0] ?? collector) as Stage<unknown>;
        stages.unshift(await step.open(next, context.opener));
      }
      const gained: SourceContext['gained'] = async (places) => {
        for (const stage of stages) await stage.gained?.(places);
        await context.gained(places);
      };
      const lost: SourceContext['lost'] = (places) => {
        for (const stage of stages) stage.lost?.(places);
        context.lost(places);
      };
      return new ThroughSource(collector, stages, await source.open({ ...context, gained, lost }));
    } catch (error) {
      for (const stage of stages) await stage.close().catch(() => undefined);
      throw error;
    }
  }

  private constructor(collector: Collector, stages: readonly Stage<unknown>[], source: RunningSource<unknown>) {
    this.#collector = collector;
    this.#stages = stages;
    this.#source = source;
  }

  async read(signal: AbortSignal): ReturnType<RunningSource<unknown>['read']> {
    if (this.#ended) return undefined;
    const chunk = await this.#source.read(signal);
    if (chunk === undefined) this.#ended = true;
    return { accept: async () => await this.#run(chunk === undefined ? [] : await chunk.accept()) };
  }

  watermark(): number {
    return this.#collector.watermarkMs;
  }

  async commit(held: Held): Promise<void> {
    await this.#source.commit(this.#withOwn(held));
  }

  followAssignment(): void {
    this.#source.followAssignment?.();
  }

  positions(held: Held): ReturnType<NonNullable<RunningSource<unknown>['positions']>> {
    return this.#source.positions?.(this.#withOwn(held)) ?? [];
  }

  async close(): Promise<void> {
    await this.#source.close();
    for (const stage of this.#stages) await stage.close();
  }

  async #run(items: readonly unknown[]): Promise<readonly unknown[]> {
    const [first] = this.#stages;
    if (first === undefined) return items;
    for (const item of items) {
      const pushed = first.push(item);
      if (pushed !== undefined) await pushed;
    }
    const watermarkMs = this.#ended ? Number.POSITIVE_INFINITY : this.#source.watermark();
    if (watermarkMs > this.#watermarkMs) {
      this.#watermarkMs = watermarkMs;
      const advanced = first.advance(watermarkMs);
      if (advanced !== undefined) await advanced;
    }
    await first.flush();
    const out = this.#collector.items;
    this.#collector.items = [];
    return out;
  }

  #withOwn(held: Held): Held {
    const all = new Map(held);
    for (const stage of this.#stages) {
      stage.held?.((place) => {
        const key = originKey(place);
        const kept = all.get(key);
        if (kept === undefined || place.offset < kept) all.set(key, place.offset);
      });
    }
    return all;
  }
}
