import type { BufferPool, Lease } from '../base/buffer-pool.ts';
import { BATCH_HEADER_BYTES, baseOffset, batchSizeBytes, lastOffset } from '../model/record-batch.ts';

/** Pieces below this are gathered into one buffer: a slice each would cost more than the copy. */
const GATHER_BELOW_BYTES = 16 * 1024;
const GATHER_BUFFER_BYTES = 64 * 1024;

/**
 * Memory that small pieces are copied into, shared by all partitions of one answer: a consumer of a thousand quiet
 * partitions gets a hundred bytes of each, and must not cost a buffer of each.
 */
export class GatherBuffer {
  readonly #pool: BufferPool;
  #lease: Lease | undefined;
  #used = 0;

  constructor(pool: BufferPool) {
    this.#pool = pool;
  }

  /** Makes room for `sizeBytes` and takes it; `lease` and `end` say where, until the next call. */
  take(sizeBytes: number): Lease {
    if (this.#lease === undefined || this.#used + sizeBytes > this.#lease.bytes.length) {
      this.#lease?.release();
      this.#lease = this.#pool.acquire(Math.max(GATHER_BUFFER_BYTES, sizeBytes));
      this.#used = 0;
    }
    this.#used += sizeBytes;
    return this.#lease;
  }

  /** End (exclusive) of what was taken last. */
  get end(): number {
    return this.#used;
  }

  /** The results keep what they use. */
  release(): void {
    this.#lease?.release();
    this.#lease = undefined;
  }
}

/** What a read of one partition collects: slices of whole batches, and the leases that keep them valid. */
export class ReadResult {
  readonly slices: Uint8Array[] = [];
  readonly leases: Lease[] = [];
  sizeBytes = 0;
  readonly #gather: GatherBuffer;
  /** Copied and not yet a slice: bytes `#openStart` to `#openEnd` of this lease, which `leases` holds. */
  #open: Lease | undefined;
  #openStart = 0;
  #openEnd = 0;

  constructor(gather: GatherBuffer) {
    this.#gather = gather;
  }

  /**
   * Adds batches that stay valid as long as `lease` is held; retains it when it keeps the bytes by reference.
   *
   * @param copy never by reference: the lease holds much more than these bytes.
   */
  add(bytes: Uint8Array, lease: Lease, copy = false): void {
    this.sizeBytes += bytes.length;
    if (copy || bytes.length < GATHER_BELOW_BYTES) {
      this.#copy(bytes);
      return;
    }
    this.finish();
    this.slices.push(bytes);
    this.leases.push(lease.retain());
  }

  /** What was gathered becomes a slice. */
  finish(): void {
    if (this.#open === undefined) return;
    this.slices.push(this.#open.bytes.subarray(this.#openStart, this.#openEnd));
    this.#open = undefined;
  }

  release(): void {
    this.#open = undefined;
    for (const lease of this.leases) lease.release();
    this.leases.length = 0;
    this.slices.length = 0;
    this.sizeBytes = 0;
  }

  #copy(bytes: Uint8Array): void {
    const lease = this.#gather.take(bytes.length);
    const start = this.#gather.end - bytes.length;
    lease.bytes.set(bytes, start);
    if (this.#open === lease && this.#openEnd === start) {
      this.#openEnd += bytes.length;
      return;
    }
    this.finish();
    this.#open = lease;
    this.#openStart = start;
    this.#openEnd = this.#gather.end;
    this.leases.push(lease.retain());
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
