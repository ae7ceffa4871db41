/** Pairs of two sources that belong together: of one key, near in time. */
import { MillraceError } from '../client/internal.ts';
import { joinedTraits, openLanes } from './fuse.ts';
import { type AnyItem, type Item, keyText, NO_HEADERS, OriginMerge, type OriginPlace, originKey } from './item.ts';
import type { FromLane, Lanes } from './lanes.ts';
import type { Held, RunningSource, Source } from './step.ts';

/** Options of `join` and `leftJoin`. */
export interface JoinOptions {
  readonly name?: string | undefined;
  /** Items pair whose times are at most so far apart. */
  readonly withinMs: number;
  /** A source that has had nothing for so long is not waited for. Default 10,000. */
  readonly idleMs?: number | undefined;
}

const DEFAULT_IDLE_MS = 10_000;
const LEFT = 0;

/** A side that waits for partners. */
interface Waiting {
  readonly item: AnyItem;
  matched: boolean;
  /** Its lone result has gone on, or is not wanted. */
  done: boolean;
}

/**
 * Pairs items of equal keys whose times are at most `withinMs` apart: each pair once, when the second of it comes. Its time is
 * the later one. Items wait in memory for their partners and stay uncommitted meanwhile; after a crash pairs may come again.
 *
 * ```ts
 * join(from(client, { topics: 'orders', ... }), from(client, { topics: 'payments', ... }), { withinMs: 60_000 })
 * ```
 */
export function join<L, R, Key>(
  left: Source<Item<L, Key>>,
  right: Source<Item<R, Key>>,
  options: JoinOptions,
): Source<Item<readonly [L, R], Key>, 'at-least-once'> {
  return joinSource(left, right, options, false) as Source<Item<readonly [L, R], Key>, 'at-least-once'>;
}

/** As `join`; an item of the left that found no partner goes on alone once none can come any more. */
export function leftJoin<L, R, Key>(
  left: Source<Item<L, Key>>,
  right: Source<Item<R, Key>>,
  options: JoinOptions,
): Source<Item<readonly [L, R | undefined], Key>, 'at-least-once'> {
  return joinSource(left, right, options, true) as Source<Item<readonly [L, R | undefined], Key>, 'at-least-once'>;
}

function joinSource(
  left: Source<AnyItem>,
  right: Source<AnyItem>,
  options: JoinOptions,
  keepsLone: boolean,
): Source<AnyItem> {
  const { withinMs, idleMs = DEFAULT_IDLE_MS } = options;
  if (!(withinMs >= 0))
    throw new MillraceError('CLIENT_OPTION_INVALID', 'withinMs is a number of milliseconds from 0.');
  const sources = [left, right];
  const traits = joinedTraits(sources);
  if (traits.acknowledgesRecords || traits.partitionsMove)
    throw new MillraceError(
      'CLIENT_UNSUPPORTED',
      'A join needs all records of a key in one pipeline: use mode resumable for both sources.',
    );
  return {
    name: options.name ?? `${left.name} join ${right.name}`,
    // What waits is not kept anywhere, so a transaction cannot cover it.
    traits: { ...traits, clients: undefined },
    async open(context) {
      const lanes = await openLanes(sources, { isAligned: () => true, idleMs }, context);
      return new JoinSource(lanes, withinMs, keepsLone);
    },
  };
}

/** Read, and perhaps to be read again: where it stands in its source. */
interface Read {
  readonly timestamp: number;
  readonly places: readonly OriginPlace[];
}

class JoinSource implements RunningSource<AnyItem> {
  readonly #lanes: Lanes<AnyItem>;
  readonly #withinMs: number;
  readonly #keepsLone: boolean;
  /** By side and key, in the order they came. */
  readonly #waiting: readonly [Map<string, Waiting[]>, Map<string, Waiting[]>] = [new Map(), new Map()];
  #watermarkMs = Number.NEGATIVE_INFINITY;
  #ended = false;
  /** Of the left, those that the last commit did not pass; of the right, those that one of them may need. */
  #uncommitted: Read[] = [];
  #partners: Read[] = [];

  constructor(lanes: Lanes<AnyItem>, withinMs: number, keepsLone: boolean) {
    this.#lanes = lanes;
    this.#withinMs = withinMs;
    this.#keepsLone = keepsLone;
  }

