/**
 * Gives V8's collector room while much memory outside of its heap comes and goes. Node.js reads sockets into fresh pieces of 64 KiB, and
 * V8 counts them against a limit that is made from the heap's size: with 22 MB of live objects it marks the whole heap for every
 * 16 MB that come, which was half of the processor time of appends of many MiB over HTTP. Only for the time of such: the heap
 * fills the room with young objects that it would have let go, and resident memory grows with it.
 */
import v8 from 'node:v8';
import type { Clock } from './clock.ts';

/** What may come between two full collections, at least. From so large a heap on V8's own rule has to do. */
const ROOM_BYTES = 96 * 1024 * 1024;
const MAX_PERCENT = 400;
/** The room stays for so long, and is measured anew after it where it is still wanted. */
const HOLD_MS = 5000;

export interface CollectorControl {
  /** By how many percent of itself the heap may grow until it is collected whole; 0: as V8 thinks right. */
  setGrowingPercent(percent: number): void;
  liveBytes(): number;
}

const V8_CONTROL: CollectorControl = {
  setGrowingPercent: (percent) => v8.setFlagsFromString(`--heap-growing-percent=${percent}`),
  liveBytes: () => v8.getHeapStatistics().used_heap_size,
};

export class HeapRoom {
  readonly #control: CollectorControl;
  #clock: Clock | undefined;
  #held = false;
  #wanted = false;

  constructor(control: CollectorControl = V8_CONTROL) {
    this.#control = control;
  }

  /** The limit is that of the whole process: only a program that is nothing but a broker may change it. Until then `want` does nothing. */
  allow(clock: Clock): void {
    this.#clock = clock;
  }

  /** Much memory outside of the heap is about to come. */
  want(): void {
    this.#wanted = true;
    if (!this.#held && this.#clock !== undefined) this.#hold(this.#clock);
  }

  #hold(clock: Clock): void {
    this.#held = this.#wanted;
    this.#wanted = false;
    this.#control.setGrowingPercent(this.#held ? growingPercent(this.#control.liveBytes()) : 0);
    if (this.#held) clock.schedule(HOLD_MS, () => this.#hold(clock));
  }
}

export function growingPercent(liveBytes: number): number {
  if (liveBytes >= ROOM_BYTES) return 0;
  return Math.min(MAX_PERCENT, Math.ceil((100 * ROOM_BYTES) / liveBytes));
}

/** Of this process. */
export const heapRoom = new HeapRoom();
