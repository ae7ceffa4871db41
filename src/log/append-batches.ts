/** Records of one append as batches by topic and partition, and their places once they are written. */

import { MillraceError } from '../base/errors.ts';
import { ProduceItem } from '../broker/produce.ts';
import type { Topic } from '../broker/topic.ts';
import { BatchBuilder } from '../model/batch-builder.ts';
import { partitionOfKey } from '../model/murmur2.ts';
import type { NewRecord, RecordPlace } from './types.ts';

interface Target {
  readonly builder: BatchBuilder;
  readonly items: ProduceItem[];
  /** Records in the batch that is being built. */
  count: number;
}

/** Where a record went: which batch, and how many stand before it there. */
interface Slot {
  readonly topic: Topic;
  readonly partition: number;
  readonly item: number;
  readonly index: number;
}

/** Next partition for records without a key. */
export type Turns = WeakMap<Topic, number>;

export class AppendBatches {
  readonly #turns: Turns;
  readonly #now: number;
  readonly #targets = new Map<Topic, Map<number, Target>>();
  readonly #slots: Slot[] = [];

  constructor(turns: Turns, now: number) {
    this.#turns = turns;
    this.#now = now;
  }

  /** @throws BROKER_PARTITION_NOT_FOUND, MODEL_BATCH_TOO_LARGE, MODEL_RECORD_INVALID. */
  add(topic: Topic, record: NewRecord): void {
    const partition = this.#partitionOf(topic, record);
    const target = this.#target(topic, partition);
    const { key, value, headers, timestamp = this.#now } = record;
    const input = { key, value, headers, timestamp };
    if (!target.builder.add(input)) {
      finish(topic, partition, target);
      target.builder.add(input);
    }
    this.#slots.push({ topic, partition, item: target.items.length, index: target.count });
    target.count += 1;
  }

  /** All batches, in order by topic and partition. */
  finish(): ProduceItem[] {
    const all: ProduceItem[] = [];
    for (const [topic, partitions] of this.#targets) {
      for (const [partition, target] of partitions) {
        finish(topic, partition, target);
        all.push(...target.items);
      }
    }
    return all;
  }

  /** One for each record, in the order of `add`, once the batches were written. */
  places(): RecordPlace[] {
    return this.#slots.map(({ topic, partition, item, index }) => {
      const baseOffset = this.#targets.get(topic)?.get(partition)?.items[item]?.baseOffset ?? -1;
      return { topic: topic.name, partition, offset: baseOffset + index };
    });
  }

  #target(topic: Topic, partition: number): Target {
    let partitions = this.#targets.get(topic);
    if (partitions === undefined) this.#targets.set(topic, (partitions = new Map()));
    let target = partitions.get(partition);
    if (target === undefined) {
      target = { builder: new BatchBuilder({ maxBytes: topic.limits.maxBatchBytes }), items: [], count: 0 };
      partitions.set(partition, target);
    }
    return target;
  }

  #partitionOf(topic: Topic, { partition, key }: NewRecord): number {
    const length = topic.partitionCount;
    if (partition !== undefined) {
      if (topic.partition(partition) !== undefined) return partition;
      throw new MillraceError(
        'BROKER_PARTITION_NOT_FOUND',
        `${topic.name} has no partition ${partition}; its partitions are 0 to ${length - 1}.`,
        { details: { topic: topic.name, partition } },
      );
    }
    if (key !== undefined && key !== null) {
      return partitionOfKey(typeof key === 'string' ? Buffer.from(key) : key, length);
    }
    const turn = this.#turns.get(topic) ?? 0;
    this.#turns.set(topic, (turn + 1) % length);
    return turn % length;
  }
}

function finish(topic: Topic, partition: number, target: Target): void {
  if (target.builder.recordCount === 0) return;
  target.items.push(ProduceItem.ofBuilt(topic, topic.partition(partition), target.builder.build()));
  target.count = 0;
}
