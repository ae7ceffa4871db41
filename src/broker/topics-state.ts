/**
 * Topics as folded from the journal: names, ids, partitions, settings. Decides nothing; `topics.ts` does.
 */
import { assert, MillraceError } from '../base/errors.ts';
import { StateReader, StateWriter } from '../base/state-bytes.ts';
import type { CommitNumber } from '../journal/journal.ts';
import type { LogStore } from '../store/log-store.ts';
import type { Partition } from '../store/partition.ts';
import { checkBodyVersion } from './body-version.ts';
import type { BrokerSettings } from './settings.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from './state-part.ts';
import { Topic } from './topic.ts';
import { type TopicLimits, type TopicOverrides, topicLimits } from './topic-config.ts';
import { TopicIds } from './topic-ids.ts';

const BODY_VERSION = 1;

/** Bodies of the commands, versioned by their first byte. Byte layouts: docs/formats.md, "State commands". */
export const topicCommands = {
  created(topic: {
    name: string;
    id: string;
    createdAt: number;
    firstPartition: number;
    partitionCount: number;
    overrides: TopicOverrides | undefined;
  }): Uint8Array {
    const writer = new StateWriter().u8(BODY_VERSION).string(topic.name).string(topic.id).i64(topic.createdAt);
    writer.u32(topic.firstPartition).u32(topic.partitionCount);
    writeOverrides(writer, topic.overrides);
    return writer.finish();
  },
  deleted(id: string): Uint8Array {
    return new StateWriter().u8(BODY_VERSION).string(id).finish();
  },
  partitionsAdded(id: string, firstPartition: number, count: number): Uint8Array {
    return new StateWriter().u8(BODY_VERSION).string(id).u32(firstPartition).u32(count).finish();
  },
  configured(id: string, overrides: TopicOverrides): Uint8Array {
    const writer = new StateWriter().u8(BODY_VERSION).string(id);
    writeOverrides(writer, overrides);
    return writer.finish();
  },
  recordsDeleted(partition: number, logStartOffset: number): Uint8Array {
    return new StateWriter().u8(BODY_VERSION).u32(partition).i64(logStartOffset).finish();
  },
};

export class TopicsState implements StatePart {
  readonly section = CHECKPOINT_SECTION.TOPICS;
  readonly commands = [
    COMMAND.TOPIC_CREATED,
    COMMAND.TOPIC_DELETED,
    COMMAND.PARTITIONS_ADDED,
    COMMAND.TOPIC_CONFIGURED,
    COMMAND.RECORDS_DELETED,
  ];
  readonly #store: LogStore;
  readonly #settings: BrokerSettings;
  readonly #onDeleted: (topic: Topic) => void;
  readonly #byName = new Map<string, Topic>();
  readonly #ids = new TopicIds<Topic>();
  /** Shared by every topic without overrides. */
  readonly #defaultLimits: TopicLimits;
  #partitionCount = 0;
  /** By partition number: for who walks the journal, which knows partitions by number alone. */
  readonly #byPartition: (Topic | undefined)[] = [];
  #version = 0;

  /** @param onDeleted part of the fold: tells other parts (groups drop the topic's offsets). */
  constructor(store: LogStore, settings: BrokerSettings, onDeleted: (topic: Topic) => void) {
    this.#store = store;
    this.#settings = settings;
    this.#onDeleted = onDeleted;
    this.#defaultLimits = topicLimits(undefined, settings);
  }

  get size(): number {
    return this.#byName.size;
  }

  get partitionCount(): number {
    return this.#partitionCount;
  }

  /** Grows whenever a topic is created, deleted or gets partitions; starts anew with the process. */
  get version(): number {
    return this.#version;
  }

  find(name: string): Topic | undefined {
    return this.#byName.get(name);
  }

  byId(id: string): Topic | undefined {
    return this.#ids.find(id);
  }

  /** The topic of a partition, by the partition's number in the lane; undefined where it was deleted. */
  ofPartition(number: number): Topic | undefined {
    return this.#byPartition[number];
  }

  list(): Iterable<Topic> {
    return this.#byName.values();
  }

