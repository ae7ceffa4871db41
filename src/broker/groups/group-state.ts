/**
 * The durable part of all groups, folded from the journal: each group's image as bytes, and its committed offsets.
 *
 * Offsets are kept by topic name, as clients and operators name them. So that a topic created anew under an old name
 * does not inherit them, the broker calls `topicDeleted` from its own fold of TOPIC_DELETED, before anything later in
 * the journal can commit to the new one.
 *
 * Checkpoint section: u8 version 2, u32 groupCount, for each: str groupId, flag and bytes image, flag and bytes of a
 * group of the new protocol (consumer/consumer-commands.ts; absent in version 1), u32 topicCount, for each: str topic, u32 partitionCount, for each: u32 partition, i64 committedAt, then as in offset-commands.ts from
 * `offset` on.
 */
import { assert } from '../../base/errors.ts';
import type { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { CHECKPOINT_SECTION, COMMAND, type StatePart } from '../state-part.ts';
import { decodeGroupChange, encodeGroupChange, wholeGroup } from './consumer/consumer-commands.ts';
import { ConsumerGroup, type GroupChange } from './consumer/consumer-group.ts';
import { checkVersion, decodeGroupSummary } from './group-image.ts';
import { decodeGroupDeleted, decodeOffsetChanges, readOffset, writeOffset } from './offset-commands.ts';
import { type CommittedOffset, TopicOffsets } from './topic-offsets.ts';

const SECTION_VERSION = 2;
/** Before there were groups of the new protocol. */
const CLASSIC_SECTION_VERSION = 1;
/** Map entry, record and string headers of one group, approximately. */
const GROUP_OVERHEAD_BYTES = 400;
const NO_OFFSETS: ReadonlyMap<string, TopicOffsets> = new Map();

export interface GroupRecord {
  readonly groupId: string;
  /** Body of the last GROUP_CHANGED; undefined for a group that only stores offsets. Never changed in place. */
  readonly image: Uint8Array | undefined;
  /** A group of the new protocol; then it has no image. Changed by the fold alone. */
  readonly consumer: ConsumerGroup | undefined;
  readonly offsets: ReadonlyMap<string, TopicOffsets>;
}

class StoredGroup implements GroupRecord {
  readonly groupId: string;
  image: Uint8Array | undefined;
  consumer: ConsumerGroup | undefined;
  topics: Map<string, TopicOffsets> | undefined;

  constructor(groupId: string) {
    this.groupId = groupId;
  }

  get offsets(): ReadonlyMap<string, TopicOffsets> {
    return this.topics ?? NO_OFFSETS;
  }
}

export class GroupState implements StatePart {
  readonly section = CHECKPOINT_SECTION.GROUPS;
  readonly commands = [
    COMMAND.GROUP_CHANGED,
    COMMAND.OFFSETS_COMMITTED,
    COMMAND.GROUP_DELETED,
    COMMAND.CONSUMER_GROUP_CHANGED,
  ];
  readonly #groups = new Map<string, StoredGroup>();
  /** Groups with offsets of a topic: deleting one of 100,000 topics must not walk all groups. */
  readonly #byTopic = new Map<string, Set<StoredGroup>>();
  #sizeBytes = 0;

  get size(): number {
    return this.#groups.size;
  }

  /** Approximate memory of everything here. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(groupId: string): GroupRecord | undefined {
    return this.#groups.get(groupId);
  }

  /** In order of creation; groups may be changed or deleted during the walk. */
  all(): IterableIterator<GroupRecord> {
    return this.#groups.values();
  }

  /** The next offset of the group that is furthest behind in the partition; undefined: none has one there. */
  slowestOffset(topic: string, partition: number): number | undefined {
    let slowest: number | undefined;
    for (const { topics } of this.#byTopic.get(topic) ?? []) {
      const offset = topics?.get(topic)?.get(partition)?.offset;
      if (offset !== undefined && (slowest === undefined || offset < slowest)) slowest = offset;
    }
    return slowest;
  }

  apply(type: number, body: Uint8Array): void {
    switch (type) {
      case COMMAND.GROUP_CHANGED:
        return this.#changed(Uint8Array.prototype.slice.call(body));
      case COMMAND.OFFSETS_COMMITTED:
        return decodeOffsetChanges(body, (groupId, topic, partition, committed) => {
          if (committed === null) this.#forget(groupId, topic, partition);
          else this.#store(groupId, topic, partition, committed);
        });
      case COMMAND.CONSUMER_GROUP_CHANGED: {
        const change = decodeGroupChange(body);
        return this.#consumerChanged(this.#obtain(change.groupId), change);
      }
      case COMMAND.GROUP_DELETED:
        return this.#deleted(decodeGroupDeleted(body));
      default:
        assert(false, `command ${type} does not belong to groups`);
    }
  }

  /** The topic is gone: so are all offsets committed in it. Called by the fold of the topic's deletion, live and in replay. */
  topicDeleted(topic: string): void {
    for (const group of this.#byTopic.get(topic) ?? []) this.#dropTopic(group, topic);
  }

  snapshot(writer: StateWriter): void {
    writer.u8(SECTION_VERSION).u32(this.#groups.size);
    for (const { groupId, image, consumer, offsets } of this.#groups.values()) {
      writer.string(groupId).bool(image !== undefined);
      if (image !== undefined) writer.bytes(image);
      writer.bool(consumer !== undefined);
      if (consumer !== undefined) writer.bytes(encodeGroupChange(wholeGroup(consumer)));
      writer.u32(offsets.size);
      for (const [topic, partitions] of offsets) {
        writer.string(topic).u32(partitions.count);
        for (const [partition, committed] of partitions.entries()) {
          writer.u32(partition).i64(committed.committedAt);
          writeOffset(writer, committed);
        }
      }
    }
  }

  restore(reader: StateReader): void {
    const version = reader.u8();
    if (version !== CLASSIC_SECTION_VERSION) checkVersion('checkpoint section of groups', version, SECTION_VERSION);
    for (let groups = reader.u32(); groups > 0; groups--) {
      const group = this.#obtain(reader.string());
      if (reader.bool()) this.#setImage(group, reader.bytes());
      if (version !== CLASSIC_SECTION_VERSION && reader.bool()) {
        this.#consumerChanged(group, decodeGroupChange(reader.bytes()));
      }
      for (let topics = reader.u32(); topics > 0; topics--) {
        const topic = reader.string();
        for (let partitions = reader.u32(); partitions > 0; partitions--) {
          const partition = reader.u32();
          this.#store(group.groupId, topic, partition, readOffset(reader, reader.i64()));
        }
      }
    }
  }

  #changed(image: Uint8Array): void {
    this.#setImage(this.#obtain(decodeGroupSummary(image).groupId), image);
  }

  #setImage(group: StoredGroup, image: Uint8Array): void {
    this.#sizeBytes += image.length - (group.image?.length ?? 0) - (group.consumer?.sizeBytes ?? 0);
    group.image = image;
    group.consumer = undefined;
  }

  /** A group without members may become one of the other type; the coordinator saw to that. */
  #consumerChanged(group: StoredGroup, change: GroupChange): void {
    this.#sizeBytes -= (group.image?.length ?? 0) + (group.consumer?.sizeBytes ?? 0);
    group.image = undefined;
    group.consumer ??= new ConsumerGroup(group.groupId, change.epoch);
    group.consumer.applyChange(change);
    this.#sizeBytes += group.consumer.sizeBytes;
  }

  #obtain(groupId: string): StoredGroup {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = new StoredGroup(groupId);
      this.#groups.set(groupId, group);
      this.#sizeBytes += GROUP_OVERHEAD_BYTES + groupId.length;
    }
    return group;
  }

  #store(groupId: string, topic: string, partition: number, committed: CommittedOffset): void {
    const group = this.#obtain(groupId);
    const offsets = group.topics?.get(topic) ?? this.#addTopic(group, topic);
    const before = offsets.sizeBytes;
    offsets.set(partition, committed);
    this.#sizeBytes += offsets.sizeBytes - before;
  }

  #addTopic(group: StoredGroup, topic: string): TopicOffsets {
    const offsets = new TopicOffsets();
    group.topics ??= new Map();
    group.topics.set(topic, offsets);
    this.#sizeBytes += offsets.sizeBytes;
    const groups = this.#byTopic.get(topic);
    if (groups === undefined) this.#byTopic.set(topic, new Set([group]));
    else groups.add(group);
    return offsets;
  }

  #forget(groupId: string, topic: string, partition: number): void {
    const group = this.#groups.get(groupId);
    const offsets = group?.offsets.get(topic);
    if (group === undefined || offsets === undefined) return;
    const before = offsets.sizeBytes;
    offsets.delete(partition);
    this.#sizeBytes += offsets.sizeBytes - before;
    if (offsets.count === 0) this.#dropTopic(group, topic);
  }

  #dropTopic(group: StoredGroup, topic: string): void {
    const offsets = group.offsets.get(topic);
    if (offsets === undefined) return;
    this.#sizeBytes -= offsets.sizeBytes;
    group.topics?.delete(topic);
    const groups = this.#byTopic.get(topic);
    groups?.delete(group);
    if (groups?.size === 0) this.#byTopic.delete(topic);
    // Without an image the offsets were all there was of the group.
    if (group.offsets.size === 0 && group.image === undefined && group.consumer === undefined) this.#remove(group);
  }

  #deleted(groupId: string): void {
    const group = this.#groups.get(groupId);
    if (group === undefined) return;
    for (const topic of group.offsets.keys()) this.#dropTopic(group, topic);
    if (this.#groups.has(groupId)) this.#remove(group);
  }

  #remove(group: StoredGroup): void {
    this.#groups.delete(group.groupId);
    this.#sizeBytes -= GROUP_OVERHEAD_BYTES + group.groupId.length + (group.image?.length ?? 0);
    this.#sizeBytes -= group.consumer?.sizeBytes ?? 0;
  }
}
