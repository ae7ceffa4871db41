/**
 * Several sources read as one, in the order of time: the oldest item of all lanes goes first, once every lane that is waited
 * for has one to compare. A lane is read again when what it brought is used up, so memory holds one read of each.
 */
import { type GroupPositions, type Timer, Wake } from '../client/internal.ts';
import { type AnyItem, originKey } from './item.ts';
import type { Chunk, Held, RunningSource, SourceContext } from './step.ts';

export interface LanesOptions {
  /** Lanes by index that are waited for. */
  readonly isAligned: (lane: number) => boolean;
  /** A lane that has had nothing for so long is not waited for; undefined: for ever. */
  readonly idleMs: number | undefined;
}

export interface FromLane<In> {
  readonly lane: number;
  readonly item: In;
}

interface Lane<In> {
  readonly index: number;
  readonly source: RunningSource<In>;
  /** Read and not handed on; from `taken` on. */
  items: readonly In[];
  taken: number;
  /** Event time as of before `items`. */
  beforeMs: number;
  reading: { outcome: { readonly chunk: Chunk<In> | undefined } | { readonly error: unknown } | undefined } | undefined;
  ended: boolean;
  /** Monotonic milliseconds since when there is nothing. */
  emptySinceMs: number;
}

export class Lanes<In extends AnyItem> {
  readonly #lanes: readonly Lane<In>[];
  readonly #options: LanesOptions;
  readonly #context: SourceContext;
  readonly #wake = new Wake();

  constructor(sources: readonly RunningSource<In>[], options: LanesOptions, context: SourceContext) {
    const nowMs = context.clock.monotonic();
    this.#lanes = sources.map((source, index) => ({
      index,
      source,
      items: [],
      taken: 0,
      beforeMs: Number.NEGATIVE_INFINITY,
      reading: undefined,
      ended: false,
      emptySinceMs: nowMs,
    }));
    this.#options = options;
    this.#context = context;
  }

  /** What a lane's source calls when its watermark moved. */
  wake(): void {
    this.#wake.all();
    this.#context.wake();
  }

  async read(signal: AbortSignal): Promise<Chunk<FromLane<In>> | undefined> {
    for (const lane of this.#lanes) if (this.#isEmpty(lane) && !lane.ended) this.#startRead(lane, signal);
    if (this.#lanes.every((lane) => lane.ended && this.#isEmpty(lane))) return undefined;
    for (;;) {
      const ticket = this.#wake.ticket;
      this.#throwFailure();
      if (this.#hasNews()) return { accept: async () => await this.#accept() };
      await this.#sleep(ticket);
    }
  }

  watermark(): number {
    let slowest = Number.POSITIVE_INFINITY;
    const nowMs = this.#context.clock.monotonic();
    for (const lane of this.#lanes) {
      if (this.#isEmpty(lane) && (lane.ended || this.#isIdle(lane, nowMs))) continue;
      slowest = Math.min(slowest, this.#isEmpty(lane) ? lane.source.watermark() : lane.beforeMs);
    }
    return slowest;
  }

  async commit(held: Held): Promise<void> {
    const all = this.#withBuffered(held);
    for (const { source } of this.#lanes) await source.commit(all);
  }

  positions(held: Held): readonly GroupPositions[] {
    const all = this.#withBuffered(held);
    return this.#lanes.flatMap(({ source }) => source.positions?.(all) ?? []);
  }

  async close(): Promise<void> {
    for (const { source } of this.#lanes) await source.close();
  }

  #startRead(lane: Lane<In>, signal: AbortSignal): void {
    if (lane.reading !== undefined) return;
    const reading: NonNullable<Lane<In>['reading']> = { outcome: undefined };
    lane.reading = reading;
    lane.source
      .read(signal)
      .then(
        (chunk) => void (reading.outcome = { chunk }),
        (error: unknown) => void (reading.outcome = { error }),
      )
      .finally(() => this.#wake.all());
  }

  #throwFailure(): void {
    for (const { reading } of this.#lanes)
      if (reading?.outcome !== undefined && 'error' in reading.outcome) throw reading.outcome.error;
  }

  /** A read is done, or time has made items ready that waited for a silent lane. */
  #hasNews(): boolean {
    return this.#lanes.some(({ reading }) => reading?.outcome !== undefined) || this.#nextLane() !== undefined;
  }

  async #accept(): Promise<readonly FromLane<In>[]> {
    for (const lane of this.#lanes) await this.#acceptLane(lane);
    const items: FromLane<In>[] = [];
    for (let lane = this.#nextLane(); lane !== undefined; lane = this.#nextLane()) {
      items.push({ lane: lane.index, item: lane.items[lane.taken] as In });
      lane.taken += 1;
      if (this.#isEmpty(lane)) lane.emptySinceMs = this.#context.clock.monotonic();
    }
    return items;
  }

  async #acceptLane(lane: Lane<In>): Promise<void> {
    const outcome = lane.reading?.outcome;
    if (outcome === undefined) return;
    lane.reading = undefined;
    // It came after the look at the failures; the next read finds it.
    if ('error' in outcome) {
      lane.reading = { outcome };
      return;
    }
    if (outcome.chunk === undefined) {
      lane.ended = true;
      return;
    }
    lane.beforeMs = lane.source.watermark();
    lane.items = await outcome.chunk.accept();
    lane.taken = 0;
  }

  /** The lane with the oldest item; undefined while one that is waited for has none. Equal times: the first lane. */
  #nextLane(): Lane<In> | undefined {
    const nowMs = this.#context.clock.monotonic();
    let next: Lane<In> | undefined;
    for (const lane of this.#lanes) {
      const item = lane.items[lane.taken];
      if (item === undefined) {
        const isWaitedFor = this.#options.isAligned(lane.index) && !lane.ended && !this.#isIdle(lane, nowMs);
        if (isWaitedFor) return undefined;
      } else if (next === undefined || item.timestamp < (next.items[next.taken] as In).timestamp) next = lane;
    }
    return next;
  }

  #isEmpty({ items, taken }: Lane<In>): boolean {
    return taken >= items.length;
  }

  #isIdle({ emptySinceMs }: Lane<In>, nowMs: number): boolean {
    const { idleMs } = this.#options;
    return idleMs !== undefined && nowMs - emptySinceMs >= idleMs;
  }

  /** Until something happens, or a lane has been silent for long enough. */
  async #sleep(ticket: Promise<void>): Promise<void> {
    const { clock } = this.#context;
    const { idleMs } = this.#options;
    let timer: Timer | undefined;
    if (idleMs !== undefined) {
      const waits = this.#lanes
        .filter((lane) => this.#isEmpty(lane) && !lane.ended)
        .map(({ emptySinceMs }) => emptySinceMs + idleMs - clock.monotonic())
        .filter((waitMs) => waitMs > 0);
      if (waits.length > 0) timer = clock.schedule(Math.min(...waits), () => this.wake());
    }
    try {
      await ticket;
    } finally {
      timer?.cancel();
    }
  }

  #withBuffered(held: Held): Held {
    const all = new Map(held);
    for (const { items, taken } of this.#lanes) {
      for (let i = taken; i < items.length; i++) {
        for (const place of (items[i] as In).origin.oldest) {
          const key = originKey(place);
          const kept = all.get(key);
          if (kept === undefined || place.offset < kept) all.set(key, place.offset);
        }
      }
    }
    return all;
  }
}
