/**
 * Which topics the regular expressions of members match, kept between heartbeats. A broker may have a million topics, so
 * a search goes on in slices between other work, one search of an expression at a time, and after a change of topics not
 * more often than it can be paid for; until then the answer of before stands, and says how old it is.
 */
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../base/clock.ts';
import { TopicRegex } from './topic-regex.ts';

/** Names looked at without a pause: a millisecond or two. */
const SLICE_NAMES = 5_000;
/** A search rests this many times what it took: topics that come by the second cost 2 % of a core at most. */
const REST_FACTOR = 50;
/** Expressions that nobody asked for in a while go first. */
const MAX_ENTRIES = 1_000;

export interface TopicNames {
  /** Grows whenever a topic is created, deleted or gets partitions. */
  readonly version: number;
  /** Canonical, in order of creation; may change while it is walked. */
  names(): Iterable<string>;
}

interface Entry {
  readonly regex: TopicRegex;
  matched: readonly string[];
  /** Of the topics, when the search that found `matched` began; -1: none has ended. */
  version: number;
  search: Promise<void> | undefined;
  /** Monotonic milliseconds. */
  restsUntil: number;
}

export class RegexMatches {
  readonly #topics: TopicNames;
  readonly #clock: Clock;
  /** Least recently asked for first. */
  readonly #entries = new Map<string, Entry>();

  constructor(topics: TopicNames, clock: Clock) {
    this.#topics = topics;
    this.#clock = clock;
  }

  /**
   * Resolves when there is an answer for each, at once where there is. Starts searches for those that are out of date.
   *
   * @throws RegexError for one that cannot be parsed.
   */
  async prepare(texts: Iterable<string>): Promise<void> {
    for (const text of texts) {
      const entry = this.#obtain(text);
      const isDue = entry.version !== this.#topics.version && this.#clock.monotonic() >= entry.restsUntil;
      if (isDue && entry.search === undefined) this.#start(entry);
      if (entry.version < 0) await entry.search;
    }
  }

  /** After `prepare`; names that were deleted since may be among them. */
  matches(text: string): readonly string[] {
    return this.#entries.get(text)?.matched ?? [];
  }

  /** The oldest version of the topics that the answers for these stand for. */
  version(texts: Iterable<string>): number {
    let oldest = this.#topics.version;
    for (const text of texts) oldest = Math.min(oldest, this.#entries.get(text)?.version ?? -1);
    return oldest;
  }

  #obtain(text: string): Entry {
    const known = this.#entries.get(text);
    const entry = known ?? {
      regex: TopicRegex.parse(text),
      matched: [],
      version: -1,
      search: undefined,
      restsUntil: 0,
    };
    this.#entries.delete(text);
    this.#entries.set(text, entry);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= MAX_ENTRIES) break;
      this.#entries.delete(oldest);
    }
    return entry;
  }

  #start(entry: Entry): void {
    const search = this.#search(entry).finally(() => (entry.search = undefined));
    entry.search = search;
  }

  async #search(entry: Entry): Promise<void> {
    const { version } = this.#topics;
    const matched: string[] = [];
    let busyMs = 0;
    let sliceStart = this.#clock.monotonic();
    let count = 0;
    for (const name of this.#topics.names()) {
      if (entry.regex.test(name)) matched.push(name);
      count += 1;
      if (count % SLICE_NAMES !== 0) continue;
      busyMs += this.#clock.monotonic() - sliceStart;
      await setImmediate();
      sliceStart = this.#clock.monotonic();
    }
    const now = this.#clock.monotonic();
    entry.matched = matched;
    entry.version = version;
    entry.restsUntil = now + REST_FACTOR * (busyMs + now - sliceStart);
  }
}
