/** What is true of a group at the moment, and how it is told: to members, to people, to the journal. No behaviour. */
import type { ClassicPhase, GroupDescription, Joined, SyncAnswer } from './api.ts';
import type { GroupImage, StoredPhase } from './group-image.ts';
import { type Member, NO_BYTES } from './member.ts';
import { Membership } from './membership.ts';

export class GroupFacts {
  readonly groupId: string;
  readonly members = new Membership();
  phase: ClassicPhase = 'empty';
  /** Wall clock, milliseconds: when the phase began. */
  changedAt: number;
  generation = 0;
  /** Of the first member ever; kept while the group is empty. */
  protocolType = '';
  /** Chosen when the generation was formed; null while the group is empty. */
  protocol: string | null = null;

  constructor(groupId: string, changedAt: number) {
    this.groupId = groupId;
    this.changedAt = changedAt;
  }

  enter(phase: ClassicPhase, now: number): void {
    this.phase = phase;
    this.changedAt = now;
  }
}

/** The answer to a JoinGroup: everybody's metadata goes to the leader only. */
export function joinedAnswer(facts: GroupFacts, member: Member, skipAssignment: boolean): Joined {
  const { members, protocol } = facts;
  const everybody = member.memberId === members.leaderId ? members.all() : [];
  return {
    error: undefined,
    memberId: member.memberId,
    generation: facts.generation,
    protocolType: facts.protocolType,
    protocol: protocol ?? '',
    leaderId: members.leaderId ?? '',
    members: Array.from(everybody, (other) => ({
      memberId: other.memberId,
      instanceId: other.instanceId,
      metadata: other.metadataFor(protocol),
    })),
    skipAssignment,
  };
}

export function assignmentAnswer(facts: GroupFacts, member: Member): SyncAnswer {
  const { protocolType, protocol } = facts;
  return { error: undefined, protocolType, protocol: protocol ?? '', assignment: member.assignment };
}

export function describeGroup(facts: GroupFacts): GroupDescription {
  const { groupId, phase, protocolType, generation, members } = facts;
  const protocol = phase === 'completing' || phase === 'stable' ? facts.protocol : null;
  return {
    groupId,
    type: 'classic',
    phase,
    protocolType,
    generation,
    protocol,
    leaderId: members.leaderId,
    members: Array.from(members.all(), (member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      metadata: member.metadataFor(protocol),
      assignment: phase === 'stable' ? member.assignment : NO_BYTES,
    })),
  };
}

/** @param assignmentOf what the members get in the phase that is stored, which may be ahead of the facts. */
export function groupImage(
  facts: GroupFacts,
  phase: StoredPhase,
  assignmentOf: (member: Member) => Uint8Array,
): GroupImage {
  const { groupId, changedAt, generation, protocolType, protocol, members } = facts;
  return {
    groupId,
    phase,
    changedAt,
    generation,
    protocolType,
    protocol,
    leaderId: members.leaderId,
    members: Array.from(members.all(), (member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeoutMs,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      protocols: member.protocols,
      assignment: assignmentOf(member),
    })),
  };
}
