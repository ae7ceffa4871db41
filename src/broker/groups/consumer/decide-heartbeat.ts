/**
 * What a heartbeat of the new protocol does to its group: decided on the folded state, stored, then answered. Pure, so
 * that it may run in a journal's `build`: time, topics and member ids are handed in.
 *
 * The order of the checks is the one clients know from Kafka. Source: KIP-848.
 */
import type { ErrorCode } from '../../../base/errors.ts';
import type { ConsumerHeartbeatAnswer, ConsumerHeartbeatRefused, ConsumerHeartbeatRequest } from './api.ts';
import { ASSIGNORS, type Assignee, electAssignor, isAssignor } from './assignors.ts';
import {
  type ConsumerGroup,
  type ConsumerMember,
  type GroupChange,
  isReconciled,
  LEFT_FOR_A_WHILE,
  type MemberChange,
  type Progress,
  type Subscription,
} from './consumer-group.ts';
import { isSubset, NO_PARTITIONS, type PartitionSet, samePartitions } from './partition-set.ts';
import { reconcile } from './reconcile.ts';

const JOIN = 0;
const LEAVE = -1;
const LAST_EPOCH = 0x7fff_ffff;
/**
 * Of a member that joins without one. Kafka refuses it, which is fatal for the client; but librdkafka 2.15 may join so where
 * unsubscribing and subscribing follow each other fast. As long as `max.poll.interval.ms` is by default.
 */
const DEFAULT_REBALANCE_TIMEOUT_MS = 300_000;

/** Topics of the head state. */
export interface TopicView {
  /** Id and partition count of a topic. */
  find(name: string): { readonly id: string; readonly partitionCount: number } | undefined;
  /** Names that a regex matches; all regexes of the group's members have been parsed. */
  matches(regex: string): readonly string[];
}

export interface HeartbeatContext {
  readonly topics: TopicView;
  /** Topics may have changed since this group last looked. */
  readonly topicsChanged: boolean;
  /** Wall clock, milliseconds. */
  readonly now: number;
  readonly maxSize: number;
  readonly maxRebalanceTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** While the member waits for partitions that others still hold. */
  readonly waitingIntervalMs: number;
}

/** `change` undefined: nothing to store. */
export interface Decision {
  readonly answer: ConsumerHeartbeatAnswer;
  readonly change: GroupChange | undefined;
}

/** Before any group is looked at. The regex is parsed elsewhere. */
export function refuseRequest(request: ConsumerHeartbeatRequest): ConsumerHeartbeatRefused | undefined {
  const { memberId, epoch, instanceId, rackId, assignor, owned } = request;
  if (instanceId === '') return invalid('InstanceId cannot be empty.');
  if (rackId === '') return invalid('RackId cannot be empty.');
  if (memberId === '' && (epoch !== JOIN || request.requireMemberId)) return invalid('MemberId cannot be empty.');
  if (epoch < LEFT_FOR_A_WHILE) return invalid(`MemberEpoch ${epoch} is none.`);
  if (epoch === LEFT_FOR_A_WHILE && instanceId === null)
    return invalid('MemberEpoch -2 is for members with an InstanceId.');
  if (epoch === JOIN) {
    if (owned !== null && owned.size > 0) return invalid('TopicPartitions must be empty in the first heartbeat.');
    const subscribes = (request.topics !== null && request.topics.length > 0) || (request.regex ?? '') !== '';
    if (!subscribes) {
      return invalid('SubscribedTopicNames or SubscribedTopicRegex must be given in the first heartbeat.');
    }
  }
  if (assignor !== null && !isAssignor(assignor)) {
    return refuse('BROKER_ASSIGNOR_UNSUPPORTED', `There is no assignor "${assignor}"; there are uniform and range.`);
  }
  return undefined;
}

