/**
 * Large memory that goes back to the system when it is collected. What the allocator is asked for comes from the heap of the thread
 * once something as large was freed before, and stays there: what worker threads of a broker with 100,000 topics left behind
 * that way was as much as all topics. The memory of a WebAssembly module is mapped on its own.
 *
 * V8 does not count it among what the heap keeps alive: for threads that have their heap collected (`heap-trim.ts`), and for
 * what is needed once. It cannot be transferred to another thread, but be shared with it.
 */

const PAGE_BYTES = 64 * 1024;
/** Less goes well with the rest. */
const LEAST_BYTES = 128 * 1024;

/** Types of Node.js alone do not have it. */
declare const WebAssembly: {
  readonly Memory: {
    new (pages: { initial: number; maximum: number; shared: true }): { readonly buffer: SharedArrayBuffer };
    new (pages: { initial: number; maximum: number }): { readonly buffer: ArrayBuffer };
  };
};

let taken = 0;
/** Each try that fails takes V8 several collections. */
let isRefused = false;

/** Taken by this thread, ever. */
export function takenBytes(): number {
  return taken;
}

/** Zeros. */
export function mappedBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const buffer = mapped(sizeBytes, (pages) => new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
  return new Uint8Array(buffer ?? new ArrayBuffer(sizeBytes), 0, sizeBytes);
}

/** Zeros. For tables that live no longer than a large state, or a step of a worker. */
export function mappedNumbers<Numbers extends Int32Array | Uint32Array | Float64Array>(
  kind: { readonly BYTES_PER_ELEMENT: number; new (buffer: ArrayBuffer, byteOffset: number, length: number): Numbers },
  length: number,
): Numbers {
  return new kind(mappedBytes(length * kind.BYTES_PER_ELEMENT).buffer, 0, length);
}

/** The same for memory that other threads are to see. */
export function sharedBytes(sizeBytes: number): Uint8Array<SharedArrayBuffer> {
  const buffer = mapped(
    sizeBytes,
    (pages) => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer,
  );
  return new Uint8Array(buffer ?? new SharedArrayBuffer(sizeBytes), 0, sizeBytes);
}

function mapped<Buffer>(sizeBytes: number, map: (pages: number) => Buffer): Buffer | undefined {
  if (sizeBytes < LEAST_BYTES || isRefused) return undefined;
  try {
    const buffer = map(Math.ceil(sizeBytes / PAGE_BYTES));
    taken += sizeBytes;
    return buffer;
  } catch {
    // It reserves some GB of addresses, which there may be a limit for.
    isRefused = true;
    return undefined;
  }
}
