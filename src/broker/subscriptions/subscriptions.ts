/** Opens subscriptions. What many of them can share, since thousands may wait for the same topics, is made once. */
import type { BufferPool } from '../../base/buffer-pool.ts';
import type { CommitNumber } from '../../journal/journal.ts';
import { journalPath, orderPath } from '../../journal/paths.ts';
import type { TopicPattern } from '../../model/topic-pattern.ts';
import { CommitReader, type CommitReaderOptions } from '../../store/commit-reader.ts';
import type { FileHandles } from '../../store/file-handles.ts';
import { HistoryReader, type HistoryReaderOptions } from '../../store/history-reader.ts';
import type { JournalMap } from '../../store/journal-map.ts';
import type { OrderFiles } from '../../store/order-files.ts';
import { OrderReader } from '../../store/order-reader.ts';
import type { Partition } from '../../store/partition.ts';
import type { PartitionReader } from '../../store/reader.ts';
import { RunReader } from '../../store/run-reader.ts';
import type { TailCache } from '../../store/tail-cache.ts';
import type { Topic } from '../topic.ts';
import type { Cursor } from './cursor.ts';
import { Subscription, type SubscriptionSurroundings } from './subscription.ts';
import { TopicFilter } from './topic-filter.ts';

export interface SubscriptionsOptions {
  readonly directory: string;
  readonly map: JournalMap;
  readonly orders: OrderFiles;
  readonly tail: TailCache;
  readonly handles: FileHandles;
  readonly pool: BufferPool;
  readonly reader: PartitionReader;
  readonly partitionOf: (number: number) => Partition | undefined;
  readonly topicOf: (partition: number) => Topic | undefined;
  readonly publishedCommit: () => CommitNumber;
}

export interface SubscribeOptions {
  readonly patterns: readonly TopicPattern[];
  /** `earliest`: the oldest commit that is there; `latest`: only what comes from now on. */
  readonly start: Cursor | 'earliest' | 'latest';
  /** Without aborted records, and in front of open transactions waiting. */
  readonly readCommitted: boolean;
}

export class Subscriptions {
  readonly #topicOf: (partition: number) => Topic | undefined;
  readonly #surroundings: SubscriptionSurroundings;
  readonly #journal: CommitReaderOptions;
  readonly #history: HistoryReaderOptions;
  /** By the texts of their patterns: what a filter has learnt of a topic, all who ask the same know. */
  readonly #filters = new Map<string, WeakRef<TopicFilter>>();
  readonly #unused = new FinalizationRegistry<string>((key) => {
    if (this.#filters.get(key)?.deref() === undefined) this.#filters.delete(key);
  });

  constructor(options: SubscriptionsOptions) {
    const { directory, map, orders, tail, handles, pool, reader, partitionOf, publishedCommit } = options;
    this.#topicOf = options.topicOf;
    this.#surroundings = { partitionOf, publishedCommit };
    this.#journal = { map, tail, handles, pool, journalFile: (file) => journalPath(directory, file) };
    const order = { files: orders, handles, orderFile: (file: number) => orderPath(directory, file) };
    this.#history = {
      map,
      files: orders,
      order: () => new OrderReader({ ...order, runs: new RunReader(reader, pool, partitionOf) }),
    };
  }

  open({ patterns, start, readCommitted }: SubscribeOptions): Subscription {
    const latest = (): Cursor => ({ commit: this.#surroundings.publishedCommit() });
    return new Subscription(this.#surroundings, {
      reader: new HistoryReader(this.#history, new CommitReader(this.#journal)),
      filter: this.#filterOf(patterns),
      readCommitted,
      start: start === 'earliest' ? undefined : start === 'latest' ? latest() : start,
    });
  }

  #filterOf(patterns: readonly TopicPattern[]): TopicFilter {
    // No pattern has a line break.
    const key = patterns.map(({ text }) => text).join('\n');
    const known = this.#filters.get(key)?.deref();
    if (known !== undefined) return known;
    const filter = new TopicFilter(patterns, this.#topicOf);
    this.#filters.set(key, new WeakRef(filter));
    this.#unused.register(filter, key);
    return filter;
  }
}