export function decideHeartbeat(
  group: ConsumerGroup,
  request: ConsumerHeartbeatRequest,
  context: HeartbeatContext,
): Decision {
  if (request.epoch < 0) return decideLeave(group, request, context.now);
  const found = findMember(group, request, context.maxSize);
  if ('error' in found) return { answer: found, change: undefined };
  return new Heartbeat(group, request, context, found).decide();
}

/**
 * Whether a heartbeat says nothing that the group does not know, of a member that has all it shall have. Nearly all are so:
 * `decideHeartbeat` would store nothing and tell the member its epoch, so long as the topics are those the group has seen.
 */
export function isSteady(group: ConsumerGroup, request: ConsumerHeartbeatRequest): boolean {
  const member = group.member(request.memberId);
  if (member === undefined || request.epoch !== member.epoch || !isReconciled(member, group.targetEpoch)) return false;
  const isSilent = request.owned === null && request.topics === null && request.regex === null;
  return isSilent && group.epoch === group.targetEpoch && isAsKnown(member, request);
}

/** What a member may say again with each heartbeat. */
function isAsKnown(member: ConsumerMember, request: ConsumerHeartbeatRequest): boolean {
  const { instanceId, rackId, assignor, rebalanceTimeoutMs, clientId, clientHost } = request;
  return (
    (instanceId === null || instanceId === member.instanceId) &&
    (rackId === null || rackId === member.rackId) &&
    (assignor === null || assignor === member.assignor) &&
    (rebalanceTimeoutMs < 0 || rebalanceTimeoutMs === member.rebalanceTimeoutMs) &&
    clientId === member.clientId &&
    clientHost === member.clientHost
  );
}

/** A member goes because it is silent, or does not give up what it shall. */
export function decideRemoval(group: ConsumerGroup, memberId: string, now: number): GroupChange {
  return {
    groupId: group.groupId,
    epoch: nextEpoch(group.epoch),
    targetEpoch: group.targetEpoch,
    at: now,
    assignor: group.assignor,
    topics: undefined,
    removed: [memberId],
    members: [],
  };
}

/** The member that asks; `before` undefined: new. `replaces`: the static member whose place it takes. */
interface Found {
  readonly before: ConsumerMember | undefined;
  readonly replaces: string | undefined;
  readonly rejoins: boolean;
}

function findMember(
  group: ConsumerGroup,
  request: ConsumerHeartbeatRequest,
  maxSize: number,
): Found | ConsumerHeartbeatRefused {
  const { memberId, instanceId, epoch } = request;
  const known = group.member(memberId);
  const holder = instanceId === null ? undefined : group.byInstance(instanceId);
  if (epoch === JOIN) {
    if (known === undefined && holder === undefined && group.size >= maxSize) {
      return refuse('BROKER_GROUP_FULL', `The group has ${maxSize} members and takes no more.`);
    }
    if (holder !== undefined && holder.memberId !== memberId) {
      if (holder.epoch !== LEFT_FOR_A_WHILE) {
        return refuse(
          'BROKER_INSTANCE_UNRELEASED',
          `InstanceId "${instanceId}" belongs to a member that has not left.`,
        );
      }
      return { before: holder, replaces: holder.memberId, rejoins: true };
    }
    return { before: known, replaces: undefined, rejoins: known !== undefined };
  }
  if (instanceId !== null) {
    if (holder === undefined) return unknown(memberId);
    if (holder.memberId !== memberId) return fencedInstance(instanceId);
  }
  if (known === undefined) return unknown(memberId);
  return refuseEpoch(known, request) ?? { before: known, replaces: undefined, rejoins: false };
}

/** The epoch before is taken from a member that owns nothing it should not: the answer with the new one was lost. */
function refuseEpoch(member: ConsumerMember, { epoch, owned }: ConsumerHeartbeatRequest) {
  if (epoch === member.epoch) return undefined;
  const isPrevious = epoch === member.previousEpoch && member.epoch !== LEFT_FOR_A_WHILE;
  if (isPrevious && owned !== null && isSubset(owned, member.assigned)) return undefined;
  return refuse(
    'BROKER_MEMBER_EPOCH_FENCED',
    `The member says epoch ${epoch} and is at ${member.epoch}. It must give up everything and join again.`,
  );
}

