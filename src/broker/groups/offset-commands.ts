/**
 * Body of OFFSETS_COMMITTED: offsets a group stores or forgets. Types as in group-image.ts.
 *
 * | type | name | meaning |
 * |---|---|---|
 * | u8 | version | 1 |
 * | u8 | kind | 0 stored, 1 forgotten (deleted by an operator, or expired) |
 * | str | groupId | |
 * | i64 | at | wall clock ms |
 * | u32 | topicCount | then for each: str topic, u32 partitionCount, then for each partition: |
 * | u32 | partition | |
 * | i64 | offset | stored only, as all that follows |
 * | i32 | leaderEpoch | -1 unknown |
 * | u8 | flags | bit 0: metadata follows, bit 1: expiresAt follows |
 * | str | metadata | |
 * | i64 | expiresAt | wall clock ms |
 *
 * Body of GROUP_DELETED: u8 version 1, str groupId.
 *
 * Example, group "g" stores offset 5 of partition 0 of "t" at 1 ms after 1970:
 * `01 00 00000001 67 0000000000000001 00000001 00000001 74 00000001 00000000 0000000000000005 ffffffff 00`.
 */
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import { checkVersion } from './group-image.ts';
import type { CommittedOffset } from './topic-offsets.ts';

const VERSION = 1;
const STORED = 0;
const FORGOTTEN = 1;
const HAS_METADATA = 1;
const HAS_EXPIRY = 2;
/** A request with more than this becomes several commands of the same commit; the journal's bound is 16 MiB. */
const COMMAND_BYTES = 4 * 1024 * 1024;

export interface TopicChanges {
  readonly topic: string;
  /** Null: forget this partition's offset. One command holds either kind, never both. */
  readonly partitions: readonly { readonly partition: number; readonly committed: CommittedOffset | null }[];
}

/** Bodies of as many commands as the size asks for; none for no partitions. */
export function encodeOffsetChanges(
  groupId: string,
  kind: 'stored' | 'forgotten',
  at: number,
  topics: readonly TopicChanges[],
): Uint8Array[] {
  const bodies: Uint8Array[] = [];
  let open: TopicChanges[] = [];
  let openBytes = 0;
  const finish = (): void => {
    if (open.length > 0) bodies.push(encodeOne(groupId, kind, at, open));
    open = [];
    openBytes = 0;
  };
  for (const { topic, partitions } of topics) {
    let slice: TopicChanges['partitions'][number][] = [];
    for (const change of partitions) {
      if (slice.length === 0) {
        open.push({ topic, partitions: slice });
        openBytes += topic.length * 3;
      }
      slice.push(change);
      openBytes += 32 + (change.committed?.metadata.length ?? 0) * 3;
      if (openBytes >= COMMAND_BYTES) {
        finish();
        slice = [];
      }
    }
  }
  finish();
  return bodies;
}

function encodeOne(
  groupId: string,
  kind: 'stored' | 'forgotten',
  at: number,
  topics: readonly TopicChanges[],
): Uint8Array {
  const writer = new StateWriter(128)
    .u8(VERSION)
    .u8(kind === 'stored' ? STORED : FORGOTTEN)
    .string(groupId)
    .i64(at);
  writer.list(topics, ({ topic, partitions }) => {
    writer.string(topic).list(partitions, ({ partition, committed }) => {
      writer.u32(partition);
      if (committed !== null) writeOffset(writer, committed);
    });
  });
  return writer.finish();
}

/** Shared with the checkpoint section, which adds the commit time itself. */
export function writeOffset(writer: StateWriter, committed: CommittedOffset): void {
  const hasMetadata = committed.metadata !== '';
  const hasExpiry = committed.expiresAt !== -1;
  writer
    .i64(committed.offset)
    .i32(committed.leaderEpoch)
    .u8((hasMetadata ? HAS_METADATA : 0) | (hasExpiry ? HAS_EXPIRY : 0));
  if (hasMetadata) writer.string(committed.metadata);
  if (hasExpiry) writer.i64(committed.expiresAt);
}

export function readOffset(reader: StateReader, committedAt: number): CommittedOffset {
  const offset = reader.i64();
  const leaderEpoch = reader.i32();
  const flags = reader.u8();
  const metadata = flags & HAS_METADATA ? reader.string() : '';
  const expiresAt = flags & HAS_EXPIRY ? reader.i64() : -1;
  return { offset, leaderEpoch, metadata, committedAt, expiresAt };
}

/** Decodes without building lists: `change` is called per partition, in order. @throws STORE_CORRUPT. */
export function decodeOffsetChanges(
  body: Uint8Array,
  change: (groupId: string, topic: string, partition: number, committed: CommittedOffset | null) => void,
): void {
  const reader = new StateReader(body, 'offset command');
  checkVersion('offset command', reader.u8(), VERSION);
  const stored = reader.u8() === STORED;
  const groupId = reader.string();
  const at = reader.i64();
  for (let topics = reader.u32(); topics > 0; topics--) {
    const topic = reader.string();
    for (let partitions = reader.u32(); partitions > 0; partitions--) {
      const partition = reader.u32();
      change(groupId, topic, partition, stored ? readOffset(reader, at) : null);
    }
  }
}

export function encodeGroupDeleted(groupId: string): Uint8Array {
  return new StateWriter(64).u8(VERSION).string(groupId).finish();
}

export function decodeGroupDeleted(body: Uint8Array): string {
  const reader = new StateReader(body, 'group deletion');
  checkVersion('group deletion', reader.u8(), VERSION);
  return reader.string();
}
