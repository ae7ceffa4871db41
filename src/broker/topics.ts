/**
 * Topics as the listeners use them: look-ups, and the decisions behind every change. Each change is one transaction,
 * decided on the head state and answered when it is durable.
 */

import type { Clock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import { type CommitBuilder, type Journal, transactOnce } from '../journal/journal.ts';
import { foldTopicName } from '../model/topic-name.ts';
import type { LogStore } from '../store/log-store.ts';
import type { Partition } from '../store/partition.ts';
import type { ConfigEntry } from './config-entry.ts';
import type { BrokerSettings } from './settings.ts';
import { COMMAND } from './state-part.ts';
import type { Topic } from './topic.ts';
import { applyChanges, type ConfigChange, describeTopicConfig, type TopicOverrides } from './topic-config.ts';
import { type TopicsState, topicCommands } from './topics-state.ts';

export { Topic } from './topic.ts';

export interface TopicSpec {
  /** Slashes or dots; folded to the canonical form. */
  readonly name: string;
  /** Undefined or -1: the broker's default. */
  readonly partitions?: number | undefined;
  /** Undefined, -1 or 1 to `maxReplicationFactor`. Whatever it says, there is one copy, on stable storage. */
  readonly replicationFactor?: number | undefined;
  readonly config?: Readonly<Record<string, string | null>> | undefined;
}

export interface ChangeOptions {
  /** Decides and answers as if, and changes nothing. */
  readonly validateOnly?: boolean | undefined;
}

export interface TopicsOptions {
  readonly journal: Journal;
  readonly state: TopicsState;
  readonly store: LogStore;
  readonly clock: Clock;
  readonly settings: BrokerSettings;
  /** A fresh random id, 32 lower-case hex digits. */
  readonly newId: () => string;
}

export class Topics {
  readonly #options: TopicsOptions;
  readonly #creating = new Map<string, Promise<Topic>>();

  constructor(options: TopicsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#options.state.size;
  }

  get partitionCount(): number {
    return this.#options.state.partitionCount;
  }

  /** @param name canonical; fold others first (`foldTopicName`). */
  find(name: string): Topic | undefined {
    return this.#options.state.find(name);
  }

  byId(id: string): Topic | undefined {
    return this.#options.state.byId(id);
  }

  /** The topic of a partition, by the partition's number in the lane; undefined where it was deleted. */
  ofPartition(number: number): Topic | undefined {
    return this.#options.state.ofPartition(number);
  }

  /** In order of creation. */
  list(): Iterable<Topic> {
    return this.#options.state.list();
  }

  /**
   * Creates a topic; with `validateOnly` answers with undefined.
   *
   * @throws BROKER_TOPIC_EXISTS, MODEL_TOPIC_NAME_INVALID, BROKER_PARTITIONS_INVALID, BROKER_REPLICATION_INVALID,
   *   BROKER_CONFIG_INVALID, BROKER_CONFIG_UNSUPPORTED, BROKER_LIMIT_REACHED, or what the journal refuses with.
   */
  create(spec: TopicSpec): Promise<Topic>;
  create(spec: TopicSpec, options: ChangeOptions): Promise<Topic | undefined>;
  async create(spec: TopicSpec, options: ChangeOptions = {}): Promise<Topic | undefined> {
    const name = foldTopicName(spec.name);
    const partitionCount = this.#partitionCount(spec.partitions);
    checkReplication(spec.replicationFactor, this.#options.settings.maxReplicationFactor);
    const changes = Object.entries(spec.config ?? {}).map(
      ([key, value]): ConfigChange => ({ name: key, op: 'set', value }),
    );
    const overrides = applyChanges(undefined, changes);
    return await transactOnce(this.#options.journal, (commit) => {
      this.#checkNew(name, partitionCount);
      if (options.validateOnly === true) return undefined;
      this.#stageCreation(commit, name, partitionCount, overrides.size === 0 ? undefined : overrides);
      return this.find(name);
    });
  }

  /**
   * For transactions of other parts: creates a topic with default settings in their commit.
   *
   * @param name canonical. @throws BROKER_TOPIC_EXISTS, BROKER_LIMIT_REACHED.
   */
  stageNew(commit: CommitBuilder, name: string, partitionCount: number): Topic {
    this.#checkNew(name, partitionCount);
    this.#stageCreation(commit, name, partitionCount, undefined);
    return this.find(name) as Topic;
  }

  /** Creates the topic with defaults, or joins a creation of it that is under way, or finds it. */
  async autoCreate(name: string): Promise<Topic> {
    const canonical = foldTopicName(name);
    const known = this.find(canonical);
    if (known !== undefined) return known;
    const running = this.#creating.get(canonical);
    if (running !== undefined) return await running;
    const creation = this.create({ name: canonical }).finally(() => this.#creating.delete(canonical));
    this.#creating.set(canonical, creation);
    return await creation;
  }

  /** @throws BROKER_TOPIC_NOT_FOUND when it is gone already, BROKER_STREAM_FORKED while forks of its stream read it. */
  async delete(topic: Topic): Promise<void> {
    await transactOnce(this.#options.journal, (commit) => {
      checkAlive(topic);
      checkNoForks(topic);
      this.stageDeletion(commit, topic);
    });
  }

  /** For transactions of other parts, which have checked that it may go. */
  stageDeletion(commit: CommitBuilder, topic: Topic): void {
    commit.command(COMMAND.TOPIC_DELETED, topicCommands.deleted(topic.id));
  }

  /** @param total partitions afterwards. @throws BROKER_PARTITIONS_INVALID where it is not more than now. */
  async addPartitions(topic: Topic, total: number, options: ChangeOptions = {}): Promise<void> {
    await transactOnce(this.#options.journal, (commit) => {
      checkAlive(topic);
      const before = topic.partitionCount;
      if (topic.stream !== undefined) {
        throw new MillraceError(
          'BROKER_PARTITIONS_INVALID',
          `Topic ${topic.name} is a durable stream, which has one partition always.`,
          { details: { topic: topic.name, partitions: before, requested: total } },
        );
      }
      if (!Number.isInteger(total) || total <= before) {
        throw new MillraceError(
          'BROKER_PARTITIONS_INVALID',
          `Topic ${topic.name} has ${before} partitions; the new total must be larger, not ${total}.`,
          { details: { topic: topic.name, partitions: before, requested: total } },
        );
      }
      this.#partitionCount(total);
      this.#checkRoom(total - before);
      if (options.validateOnly === true) return;
      const first = this.#options.store.nextPartitionNumber;
      commit.command(COMMAND.PARTITIONS_ADDED, topicCommands.partitionsAdded(topic.id, first, total - before));
    });
  }

  /** Changes settings; all or none. With `replaceAll` every setting not named goes back to its default. */
  async configure(
    topic: Topic,
    changes: readonly ConfigChange[],
    options: ChangeOptions & { readonly replaceAll?: boolean | undefined } = {},
  ): Promise<void> {
    await transactOnce(this.#options.journal, (commit) => {
      checkAlive(topic);
      const overrides = applyChanges(
        options.replaceAll === true ? undefined : topic.overrides,
        changes,
        this.#options.settings,
      );
      if (options.validateOnly === true) return;
      commit.command(COMMAND.TOPIC_CONFIGURED, topicCommands.configured(topic.id, overrides));
    });
  }

  describeConfig(topic: Topic): readonly ConfigEntry[] {
    return describeTopicConfig(topic.overrides, this.#options.settings);
  }

  /**
   * Deletes records before an offset: they are unreadable at once; their bytes go with their files.
   *
   * @param beforeOffset exclusive; -1 means the high watermark.
   * @returns the log start afterwards, which never moves back.
   * @throws STORE_OFFSET_OUT_OF_RANGE beyond the high watermark.
   */
  async deleteRecords(partition: Partition, beforeOffset: number): Promise<number> {
    return await transactOnce(this.#options.journal, (commit) => {
      if (partition.deleted) throw new MillraceError('BROKER_PARTITION_NOT_FOUND', 'The topic was deleted.');
      const target = deletionEnd(partition, beforeOffset);
      if (target > partition.logStartOffset) {
        commit.command(COMMAND.RECORDS_DELETED, topicCommands.recordsDeleted(partition.number, target));
      }
      return partition.logStartOffset;
    });
  }

  /**
   * Deletes records of several partitions of a topic in one commit.
   *
   * @param targets exclusive ends; those at or before a log start change nothing there.
   * @returns the log starts afterwards, in the order of `targets`.
   * @throws BROKER_TOPIC_NOT_FOUND, STORE_OFFSET_OUT_OF_RANGE beyond a high watermark: nothing was deleted.
   */
  async deleteBefore(
    topic: Topic,
    targets: readonly { readonly partition: Partition; readonly beforeOffset: number }[],
  ): Promise<readonly number[]> {
    return await transactOnce(this.#options.journal, (commit) => {
      checkAlive(topic);
      // All are checked first: a refusal behind a staged deletion would leave half of the request.
      const ends = targets.map(({ partition, beforeOffset }) => deletionEnd(partition, beforeOffset));
      return targets.map(({ partition }, i) => {
        const end = ends[i] as number;
        if (end > partition.logStartOffset) {
          commit.command(COMMAND.RECORDS_DELETED, topicCommands.recordsDeleted(partition.number, end));
        }
        return partition.logStartOffset;
      });
    });
  }

  #stageCreation(
    commit: CommitBuilder,
    name: string,
    partitionCount: number,
    overrides: TopicOverrides | undefined,
  ): void {
    commit.command(
      COMMAND.TOPIC_CREATED,
      topicCommands.created({
        name,
        id: this.#options.newId(),
        createdAt: this.#options.clock.now(),
        firstPartition: this.#options.store.nextPartitionNumber,
        partitionCount,
        overrides,
      }),
    );
  }

  #partitionCount(asked: number | undefined): number {
    const { defaultPartitions, maxPartitionsPerTopic } = this.#options.settings;
    if (asked === undefined || asked === -1) return defaultPartitions;
    if (Number.isInteger(asked) && asked >= 1 && asked <= maxPartitionsPerTopic) return asked;
    throw new MillraceError(
      'BROKER_PARTITIONS_INVALID',
      `A topic has 1 to ${maxPartitionsPerTopic} partitions, not ${asked} (-1 means the default, ${defaultPartitions}).`,
      { details: { requested: asked, max: maxPartitionsPerTopic } },
    );
  }

  #checkNew(name: string, partitionCount: number): void {
    if (this.find(name) !== undefined) {
      throw new MillraceError('BROKER_TOPIC_EXISTS', `Topic ${name} exists already.`, { details: { topic: name } });
    }
    this.#checkRoom(partitionCount);
  }

  #checkRoom(more: number): void {
    const { maxPartitions } = this.#options.settings;
    if (this.partitionCount + more <= maxPartitions) return;
    throw new MillraceError(
      'BROKER_LIMIT_REACHED',
      `The broker has ${this.partitionCount} partitions and may have ${maxPartitions}; ${more} more do not fit.`,
      { details: { partitions: this.partitionCount, max: maxPartitions } },
    );
  }
}

