/** Shapes of the answers about topics, as docs/protocol.md gives them. */
export interface TopicSummary {
  readonly name: string;
  readonly id: string;
  readonly partitionCount: number;
}

export interface TopicPage {
  readonly topics: readonly TopicSummary[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

export interface PartitionState {
  readonly partition: number;
  readonly logStartOffset: number;
  /** End (exclusive) of what can be read. */
  readonly highWatermark: number;
}

/** What became of a deletion of records. */
export interface LogStarts {
  readonly partitions: readonly { readonly partition: number; readonly logStartOffset: number }[];
}

export interface PartitionDetail extends PartitionState {
  /** Of the batches that hold readable records. */
  readonly sizeBytes: number;
  /** ISO 8601; null without records, or where they have no time. */
  readonly oldestTimestamp: string | null;
  /** When the oldest records go by age; null where they do not. */
  readonly expiresAt: string | null;
  /** Null where the topic is not compacted. */
  readonly compaction: {
    /** Of the records before this offset the newest of each key are left. */
    readonly compactedThrough: number;
    /** What a round of compaction would take up. */
    readonly dirtyBytes: number;
    /** Their share: a round comes at min.cleanable.dirty.ratio. */
    readonly dirtyRatio: number;
  } | null;
}

export interface TopicDetail extends TopicSummary {
  readonly partitions: readonly PartitionState[];
  /** What was set on the topic itself. */
  readonly config: Readonly<Record<string, string>>;
}

export interface ConfigEntry {
  readonly name: string;
  readonly value: string;
  readonly source: string;
  readonly isDefault: boolean;
  readonly readOnly: boolean;
  readonly documentation: string;
}
