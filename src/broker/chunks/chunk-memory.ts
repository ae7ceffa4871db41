/**
 * Memory in which chunks are put together, one after the other: used again and again, since fresh memory of that size costs more
 * than what is copied into it, and each time makes the collector run. Shared between threads, so that a chunk is looked at by the
 * worker that talks to the object store without being copied or given away.
 */
import { sharedBytes } from '../../base/mapped-bytes.ts';

/** Chunks differ a little in size: the memory of one is to fit the next. */
const STEP_BYTES = 8 * 1024 * 1024;

export class ChunkMemory {
  #free: Uint8Array[] = [];

  /** Of at least `sizeBytes`, cut to it; content is what was there before. Nobody else has it until `giveBack`. */
  take(sizeBytes: number): Uint8Array {
    const fitting = this.#free.findIndex(({ buffer }) => buffer.byteLength >= sizeBytes);
    const [known] = fitting === -1 ? [] : this.#free.splice(fitting, 1);
    // What is too small would be too small again.
    if (known === undefined) this.#free = [];
    const buffer = known?.buffer ?? sharedBytes(Math.ceil(sizeBytes / STEP_BYTES) * STEP_BYTES).buffer;
    return new Uint8Array(buffer, 0, sizeBytes);
  }

  /** @param bytes what `take` gave; nobody looks at it any more. */
  giveBack(bytes: Uint8Array): void {
    this.#free.push(bytes);
  }
}
