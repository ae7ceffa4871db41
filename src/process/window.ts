/**
 * Windows of each key over event time. A window's result goes on once, when the watermark has passed its end and the grace;
 * what comes after that is late.
 *
 * Open windows are in memory. Without `state` their records stay uncommitted, so after a crash they are read again; a result
 * that went on shortly before may then go on again, made of the records behind the committed position alone. With `state` the
 * windows and the watermark are kept, and each result is whole.
 */
import { decodePart, encodeUtf8, MillraceError, type RecordHeader, string } from '../client/internal.ts';
import { type Item, keyText, NO_HEADERS, type Origin, OriginMerge, type OriginPlace } from './item.ts';
import { decodeKey, encodeKey } from './key-text.ts';
import { MinHeap } from './min-heap.ts';
import { refuseScatteredKeys } from './reduce.ts';
import { appliedOrigin, KeyedState, type StateStore } from './state.ts';
import type { Opener, Sink, Stage, StageContext, Step } from './step.ts';
import {
  type Aggregate,
  type FixedWindows,
  type MergeableAggregate,
  type SessionWindows,
  startsOf,
} from './windows.ts';

/** Options of `window`. */
export interface WindowOptions<Value, Key, State> {
  readonly name?: string | undefined;
  /** How long after its end, in event time, a window still takes items. Its result goes on that much later. Default 0. */
  readonly graceMs?: number | undefined;
  /** Where items go that come too late. Default: nowhere; metrics count them. */
  readonly late?: Sink<Item<Value, Key>> | undefined;
  /** Where open windows outlive the pipeline. */
  readonly state?: StateStore<State> | undefined;
}

/** A result: `[startMs, endMs)` in event time. A session ends `gapMs` after its last item. The item's timestamp is `endMs - 1`. */
export interface Windowed<Result> {
  readonly startMs: number;
  readonly endMs: number;
  readonly value: Result;
}

/**
 * Gathers the items of each key that lie in one window.
 *
 * ```ts
 * window(tumbling({ sizeMs: 60_000 }), sum((order: Order) => order.total), { graceMs: 5_000 })
 * ```
 *
 * @throws MillraceError CLIENT_UNSUPPORTED when the pipeline starts, for load-balanced sources: a window would be open in two members.
 */
export function window<Value, Key, State>(
  kind: FixedWindows,
  aggregate: Aggregate<Value, Key, State>,
  options?: WindowOptions<Value, Key, State>,
): Step<Item<Value, Key>, Item<Windowed<State>, Key>>;
export function window<Value, Key, State>(
  kind: SessionWindows,
  aggregate: MergeableAggregate<Value, Key, State>,
  options?: WindowOptions<Value, Key, State>,
): Step<Item<Value, Key>, Item<Windowed<State>, Key>>;
export function window<Value, Key, State>(
  kind: FixedWindows | SessionWindows,
  aggregate: Aggregate<Value, Key, State>,
  options: WindowOptions<Value, Key, State> = {},
): Step<Item<Value, Key>, Item<Windowed<State>, Key>> {
  const { name = 'window' } = options;
  return {
    name,
    async open(next, opener: Opener) {
      const context = opener.context(name);
      refuse(context, options.state !== undefined);
      const late = await options.late?.open(opener);
      const state = await KeyedState.open(options.state, context);
      return new WindowStage({ kind, aggregate, graceMs: options.graceMs ?? 0, late, next, context, state });
    },
  };
}

function refuse(context: StageContext, isKept: boolean): void {
  refuseScatteredKeys(context);
  const { step } = context.metrics;
  if (context.partitionsMove)
    throw new MillraceError(
      'CLIENT_UNSUPPORTED',
      `Step ${step} cannot follow partitions from member to member: use mode resumable, and 'partitions' to share the work.`,
    );
  if (context.transaction !== undefined && !isKept)
    throw new MillraceError('CLIENT_UNSUPPORTED', `Step ${step} is exactly-once only with 'state'.`);
}

interface Parts<Value, Key, State> {
  readonly kind: FixedWindows | SessionWindows;
  readonly aggregate: Aggregate<Value, Key, State>;
  readonly graceMs: number;
  readonly late: Stage<Item<Value, Key>> | undefined;
  readonly next: Stage<Item<Windowed<State>, Key>>;
  readonly context: StageContext;
  readonly state: KeyedState<State>;
}

interface OpenWindow<Key> {
  /** In the state. */
  readonly name: string;
  readonly key: Key | null;
  readonly startMs: number;
  readonly endMs: number;
  readonly origins: OriginMerge;
  isOpen: boolean;
}

