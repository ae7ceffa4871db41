/**
 * Large buffers that are used again. A fresh megabyte costs 250 page faults and a zeroing; at a gigabyte a second that
 * is a third of a core, and garbage that V8 sees too late makes memory unbounded.
 *
 * A lease counts its holders. Whoever keeps the bytes past the current call retains; the last release gives the memory
 * back. Forgetting a release leaks nothing but speed (the collector takes the buffer); releasing too often would hand
 * live bytes to a second user, so that is an assertion.
 */
import { assert } from './errors.ts';

export interface LeaseOwner {
  /** Called by the last release. */
  takeBack(bytes: Uint8Array): void;
}

/** Counted ownership of one buffer. Not thread safe: a lease lives in one thread. */
export class Lease {
  readonly bytes: Uint8Array;
  readonly #owner: LeaseOwner | undefined;
  #holders = 1;

  constructor(bytes: Uint8Array, owner?: LeaseOwner) {
    this.bytes = bytes;
    this.#owner = owner;
  }

  get holders(): number {
    return this.#holders;
  }

  retain(): this {
    assert(this.#holders > 0, 'a lease was retained after its last release');
    this.#holders += 1;
    return this;
  }

  release(): void {
    assert(this.#holders > 0, 'a lease was released more often than it was held');
    this.#holders -= 1;
    if (this.#holders === 0) this.#owner?.takeBack(this.bytes);
  }
}

/** Sizes are rounded up to eighths of a power of two, so at most an eighth of a buffer is unused. */
function classSize(size: number): number {
  if (size <= MIN_CLASS_BYTES) return MIN_CLASS_BYTES;
  const step = 2 ** (31 - Math.clz32(size - 1)) / 8;
  return Math.ceil(size / step) * step;
}

const MIN_CLASS_BYTES = 16 * 1024;

export class BufferPool implements LeaseOwner {
  /** By size; the size that was asked for longest ago first. */
  readonly #free = new Map<number, Uint8Array[]>();
  readonly #maxFreeBytes: number;
  #freeBytes = 0;

  /** @param maxFreeBytes most bytes kept for reuse; beyond them what nobody asked for lately goes to the collector. */
  constructor(maxFreeBytes: number) {
    this.#maxFreeBytes = maxFreeBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** A buffer of at least `size` bytes, content undefined, held once by the caller. */
  acquire(size: number): Lease {
    const rounded = classSize(size);
    const list = this.#free.get(rounded);
    const reused = list?.pop();
    if (list !== undefined) {
      this.#free.delete(rounded);
      this.#free.set(rounded, list);
    }
    if (reused !== undefined) {
      this.#freeBytes -= rounded;
      return new Lease(reused, this);
    }
    return new Lease(Buffer.allocUnsafeSlow(rounded), this);
  }

  /** Called by the last release of a lease only. */
  takeBack(bytes: Uint8Array): void {
    if (bytes.length > this.#maxFreeBytes) return;
    this.#makeRoom(bytes.length);
    const list = this.#free.get(bytes.length);
    if (list === undefined) this.#free.set(bytes.length, [bytes]);
    else list.push(bytes);
    this.#freeBytes += bytes.length;
  }

  /** The sizes of an hour ago must not keep those of now out. */
  #makeRoom(bytes: number): void {
    for (const [size, list] of this.#free) {
      while (this.#freeBytes + bytes > this.#maxFreeBytes && list.pop() !== undefined) this.#freeBytes -= size;
      if (this.#freeBytes + bytes <= this.#maxFreeBytes) return;
      this.#free.delete(size);
    }
  }
}
