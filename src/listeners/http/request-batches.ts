/** The records of one write request as batches: one per partition, several where one would be too large. */
import { MillraceError } from '../../base/errors.ts';
import { MESSAGE_ID_HEADER } from '../../broker/message-ids/batch-ids.ts';
import { ProduceItem } from '../../broker/produce.ts';
import type { Topic } from '../../broker/topic.ts';
import { BatchBuilder } from '../../model/batch-builder.ts';
import { partitionOfKey } from '../../model/murmur2.ts';
import type { BuiltBatch } from '../../model/record-batch.ts';
import { partitionOf } from './position.ts';
import type { ProducedRecord } from './record-input.ts';

interface PartitionBatches {
  readonly builder: BatchBuilder;
  readonly batches: BuiltBatch[];
  count: number;
}

export interface RequestDefaults {
  /** Partition of records that name none. */
  readonly partition: number | undefined;
  /** Time of records that have none, milliseconds. */
  readonly now: number;
  readonly maxRecords: number;
  /** Whether the partition of each record is remembered. */
  readonly remembersPartitions: boolean;
  /** Decides where records without a key go, so that a repeat sends them there too; undefined: requests take turns. */
  readonly keylessSeed?: Uint8Array | undefined;
}

/** Which partition the keyless records of the next request go to; requests take turns in each topic. */
const turns = new WeakMap<Topic, number>();

/**
 * A builder's buffer grows to the largest batch it made, so a few are kept: a request of one record would otherwise pay
 * for growing one. Taken out of here while in use.
 */
const spareBuilders: { maxBytes: number; builder: BatchBuilder }[] = [];
const MAX_SPARE = 4;

export class RequestBatches {
  readonly #topic: Topic;
  readonly #defaults: RequestDefaults;
  readonly #partitions = new Map<number, PartitionBatches>();
  #keylessPartition = -1;
  #count = 0;
  /** Partition of each record, in request order; empty unless asked for. */
  readonly recordPartitions: number[] = [];

  constructor(topic: Topic, defaults: RequestDefaults) {
    this.#topic = topic;
    this.#defaults = defaults;
  }

  get recordCount(): number {
    return this.#count;
  }

  /** Of a request that is one record: the same batch, without the tables that many need. @throws as `add`. */
  static single(
    topic: Topic,
    record: ProducedRecord,
    defaults: Pick<RequestDefaults, 'partition' | 'now'>,
  ): ProduceItem {
    const key = keyBytes(record);
    const partition = record.partition ?? defaults.partition;
    const request = { ...defaults, maxRecords: 1, remembersPartitions: false };
    const isPlain = partition === undefined && topic.partitionCount === 1;
    const index = isPlain ? 0 : new RequestBatches(topic, request).#choose(record, key, topic.partitionCount);
    const { value, headers, timestamp = defaults.now } = record;
    const { maxBatchBytes } = topic.limits;
    const builder = takeBuilder(maxBatchBytes);
    try {
      builder.add({ key, value, headers, timestamp });
      return ProduceItem.ofBuilt(topic, topic.partition(index), builder.build());
    } finally {
      giveBuilder(builder, maxBatchBytes);
    }
  }

  /** @throws HTTP_BODY_TOO_LARGE, BROKER_PARTITION_NOT_FOUND, MODEL_BATCH_TOO_LARGE, MODEL_RECORD_INVALID. */
  add(record: ProducedRecord): void {
    const { maxRecords, now, remembersPartitions } = this.#defaults;
    if (this.#count === maxRecords) {
      throw new MillraceError('HTTP_BODY_TOO_LARGE', `A request takes ${maxRecords} records at most. Split it.`, {
        details: { maxRecords },
      });
    }
    const key = keyBytes(record);
    const index = this.#choose(record, key, this.#topic.partitionCount);
    const target = this.#target(index);
    const { value, headers, timestamp = now } = record;
    const input = { key, value, headers, timestamp };
    if (!target.builder.add(input)) {
      target.batches.push(target.builder.build());
      target.builder.add(input);
    }
    target.count += 1;
    this.#count += 1;
    if (remembersPartitions) this.recordPartitions.push(index);
  }

  /** Ends the batches. Nothing can be added afterwards. */
  finish(): { readonly index: number; readonly count: number; readonly items: readonly ProduceItem[] }[] {
    const result = [...this.#partitions].map(([index, { builder, batches, count }]) => {
      batches.push(builder.build());
      const items = batches.map((batch) => ProduceItem.ofBuilt(this.#topic, this.#topic.partition(index), batch));
      return { index, count, items };
    });
    this.release();
    return result;
  }

  /** Where these records went when the topic had so many partitions. */
  *choicesOf(records: Iterable<ProducedRecord>, partitionCount: number): Generator<number, void, undefined> {
    this.#keylessPartition = -1;
    for (const record of records) yield this.#choose(record, keyBytes(record), partitionCount);
  }

  /** Gives the builders back; also after an error. */
  release(): void {
    const maxBytes = this.#topic.limits.maxBatchBytes;
    for (const { builder } of this.#partitions.values()) giveBuilder(builder, maxBytes);
    this.#partitions.clear();
  }

  #choose({ partition, headers }: ProducedRecord, key: Uint8Array | null, partitionCount: number): number {
    const asked = partition ?? this.#defaults.partition;
    if (asked !== undefined) return partitionOf(this.#topic, asked).index;
    if (partitionCount === 1) return 0;
    if (key !== null) return partitionOfKey(key, partitionCount);
    // Repeats are known in their partition, so they have to come to it.
    const { messageIds } = this.#topic.limits;
    const id = messageIds && headers.findLast((header) => header.key === MESSAGE_ID_HEADER)?.value;
    if (id != null) return partitionOfKey(typeof id === 'string' ? Buffer.from(id) : id, partitionCount);
    if (this.#keylessPartition < 0) this.#keylessPartition = this.#keylessTurn(partitionCount);
    return this.#keylessPartition;
  }

  #keylessTurn(partitionCount: number): number {
    const { keylessSeed } = this.#defaults;
    if (keylessSeed !== undefined) return partitionOfKey(keylessSeed, partitionCount);
    const turn = turns.get(this.#topic) ?? 0;
    turns.set(this.#topic, (turn + 1) % partitionCount);
    return turn % partitionCount;
  }

  #target(index: number): PartitionBatches {
    const known = this.#partitions.get(index);
    if (known !== undefined) return known;
    const created = { builder: takeBuilder(this.#topic.limits.maxBatchBytes), batches: [], count: 0 };
    this.#partitions.set(index, created);
    return created;
  }
}

function keyBytes({ key }: ProducedRecord): Uint8Array | null {
  return typeof key === 'string' ? Buffer.from(key) : key;
}

function giveBuilder(builder: BatchBuilder, maxBytes: number): void {
  builder.reset();
  if (spareBuilders.length < MAX_SPARE) spareBuilders.push({ maxBytes, builder });
}

function takeBuilder(maxBytes: number): BatchBuilder {
  const at = spareBuilders.findIndex((spare) => spare.maxBytes === maxBytes);
  const spare = at < 0 ? undefined : spareBuilders.splice(at, 1)[0];
  return spare?.builder ?? new BatchBuilder({ maxBytes });
}
