import { MillraceError } from '../base/errors.ts';
import type { Partition } from '../store/partition.ts';
import type { Stream } from './streams/stream.ts';
import type { TopicLimits, TopicOverrides } from './topic-config.ts';
import type { TopicIds } from './topic-ids.ts';

/** A topic at the head of the journal. Changed only by the fold (`topics-state.ts`). */
export class Topic {
  /** Canonical, dotted. */
  readonly name: string;
  readonly #ids: TopicIds<Topic>;
  /** In `#ids`; of a deleted topic, the id itself: whoever has it still may ask. */
  #place: number | string;
  readonly createdAt: number;
  /** Most of a million topics have one partition, and an array for it would be half as much again. */
  #partitions: Partition | readonly Partition[];
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
    ids: TopicIds<Topic>,
    createdAt: number,
    partitions: readonly Partition[],
    overrides: TopicOverrides | undefined,
    limits: TopicLimits,
  ) {
    this.name = name;
    this.#ids = ids;
    const place = ids.add(id, this);
    if (place === undefined)
      throw new MillraceError('STORE_CORRUPT', `Topic ${name} has no id: ${id} is not 32 hex digits.`);
    this.#place = place;
    this.createdAt = createdAt;
    this.#partitions = partitions.length === 1 ? (partitions[0] as Partition) : partitions;
    this.overrides = overrides;
    this.limits = limits;
  }

  /** 32 lower-case hex digits; another topic of the same name, created later, has another. */
  get id(): string {
    return typeof this.#place === 'string' ? this.#place : this.#ids.id(this.#place);
  }

  /** Part of the fold: it is found by its id no longer. */
  delete(): void {
    this.deleted = true;
    const { id } = this;
    this.#ids.remove(id);
    this.#place = id;
  }

  /** By index. */
  get partitions(): readonly Partition[] {
    return isList(this.#partitions) ? this.#partitions : [this.#partitions];
  }

  /** At least one. */
  get partitionCount(): number {
    return isList(this.#partitions) ? this.#partitions.length : 1;
  }

  /** The same as `partitions[index]`, and makes no array. */
  partition(index: number): Partition | undefined {
    if (isList(this.#partitions)) return this.#partitions[index];
    return index === 0 ? this.#partitions : undefined;
  }

  /** Part of the fold. */
  addPartitions(added: readonly Partition[]): void {
    this.#partitions = [...this.partitions, ...added];
  }
}

function isList(partitions: Partition | readonly Partition[]): partitions is readonly Partition[] {
  return Array.isArray(partitions);
}
