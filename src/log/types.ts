import type { RecordHeader, RecordHeaderInput } from '../model/record.ts';

/** What is appended. Strings are written as UTF-8; what is left out is null or empty. */
export interface NewRecord {
  readonly key?: Uint8Array | string | null | undefined;
  /** `null` is a tombstone: compaction drops the key. */
  readonly value?: Uint8Array | string | null | undefined;
  /** In order; keys may repeat. */
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** Milliseconds since 1970; left out: now. */
  readonly timestamp?: number | undefined;
  /** Left out: by the key as Kafka's clients place it; without a key the partitions take turns. */
  readonly partition?: number | undefined;
}

/** One of a commit over several topics. */
export interface NewTopicRecord extends NewRecord {
  readonly topic: string;
}

/** Where a record was written. */
export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** What is read. Key, value and header values belong to whoever got them. */
export interface LogRecord extends RecordPlace {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
}

/** A record of a subscription over many topics. */
export interface SubscribedRecord extends LogRecord {
  /** To go on behind this record. */
  readonly cursor: string;
}

/** Options of `append` and `commit`. */
export interface AppendOptions {
  /**
   * When the promise resolves: `durable`, synced to stable storage (default); `written`, handed to the system, so that it
   * survives the end of the process but not a power loss.
   */
  readonly until?: 'durable' | 'written' | undefined;
}

/**
 * An offset; a time, for the first record at or after it; `earliest`, the oldest record; `latest`, behind the newest.
 */
export type Position = number | Date | 'earliest' | 'latest';

/** Options of `read`. */
export interface ReadOptions {
  /** Default 0. */
  readonly partition?: number | undefined;
  /** Default `earliest`. */
  readonly from?: Position | undefined;
  /** End after so many records. */
  readonly limit?: number | undefined;
  /** Wait for what comes; without it, reading ends at what was the end when it began. */
  readonly follow?: boolean | undefined;
  /** Ends the reading, without an error. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `subscribe`. */
export interface SubscribeOptions {
  /** The cursor of a record, to go on behind it; default `earliest`. */
  readonly from?: string | undefined;
  readonly limit?: number | undefined;
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Options of `createTopic`. */
export interface NewTopic {
  /** Default 1. */
  readonly partitions?: number | undefined;
  /** Settings by their names, as `retention.ms`: docs/kafka.md, "Topic settings". */
  readonly config?: Readonly<Record<string, string>> | undefined;
}

/** A topic as it is now. */
export interface TopicInfo {
  /** Canonical, dotted. */
  readonly name: string;
  readonly partitions: readonly PartitionInfo[];
  /** Settings that are not at their defaults. */
  readonly config: Readonly<Record<string, string>>;
}

/** A partition as it is now. */
export interface PartitionInfo {
  /** Oldest offset that can be read. */
  readonly startOffset: number;
  /** Behind the newest record that can be read. */
  readonly endOffset: number;
  /** Of batches as they are stored, whole extents. */
  readonly sizeBytes: number;
}