  async read(signal: AbortSignal): ReturnType<RunningSource<AnyItem>['read']> {
    if (this.#ended) return undefined;
    const chunk = await this.#lanes.read(signal);
    if (chunk !== undefined) return { accept: async () => this.#take(await chunk.accept()) };
    this.#ended = true;
    return { accept: async () => this.#expire(Number.POSITIVE_INFINITY) };
  }

  /** Lone items of the left go on when their time is over, so the output is later by that. */
  watermark(): number {
    return this.#lanes.watermark() - (this.#keepsLone ? this.#withinMs : 0);
  }

  async commit(held: Held): Promise<void> {
    const all = this.#withWaiting(held);
    if (this.#keepsLone) this.#holdPartners(all);
    await this.#lanes.commit(all);
  }

  async close(): Promise<void> {
    await this.#lanes.close();
  }

  #take(arrived: readonly FromLane<AnyItem>[]): AnyItem[] {
    const out: AnyItem[] = [];
    for (const { lane, item } of arrived) {
      this.#pair(lane, item, out);
      if (!this.#keepsLone) continue;
      const read = { timestamp: item.timestamp, places: item.origin.oldest };
      (lane === LEFT ? this.#uncommitted : this.#partners).push(read);
    }
    out.push(...this.#expire(this.#lanes.watermark()));
    return out;
  }

  #pair(lane: number, item: AnyItem, out: AnyItem[]): void {
    const key = keyText(item.key);
    const own: Waiting = { item, matched: false, done: !(this.#keepsLone && lane === LEFT) };
    const others = this.#waiting[lane === LEFT ? 1 : 0].get(key) ?? [];
    for (const other of item.key === null ? [] : others) {
      if (Math.abs(other.item.timestamp - item.timestamp) > this.#withinMs) continue;
      own.matched = true;
      other.matched = true;
      out.push(lane === LEFT ? pairOf(item, other.item) : pairOf(other.item, item));
    }
    const side = this.#waiting[lane === LEFT ? 0 : 1];
    const waiting = side.get(key);
    if (waiting === undefined) side.set(key, [own]);
    else waiting.push(own);
  }

  /** Lets go of what can have no partner any more. */
  #expire(watermarkMs: number): AnyItem[] {
    if (watermarkMs <= this.#watermarkMs) return [];
    this.#watermarkMs = watermarkMs;
    const lone: AnyItem[] = [];
    for (const side of this.#waiting) {
      for (const [key, list] of side) {
        for (const waiting of list) {
          if (waiting.done || waiting.item.timestamp + this.#withinMs >= watermarkMs) continue;
          waiting.done = true;
          if (!waiting.matched) lone.push({ ...waiting.item, value: [waiting.item.value, undefined] });
        }
        const left = list.filter(({ item }) => item.timestamp + this.#withinMs >= watermarkMs);
        if (left.length === 0) side.delete(key);
        else if (left.length < list.length) side.set(key, left);
      }
    }
    return lone.sort((a, b) => a.timestamp - b.timestamp);
  }

  /**
   * An item of the left that comes again after a crash, perhaps only because one before it in its partition does, must find
   * its partners again, or it would seem alone.
   */
  #holdPartners(all: Map<string, bigint>): void {
    this.#uncommitted = this.#uncommitted.filter(({ places }) => places.some((place) => isHeld(all, place)));
    const oldest = this.#uncommitted.reduce((min, { timestamp }) => Math.min(min, timestamp), Number.POSITIVE_INFINITY);
    // Those that the left is still to come for wait anyway.
    this.#partners = this.#partners.filter(
      ({ timestamp }) => timestamp + this.#withinMs >= Math.min(oldest, this.#watermarkMs),
    );
    for (const { timestamp, places } of this.#partners) if (timestamp + this.#withinMs >= oldest) hold(all, places);
  }

  #withWaiting(held: Held): Map<string, bigint> {
    const all = new Map(held);
    for (const side of this.#waiting) {
      for (const list of side.values()) {
        for (const { item } of list) hold(all, item.origin.oldest);
      }
    }
    return all;
  }
}

/** Keeps the earliest of the places of each partition. */
function hold(all: Map<string, bigint>, places: readonly OriginPlace[]): void {
  for (const place of places) {
    const key = originKey(place);
    const kept = all.get(key);
    if (kept === undefined || place.offset < kept) all.set(key, place.offset);
  }
}

function isHeld(all: Held, place: OriginPlace): boolean {
  const from = all.get(originKey(place));
  return from !== undefined && place.offset >= from;
}

function pairOf(left: AnyItem, right: AnyItem): AnyItem {
  const origins = new OriginMerge();
  origins.add(left.origin);
  origins.add(right.origin);
  return {
    value: [left.value, right.value],
    key: left.key,
    timestamp: Math.max(left.timestamp, right.timestamp),
    headers: NO_HEADERS,
    origin: origins.origin,
  };
}
