/**
 * Chunks that are not on the disk: their bytes come from elsewhere when somebody reads them. Readers declare here
 * what they need of it; `src/broker/tiering` does it.
 */
import type { BufferPool, Lease } from '../base/buffer-pool.ts';

export interface ColdChunks {
  /** Length of a chunk that is not on the disk; undefined: it is, or nobody knows it. */
  sizeOf(chunk: number): number | undefined;

  /**
   * Reads a stretch of it into memory of the caller, of `sizeBytes`.
   *
   * @throws TIER_UNAVAILABLE, TIER_REFUSED, TIER_CORRUPT; STORE_IO of the disk, and where the chunk is gone (cause ENOENT).
   */
  read(stretch: ColdStretch, into: Uint8Array): Promise<void>;

  /** Who reads its records in order goes on in these chunks: some of them may be on their way before they are read. */
  expect(chunk: number, following: readonly ExpectedChunk[]): void;

  /** As `read`, into memory that is there already, or from `pool`, taken once the bytes are at hand: reads that wait hold none. */
  lease(stretch: ColdStretch, pool: BufferPool): Promise<ColdLease>;
}

/** A chunk in which a reader goes on. */
export interface ExpectedChunk {
  readonly chunk: number;
  /** So much of its beginning has what is read of it; 0: that is elsewhere in it, as its index says. */
  readonly frontBytes: number;
}

export interface ColdLease {
  /** The caller releases it. */
  readonly lease: Lease;
  /** Batches in it were checked when the chunk was written where it comes from, and nothing of it has changed since. */
  readonly isChecked: boolean;
}

export interface ColdStretch {
  readonly chunk: number;
  readonly position: number;
  readonly sizeBytes: number;
  /** Readers go on behind records, and not behind what says where they are. */
  readonly holds: 'records' | 'index';
}
