/** A push: records of topics that match are delivered to an HTTP endpoint, in order, until it has taken them. */
import { TopicPattern } from '../../model/topic-pattern.ts';

export type PushFormat = 'text' | 'json' | 'base64';

/** What its creator asked for. */
export interface PushConfig {
  readonly id: string;
  /** Globs over topic names; the name of a topic is one. */
  readonly match: readonly string[];
  readonly url: string;
  /** Where to begin in topics that are there when it is made. Later ones begin at their beginning. */
  readonly start: 'earliest' | 'latest';
  readonly format: PushFormat;
  /** Of one delivery. */
  readonly maxRecords: number;
  /** Of one delivery, about. */
  readonly maxBytes: number;
  /** Deliveries under way at once, of different partitions. */
  readonly concurrency: number;
  /** For the answer to a delivery. */
  readonly timeoutMs: number;
  /** Failures of one record after which it goes to the dead letters; 0: never, it is tried until it is taken. */
  readonly maxAttempts: number;
  /** Canonical topic name; with `maxAttempts`. */
  readonly deadLetterTopic: string | undefined;
}

/** How far one partition is. */
export interface PushCursor {
  /** Everything before it was taken: the offset that a verifying application has stored. */
  readonly ackedOffset: number;
  /** Records from `ackedOffset` to here (exclusive) went to the dead letters; 0: none. */
  readonly skippedTo: number;
}

/** A cursor with its place. */
export interface PlacedCursor extends PushCursor {
  readonly topicId: string;
  readonly partition: number;
}

/** Changed only by the fold (`pushes-state.ts`). */
export class Push {
  config: PushConfig;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  paused = false;
  deleted = false;
  /** By topic id and partition; a partition that is not in it begins at its log start. */
  readonly cursors = new Map<string, PlacedCursor>();
  #patterns: readonly TopicPattern[];

  constructor(config: PushConfig, createdAt: number) {
    this.config = config;
    this.createdAt = createdAt;
    this.#patterns = config.match.map((glob) => new TopicPattern(glob));
  }

  get id(): string {
    return this.config.id;
  }

  configure(config: PushConfig): void {
    this.config = config;
    this.#patterns = config.match.map((glob) => new TopicPattern(glob));
  }

  /** Its own dead letters are no work: they would come back for ever. */
  matches(name: string): boolean {
    return name !== this.config.deadLetterTopic && this.#patterns.some((pattern) => pattern.matches(name));
  }

  cursor(topicId: string, partition: number): PlacedCursor | undefined {
    return this.cursors.get(cursorKey(topicId, partition));
  }
}

export function cursorKey(topicId: string, partition: number): string {
  return `${topicId}/${partition}`;
}
