import { Lease } from '../../base/buffer-pool.ts';

/** A record batch that is nobody else's: offsets are written into it, and the journal may write it from where it is. */
export interface OwnedBatch {
  readonly bytes: Uint8Array;
  /** Of the batch's memory, held once by whoever has the batch. */
  readonly lease: Lease;
}

export function ownedBatch(bytes: Uint8Array): OwnedBatch {
  return { bytes, lease: new Lease(bytes) };
}

/** They are in the journal, which holds what it needs, or will never be. */
export function releaseBatches(batches: readonly OwnedBatch[]): void {
  for (const { lease } of batches) lease.release();
}
