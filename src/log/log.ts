/** A log in a directory, without a network: docs/log.md. */
import { Lease } from '../base/buffer-pool.ts';
import { MillraceError } from '../base/errors.ts';
import type { Broker } from '../broker/broker.ts';
import type { ProduceItem } from '../broker/produce.ts';
import type { Topic } from '../broker/topic.ts';
import { foldTopicName } from '../model/topic-name.ts';
import type { Partition } from '../store/partition.ts';
import { AppendBatches, type Turns } from './append-batches.ts';
import { readCommits } from './read-commits.ts';
import { readPartition } from './read-partition.ts';
import type {
  AppendOptions,
  LogRecord,
  NewRecord,
  NewTopic,
  NewTopicRecord,
  ReadOptions,
  RecordPlace,
  SubscribedRecord,
  SubscribeOptions,
  TopicInfo,
} from './types.ts';

/** A log in a directory: topics, appends, reads, retention. */
export class Log implements AsyncDisposable {
  readonly #broker: Broker;
  readonly #now: () => number;
  readonly #turns: Turns = new WeakMap();

  /** Made by `openLog`. @param now milliseconds since 1970. */
  constructor(broker: Broker, now: () => number) {
    this.#broker = broker;
    this.#now = now;
  }

  /** @throws BROKER_TOPIC_EXISTS, MODEL_TOPIC_NAME_INVALID, BROKER_CONFIG_INVALID. */
  async createTopic(name: string, { partitions = 1, config }: NewTopic = {}): Promise<void> {
    await this.#broker.topics.create({ name, partitions, config });
  }

  /** It and its records are gone at once; their space comes back. @throws BROKER_TOPIC_NOT_FOUND. */
  async deleteTopic(name: string): Promise<void> {
    await this.#broker.topics.delete(this.#topic(name));
  }

  /** Changes settings of a topic; `null` brings a default back. @throws BROKER_TOPIC_NOT_FOUND, BROKER_CONFIG_INVALID. */
  async configure(name: string, config: Readonly<Record<string, string | null>>): Promise<void> {
    const changes = Object.entries(config).map(([key, value]) =>
      value === null ? ({ name: key, op: 'delete' } as const) : ({ name: key, op: 'set', value } as const),
    );
    await this.#broker.topics.configure(this.#topic(name), changes);
  }

