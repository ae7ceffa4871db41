/**
 * Body of GROUP_CHANGED: a group's whole membership as of one generation. The folded state keeps it as these bytes and
 * opens it only when the group comes to life, so an idle group costs its image and nothing else.
 *
 * All big-endian; `str` is u32 length and UTF-8, `str?` a flag byte before it, `bytes` u32 length and bytes.
 *
 * | type | name | meaning |
 * |---|---|---|
 * | u8 | version | 1 |
 * | str | groupId | |
 * | u8 | phase | 0 empty, 1 completing (no assignment yet), 2 stable |
 * | i64 | changedAt | wall clock ms when this phase began; retention of an empty group's offsets counts from it |
 * | u32 | generation | |
 * | str | protocolType | |
 * | str? | protocol | chosen one; null when empty |
 * | str? | leaderId | null when empty |
 * | u32 | memberCount | then for each: |
 * | str, str? | memberId, instanceId | |
 * | str, str | clientId, clientHost | |
 * | u32, u32 | sessionTimeoutMs, rebalanceTimeoutMs | |
 * | u32 | protocolCount | then for each: str name, bytes metadata; preferred first |
 * | bytes | assignment | empty unless stable |
 *
 * Example, group "g" empty in generation 3 since 1 ms after 1970, type "c":
 * `01 00000001 67 00 0000000000000001 00000003 00000001 63 00 00 00000000`.
 *
 * To change the layout: add a version, keep reading the old ones, add a fixture to group-image.test.ts.
 */
import { MillraceError } from '../../base/errors.ts';
import { StateReader, StateWriter } from '../../base/state-bytes.ts';
import type { GroupProtocol } from './api.ts';

const VERSION = 1;

/** On disk: never renumber. */
const PHASES = ['empty', 'completing', 'stable'] as const;
export type StoredPhase = (typeof PHASES)[number];

export interface MemberImage {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly GroupProtocol[];
  readonly assignment: Uint8Array;
}

export interface GroupSummary {
  readonly groupId: string;
  readonly phase: StoredPhase;
  readonly changedAt: number;
  readonly generation: number;
  readonly protocolType: string;
  readonly protocol: string | null;
  readonly leaderId: string | null;
}

export interface GroupImage extends GroupSummary {
  readonly members: readonly MemberImage[];
}

export function encodeGroupImage(image: GroupImage): Uint8Array {
  const writer = new StateWriter(512)
    .u8(VERSION)
    .string(image.groupId)
    .u8(PHASES.indexOf(image.phase))
    .i64(image.changedAt)
    .u32(image.generation)
    .string(image.protocolType)
    .nullableString(image.protocol)
    .nullableString(image.leaderId);
  writer.list(image.members, (member) => writeMember(writer, member));
  return writer.finish();
}

function writeMember(writer: StateWriter, member: MemberImage): void {
  writer
    .string(member.memberId)
    .nullableString(member.instanceId)
    .string(member.clientId)
    .string(member.clientHost)
    .u32(member.sessionTimeoutMs)
    .u32(member.rebalanceTimeoutMs)
    .list(member.protocols, (protocol) => writer.string(protocol.name).bytes(protocol.metadata))
    .bytes(member.assignment);
}

/** All but the members: what listing and retention look at. @throws STORE_CORRUPT. */
export function decodeGroupSummary(bytes: Uint8Array): GroupSummary {
  return readSummary(new StateReader(bytes, 'group image'));
}

/** @throws STORE_CORRUPT. */
export function decodeGroupImage(bytes: Uint8Array): GroupImage {
  const reader = new StateReader(bytes, 'group image');
  const summary = readSummary(reader);
  return { ...summary, members: reader.list(() => readMember(reader)) };
}

function readSummary(reader: StateReader): GroupSummary {
  checkVersion('group image', reader.u8(), VERSION);
  const groupId = reader.string();
  const phase = PHASES[reader.u8()];
  if (phase === undefined) {
    throw new MillraceError('STORE_CORRUPT', `The image of group "${groupId}" has a phase that does not exist.`);
  }
  return {
    groupId,
    phase,
    changedAt: reader.i64(),
    generation: reader.u32(),
    protocolType: reader.string(),
    protocol: reader.nullableString(),
    leaderId: reader.nullableString(),
  };
}

function readMember(reader: StateReader): MemberImage {
  return {
    memberId: reader.string(),
    instanceId: reader.nullableString(),
    clientId: reader.string(),
    clientHost: reader.string(),
    sessionTimeoutMs: reader.u32(),
    rebalanceTimeoutMs: reader.u32(),
    protocols: reader.list(() => ({ name: reader.string(), metadata: reader.bytes() })),
    assignment: reader.bytes(),
  };
}

export function checkVersion(what: string, found: number, known: number): void {
  if (found === known) return;
  throw new MillraceError(
    'STORE_CORRUPT',
    `A ${what} has version ${found}; this release reads version ${known}. Was the data written by a newer release?`,
    { details: { what, found, known } },
  );
}
