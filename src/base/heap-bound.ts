/**
 * Bounds V8's heap while it is large: then it is nearly all state of very many topics, which stays. V8 would let it become two to
 * three times as large, and 200 MB before it looks at all of it for the first time; it does not give back what was in use once, since
 * some of what stays lies everywhere. The young generation would become 64 MB.
 */
import v8 from 'node:v8';
import type { Clock } from './clock.ts';
import { garbageCollector } from './minor-collections.ts';

/** A heap with so much outside of its young generation is large, and may grow by so many percent until it is collected whole. */
const LARGE_BYTES = 48 * 1024 * 1024;
const LARGE_PERCENT = 25;
/** Creating 100,000 topics takes three seconds. */
const LOOK_MS = 500;

export interface HeapControl {
  /** By how many percent of itself the heap may grow until it is collected whole; 0: as V8 thinks right. */
  setGrowingPercent(percent: number): void;
  /** False: the young generation stays as large as it is. */
  setYoungGrows(grows: boolean): void;
  /** Collects the heap whole, at once: some 20 ms with 20 MB. */
  collect(): void;
  /** Outside of the young generation, garbage among it. */
  oldBytes(): number;
}

const V8_CONTROL: HeapControl = {
  setGrowingPercent: (percent) => v8.setFlagsFromString(`--heap-growing-percent=${percent}`),
  setYoungGrows: (grows) => v8.setFlagsFromString(`--semi-space-growth-factor=${grows ? 2 : 1}`),
  collect: () => garbageCollector()('major'),
  oldBytes: () =>
    v8
      .getHeapSpaceStatistics()
      .reduce((sum, { space_name: name, space_used_size: bytes }) => (name.startsWith('new_') ? sum : sum + bytes), 0),
};

/** The limits are those of the whole process: only for a program that is nothing but a broker. */
export class HeapBound {
  readonly #control: HeapControl;
  #large = false;

  constructor(control: HeapControl = V8_CONTROL) {
    this.#control = control;
  }

  /** As long as the process lives. */
  begin(clock: Clock): void {
    clock.schedule(LOOK_MS, () => {
      this.#setFirstLimit(this.#control.oldBytes());
      this.#look(clock);
    });
  }

  /** Until the first collection V8 goes by a limit that has nothing to do with what is there: so that the next one is when the heap is large. */
  #setFirstLimit(oldBytes: number): void {
    if (oldBytes >= LARGE_BYTES) return;
    this.#control.setGrowingPercent(Math.ceil((100 * LARGE_BYTES) / oldBytes) - 100);
    this.#control.collect();
    this.#control.setGrowingPercent(0);
  }

  #look(clock: Clock): void {
    const isLarge = this.#control.oldBytes() >= LARGE_BYTES;
    if (isLarge !== this.#large) {
      this.#large = isLarge;
      this.#control.setYoungGrows(!isLarge);
      this.#control.setGrowingPercent(isLarge ? LARGE_PERCENT : 0);
    }
    clock.schedule(LOOK_MS, () => this.#look(clock));
  }
}
