/**
 * Bounds V8's heap. The young generation stays at 4 MiB, twice that while it is collected: what a broker allocates is garbage when
 * its request is answered, so that more room for it is only more memory. V8 would take 64 MB.
 *
 * The rest is bound while it is large: then it is nearly all state of very many topics, which stays. V8 would let it become two to
 * three times as large, and 200 MB before it looks at all of it for the first time; it does not give back what was in use once, since
 * some of what stays lies everywhere.
 *
 * Nor are pages kept that are empty: V8 would, for eight seconds, which is as long as a worker needs to take as many again.
 */
import v8 from 'node:v8';
import type { Clock } from './clock.ts';
import { garbageCollector } from './minor-collections.ts';

/** A heap with so much outside of its young generation is large, and may grow by so many percent until it is collected whole. */
const LARGE_BYTES = 48 * 1024 * 1024;
const LARGE_PERCENT = 10;
/** From here on it may become large, and not more: what V8 goes by when that is collected is what was set before. */
const NEARLY_LARGE_BYTES = LARGE_BYTES / 2;
/** What is allocated between two collections of the young generation. */
const YOUNG_BYTES = 4 * 1024 * 1024;
/** Older ones have no flag for it, and complain. */
const MEMORY_POOL_NODE = 26;
/** By then a broker with little in it has started. */
const FIRST_LOOK_MS = 500;
/** Creating 100,000 topics takes three seconds, and loading them one. */
const LOOK_MS = 250;

export interface HeapControl {
  /** Pages that a collection has emptied go back to the system at once, in all threads. */
  keepNoPages(): void;
  /** By how many percent of itself the heap may grow until it is collected whole; 0: as V8 thinks right. */
  setGrowingPercent(percent: number): void;
  /** False: the young generation stays as large as it is. */
  setYoungGrows(grows: boolean): void;
  /** Collects the heap whole, at once: some 20 ms with 20 MB. */
  collect(): void;
  /** Collects the young generation: about a millisecond. It grows where it may, and enough of it has stayed lately. */
  collectYoung(): void;
  /** The young generation: what is in it, garbage and all, and with how much it is collected. */
  young(): { readonly usedBytes: number; readonly sizeBytes: number };
  /** Outside of the young generation, garbage among it. */
  oldBytes(): number;
}

const V8_CONTROL: HeapControl = {
  keepNoPages: () => {
    if (Number.parseInt(process.versions.node, 10) >= MEMORY_POOL_NODE) v8.setFlagsFromString('--no-memory-pool');
  },
  setGrowingPercent: (percent) => v8.setFlagsFromString(`--heap-growing-percent=${percent}`),
  setYoungGrows: (grows) => v8.setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`),
  collect: () => garbageCollector()('major'),
  collectYoung: () => garbageCollector()('minor'),
  young: () => {
    const young = v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
    const usedBytes = young?.space_used_size ?? 0;
    return { usedBytes, sizeBytes: usedBytes + (young?.space_available_size ?? 0) };
  },
  oldBytes: () =>
    v8
      .getHeapSpaceStatistics()
      .reduce((sum, { space_name: name, space_used_size: bytes }) => (name.startsWith('new_') ? sum : sum + bytes), 0),
};

/** The limits are those of the whole process: only for a program that is nothing but a broker. */
export class HeapBound {
  readonly #control: HeapControl;
  /** As it was set last. */
  #percent = 0;

  constructor(control: HeapControl = V8_CONTROL) {
    this.#control = control;
  }

  /** As long as the process lives. */
  begin(clock: Clock): void {
    this.#control.setYoungGrows(false);
    this.#control.keepNoPages();
    clock.schedule(FIRST_LOOK_MS, () => {
      this.#setFirstLimit(this.#control.oldBytes());
      this.#look(clock);
    });
  }

  /** Until the first collection V8 goes by a limit that has nothing to do with what is there: so that the next one is when the heap is large. */
  #setFirstLimit(oldBytes: number): void {
    if (oldBytes >= NEARLY_LARGE_BYTES) return;
    this.#control.setGrowingPercent(Math.ceil((100 * LARGE_BYTES) / oldBytes) - 100);
    this.#control.collect();
    this.#control.setGrowingPercent(0);
  }

  /**
   * V8 shrinks it in quiet times. Where it fills again, it grows by one step a look: were it allowed to by itself, it would by several
   * between two. Its pages have headers, which do not count: it doubles only while that takes it nearer.
   */
  #growYoung(): void {
    const { usedBytes, sizeBytes } = this.#control.young();
    if (sizeBytes * 1.5 > YOUNG_BYTES || usedBytes * 2 < sizeBytes) return;
    this.#control.setYoungGrows(true);
    this.#control.collectYoung();
    this.#control.setYoungGrows(false);
  }

  #look(clock: Clock): void {
    this.#growYoung();
    const percent = growingPercent(this.#control.oldBytes());
    if (percent !== this.#percent) {
      this.#percent = percent;
      this.#control.setGrowingPercent(percent);
    }
    clock.schedule(LOOK_MS, () => this.#look(clock));
  }
}

function growingPercent(oldBytes: number): number {
  if (oldBytes < NEARLY_LARGE_BYTES) return 0;
  return Math.max(LARGE_PERCENT, Math.ceil((100 * LARGE_BYTES) / oldBytes) - 100);
}
