/** What a read collects: slices of whole batches, and the leases that keep them valid. Reused over partitions. */
import { type BufferPool, Lease } from '../base/buffer-pool.ts';
import { BATCH_HEADER_BYTES, baseOffset, batchSizeBytes, lastOffset } from '../model/record-batch.ts';

/** Pieces below this are gathered into one buffer: a slice each would cost more than the copy. */
const GATHER_BELOW_BYTES = 16 * 1024;
const GATHER_BUFFER_BYTES = 64 * 1024;

export class ReadResult {
  readonly slices: Uint8Array[] = [];
  readonly leases: Lease[] = [];
  sizeBytes = 0;
  readonly #pool: BufferPool;
  #gather: Lease | undefined;
  #gatherStart = 0;
  #gatherEnd = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Adds batches that stay valid as long as `lease` is held; retains it when it keeps the bytes by reference. */
  add(bytes: Uint8Array, lease: Lease): void {
    this.sizeBytes += bytes.length;
    if (bytes.length < GATHER_BELOW_BYTES) {
      this.#copy(bytes);
      return;
    }
    this.#closeGather();
    this.slices.push(bytes);
    this.leases.push(lease.retain());
  }

  /** No more adds; what was gathered becomes a slice. */
  finish(): void {
    this.#closeGather();
    this.#gather = undefined;
  }

  release(): void {
    this.finish();
    for (const lease of this.leases) lease.release();
    this.leases.length = 0;
    this.slices.length = 0;
    this.sizeBytes = 0;
  }

  #copy(bytes: Uint8Array): void {
    if (this.#gather === undefined || this.#gatherEnd + bytes.length > this.#gather.bytes.length) {
      this.#closeGather();
      this.#gather = this.#pool.acquire(GATHER_BUFFER_BYTES);
      this.leases.push(this.#gather);
      this.#gatherStart = 0;
      this.#gatherEnd = 0;
    }
    this.#gather.bytes.set(bytes, this.#gatherEnd);
    this.#gatherEnd += bytes.length;
  }

  #closeGather(): void {
    if (this.#gather === undefined || this.#gatherEnd === this.#gatherStart) return;
    this.slices.push(this.#gather.bytes.subarray(this.#gatherStart, this.#gatherEnd));
    this.#gatherStart = this.#gatherEnd;
  }
}

/**
 * Cuts a run of whole batches to those a reader wants: from the one that contains `fromOffset`, before `endOffset`, and
 * no more than `budgetBytes`, but one batch at least when `atLeastOne`.
 *
 * @returns undefined where what stands there is no batch.
 */
export function cutBatches(
  bytes: Uint8Array,
  fromOffset: number,
  endOffset: number,
  budgetBytes: number,
  atLeastOne: boolean,
): Uint8Array | undefined {
  let start = -1;
  let at = 0;
  while (at < bytes.length) {
    if (bytes.length - at < BATCH_HEADER_BYTES) return undefined;
    const size = batchSizeBytes(bytes, at);
    if (size < BATCH_HEADER_BYTES || at + size > bytes.length) return undefined;
    if (start < 0) {
      if (lastOffset(bytes, at) >= fromOffset) start = at;
      else {
        at += size;
        continue;
      }
    }
    if (baseOffset(bytes, at) >= endOffset) break;
    if (at + size - start > budgetBytes && !(atLeastOne && at === start)) break;
    at += size;
  }
  return start < 0 ? bytes.subarray(at, at) : bytes.subarray(start, at);
}