function decideLeave(
  group: ConsumerGroup,
  { memberId, instanceId, epoch }: ConsumerHeartbeatRequest,
  now: number,
): Decision {
  const member = instanceId === null ? group.member(memberId) : group.byInstance(instanceId);
  if (member === undefined) return { answer: unknown(memberId), change: undefined };
  if (member.memberId !== memberId) return { answer: fencedInstance(instanceId ?? ''), change: undefined };
  const answer = { error: undefined, memberId, epoch, intervalMs: 0, assigned: undefined };
  if (epoch === LEAVE) return { answer, change: decideRemoval(group, memberId, now) };
  // It keeps its place until it is back or its session ends. What it was to give up it has given up by leaving.
  const progress: Progress = {
    ...member,
    epoch: LEFT_FOR_A_WHILE,
    previousEpoch: member.epoch,
    revoking: NO_PARTITIONS,
  };
  return { answer, change: { ...unchanged(group, now), members: [only(memberId, { progress })] } };
}

/** One heartbeat of a member, from what it says to what is stored and answered. */
class Heartbeat {
  readonly #group: ConsumerGroup;
  readonly #request: ConsumerHeartbeatRequest;
  readonly #context: HeartbeatContext;
  readonly #before: ConsumerMember | undefined;
  readonly #replaces: string | undefined;
  readonly #rejoins: boolean;
  /** The member as it says it is, where it was. */
  readonly #member: ConsumerMember;

