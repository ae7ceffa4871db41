/**
 * A group of the new protocol as it is folded from the journal: the whole truth about it, but for timers. Changed by
 * `applyChange` alone, live and in replay; decisions are made on it in `decide-heartbeat.ts`.
 */
import { MillraceError } from '../../../base/errors.ts';
import { NO_PARTITIONS, type PartitionSet } from './partition-set.ts';

/**
 * `stable`: has what its target says, or nothing to do until the target changes. `revoking`: was asked to give up
 * partitions. `waiting`: partitions of its target are still somebody else's.
 */
export type MemberState = 'stable' | 'revoking' | 'waiting';

/** What a member says of itself. */
export interface Subscription {
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly rebalanceTimeoutMs: number;
  /** Canonical names, sorted. */
  readonly topics: readonly string[];
  readonly regex: string | null;
  readonly assignor: string | null;
}

/** Where a member stands. */
export interface Progress {
  /** The epoch it has reached; -2: a static member that has left for a while. */
  readonly epoch: number;
  /** The one before: its answer may have been lost. */
  readonly previousEpoch: number;
  readonly state: MemberState;
  /** What it may consume. */
  readonly assigned: PartitionSet;
  /** What it was asked to give up and still may consume. */
  readonly revoking: PartitionSet;
}

export interface ConsumerMember extends Subscription, Progress {
  readonly memberId: string;
}

export const LEFT_FOR_A_WHILE = -2;

/** One step of a group; body of CONSUMER_GROUP_CHANGED (consumer-commands.ts). */
export interface GroupChange {
  readonly groupId: string;
  readonly epoch: number;
  readonly targetEpoch: number;
  /** Wall clock, milliseconds. */
  readonly at: number;
  readonly assignor: string;
  /** Topics subscribed to as of this epoch, id to partition count; undefined: as before. */
  readonly topics: ReadonlyMap<string, number> | undefined;
  readonly removed: readonly string[];
  readonly members: readonly MemberChange[];
}

/** What is undefined stays. A new member has the first two. */
export interface MemberChange {
  readonly memberId: string;
  readonly subscription: Subscription | undefined;
  readonly progress: Progress | undefined;
  readonly target: PartitionSet | undefined;
}

const MEMBER_OVERHEAD_BYTES = 600;
const TOPIC_OVERHEAD_BYTES = 120;

export class ConsumerGroup {
  readonly groupId: string;
  /** Grows with every change of membership, subscriptions or the topics subscribed to. */
  epoch: number;
  /** The epoch that the targets were made for. */
  targetEpoch: number;
  /** Wall clock, milliseconds: when the group became empty, or got its first member. */
  changedAt = 0;
  assignor = '';
  topics: ReadonlyMap<string, number> = new Map();
  readonly #members = new Map<string, ConsumerMember>();
  readonly #targets = new Map<string, PartitionSet>();
  readonly #byInstance = new Map<string, string>();
  /** Topic id to owner by partition: whoever has it assigned, or has not given it up yet. */
  readonly #owners = new Map<string, (string | undefined)[]>();
  #sizeBytes = 0;
  #regexCount = 0;

  /** @param epoch of the classic group of this id that was there before, so that no number is used twice. */
  constructor(groupId: string, epoch: number) {
    this.groupId = groupId;
    this.epoch = epoch;
    this.targetEpoch = epoch;
  }

  get size(): number {
    return this.#members.size;
  }

  /** Approximate memory. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Members that are subscribed by a regular expression. */
  get regexCount(): number {
    return this.#regexCount;
  }

  /** In order of joining. */
  members(): IterableIterator<ConsumerMember> {
    return this.#members.values();
  }

  member(memberId: string): ConsumerMember | undefined {
    return this.#members.get(memberId);
  }

  byInstance(instanceId: string): ConsumerMember | undefined {
    const memberId = this.#byInstance.get(instanceId);
    return memberId === undefined ? undefined : this.#members.get(memberId);
  }

  target(memberId: string): PartitionSet {
    return this.#targets.get(memberId) ?? NO_PARTITIONS;
  }

  owner(topicId: string, partition: number): string | undefined {
    return this.#owners.get(topicId)?.[partition];
  }

