/**
 * Brings one member nearer to its target, one heartbeat at a time: first it gives up what it shall lose, then it gets what
 * it shall have as far as others have given it up. So no partition ever has two members that may consume it.
 *
 * ```
 *             target changed, something to give up               something to give up still owned
 *   stable ───────────────────────────────────────► revoking ◄──────────────────────────────┐
 *     ▲  │                                             │  └──────────────────────────────────┘
 *     │  │ target changed, others hold part of it      │ given up: next epoch
 *     │  ▼                                             ▼
 *     └─ waiting ◄──── others hold part of it ◄──── target
 * ```
 *
 * The member reaches the target's epoch when it holds nothing beyond the target. Source: KIP-848, member reconciliation.
 */
import type { ConsumerMember, Progress } from './consumer-group.ts';
import { filterPartitions, hasPartition, isDisjoint, type PartitionSet, unite } from './partition-set.ts';

export interface ReconcileInput {
  readonly member: ConsumerMember;
  readonly target: PartitionSet;
  readonly targetEpoch: number;
  /** What the member says it owns; undefined where it does not say. */
  readonly owned: PartitionSet | undefined;
  /** Whether another member may still consume a partition. */
  readonly isHeld: (topicId: string, partition: number) => boolean;
}

/** @returns the member's next progress; the same object where nothing changes. */
export function reconcile(input: ReconcileInput): Progress {
  const { member, targetEpoch } = input;
  switch (member.state) {
    case 'stable':
      return member.epoch === targetEpoch ? member : advance(input, member.epoch);
    case 'revoking':
      return holds(input.owned, member.revoking) ? member : advance(input, member.epoch + 1);
    case 'waiting':
      return advance(input, member.epoch);
    default:
      return member.state satisfies never;
  }
}

/** @param epoch the member's, if it must first give up something. */
function advance({ member, target, targetEpoch, owned, isHeld }: ReconcileInput, epoch: number): Progress {
  const kept = filterPartitions(member.assigned, (topicId, partition) => hasPartition(target, topicId, partition));
  const lost = filterPartitions(member.assigned, (topicId, partition) => !hasPartition(target, topicId, partition));
  if (lost.size > 0 && holds(owned, lost)) {
    return { epoch, previousEpoch: member.epoch, state: 'revoking', assigned: kept, revoking: lost };
  }
  let waits = false;
  const gained = filterPartitions(target, (topicId, partition) => {
    if (hasPartition(kept, topicId, partition)) return false;
    const held = isHeld(topicId, partition);
    waits ||= held;
    return !held;
  });
  const state = waits ? 'waiting' : 'stable';
  const assigned = unite(kept, gained);
  // Still waiting for the same: nothing to store.
  if (state === member.state && epoch === targetEpoch && gained.size === 0 && lost.size === 0) return member;
  return { epoch: targetEpoch, previousEpoch: member.epoch, state, assigned, revoking: new Map() };
}

/** Who does not say what it owns may own everything. */
function holds(owned: PartitionSet | undefined, partitions: PartitionSet): boolean {
  return owned === undefined || !isDisjoint(owned, partitions);
}
