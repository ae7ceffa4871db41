/** The records of one `memory://` name: topics, partitions, groups. Bounded: the oldest records go first. */
import { MillraceError } from '../../../base/errors.ts';
import type { TopicFacts } from '../../backend.ts';
import type { ExactPosition } from '../../position.ts';
import { type EncodedRecord, type RawRecord, sizeOf } from '../../record.ts';
import { Wake } from '../../wake.ts';
import { MemoryGroup } from './memory-group.ts';

/** Bytes a name holds before it forgets its oldest records, unless the URI says otherwise. */
export const DEFAULT_MEMORY_MAX_BYTES = 256 * 1024 * 1024;
/** Forgotten records are cut off the front of an array in pieces, since that moves all the rest. */
const TRIM_RECORDS = 1024;

export class MemoryPartition {
  readonly topic: string;
  readonly partition: number;
  /** From `#base` on; the first `#dead` of them are forgotten. */
  #records: RawRecord[] = [];
  #base = 0n;
  #dead = 0;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get startOffset(): bigint {
    return this.#base + BigInt(this.#dead);
  }

  get endOffset(): bigint {
    return this.#base + BigInt(this.#records.length);
  }

  append(record: EncodedRecord): void {
    this.#records.push({ ...record, topic: this.topic, partition: this.partition, offset: this.endOffset });
  }

  /** Records from `offset` on, at most `maxRecords`. */
  read(offset: bigint, maxRecords: number): RawRecord[] {
    const from = Math.max(Number(offset - this.#base), this.#dead);
    return this.#records.slice(from, from + maxRecords);
  }

  resolve(position: ExactPosition): bigint {
    switch (position.at) {
      case 'earliest':
        return this.startOffset;
      case 'latest':
        return this.endOffset;
      case 'offset':
        return position.offset;
      case 'timestamp': {
        const index = this.#records.findIndex((record, i) => i >= this.#dead && record.timestamp >= position.timestamp);
        return index < 0 ? this.endOffset : this.#base + BigInt(index);
      }
      default:
        return position satisfies never;
    }
  }

  /** Forgets the oldest record. @returns its size; 0 where there is none. */
  dropOldest(): number {
    const oldest = this.#records[this.#dead];
    if (oldest === undefined) return 0;
    this.#dead += 1;
    const sizeBytes = sizeOf(oldest);
    if (this.#dead >= TRIM_RECORDS) {
      this.#records = this.#records.slice(this.#dead);
      this.#base += BigInt(this.#dead);
      this.#dead = 0;
    }
    return sizeBytes;
  }
}

export class MemoryLog {
  readonly #topics = new Map<string, readonly MemoryPartition[]>();
  readonly #groups = new Map<string, MemoryGroup>();
  /** Partitions in the order of their records, for forgetting the oldest. */
  readonly #order: MemoryPartition[] = [];
  #orderStart = 0;
  readonly #partitionCount: number;
  readonly #maxBytes: number;
  #sizeBytes = 0;
  /** Something was written, or a group changed. */
  readonly changed = new Wake();

  constructor(partitionCount: number, maxBytes: number) {
    this.#partitionCount = partitionCount;
    this.#maxBytes = maxBytes;
  }

  get topicNames(): string[] {
    return [...this.#topics.keys()].sort();
  }

  create(topic: string, partitionCount = this.#partitionCount): readonly MemoryPartition[] {
    if (this.#topics.has(topic))
      throw new MillraceError('BROKER_TOPIC_EXISTS', `There is a topic ${topic} already.`, { details: { topic } });
    const partitions = Array.from({ length: partitionCount }, (_, partition) => new MemoryPartition(topic, partition));
    this.#topics.set(topic, partitions);
    return partitions;
  }

  /** The topic's partitions; it is made where it is missing. */
  partitions(topic: string): readonly MemoryPartition[] {
    return this.#topics.get(topic) ?? this.create(topic);
  }

  delete(topic: string): void {
    if (!this.#topics.delete(topic)) throw notFound(topic);
    this.changed.all();
  }

  describe(topic: string): TopicFacts {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) throw notFound(topic);
    return {
      topic,
      partitions: partitions.map(({ partition, startOffset, endOffset }) => ({ partition, startOffset, endOffset })),
    };
  }

  group(name: string): MemoryGroup {
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = new MemoryGroup(this.changed);
      this.#groups.set(name, group);
    }
    return group;
  }

  append(partition: MemoryPartition, records: readonly EncodedRecord[]): void {
    for (const record of records) {
      partition.append(record);
      this.#order.push(partition);
      this.#sizeBytes += sizeOf(record);
    }
    while (this.#sizeBytes > this.#maxBytes && this.#order.length - this.#orderStart > 1) {
      this.#sizeBytes -= (this.#order[this.#orderStart] as MemoryPartition).dropOldest();
      this.#orderStart += 1;
    }
    if (this.#orderStart > TRIM_RECORDS && this.#orderStart * 2 > this.#order.length) {
      this.#order.splice(0, this.#orderStart);
      this.#orderStart = 0;
    }
    this.changed.all();
  }
}

function notFound(topic: string): MillraceError {
  return new MillraceError('CLIENT_TOPIC_NOT_FOUND', `There is no topic ${topic}.`, { details: { topic } });
}