  get phase(): 'empty' | 'assigning' | 'reconciling' | 'stable' {
    if (this.#members.size === 0) return 'empty';
    if (this.epoch > this.targetEpoch) return 'assigning';
    for (const member of this.#members.values()) if (!isReconciled(member, this.targetEpoch)) return 'reconciling';
    return 'stable';
  }

  /** Part of the fold. */
  applyChange(change: GroupChange): void {
    const wasEmpty = this.#members.size === 0;
    this.epoch = change.epoch;
    this.targetEpoch = change.targetEpoch;
    this.assignor = change.assignor;
    if (change.topics !== undefined) this.topics = change.topics;
    for (const memberId of change.removed) this.#remove(memberId);
    for (const member of change.members) this.#change(member);
    if (wasEmpty !== (this.#members.size === 0) || this.changedAt === 0) this.changedAt = change.at;
  }

  #remove(memberId: string): void {
    const member = this.#members.get(memberId);
    if (member === undefined) return;
    this.#sizeBytes -= memberBytes(member, this.target(memberId));
    if (member.regex !== null) this.#regexCount -= 1;
    this.#release(member);
    this.#members.delete(memberId);
    this.#targets.delete(memberId);
    if (member.instanceId !== null && this.#byInstance.get(member.instanceId) === memberId) {
      this.#byInstance.delete(member.instanceId);
    }
  }

  #change({ memberId, subscription, progress, target }: MemberChange): void {
    const before = this.#members.get(memberId);
    if (before !== undefined) {
      this.#sizeBytes -= memberBytes(before, this.target(memberId));
      if (before.regex !== null) this.#regexCount -= 1;
      this.#release(before);
      if (before.instanceId !== null) this.#byInstance.delete(before.instanceId);
    }
    if (before === undefined && (subscription === undefined || progress === undefined)) {
      throw new MillraceError('STORE_CORRUPT', `A change of group "${this.groupId}" names a member it does not have.`);
    }
    const member = { ...before, ...subscription, ...progress, memberId } as ConsumerMember;
    this.#members.set(memberId, member);
    if (member.instanceId !== null) this.#byInstance.set(member.instanceId, memberId);
    if (target !== undefined) this.#targets.set(memberId, target);
    this.#take(member);
    this.#sizeBytes += memberBytes(member, this.target(memberId));
    if (member.regex !== null) this.#regexCount += 1;
  }

  #take({ memberId, assigned, revoking }: ConsumerMember): void {
    for (const set of [assigned, revoking]) {
      for (const [topicId, partitions] of set) {
        const owners = this.#owners.get(topicId) ?? [];
        this.#owners.set(topicId, owners);
        for (const partition of partitions) owners[partition] = memberId;
      }
    }
  }

  #release({ memberId, assigned, revoking }: ConsumerMember): void {
    for (const set of [assigned, revoking]) {
      for (const [topicId, partitions] of set) {
        const owners = this.#owners.get(topicId);
        for (const partition of partitions) if (owners?.[partition] === memberId) owners[partition] = undefined;
        if (owners?.every((owner) => owner === undefined) === true) this.#owners.delete(topicId);
      }
    }
  }
}

export function isReconciled(member: ConsumerMember, targetEpoch: number): boolean {
  return member.state === 'stable' && member.epoch === targetEpoch;
}

function memberBytes(member: ConsumerMember, target: PartitionSet): number {
  let bytes = MEMBER_OVERHEAD_BYTES + subscriptionBytes(member) + 2 * member.memberId.length;
  for (const set of [member.assigned, member.revoking, target]) {
    for (const partitions of set.values()) bytes += TOPIC_OVERHEAD_BYTES + partitions.length * 16;
  }
  return bytes;
}

/** What a client makes us keep for it. */
export function subscriptionBytes(subscription: Subscription): number {
  const { instanceId, rackId, clientId, clientHost, topics, regex, assignor } = subscription;
  let bytes = 0;
  for (const text of [instanceId, rackId, clientId, clientHost, regex, assignor])
    bytes += Buffer.byteLength(text ?? '');
  for (const topic of topics) bytes += 24 + Buffer.byteLength(topic);
  return bytes;
}
