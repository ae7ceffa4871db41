import type { Partition } from '../store/partition.ts';
import type { Stream } from './streams/stream.ts';
import type { TopicLimits, TopicOverrides } from './topic-config.ts';

/** A topic at the head of the journal. Changed only by the fold (`topics-state.ts`). */
export class Topic {
  /** Canonical, dotted. */
  readonly name: string;
  /** 32 lower-case hex digits; another topic of the same name, created later, has another. */
  readonly id: string;
  readonly createdAt: number;
  partitions: readonly Partition[];
  /** Undefined where everything is default, which most topics of a million are. */
  overrides: TopicOverrides | undefined;
  limits: TopicLimits;
  deleted = false;
  /** What makes it a stream of the Durable Streams protocol, where somebody created it as one. */
  stream: Stream | undefined;
  /** Takes no more records: its stream is closed, or kept for its forks alone. */
  sealed = false;

  constructor(
    name: string,
    id: string,
    createdAt: number,
    partitions: readonly Partition[],
    overrides: TopicOverrides | undefined,
    limits: TopicLimits,
  ) {
    this.name = name;
    this.id = id;
    this.createdAt = createdAt;
    this.partitions = partitions;
    this.overrides = overrides;
    this.limits = limits;
  }
}