  constructor(group: ConsumerGroup, request: ConsumerHeartbeatRequest, context: HeartbeatContext, found: Found) {
    this.#group = group;
    this.#request = request;
    this.#context = context;
    this.#before = found.before;
    this.#replaces = found.replaces;
    this.#rejoins = found.rejoins;
    this.#member = {
      ...subscriptionOf(found.before, request, context.maxRebalanceTimeoutMs),
      ...(found.before === undefined || found.rejoins ? FRESH : progressOf(found.before)),
      memberId: request.memberId,
    };
  }

  decide(): Decision {
    const group = this.#group;
    const member = this.#member;
    const isNew = this.#before === undefined;
    const subscriptionChanged = isNew || !sameSubscription(this.#before, member);
    const wishesChanged = isNew || !sameWishes(this.#before, member);
    const looks = wishesChanged || this.#context.topicsChanged || group.epoch > group.targetEpoch;
    const topics = looks ? this.#subscribedTopics() : group.topics;
    const topicsChanged = looks && !sameTopics(topics, group.topics);
    const epoch = wishesChanged || topicsChanged ? nextEpoch(group.epoch) : group.epoch;
    const assigns = epoch > group.targetEpoch;
    const assignor = assigns ? electAssignor(this.#wishes()) : group.assignor;
    const targets = assigns ? this.#assign(assignor, topics) : undefined;
    const targetEpoch = assigns ? epoch : group.targetEpoch;
    const progress = this.#reconcile(targetEpoch, targets?.get(member.memberId) ?? this.#formerTarget());
    const moved = progress !== this.#member;
    const change =
      subscriptionChanged || moved || epoch !== group.epoch || this.#replaces !== undefined || this.#rejoins || assigns
        ? {
            ...unchanged(group, this.#context.now),
            epoch,
            targetEpoch,
            assignor,
            topics: topicsChanged ? topics : undefined,
            removed: this.#replaces === undefined ? [] : [this.#replaces],
            members: this.#changes(subscriptionChanged, progress, targets),
          }
        : undefined;
    return { answer: this.#answer(progress, targetEpoch), change };
  }

  #formerTarget(): PartitionSet {
    return this.#group.target(this.#replaces ?? this.#member.memberId);
  }

  /** Everybody, with the member that asks as it is now. */
  *#everybody(): Generator<ConsumerMember> {
    for (const member of this.#group.members()) {
      if (member.memberId !== this.#before?.memberId) yield member;
    }
    yield this.#member;
  }

  *#wishes(): Generator<string | null> {
    for (const { assignor } of this.#everybody()) yield assignor;
  }

  #subscribedTopics(): Map<string, number> {
    const topics = new Map<string, number>();
    const add = (name: string): void => {
      const topic = this.#context.topics.find(name);
      if (topic !== undefined) topics.set(topic.id, topic.partitionCount);
    };
    const regexes = new Set<string>();
    for (const member of this.#everybody()) {
      for (const name of member.topics) add(name);
      if (member.regex !== null) regexes.add(member.regex);
    }
    for (const regex of regexes) for (const name of this.#context.topics.matches(regex)) add(name);
    return topics;
  }

  #assign(assignor: string, topics: ReadonlyMap<string, number>): Map<string, PartitionSet> {
    const idsByRegex = new Map<string, string[]>();
    const idsOf = (regex: string): string[] => {
      const ids = idsByRegex.get(regex) ?? this.#ids(this.#context.topics.matches(regex));
      idsByRegex.set(regex, ids);
      return ids;
    };
    const members = Array.from(this.#everybody(), ({ memberId, instanceId, topics: names, regex }): Assignee => {
      const ids = new Set(this.#ids(names));
      if (regex !== null) for (const id of idsOf(regex)) ids.add(id);
      const current = memberId === this.#member.memberId ? this.#formerTarget() : this.#group.target(memberId);
      return { memberId, instanceId, topics: ids, current };
    });
    return ASSIGNORS[assignor]?.(members, topics) ?? new Map<string, PartitionSet>();
  }

  #ids(names: readonly string[]): string[] {
    return names.flatMap((name) => this.#context.topics.find(name)?.id ?? []);
  }

  #reconcile(targetEpoch: number, target: PartitionSet): Progress {
    const member = this.#member;
    if (isReconciled(member, targetEpoch)) return member;
    const { owned } = this.#request;
    return reconcile({
      member,
      target,
      targetEpoch,
      owned: owned ?? undefined,
      isHeld: (topicId, partition) => {
        const owner = this.#group.owner(topicId, partition);
        return owner !== undefined && owner !== member.memberId && owner !== this.#replaces;
      },
    });
  }

  #changes(
    subscriptionChanged: boolean,
    progress: Progress,
    targets: ReadonlyMap<string, PartitionSet> | undefined,
  ): MemberChange[] {
    const { memberId } = this.#member;
    const isWhole = subscriptionChanged || this.#replaces !== undefined;
    const moved = isWhole || this.#rejoins || progress !== this.#member;
    const own = targets?.get(memberId) ?? this.#formerTarget();
    const changes = [
      only(memberId, {
        subscription: isWhole ? this.#member : undefined,
        progress: moved ? progress : undefined,
        target: samePartitions(own, this.#group.target(memberId)) ? undefined : own,
      }),
    ];
    for (const [id, target] of targets ?? []) {
      if (id !== memberId && !samePartitions(target, this.#group.target(id))) changes.push(only(id, { target }));
    }
    return changes;
  }

  #answer(progress: Progress, targetEpoch: number): ConsumerHeartbeatAnswer {
    const { memberId, epoch, rebalanceTimeoutMs, topics, regex, owned } = this.#request;
    // A member sends everything when it joins, and when it does not know what became of its last heartbeat.
    const isFull = epoch === JOIN || (rebalanceTimeoutMs >= 0 && (topics !== null || regex !== null) && owned !== null);
    const isTold = isFull || this.#before === undefined || !samePartitions(progress.assigned, this.#before.assigned);
    const { heartbeatIntervalMs, waitingIntervalMs } = this.#context;
    const waits = progress.state === 'waiting' || progress.epoch !== targetEpoch;
    return {
      error: undefined,
      memberId,
      epoch: progress.epoch,
      intervalMs: waits ? Math.min(waitingIntervalMs, heartbeatIntervalMs) : heartbeatIntervalMs,
      assigned: isTold ? progress.assigned : undefined,
    };
  }
}

const FRESH: Progress = {
  epoch: 0,
  previousEpoch: 0,
  state: 'stable',
  assigned: NO_PARTITIONS,
  revoking: NO_PARTITIONS,
};

function progressOf({ epoch, previousEpoch, state, assigned, revoking }: ConsumerMember): Progress {
  return { epoch, previousEpoch, state, assigned, revoking };
}

function subscriptionOf(
  before: ConsumerMember | undefined,
  request: ConsumerHeartbeatRequest,
  maxRebalanceTimeoutMs: number,
): Subscription {
  const { clientId, clientHost, rebalanceTimeoutMs, topics, regex } = request;
  const timeoutMs = Math.min(Math.max(rebalanceTimeoutMs, 1), maxRebalanceTimeoutMs);
  return {
    instanceId: request.instanceId ?? before?.instanceId ?? null,
    rackId: request.rackId ?? before?.rackId ?? null,
    clientId,
    clientHost,
    rebalanceTimeoutMs:
      rebalanceTimeoutMs < 0
        ? (before?.rebalanceTimeoutMs ?? Math.min(DEFAULT_REBALANCE_TIMEOUT_MS, maxRebalanceTimeoutMs))
        : timeoutMs,
    topics: topics === null ? (before?.topics ?? []) : [...new Set(topics)].sort(),
    regex: regex === null ? (before?.regex ?? null) : regex === '' ? null : regex,
    assignor: request.assignor ?? before?.assignor ?? null,
  };
}

/** What the assignment depends on. */
function sameWishes(a: Subscription | undefined, b: Subscription): boolean {
  if (a === undefined || a.regex !== b.regex || a.topics.length !== b.topics.length) return false;
  return a.topics.every((topic, i) => topic === b.topics[i]);
}

function sameSubscription(a: Subscription | undefined, b: Subscription): boolean {
  if (a === undefined || !sameWishes(a, b)) return false;
  const keys = ['instanceId', 'rackId', 'clientId', 'clientHost', 'rebalanceTimeoutMs', 'assignor'] as const;
  return keys.every((key) => a[key] === b[key]);
}

function sameTopics(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): boolean {
  if (a.size !== b.size) return false;
  for (const [topicId, count] of a) if (b.get(topicId) !== count) return false;
  return true;
}

function unchanged({ groupId, epoch, targetEpoch, assignor }: ConsumerGroup, at: number): GroupChange {
  return { groupId, epoch, targetEpoch, at, assignor, topics: undefined, removed: [], members: [] };
}

function only(memberId: string, parts: Partial<MemberChange>): MemberChange {
  return { memberId, subscription: parts.subscription, progress: parts.progress, target: parts.target };
}

/** Epochs are signed 32-bit on the wire; two thousand million rebalances later the group must be made anew. */
function nextEpoch(epoch: number): number {
  return Math.min(epoch + 1, LAST_EPOCH);
}

function invalid(message: string): ConsumerHeartbeatRefused {
  return refuse('BROKER_REQUEST_INVALID', message);
}

function refuse(error: ErrorCode, message: string): ConsumerHeartbeatRefused {
  return { error, message };
}

function unknown(memberId: string): ConsumerHeartbeatRefused {
  return refuse('BROKER_MEMBER_UNKNOWN', `Member ${memberId} is not in the group.`);
}

function fencedInstance(instanceId: string): ConsumerHeartbeatRefused {
  return refuse('BROKER_MEMBER_FENCED', `InstanceId "${instanceId}" belongs to another member now.`);
}
