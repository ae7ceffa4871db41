/** A record: what a user produces and consumes. Batches are how records travel and lie; see record-batch.ts. */

export interface RecordHeader {
  readonly key: string;
  /** `null` and empty are different values. */
  readonly value: Uint8Array | null;
}

/** A header as programs give it: text or bytes; null for none. */
export interface RecordHeaderInput {
  readonly key: string;
  readonly value: Uint8Array | string | null;
}

/** What a producer gives. Strings are written as UTF-8; what is left out is null or empty. */
export interface RecordInput {
  readonly key?: Uint8Array | string | null | undefined;
  /** `null` is a tombstone: compaction drops the key. */
  readonly value?: Uint8Array | string | null | undefined;
  /** In order; keys may repeat. */
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** What a consumer gets. Key, value and header values are views: borrowed from the memory the batch was decoded from. */
export interface StoredRecord {
  readonly offset: number;
  /** Milliseconds since 1970: the producer's, or the broker's where the topic has log append time. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}
