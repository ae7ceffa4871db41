/**
 * Body of CONSUMER_GROUP_CHANGED: one step of a group of the new protocol, as what changed. Types as in group-image.ts;
 * `id` is the 16 bytes of a topic id, `set` a u32 topicCount and for each: id, u32 count, u32 partitions.
 *
 * | type | name | meaning |
 * |---|---|---|
 * | u8 | version | 1 |
 * | str | groupId | |
 * | u32, u32 | epoch, targetEpoch | of the group, and of its targets |
 * | i64 | at | wall clock ms |
 * | str | assignor | that made the targets |
 * | u8 | hasTopics | then u32 count, for each: id, u32 partitionCount: the topics subscribed to |
 * | u32 | removedCount | then str memberId each; removed before the rest is applied |
 * | u32 | memberCount | then for each: |
 * | str | memberId | |
 * | u8 | parts | bit 0 subscription, bit 1 progress, bit 2 target; each follows where its bit is set; new members have 0 and 1 |
 * | str?, str?, str, str | instanceId, rackId, clientId, clientHost | subscription |
 * | u32 | rebalanceTimeoutMs | |
 * | list of str, str?, str? | topics, regex, assignor | |
 * | i32, i32 | epoch, previousEpoch | progress; -2: a static member that left for a while |
 * | u8 | state | 0 stable, 1 revoking, 2 waiting |
 * | set, set | assigned, revoking | |
 * | set | target | target |
 *
 * Example, group "g" at epoch 2, targets of 1, at 1 ms after 1970, "u", member "m" removed:
 * `01 00000001 67 00000002 00000001 0000000000000001 00000001 75 00 00000001 00000001 6d 00000000`.
 *
 * A group in a checkpoint is the one change that makes it anew, with the time it became what it is.
 *
 * To change the layout: add a version, keep reading the old ones, add a fixture to consumer-commands.test.ts.
 */
import { MillraceError } from '../../../base/errors.ts';
import { StateReader, StateWriter } from '../../../base/state-bytes.ts';
import { checkVersion } from '../group-image.ts';
import type { ConsumerGroup, GroupChange, MemberChange, Progress, Subscription } from './consumer-group.ts';
import type { PartitionSet } from './partition-set.ts';

const VERSION = 1;
const HAS_SUBSCRIPTION = 1;
const HAS_PROGRESS = 2;
const HAS_TARGET = 4;
/** On disk: never renumber. */
const STATES = ['stable', 'revoking', 'waiting'] as const;

export function encodeGroupChange(change: GroupChange): Uint8Array {
  const writer = new StateWriter(256)
    .u8(VERSION)
    .string(change.groupId)
    .u32(change.epoch)
    .u32(change.targetEpoch)
    .i64(change.at)
    .string(change.assignor)
    .bool(change.topics !== undefined);
  if (change.topics !== undefined) {
    writer.list(change.topics, ([topicId, count]) => writeId(writer, topicId).u32(count));
  }
  writer.list(change.removed, (memberId) => writer.string(memberId));
  writer.list(change.members, (member) => writeMember(writer, member));
  return writer.finish();
}

/** @throws STORE_CORRUPT. */
export function decodeGroupChange(bytes: Uint8Array): GroupChange {
  const reader = new StateReader(bytes, 'group change');
  checkVersion('group change', reader.u8(), VERSION);
  return {
    groupId: reader.string(),
    epoch: reader.u32(),
    targetEpoch: reader.u32(),
    at: reader.i64(),
    assignor: reader.string(),
    topics: reader.bool() ? new Map(reader.list(() => [readId(reader), reader.u32()] as const)) : undefined,
    removed: reader.list(() => reader.string()),
    members: reader.list(() => readMember(reader)),
  };
}

/** The change that makes the group from nothing. */
export function wholeGroup(group: ConsumerGroup): GroupChange {
  const { groupId, epoch, targetEpoch, changedAt, assignor, topics } = group;
  const members = Array.from(group.members(), (member): MemberChange => {
    return { memberId: member.memberId, subscription: member, progress: member, target: group.target(member.memberId) };
  });
  return { groupId, epoch, targetEpoch, at: changedAt, assignor, topics, removed: [], members };
}

function writeMember(writer: StateWriter, { memberId, subscription, progress, target }: MemberChange): void {
  let parts = 0;
  if (subscription !== undefined) parts |= HAS_SUBSCRIPTION;
  if (progress !== undefined) parts |= HAS_PROGRESS;
  if (target !== undefined) parts |= HAS_TARGET;
  writer.string(memberId).u8(parts);
  if (subscription !== undefined) writeSubscription(writer, subscription);
  if (progress !== undefined) writeProgress(writer, progress);
  if (target !== undefined) writeSet(writer, target);
}

function readMember(reader: StateReader): MemberChange {
  const memberId = reader.string();
  const parts = reader.u8();
  return {
    memberId,
    subscription: parts & HAS_SUBSCRIPTION ? readSubscription(reader) : undefined,
    progress: parts & HAS_PROGRESS ? readProgress(reader) : undefined,
    target: parts & HAS_TARGET ? readSet(reader) : undefined,
  };
}

function writeSubscription(writer: StateWriter, subscription: Subscription): void {
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, topics, regex, assignor } = subscription;
  writer.nullableString(instanceId).nullableString(rackId).string(clientId).string(clientHost).u32(rebalanceTimeoutMs);
  writer.list(topics, (topic) => writer.string(topic));
  writer.nullableString(regex).nullableString(assignor);
}

function readSubscription(reader: StateReader): Subscription {
  return {
    instanceId: reader.nullableString(),
    rackId: reader.nullableString(),
    clientId: reader.string(),
    clientHost: reader.string(),
    rebalanceTimeoutMs: reader.u32(),
    topics: reader.list(() => reader.string()),
    regex: reader.nullableString(),
    assignor: reader.nullableString(),
  };
}

function writeProgress(writer: StateWriter, { epoch, previousEpoch, state, assigned, revoking }: Progress): void {
  writer.i32(epoch).i32(previousEpoch).u8(STATES.indexOf(state));
  writeSet(writer, assigned);
  writeSet(writer, revoking);
}

function readProgress(reader: StateReader): Progress {
  const epoch = reader.i32();
  const previousEpoch = reader.i32();
  const state = STATES[reader.u8()];
  if (state === undefined) {
    throw new MillraceError('STORE_CORRUPT', 'A change of a group has a member in a state that does not exist.');
  }
  return { epoch, previousEpoch, state, assigned: readSet(reader), revoking: readSet(reader) };
}

function writeSet(writer: StateWriter, set: PartitionSet): void {
  writer.list(set, ([topicId, partitions]) => {
    writeId(writer, topicId).list(partitions, (partition) => writer.u32(partition));
  });
}

function readSet(reader: StateReader): PartitionSet {
  return new Map(reader.list(() => [readId(reader), reader.list(() => reader.u32())] as const));
}

function writeId(writer: StateWriter, topicId: string): StateWriter {
  for (let i = 0; i < 32; i += 8) writer.u32(Number.parseInt(topicId.slice(i, i + 8), 16));
  return writer;
}

function readId(reader: StateReader): string {
  let id = '';
  for (let i = 0; i < 4; i++) id += reader.u32().toString(16).padStart(8, '0');
  return id;
}
