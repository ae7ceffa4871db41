/**
 * Collects the heap of a worker thread whole whenever it has grown by some: V8 would let it grow to several times what is alive, and
 * by whatever buffers are garbage, before it looks at all of it. It takes a twentieth of a second for each 50 MB, in which the
 * thread does nothing else: for threads that nobody waits for, never for the event loop of a broker.
 */
import v8 from 'node:v8';
import { takenBytes } from './mapped-bytes.ts';
import { garbageCollector } from './minor-collections.ts';

/** Grown by so much, and by an eighth. */
const GROWN_BYTES = 12 * 1024 * 1024;
const GROWN_SHARE = 0.125;

/** With all that is garbage, or may be. */
const RELEASED_FROM_BYTES = 48 * 1024 * 1024;

export interface ThreadHeap {
  /** Of the heap, and of buffers outside of it: of those that are mapped, what came since it was collected. */
  usedBytes(): number;
  /** The same, but what was mapped since it was released: what was alive at a collection may be garbage now. */
  usedSinceRelease(): number;
  collect(): void;
  /** Once more, and what it frees goes back to the system at once. */
  release(): void;
}

export class HeapTrim {
  readonly #control: ThreadHeap;
  #aliveBytes: number;

  constructor(control: ThreadHeap = heapOfThread()) {
    this.#control = control;
    this.#aliveBytes = control.usedBytes();
  }

  /** A step is done: what it needed is garbage. */
  step(): void {
    const usedBytes = this.#control.usedBytes();
    // Buffers are let go a little after the collection that found nobody to refer to them.
    this.#aliveBytes = Math.min(this.#aliveBytes, usedBytes);
    if (usedBytes < this.#aliveBytes + Math.max(GROWN_BYTES, this.#aliveBytes * GROWN_SHARE)) return;
    this.#control.collect();
    this.#aliveBytes = this.#control.usedBytes();
  }

  /**
   * Most of the heap is garbage now: V8 would keep its pages for ten seconds, in which others take as many new ones. A small heap is not
   * worth two collections.
   */
  release(): void {
    if (this.#control.usedSinceRelease() < RELEASED_FROM_BYTES) return;
    this.#control.release();
    this.#aliveBytes = this.#control.usedBytes();
  }
}

function heapOfThread(): ThreadHeap {
  const collect = garbageCollector();
  let collectedAt = takenBytes();
  let releasedAt = collectedAt;
  return {
    usedBytes: () => heapBytes() + takenBytes() - collectedAt,
    usedSinceRelease: () => heapBytes() + takenBytes() - releasedAt,
    collect: () => {
      collect('major');
      collectedAt = takenBytes();
    },
    release: () => {
      collect('everything');
      collectedAt = takenBytes();
      releasedAt = collectedAt;
    },
  };
}

/** With buffers outside of it that V8 knows of. */
function heapBytes(): number {
  const { used_heap_size: inHeap, external_memory: outside } = v8.getHeapStatistics();
  return inHeap + outside;
}