const WINDOW_HEADER = 'millrace-window';
const WATERMARK = 'watermark';

class WindowStage<Value, Key, State> implements Stage<Item<Value, Key>> {
  readonly #parts: Parts<Value, Key, State>;
  readonly #windows = new Map<string, OpenWindow<Key>>();
  /** Open sessions of each key, unordered: there are few. */
  readonly #sessions = new Map<string, OpenWindow<Key>[]>();
  readonly #byEnd = new MinHeap<OpenWindow<Key>>((a, b) =>
    a.endMs === b.endMs ? a.startMs < b.startMs : a.endMs < b.endMs,
  );
  #watermarkMs = Number.NEGATIVE_INFINITY;
  /** What is kept of the watermark: as far as windows are closed, since it goes to infinity where a source ends. */
  #keptMs = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts<Value, Key, State>) {
    this.#parts = parts;
    this.#restore();
  }

  push(item: Item<Value, Key>): void | Promise<void> {
    this.#parts.context.metrics.in += 1;
    const { kind } = this.#parts;
    return kind.type === 'fixed' ? this.#pushFixed(kind, item) : this.#pushSession(kind, item);
  }

  async advance(watermarkMs: number): Promise<void> {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
    if (Number.isFinite(this.#watermarkMs)) this.#keptMs = this.#watermarkMs;
    await this.#closeDue();
    const { late, next, graceMs } = this.#parts;
    await late?.advance(this.#watermarkMs);
    // A result is older than the watermark by the grace.
    await next.advance(this.#watermarkMs - graceMs);
  }

  async flush(): Promise<void> {
    const { late, next, state } = this.#parts;
    await late?.flush();
    await next.flush();
    if (Number.isFinite(this.#keptMs)) state.setNote(WATERMARK, String(this.#keptMs));
    await state.save();
  }

  held(report: (place: OriginPlace) => void): void {
    if (this.#parts.state.isKept) return;
    for (const { origins } of this.#windows.values()) for (const place of origins.oldest) report(place);
  }

  async close(): Promise<void> {
    await this.#parts.late?.close();
    await this.#parts.state.close();
  }

  #pushFixed(kind: FixedWindows, item: Item<Value, Key>): void | Promise<void> {
    let taken = false;
    for (const startMs of startsOf(kind, item.timestamp)) {
      const endMs = startMs + kind.sizeMs;
      if (this.#isClosed(endMs)) continue;
      taken = true;
      const name = windowName(item.key, startMs);
      const open = this.#windows.get(name) ?? this.#open(name, item.key, startMs, endMs, new OriginMerge());
      this.#add(open, item);
    }
    if (!taken) return this.#late(item);
  }

  #pushSession({ gapMs }: SessionWindows, item: Item<Value, Key>): void | Promise<void> {
    const { timestamp } = item;
    const text = keyText(item.key);
    const all = this.#sessions.get(text) ?? [];
    const near = all.filter(({ startMs, endMs }) => startMs < timestamp + gapMs && timestamp < endMs);
    if (near.length === 0 && this.#isClosed(timestamp + gapMs)) return this.#late(item);
    const startMs = Math.min(timestamp, ...near.map((session) => session.startMs));
    const endMs = Math.max(timestamp + gapMs, ...near.map((session) => session.endMs));
    const [only] = near;
    if (only !== undefined && near.length === 1 && only.startMs === startMs && only.endMs === endMs) {
      this.#add(only, item);
      return;
    }
    if (near.some(({ name }) => this.#parts.state.hasSeen(name, item.origin))) {
      // It is in one of them already: what stretched them is known.
      this.#parts.context.metrics.dropped += 1;
      return;
    }
    this.#add(this.#stretch(near, item.key, startMs, endMs), item);
  }

  /** One session in the place of those that the item touches. */
  #stretch(near: readonly OpenWindow<Key>[], key: Key | null, startMs: number, endMs: number): OpenWindow<Key> {
    const { state, aggregate } = this.#parts;
    const origins = new OriginMerge();
    let merged: State | undefined;
    for (const session of near.toSorted((a, b) => a.startMs - b.startMs)) {
      const own = state.get(session.name)?.state as State;
      merged = merged === undefined ? own : (aggregate as MergeableAggregate<Value, Key, State>).merge(merged, own);
      origins.add(session.origins.origin);
      this.#forget(session, true);
    }
    const open = this.#open(windowName(key, startMs), key, startMs, endMs, origins);
    if (merged !== undefined) state.set(open.name, merged, origins.origin, this.#headers(open));
    return open;
  }

  #add(open: OpenWindow<Key>, item: Item<Value, Key>): void {
    const { state, aggregate, context } = this.#parts;
    if (state.hasSeen(open.name, item.origin)) {
      context.metrics.dropped += 1;
      return;
    }
    const before = state.get(open.name)?.state ?? aggregate.initial();
    state.set(open.name, aggregate.add(before, item.value, item), item.origin, this.#headers(open));
    open.origins.add(item.origin);
  }

  #open(name: string, key: Key | null, startMs: number, endMs: number, origins: OriginMerge): OpenWindow<Key> {
    const open: OpenWindow<Key> = { name, key, startMs, endMs, origins, isOpen: true };
    this.#windows.set(name, open);
    this.#byEnd.add(open);
    if (this.#parts.kind.type === 'session') {
      const text = keyText(key);
      this.#sessions.set(text, [...(this.#sessions.get(text) ?? []), open]);
    }
    return open;
  }

  #forget(open: OpenWindow<Key>, replaced = false): void {
    open.isOpen = false;
    this.#windows.delete(open.name);
    this.#parts.state.delete(open.name, replaced);
    if (this.#parts.kind.type !== 'session') return;
    const text = keyText(open.key);
    const left = (this.#sessions.get(text) ?? []).filter((other) => other !== open);
    if (left.length === 0) this.#sessions.delete(text);
    else this.#sessions.set(text, left);
  }

  async #closeDue(): Promise<void> {
    const { state, next, context } = this.#parts;
    for (let first = this.#byEnd.first; first !== undefined; first = this.#byEnd.first) {
      if (first.isOpen && !this.#isClosed(first.endMs)) return;
      this.#byEnd.take();
      if (!first.isOpen) continue;
      const { key, startMs, endMs, origins, name } = first;
      this.#keptMs = Math.max(this.#keptMs, endMs + this.#parts.graceMs);
      const value = { startMs, endMs, value: state.get(name)?.state as State };
      this.#forget(first);
      context.metrics.out += 1;
      const pushed = next.push({ value, key, timestamp: endMs - 1, headers: NO_HEADERS, origin: origins.origin });
      if (pushed !== undefined) await pushed;
    }
  }

  #isClosed(endMs: number): boolean {
    return endMs + this.#parts.graceMs <= this.#watermarkMs;
  }

  #late(item: Item<Value, Key>): void | Promise<void> {
    this.#parts.context.metrics.late += 1;
    return this.#parts.late?.push(item);
  }

  #headers({ startMs, endMs, key }: OpenWindow<Key>): readonly RecordHeader[] {
    if (!this.#parts.state.isKept) return [];
    return [{ key: WINDOW_HEADER, value: encodeUtf8(`${startMs} ${endMs} ${encodeKey(key)}`) }];
  }

  #restore(): void {
    const { state } = this.#parts;
    const watermark = state.note(WATERMARK);
    if (watermark !== undefined && watermark !== '') this.#watermarkMs = this.#keptMs = Number(watermark);
    for (const [name, entry] of state.entries()) {
      const header = entry.headers.find(({ key }) => key === WINDOW_HEADER)?.value;
      const match = /^(\S+) (\S+) (.*)$/s.exec(decodePart(string(), 'value', header ?? new Uint8Array()));
      if (match === null)
        throw new MillraceError(
          'CLIENT_DECODE_FAILED',
          `The state of step ${this.#parts.context.metrics.step} holds ${JSON.stringify(name)}, which is no window.`,
        );
      const origin: Origin = appliedOrigin(entry);
      const origins = new OriginMerge();
      origins.add(origin);
      this.#open(name, decodeKey(match[3] as string) as Key | null, Number(match[1]), Number(match[2]), origins);
    }
    this.#dropReplaced();
  }

  /** A crash may have come between the writing of a session and the deletion of those that it has taken in. */
  #dropReplaced(): void {
    for (const sessions of [...this.#sessions.values()]) {
      for (const session of sessions) {
        const isTakenIn = sessions.some(
          (other) => other !== session && other.startMs <= session.startMs && session.endMs <= other.endMs,
        );
        if (isTakenIn) this.#forget(session, true);
      }
    }
  }
}

function windowName(key: unknown, startMs: number): string {
  return `${startMs} ${encodeKey(key)}`;
}