  apply(type: number, body: Uint8Array, commit: CommitNumber): void {
    const reader = new StateReader(body, `State command ${type}`);
    checkBodyVersion(type, reader.u8(), BODY_VERSION);
    switch (type) {
      case COMMAND.TOPIC_CREATED:
        return this.#created(reader);
      case COMMAND.TOPIC_DELETED:
        return this.#deleted(this.#known(reader.string()), commit);
      case COMMAND.PARTITIONS_ADDED:
        return this.#partitionsAdded(this.#known(reader.string()), reader.u32(), reader.u32());
      case COMMAND.TOPIC_CONFIGURED:
        return this.#configured(this.#known(reader.string()), readOverrides(reader));
      case COMMAND.RECORDS_DELETED:
        return this.#recordsDeleted(reader.u32(), reader.i64(), commit);
      default:
        assert(false, `command ${type} is not one of topics`);
    }
  }

  snapshot(writer: StateWriter): void {
    writer.list(this.#byName, ([, topic]) => {
      writer.string(topic.name).string(topic.id).i64(topic.createdAt);
      writer.list(topic.partitions, (partition) => writer.u32(partition.number));
      writeOverrides(writer, topic.overrides);
    });
  }

  restore(reader: StateReader): void {
    reader.list(() => {
      const name = reader.string();
      const id = reader.string();
      const createdAt = reader.i64();
      const partitions = reader.list(() => this.#partition(reader.u32()));
      this.#add(name, id, createdAt, partitions, readOverrides(reader));
    });
  }

  #created(reader: StateReader): void {
    const name = reader.string();
    const id = reader.string();
    const createdAt = reader.i64();
    const partitions = this.#newPartitions(reader.u32(), reader.u32(), 0);
    assert(!this.#byName.has(name), `topic ${name} is created twice`);
    this.#add(name, id, createdAt, partitions, readOverrides(reader));
  }

  #add(
    name: string,
    id: string,
    createdAt: number,
    partitions: readonly Partition[],
    overrides: TopicOverrides | undefined,
  ): void {
    const limits = overrides === undefined ? this.#defaultLimits : topicLimits(overrides, this.#settings);
    const topic = new Topic(name, id, this.#ids, createdAt, partitions, overrides, limits);
    this.#version += 1;
    this.#byName.set(name, topic);
    this.#mapPartitions(topic, partitions);
    this.#partitionCount += partitions.length;
  }

  #deleted(topic: Topic, commit: CommitNumber): void {
    this.#version += 1;
    topic.delete();
    this.#byName.delete(topic.name);
    this.#partitionCount -= topic.partitionCount;
    for (const partition of topic.partitions) {
      this.#store.remove(partition, commit);
      this.#byPartition[partition.number] = undefined;
    }
    this.#onDeleted(topic);
  }

  #partitionsAdded(topic: Topic, first: number, count: number): void {
    const added = this.#newPartitions(first, count, topic.partitionCount);
    topic.addPartitions(added);
    this.#mapPartitions(topic, added);
    this.#version += 1;
    this.#partitionCount += count;
  }

  #configured(topic: Topic, overrides: TopicOverrides | undefined): void {
    topic.overrides = overrides;
    topic.limits = overrides === undefined ? this.#defaultLimits : topicLimits(overrides, this.#settings);
  }

  #mapPartitions(topic: Topic, partitions: readonly Partition[]): void {
    for (const { number } of partitions) {
      // Numbers of deleted partitions stay empty, never holes: a list with holes is a slow dictionary.
      while (this.#byPartition.length < number) this.#byPartition.push(undefined);
      this.#byPartition[number] = topic;
    }
  }

  #recordsDeleted(number: number, logStartOffset: number, commit: CommitNumber): void {
    const partition = this.#store.partition(number);
    if (partition !== undefined) this.#store.trim(partition, logStartOffset, commit);
  }

  #newPartitions(first: number, count: number, firstIndex: number): Partition[] {
    return Array.from({ length: count }, (_, i) => this.#store.create(first + i, firstIndex + i));
  }

  #known(id: string): Topic {
    const topic = this.#ids.find(id);
    assert(topic !== undefined, `a state command names topic id ${id}, which does not exist`);
    return topic;
  }

  #partition(number: number): Partition {
    const partition = this.#store.partition(number);
    if (partition !== undefined) return partition;
    throw new MillraceError('STORE_CORRUPT', `The checkpoint names partition ${number}, which it does not have.`);
  }
}

function writeOverrides(writer: StateWriter, overrides: TopicOverrides | undefined): void {
  writer.list(overrides ?? new Map<string, string>(), ([name, value]) => writer.string(name).string(value));
}

function readOverrides(reader: StateReader): TopicOverrides | undefined {
  const entries = reader.list((): [string, string] => [reader.string(), reader.string()]);
  return entries.length === 0 ? undefined : new Map(entries);
}
