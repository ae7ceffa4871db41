/** Kinds of windows over event time, and what is gathered in one. */
import { MillraceError } from '../client/internal.ts';
import type { Item } from './item.ts';

/** Windows of one length, made by `tumbling` and `sliding`. */
export interface FixedWindows {
  readonly type: 'fixed';
  readonly sizeMs: number;
  /** A window begins at each multiple of it. */
  readonly everyMs: number;
}

/** Windows that end with a pause, made by `session`. */
export interface SessionWindows {
  readonly type: 'session';
  readonly gapMs: number;
}

/** Windows of equal length, one behind the other: `[0, size)`, `[size, 2 size)`... Each item is in one. */
export function tumbling({ sizeMs }: { readonly sizeMs: number }): FixedWindows {
  return sliding({ sizeMs, everyMs: sizeMs });
}

/** Windows of equal length of which one begins every `everyMs`; an item is in all that cover its time. */
export function sliding({ sizeMs, everyMs }: { readonly sizeMs: number; readonly everyMs: number }): FixedWindows {
  check(sizeMs, 'sizeMs');
  check(everyMs, 'everyMs');
  if (everyMs > sizeMs)
    throw new MillraceError('CLIENT_OPTION_INVALID', 'everyMs is at most sizeMs, or some items would be in no window.');
  return { type: 'fixed', sizeMs, everyMs };
}

/** A window for each burst of a key: it ends when nothing came for `gapMs`. */
export function session({ gapMs }: { readonly gapMs: number }): SessionWindows {
  check(gapMs, 'gapMs');
  return { type: 'session', gapMs };
}

function check(value: number, name: string): void {
  if (Number.isSafeInteger(value) && value > 0) return;
  throw new MillraceError('CLIENT_OPTION_INVALID', `${name} is a whole number of milliseconds from 1, not ${value}.`);
}

/** Starts of the fixed windows that cover a time, oldest first. */
export function startsOf({ sizeMs, everyMs }: FixedWindows, timestamp: number): number[] {
  const starts: number[] = [];
  const last = Math.floor(timestamp / everyMs) * everyMs;
  for (let start = last; start > timestamp - sizeMs; start -= everyMs) starts.unshift(start);
  return starts;
}

/** What is gathered in a window. */
export interface Aggregate<Value, Key, State> {
  readonly initial: () => State;
  /** @returns the next state; the old one, changed, will do. */
  readonly add: (state: State, value: Value, item: Item<Value, Key>) => State;
  /** Joins two sessions that a late item brought together, the earlier first. Sessions need it. */
  readonly merge?: (earlier: State, later: State) => State;
}

/** An aggregate whose states can be put together, as sessions need it. */
export type MergeableAggregate<Value, Key, State> = Aggregate<Value, Key, State> & {
  readonly merge: (earlier: State, later: State) => State;
};

/** How many items. */
export function count<Value, Key>(): MergeableAggregate<Value, Key, number> {
  return { initial: () => 0, add: (total) => total + 1, merge: (a, b) => a + b };
}

/** Sum of a number of each item. */
export function sum<Value, Key>(
  of: (value: Value, item: Item<Value, Key>) => number,
): MergeableAggregate<Value, Key, number> {
  return { initial: () => 0, add: (total, value, item) => total + of(value, item), merge: (a, b) => a + b };
}

/** The values themselves, in the order they came. Memory grows with the window. */
export function values<Value, Key>(): MergeableAggregate<Value, Key, readonly Value[]> {
  return {
    initial: () => [],
    add(list, value) {
      (list as Value[]).push(value);
      return list;
    },
    merge: (a, b) => [...a, ...b],
  };
}
