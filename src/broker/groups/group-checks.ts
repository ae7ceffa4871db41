/** Which request a group refuses, and why. Pure: the order of the checks is the order clients know from Kafka. */
import type { ErrorCode } from '../../base/errors.ts';
import type { GroupSettings, HeartbeatRequest, JoinRequest, OffsetCommitRequest, SyncRequest } from './api.ts';
import type { GroupFacts } from './group-facts.ts';
import { imageBytes } from './member.ts';

/** All but the member id itself, which may be new, reserved or known. */
export function refuseJoin(facts: GroupFacts, request: JoinRequest, settings: GroupSettings): ErrorCode | undefined {
  if (facts.phase === 'dead') return 'BROKER_COORDINATOR_UNAVAILABLE';
  const { members } = facts;
  const { memberId, instanceId, protocolType, protocols } = request;
  const self = members.get(memberId) ?? (instanceId === null ? undefined : members.byInstance(instanceId));
  // A wrong member id is told so further on, whether the group is full or not.
  const isNew = memberId === '' && self === undefined;
  if (isNew && members.size + members.reservedCount >= settings.groupMaxSize) return 'BROKER_GROUP_FULL';
  if (protocolType === '' || protocols.length === 0) return 'BROKER_PROTOCOL_INCONSISTENT';
  const isCommon = protocolType === facts.protocolType && members.haveCommon(protocols, self);
  if (members.size > 0 && !isCommon) return 'BROKER_PROTOCOL_INCONSISTENT';
  const growth = imageBytes(request) - (self === undefined ? 0 : imageBytes(self));
  return growth > 0 && members.sizeBytes + growth > settings.groupMaxBytes ? 'BROKER_GROUP_FULL' : undefined;
}

export function refuseSync(facts: GroupFacts, request: SyncRequest, settings: GroupSettings): ErrorCode | undefined {
  const wrong = refuseMember(facts, request);
  if (wrong !== undefined) return wrong;
  const { protocolType, protocol } = request;
  if (protocolType !== null && protocolType !== facts.protocolType) return 'BROKER_PROTOCOL_INCONSISTENT';
  if (protocol !== null && protocol !== facts.protocol) return 'BROKER_PROTOCOL_INCONSISTENT';
  if (facts.phase === 'preparing') return 'BROKER_REBALANCE_IN_PROGRESS';
  let bytes = 0;
  for (const { assignment } of request.assignments) bytes += assignment.length;
  return bytes > settings.groupMaxBytes ? 'BROKER_LIMIT_REACHED' : undefined;
}

/** What every request in the name of a member and a generation must pass. */
export function refuseMember(facts: GroupFacts, request: Omit<HeartbeatRequest, 'groupId'>): ErrorCode | undefined {
  if (facts.phase === 'dead') return 'BROKER_COORDINATOR_UNAVAILABLE';
  const wrong = facts.members.check(request.memberId, request.instanceId);
  if (wrong !== undefined) return wrong;
  return request.generation === facts.generation ? undefined : 'BROKER_GENERATION_ILLEGAL';
}

/** @param isTransactional the transaction fences zombies by itself, so less is asked of the member (KIP-447). */
export function refuseCommit(
  facts: GroupFacts,
  request: OffsetCommitRequest,
  isTransactional: boolean,
): ErrorCode | undefined {
  const { memberId, instanceId, generation } = request;
  if (generation < 0 && facts.phase === 'empty') return undefined;
  // Somebody who is no member writes only while nobody is.
  const isAnonymous = generation < 0 && memberId === '' && instanceId === null;
  if (isAnonymous && facts.phase !== 'dead') return isTransactional ? undefined : 'BROKER_MEMBER_UNKNOWN';
  const wrong = refuseMember(facts, request);
  if (wrong !== undefined) return wrong;
  // It knows the generation but not its assignment: what it would commit may be somebody else's by now.
  return facts.phase === 'completing' && !isTransactional ? 'BROKER_REBALANCE_IN_PROGRESS' : undefined;
}
