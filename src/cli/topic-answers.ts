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
