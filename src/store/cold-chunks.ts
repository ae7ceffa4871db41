/**
 * Chunks that are not on the disk: their bytes are brought from elsewhere when somebody reads them. Readers declare here
 * what they need of it; `src/broker/tiering` does it.
 */
export interface ColdChunks {
  /** Length of a chunk that is not on the disk; undefined: it is, or nobody knows it. */
  sizeOf(chunk: number): number | undefined;

  /**
   * Brings a stretch of it to the disk, then calls `work` with the file that holds it, each byte at its place in the chunk;
   * the file stays until `work` has ended.
   *
   * @throws TIER_UNAVAILABLE, TIER_REFUSED, TIER_CORRUPT; STORE_IO of the disk, and where the chunk is gone (cause ENOENT).
   */
  read<T>(stretch: ColdStretch, work: (path: string) => Promise<T>): Promise<T>;
}

export interface ColdStretch {
  readonly chunk: number;
  readonly position: number;
  readonly sizeBytes: number;
  /** Readers go on behind records, and not behind what says where they are. */
  readonly holds: 'records' | 'index';
}
