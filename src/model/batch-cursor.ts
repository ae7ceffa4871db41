/**
 * Walks batches that stand back to back, as in a commit's body, a chunk or a fetch answer. Nothing is allocated per
 * batch. Only bounds and the format byte are checked: whoever needs more calls `computeCrc` at the cursor's position.
 */
import { MillraceError } from '../base/errors.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, batchSizeBytes, LOG_OVERHEAD_BYTES, magic } from './record-batch.ts';

/**
 * - `batch`: one stands at `position`, `sizeBytes` long.
 * - `end`: the bytes end where the last batch ended.
 * - `cut`: the bytes end inside a batch, as a fetch answer may.
 * - `corrupt`: what stands at `position` cannot be a batch, so nothing behind it can be found.
 */
export type CursorOutcome = 'batch' | 'end' | 'cut' | 'corrupt';

export class BatchCursor {
  #bytes: Uint8Array;
  #position: number;
  #sizeBytes = 0;
  #end: number;

  /** Walks bytes `start` to `end`, exclusive. The bytes are borrowed. */
  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Starts over on other bytes: one cursor serves a whole loop. */
  reset(bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.#bytes = bytes;
    this.#position = start;
    this.#end = Math.min(end, bytes.length);
    this.#sizeBytes = 0;
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Where the current batch starts; after `end`, `cut` or `corrupt`, where the last whole batch ended. */
  get position(): number {
    return this.#position;
  }

  /** Size of the current batch; 0 before the first and where none stands. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Moves to the next batch. Once it answers anything but `batch`, it repeats that answer. */
  next(): CursorOutcome {
    this.#position += this.#sizeBytes;
    this.#sizeBytes = 0;
    const left = this.#end - this.#position;
    if (left <= 0) return 'end';
    if (left < LOG_OVERHEAD_BYTES) return 'cut';
    const size = batchSizeBytes(this.#bytes, this.#position);
    if (size < BATCH_HEADER_BYTES) return 'corrupt';
    if (left >= BATCH_HEADER_BYTES && magic(this.#bytes, this.#position) !== BATCH_MAGIC) return 'corrupt';
    if (size > left) return 'cut';
    this.#sizeBytes = size;
    return 'batch';
  }
}

/**
 * Calls `visit` for each whole batch in order. @throws MODEL_BATCH_CORRUPT where the bytes do not end with a batch;
 * the batches before that place have been visited.
 */
export function forEachBatch(bytes: Uint8Array, visit: (position: number, sizeBytes: number) => void): void {
  const cursor = new BatchCursor(bytes);
  let outcome = cursor.next();
  for (; outcome === 'batch'; outcome = cursor.next()) visit(cursor.position, cursor.sizeBytes);
  if (outcome === 'end') return;
  const what = outcome === 'cut' ? 'The bytes end inside a batch' : 'No batch can be read';
  throw new MillraceError('MODEL_BATCH_CORRUPT', `${what} at byte ${cursor.position} of ${bytes.length}.`, {
    details: { position: cursor.position, sizeBytes: bytes.length },
  });
}