  /** In order of their names. */
  topics(): TopicInfo[] {
    return [...this.#broker.topics.list()].map(infoOf).sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** Undefined where there is none. @throws MODEL_TOPIC_NAME_INVALID. */
  topic(name: string): TopicInfo | undefined {
    const found = this.#broker.topics.find(foldTopicName(name));
    return found === undefined ? undefined : infoOf(found);
  }

  /**
   * Appends records of one topic: all of them or none, in one commit, in this order in each partition.
   *
   * @returns a place for each record, in order.
   * @throws BROKER_TOPIC_NOT_FOUND, BROKER_PARTITION_NOT_FOUND, MODEL_BATCH_TOO_LARGE, BROKER_DISK_FULL,
   *   JOURNAL_OVERLOADED (too much waits for the disk: append later), JOURNAL_IO, JOURNAL_SYNC_FAILED (unknown whether
   *   it was written).
   */
  async append(
    topic: string,
    records: NewRecord | readonly NewRecord[],
    options: AppendOptions = {},
  ): Promise<RecordPlace[]> {
    const found = this.#topic(topic);
    const batches = new AppendBatches(this.#turns, this.#now());
    for (const record of isMany(records) ? records : [records]) batches.add(found, record);
    return await this.#write(batches, options);
  }

  /** Appends records of several topics: all of them or none. As `append`. */
  async commit(records: readonly NewTopicRecord[], options: AppendOptions = {}): Promise<RecordPlace[]> {
    const batches = new AppendBatches(this.#turns, this.#now());
    for (const { topic, ...record } of records) batches.add(this.#topic(topic), record);
    return await this.#write(batches, options);
  }

  /**
   * Records of one partition, in order.
   *
   * ```ts
   * for await (const { offset, value } of log.read('orders', { from: 'earliest', follow: true, signal })) ...
   * ```
   * @throws BROKER_TOPIC_NOT_FOUND, BROKER_PARTITION_NOT_FOUND, STORE_OFFSET_OUT_OF_RANGE, STORE_CORRUPT (what stands
   *   before the damage was given).
   */
  read(topic: string, options: ReadOptions = {}): AsyncIterableIterator<LogRecord> {
    const found = this.#topic(topic);
    return readPartition(this.#broker, found, this.#partition(found, options.partition ?? 0), options);
  }

  /**
   * Records of all topics that match a glob (`food/**`, `drinks.*`) in the order of commits, topics created later included.
   *
   * @throws MODEL_TOPIC_PATTERN_INVALID, BROKER_CURSOR_INVALID, BROKER_CURSOR_EXPIRED.
   */
  subscribe(
    match: string | readonly string[],
    options: SubscribeOptions = {},
  ): AsyncIterableIterator<SubscribedRecord> {
    return readCommits(this.#broker, typeof match === 'string' ? [match] : match, options);
  }

  /**
   * Deletes records before an offset: they cannot be read any more, and their space comes back with their files.
   *
   * @returns the oldest offset that is left.
   * @throws STORE_OFFSET_OUT_OF_RANGE behind the end.
   */
  async deleteRecords(topic: string, partition: number, beforeOffset: number): Promise<number> {
    return await this.#broker.deleteRecords(this.#partition(this.#topic(topic), partition), beforeOffset);
  }

  /** Deletes what the topics' limits no longer keep; it happens by itself every 20 seconds. */
  async enforceRetention(): Promise<void> {
    await this.#broker.retention.sweep();
  }

  /** Syncs what is written and gives the directory back. Safe to call twice. */
  async close(): Promise<void> {
    await this.#broker.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #write(batches: AppendBatches, { until = 'durable' }: AppendOptions): Promise<RecordPlace[]> {
    const items = batches.finish();
    const [first] = items;
    if (first === undefined) return [];
    await new Promise<void>((resolve, reject) => {
      void this.#broker.produce({
        degree: until,
        items,
        // Nobody else knows the batch, so it need not be copied. Several would need a lease each.
        lease: items.length === 1 ? new Lease(first.batch) : undefined,
        allOrNone: true,
        settled: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
    const refused = items.find(({ error }) => error !== undefined);
    if (refused !== undefined) throw refusal(refused);
    return batches.places();
  }

  #topic(name: string): Topic {
    const topic = this.#broker.topics.find(foldTopicName(name));
    if (topic !== undefined) return topic;
    throw new MillraceError('BROKER_TOPIC_NOT_FOUND', `There is no topic ${name}. Create it with createTopic.`, {
      details: { topic: name },
    });
  }

  #partition(topic: Topic, index: number): Partition {
    const partition = topic.partition(index);
    if (partition !== undefined) return partition;
    const last = topic.partitionCount - 1;
    throw new MillraceError(
      'BROKER_PARTITION_NOT_FOUND',
      `${topic.name} has no partition ${index}; its partitions are 0 to ${last}.`,
      { details: { topic: topic.name, partition: index } },
    );
  }
}

function isMany(records: NewRecord | readonly NewRecord[]): records is readonly NewRecord[] {
  return Array.isArray(records);
}

function infoOf(topic: Topic): TopicInfo {
  return {
    name: topic.name,
    partitions: topic.partitions.map(({ logStartOffset, lastStableOffset, sizeBytes }) => ({
      startOffset: logStartOffset,
      endOffset: lastStableOffset,
      sizeBytes,
    })),
    config: Object.fromEntries(topic.overrides ?? []),
  };
}

function refusal({ error, topic, partition }: ProduceItem): MillraceError {
  const code = error ?? 'INTERNAL';
  return new MillraceError(code, `Nothing was appended: ${topic?.name} refuses records with ${code}.`, {
    details: { topic: topic?.name ?? '', partition: partition?.index ?? -1 },
  });
}
