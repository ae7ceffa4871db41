/** Which partition a record goes to, where it names none itself. */
import { MillraceError } from '../base/errors.ts';
import { partitionOfKey } from '../model/murmur2.ts';

/** What a partitioner chooses by. */
export interface PartitionerInput {
  readonly topic: string;
  /** As it travels. */
  readonly key: Uint8Array | null;
  readonly partitionCount: number;
}

/** @returns a partition from 0 to `partitionCount` - 1. Called once a record, in order. */
export type Partitioner = (input: PartitionerInput) => number;

/**
 * - `key-hash` (default): murmur2 of the key, as Kafka's own clients place it, so producers of all kinds agree. Records
 *   without a key stay on one partition for a batch and then take the next.
 * - `round-robin`: each record the next partition, keys or not.
 */
export type PartitionerName = 'key-hash' | 'round-robin';

/** Told when a batch of a topic is closed, so that keyless records move on. */
export interface BatchAwarePartitioner {
  choose(input: PartitionerInput): number;
  batchClosed(topic: string): void;
}

export function createPartitioner(choice: PartitionerName | Partitioner): BatchAwarePartitioner {
  if (typeof choice === 'function') return new CustomPartitioner(choice);
  return new RotatingPartitioner(choice === 'round-robin');
}

class RotatingPartitioner implements BatchAwarePartitioner {
  readonly #everyRecord: boolean;
  /** Next partition per topic; counts on for ever and is taken modulo. */
  readonly #next = new Map<string, number>();

  constructor(everyRecord: boolean) {
    this.#everyRecord = everyRecord;
  }

  choose({ topic, key, partitionCount }: PartitionerInput): number {
    if (partitionCount === 1) return 0;
    if (key !== null && !this.#everyRecord) return partitionOfKey(key, partitionCount);
    const next = this.#next.get(topic) ?? 0;
    if (this.#everyRecord) this.#next.set(topic, next + 1);
    return next % partitionCount;
  }

  batchClosed(topic: string): void {
    if (!this.#everyRecord) this.#next.set(topic, (this.#next.get(topic) ?? 0) + 1);
  }
}

class CustomPartitioner implements BatchAwarePartitioner {
  readonly #choose: Partitioner;

  constructor(choose: Partitioner) {
    this.#choose = choose;
  }

  choose(input: PartitionerInput): number {
    return checkPartition(this.#choose(input), input.partitionCount, input.topic);
  }

  batchClosed(): void {
    // A custom partitioner knows nothing of batches.
  }
}

/** @throws MillraceError CLIENT_OPTION_INVALID for a partition that the topic does not have. */
export function checkPartition(partition: number, partitionCount: number, topic: string): number {
  if (Number.isInteger(partition) && partition >= 0 && partition < partitionCount) return partition;
  throw new MillraceError(
    'CLIENT_OPTION_INVALID',
    `Topic ${topic} has partitions 0 to ${partitionCount - 1}, there is no ${partition}.`,
    { details: { topic, partition, partitionCount } },
  );
}
