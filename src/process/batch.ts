/** Items together: for calls that are cheaper with many. */
import { MillraceError, type Timer } from '../client/internal.ts';
import { type AnyItem, type Item, NO_HEADERS, OriginMerge } from './item.ts';
import type { Stage, StageContext, Step } from './step.ts';
import { Turns } from './turns.ts';

/** When a batch is full. */
export interface BatchStepOptions {
  readonly name?: string | undefined;
  /** Most items of a batch. */
  readonly maxItems: number;
  /** Longest time that an item waits for others. Default: until the next commit. */
  readonly lingerMs?: number | undefined;
}

/** A batch: key null, the newest timestamp of its items. */
export type Batch<In> = Item<readonly In[], never>;

/**
 * Gathers items. A batch ends when it is full, when its first item has waited for `lingerMs`, and with every commit of the
 * pipeline, so that what is committed has been processed.
 */
export function batch<In extends AnyItem>(options: BatchStepOptions): Step<In, Batch<In>> {
  const { name = 'batch', maxItems, lingerMs } = options;
  if (!Number.isInteger(maxItems) || maxItems < 1)
    throw new MillraceError('CLIENT_OPTION_INVALID', `maxItems is a whole number from 1, not ${String(maxItems)}.`);
  return {
    name,
    open: async (next, opener) => new BatchStage<In>(next, opener.context(name), maxItems, lingerMs),
  };
}

class BatchStage<In extends AnyItem> implements Stage<In> {
  readonly #next: Stage<Batch<In>>;
  readonly #context: StageContext;
  readonly #maxItems: number;
  readonly #lingerMs: number | undefined;
  readonly #turns = new Turns();
  #items: In[] = [];
  #timer: Timer | undefined;
  /** Not handed on yet. */
  #watermarkMs: number | undefined;

  constructor(next: Stage<Batch<In>>, context: StageContext, maxItems: number, lingerMs: number | undefined) {
    this.#next = next;
    this.#context = context;
    this.#maxItems = maxItems;
    this.#lingerMs = lingerMs;
  }

  push(item: In): void | Promise<void> {
    this.#context.metrics.in += 1;
    this.#items.push(item);
    this.#context.metrics.inFlight = this.#items.length;
    if (this.#items.length >= this.#maxItems) return this.#turns.take(() => this.#emit());
    if (this.#items.length === 1 && this.#lingerMs !== undefined)
      this.#timer = this.#context.clock.schedule(this.#lingerMs, () => this.#lingered());
  }

  async advance(watermarkMs: number): Promise<void> {
    await this.#turns.take(async () => {
      // What is gathered may be older than that: the watermark comes after it.
      this.#watermarkMs = watermarkMs;
      if (this.#items.length === 0) await this.#passWatermark();
    });
  }

  async flush(): Promise<void> {
    await this.#turns.take(async () => {
      await this.#emit();
      await this.#passWatermark();
    });
    await this.#next.flush();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
  }

  #lingered(): void {
    this.#turns.take(() => this.#emit()).catch((error: unknown) => this.#context.fail(error));
  }

  async #emit(): Promise<void> {
    this.#timer?.cancel();
    const items = this.#items;
    if (items.length === 0) return;
    this.#items = [];
    this.#context.metrics.inFlight = 0;
    this.#context.metrics.out += 1;
    const origins = new OriginMerge();
    let timestamp = Number.NEGATIVE_INFINITY;
    for (const item of items) {
      origins.add(item.origin);
      timestamp = Math.max(timestamp, item.timestamp);
    }
    await this.#next.push({ value: items, key: null, timestamp, headers: NO_HEADERS, origin: origins.origin });
    await this.#passWatermark();
  }

  async #passWatermark(): Promise<void> {
    const watermarkMs = this.#watermarkMs;
    this.#watermarkMs = undefined;
    if (watermarkMs !== undefined) await this.#next.advance(watermarkMs);
  }
}