/** @param beforeOffset exclusive; -1 means the high watermark. @throws STORE_OFFSET_OUT_OF_RANGE beyond it. */
function deletionEnd(partition: Partition, beforeOffset: number): number {
  const { logStartOffset, highWatermark } = partition;
  const end = beforeOffset === -1 ? highWatermark : beforeOffset;
  if (end >= 0 && end <= highWatermark) return end;
  throw new MillraceError(
    'STORE_OFFSET_OUT_OF_RANGE',
    `Records before offset ${beforeOffset} cannot be deleted: the partition holds ${logStartOffset} to ` +
      `${highWatermark} (exclusive).`,
    { details: { logStartOffset, highWatermark } },
  );
}

function checkAlive(topic: Topic): void {
  if (!topic.deleted) return;
  throw new MillraceError('BROKER_TOPIC_NOT_FOUND', `Topic ${topic.name} does not exist any more.`, {
    details: { topic: topic.name },
  });
}

function checkNoForks(topic: Topic): void {
  const forkCount = topic.stream?.forkCount ?? 0;
  if (forkCount === 0) return;
  throw new MillraceError(
    'BROKER_STREAM_FORKED',
    `Topic ${topic.name} is a durable stream with ${forkCount} forks that read its records. Delete the forks first, or ` +
      'delete the stream by its own protocol, which keeps the records for them.',
    { details: { topic: topic.name, forks: forkCount } },
  );
}

function checkReplication(factor = -1, max: number): void {
  if (factor === -1 || (factor >= 1 && factor <= max)) return;
  throw new MillraceError(
    'BROKER_REPLICATION_INVALID',
    `Replication factor ${factor} is not possible on one broker; ask for 1 or -1. A record acknowledged with acks=all ` +
      'is on stable storage. Where a tool insists, set replication.factor.max.',
    { details: { replicationFactor: factor } },
  );
}
