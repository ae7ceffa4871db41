/**
 * All groups of the new protocol (KIP-848) of one lane: ties their folded state to requests, timers and the journal.
 *
 * A group is nothing but its folded state, and a heartbeat is one transaction: decided on the head state, stored, and
 * answered when it is durable. Besides there are two deadlines for each member: its session, and the time it has for
 * giving up partitions.
 */
import type { Clock } from '../../../base/clock.ts';
import type { ErrorCode } from '../../../base/errors.ts';
import { MillraceError } from '../../../base/errors.ts';
import { type CommitBuilder, type Journal, transactOnce } from '../../../journal/journal.ts';
import { COMMAND } from '../../state-part.ts';
import type { GroupCounters, GroupLogger, GroupSettings, OffsetCommitRequest } from '../api.ts';
import type { Deadline, Deadlines } from '../deadlines.ts';
import { decodeGroupSummary } from '../group-image.ts';
import type { GroupState } from '../group-state.ts';
import type {
  ConsumerGroupDescription,
  ConsumerHeartbeatAnswer,
  ConsumerHeartbeatRefused,
  ConsumerHeartbeatRequest,
  DescribedTopic,
} from './api.ts';
import { encodeGroupChange } from './consumer-commands.ts';
import { ConsumerGroup, type GroupChange, subscriptionBytes } from './consumer-group.ts';
import {
  type Decision,
  decideHeartbeat,
  decideRemoval,
  isSteady,
  refuseRequest,
  type TopicView,
} from './decide-heartbeat.ts';
import type { PartitionSet } from './partition-set.ts';
import { RegexMatches, type TopicNames } from './regex-matches.ts';
import { RegexError } from './regex-program.ts';

/** A removal that the journal refused (overload) is offered again after this. */
const RETRY_MS = 1_000;

/** Topics of the head state, as groups see them. */
export interface GroupTopics extends TopicNames {
  find(name: string): { readonly id: string; readonly partitionCount: number } | undefined;
  nameOf(topicId: string): string | undefined;
}

export interface ConsumerGroupsOptions {
  readonly journal: Journal;
  readonly state: GroupState;
  readonly clock: Clock;
  readonly settings: GroupSettings;
  readonly counters: GroupCounters;
  readonly deadlines: Deadlines;
  readonly logger: GroupLogger | undefined;
  readonly topics: GroupTopics;
  readonly newMemberId: () => string;
  /** A classic group of this id is alive: it has members, or somebody is about to join it. */
  readonly isClassic: (groupId: string) => boolean;
}

interface Considered extends Decision {
  /** The group's target epoch before. */
  readonly targetBefore: number;
  /** Of the topics that were looked at. */
  readonly topicsVersion: number;
}

interface MemberTimers {
  /** Ends a member that was not heard of. */
  readonly session: Deadline;
  /** Ends a member that does not give up what it was asked to. */
  readonly revocation: Deadline;
}

export class ConsumerGroups {
  readonly #options: ConsumerGroupsOptions;
  readonly #regexes: RegexMatches;
  /** By group, then by member. */
  readonly #timers = new Map<string, Map<string, MemberTimers>>();
  /** Members of all groups. */
  #memberCount = 0;
  /** Version of the topics that each group has looked at. */
  readonly #seenTopics = new Map<string, number>();
  /** Changes of each group that are staged and not durable. One that failed is never taken off: what it left is in doubt. */
  readonly #undurable = new Map<string, number>();

  constructor(options: ConsumerGroupsOptions) {
    this.#options = options;
    this.#regexes = new RegexMatches(options.topics, options.clock);
  }

  /** After recovery: members found in the state have all of their time from now on. */
  start(): void {
    for (const { consumer } of this.#options.state.all()) {
      if (consumer === undefined) continue;
      for (const member of consumer.members()) {
        const timers = this.#obtainTimers(consumer.groupId, member.memberId);
        timers.session.set(this.#options.settings.consumerSessionTimeoutMs);
        if (member.state === 'revoking') timers.revocation.set(member.rebalanceTimeoutMs);
      }
    }
  }

  /**
   * The answer to a heartbeat from which nothing follows; undefined: `heartbeat` must be asked. Members send nearly nothing
   * else, so it is found without a promise, and without a look at the other members.
   */
  steady(request: ConsumerHeartbeatRequest): ConsumerHeartbeatAnswer | undefined {
    const { groupId, memberId, epoch } = request;
    const group = this.#group(groupId);
    if (group === undefined || group.regexCount > 0 || this.#undurable.has(groupId)) return undefined;
    if (this.#seenTopics.get(groupId) !== this.#options.topics.version || this.#options.isClassic(groupId)) {
      return undefined;
    }
    if (!isSteady(group, request)) return undefined;
    this.#renew(groupId, memberId);
    return { error: undefined, memberId, epoch, intervalMs: this.#intervalMs(), assigned: undefined };
  }

  /** @throws what the journal refuses with; whether the heartbeat counted may then be unknown. */
  async heartbeat(asked: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const refusal = refuseRequest(asked) ?? this.#refuseSize(asked);
    if (refusal !== undefined) return refusal;
    const request = asked.memberId === '' ? { ...asked, memberId: this.#options.newMemberId() } : asked;
    try {
      await this.#regexes.prepare(this.#regexesOf(request));
    } catch (error) {
      if (!(error instanceof RegexError)) throw error;
      return { error: 'BROKER_TOPIC_REGEX_INVALID', message: `SubscribedTopicRegex cannot be used: ${error.message}.` };
    }
    const answer = this.#unchanged(request) ?? (await this.#transact(request));
    const { groupId, epoch } = request;
    const isMember = answer.error === undefined && this.#group(groupId)?.member(answer.memberId) !== undefined;
    if (isMember && epoch >= 0) this.#renew(groupId, answer.memberId);
    return answer;
  }

  /** Of the moment; undefined where no group of this type has the id. */
  describe(groupId: string): ConsumerGroupDescription | undefined {
    const group = this.#group(groupId);
    if (group === undefined) return undefined;
    return {
      groupId,
      type: 'consumer',
      phase: group.phase,
      epoch: group.epoch,
      targetEpoch: group.targetEpoch,
      assignor: group.assignor,
      members: Array.from(group.members(), (member) => ({
        memberId: member.memberId,
        instanceId: member.instanceId,
        rackId: member.rackId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        epoch: member.epoch,
        topics: member.topics,
        regex: member.regex,
        assigned: this.#named(member.assigned),
        target: this.#named(group.target(member.memberId)),
      })),
    };
  }

  /** Whether offsets may be stored for this group. @param isTransactional its transaction fences zombies by itself. */
  refuseCommit(group: ConsumerGroup, request: OffsetCommitRequest, isTransactional: boolean): ErrorCode | undefined {
    const { memberId, generation } = request;
    if (generation < 0 && (group.size === 0 || (isTransactional && memberId === ''))) return undefined;
    const member = group.member(memberId);
    if (member === undefined) return 'BROKER_MEMBER_UNKNOWN';
    if (!isTransactional && request.knowsMemberEpochs !== true) return 'WIRE_UNSUPPORTED_VERSION';
    if (member.epoch === generation) return undefined;
    return isTransactional ? 'BROKER_GENERATION_ILLEGAL' : 'BROKER_MEMBER_EPOCH_STALE';
  }

  /** Whether offsets are told to one that names itself a member. */
  refuseFetch(groupId: string, memberId: string | null, epoch: number): ErrorCode | undefined {
    const group = this.#group(groupId);
    if (group === undefined || (memberId === null && epoch < 0)) return undefined;
    const member = group.member(memberId ?? '');
    if (member === undefined) return 'BROKER_MEMBER_UNKNOWN';
    return member.epoch === epoch ? undefined : 'BROKER_MEMBER_EPOCH_STALE';
  }

  /** An operator removes a static member by its instance id, as LeaveGroup does it. @throws what the journal refuses with. */
  async removeStatic(groupId: string, instanceId: string): Promise<ErrorCode | undefined> {
    return await this.#store(groupId, (commit): ErrorCode | undefined => {
      const group = this.#group(groupId);
      const member = group?.byInstance(instanceId);
      if (group === undefined || member === undefined) return 'BROKER_MEMBER_UNKNOWN';
      this.#stage(commit, decideRemoval(group, member.memberId, this.#options.clock.now()));
      return undefined;
    });
  }

  /** Names of all topics that members are subscribed to. */
  subscribedTopics(group: ConsumerGroup): Set<string> {
    const names = new Set<string>();
    for (const { topics } of group.members()) for (const name of topics) names.add(name);
    for (const topicId of group.topics.keys()) {
      const name = this.#options.topics.nameOf(topicId);
      if (name !== undefined) names.add(name);
    }
    return names;
  }

  #group(groupId: string): ConsumerGroup | undefined {
    return this.#options.state.get(groupId)?.consumer;
  }

  /** Most heartbeats change nothing: where all that they see is durable, the journal need not be asked. */
  #unchanged(request: ConsumerHeartbeatRequest): ConsumerHeartbeatAnswer | undefined {
    if (this.#undurable.has(request.groupId)) return undefined;
    const decision = this.#decide(request);
    if ('error' in decision || decision.answer.error !== undefined || decision.change !== undefined) return undefined;
    this.#seenTopics.set(request.groupId, decision.topicsVersion);
    return decision.answer;
  }

  async #transact(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const { settings, counters } = this.#options;
    try {
      let rebalances = 0;
      const answer = await this.#store(request.groupId, (commit) => {
        const decision = this.#decide(request);
        if ('error' in decision) return decision;
        const { change } = decision;
        if (decision.answer.error === undefined) this.#seenTopics.set(request.groupId, decision.topicsVersion);
        if (change !== undefined) this.#stage(commit, change);
        rebalances = change !== undefined && change.targetEpoch !== decision.targetBefore ? 1 : 0;
        return decision.answer;
      });
      counters.rebalances += rebalances;
      return answer;
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'JOURNAL_COMMAND_TOO_LARGE') throw error;
      const message = `The group's assignment is larger than ${settings.groupMaxBytes} bytes.`;
      return { error: 'BROKER_LIMIT_REACHED', message };
    }
  }

  #decide(request: ConsumerHeartbeatRequest): Considered | ConsumerHeartbeatRefused {
    const { state, settings, clock, topics } = this.#options;
    const { groupId } = request;
    // Somebody joined over the classic protocol since this heartbeat came in.
    if (this.#options.isClassic(groupId)) {
      return { error: 'BROKER_COORDINATOR_UNAVAILABLE', message: 'The group is changing its protocol.' };
    }
    const record = state.get(groupId);
    const isJoin = request.epoch === 0;
    const { image } = record ?? {};
    if (image !== undefined && (!isJoin || decodeGroupSummary(image).phase !== 'empty')) return this.#notFound(groupId);
    if (record?.consumer === undefined && !isJoin) return this.#notFound(groupId);
    if (record === undefined && this.#isFull()) {
      return { error: 'BROKER_LIMIT_REACHED', message: 'The broker takes no more groups.' };
    }
    const epoch = image === undefined ? 0 : decodeGroupSummary(image).generation;
    const group = record?.consumer ?? new ConsumerGroup(groupId, epoch);
    const regexes = this.#regexesOf(request);
    const version = this.#regexes.version(regexes);
    const view: TopicView = {
      find: (name) => topics.find(name),
      matches: (regex) => this.#regexes.matches(regex),
    };
    const targetBefore = group.targetEpoch;
    const decision = decideHeartbeat(group, request, {
      topics: view,
      topicsChanged: this.#seenTopics.get(groupId) !== version,
      now: clock.now(),
      maxSize: settings.consumerMaxSize,
      maxRebalanceTimeoutMs: settings.groupMaxRebalanceTimeoutMs,
      heartbeatIntervalMs: this.#intervalMs(),
      waitingIntervalMs: settings.consumerWaitingIntervalMs,
    });
    return { ...decision, targetBefore, topicsVersion: version };
  }

  /**
   * The protocol cannot call a member: it hears that the group has changed with its next heartbeat. So heartbeats come as
   * often as they cost next to nothing, and with many members as seldom as Kafka's.
   */
  #intervalMs(): number {
    const { consumerShortIntervalMs, consumerHeartbeatIntervalMs, consumerHeartbeatsPerSecond } =
      this.#options.settings;
    const affordableMs = Math.ceil((this.#memberCount * 1_000) / consumerHeartbeatsPerSecond);
    return Math.min(Math.max(affordableMs, consumerShortIntervalMs), consumerHeartbeatIntervalMs);
  }

  #notFound(groupId: string): ConsumerHeartbeatRefused {
    const message = `There is no group ${groupId} of this protocol. One of the classic protocol with members cannot change.`;
    return { error: 'BROKER_GROUP_NOT_FOUND', message };
  }

  #isFull(): boolean {
    const { state, settings } = this.#options;
    return state.sizeBytes > settings.groupMaxStateBytes || state.size >= settings.groupMaxCount;
  }

  #refuseSize(request: ConsumerHeartbeatRequest): ConsumerHeartbeatRefused | undefined {
    const { settings, state } = this.#options;
    const { memberId, topics, epoch } = request;
    const bytes = Buffer.byteLength(memberId) + subscriptionBytes({ ...request, topics: topics ?? [] });
    if (bytes > settings.groupMaxMemberBytes) {
      const message = `A member may take ${settings.groupMaxMemberBytes} bytes of ids and topics, not ${bytes}.`;
      return { error: 'BROKER_LIMIT_REACHED', message };
    }
    const held = this.#group(request.groupId)?.sizeBytes ?? 0;
    if (epoch === 0 && (held + bytes > settings.groupMaxBytes * 8 || state.sizeBytes > settings.groupMaxStateBytes)) {
      return {
        error: 'BROKER_GROUP_FULL',
        message: 'The group or the broker takes no more members: they hold too much.',
      };
    }
    return undefined;
  }

  #regexesOf(request: ConsumerHeartbeatRequest): Set<string> {
    const regexes = new Set<string>();
    for (const { regex, memberId } of this.#group(request.groupId)?.members() ?? []) {
      if (regex !== null && !(memberId === request.memberId && request.regex !== null)) regexes.add(regex);
    }
    if (request.regex !== null && request.regex !== '') regexes.add(request.regex);
    return regexes;
  }

  async #store<T>(groupId: string, build: (commit: CommitBuilder) => T): Promise<T> {
    let staged = false;
    const result = await transactOnce(this.#options.journal, (commit) => {
      const before = this.#undurable.get(groupId) ?? 0;
      const built = build(commit);
      staged = (this.#undurable.get(groupId) ?? 0) > before;
      return built;
    });
    if (staged) this.#settled(groupId);
    return result;
  }

  #settled(groupId: string): void {
    const left = (this.#undurable.get(groupId) ?? 1) - 1;
    if (left === 0) this.#undurable.delete(groupId);
    else this.#undurable.set(groupId, left);
  }

  /** Timers follow what is staged: a removal that a crash takes back is decided anew by the next process. */
  #stage(commit: CommitBuilder, change: GroupChange): void {
    commit.command(COMMAND.CONSUMER_GROUP_CHANGED, encodeGroupChange(change));
    const { groupId, removed, members } = change;
    this.#undurable.set(groupId, (this.#undurable.get(groupId) ?? 0) + 1);
    for (const memberId of removed) this.#cancelTimers(groupId, memberId);
    for (const { memberId, progress } of members) {
      if (progress === undefined) continue;
      const { revocation } = this.#obtainTimers(groupId, memberId);
      const member = this.#group(groupId)?.member(memberId);
      if (progress.state === 'revoking' && member !== undefined && member.epoch >= 0) {
        revocation.set(member.rebalanceTimeoutMs);
      } else revocation.cancel();
    }
    if (this.#group(groupId)?.size === 0) this.#seenTopics.delete(groupId);
  }

  #renew(groupId: string, memberId: string): void {
    this.#obtainTimers(groupId, memberId).session.set(this.#options.settings.consumerSessionTimeoutMs);
  }

  #obtainTimers(groupId: string, memberId: string): MemberTimers {
    const { deadlines } = this.#options;
    const known = this.#timers.get(groupId);
    const knownTimers = known?.get(memberId);
    if (knownTimers !== undefined) return knownTimers;
    const ofGroup = known ?? new Map<string, MemberTimers>();
    this.#timers.set(groupId, ofGroup);
    const timers = {
      session: deadlines.create(() => this.#expire(groupId, memberId, 'a session ended')),
      revocation: deadlines.create(() => this.#expire(groupId, memberId, 'partitions were not given up in time')),
    };
    ofGroup.set(memberId, timers);
    this.#memberCount += 1;
    return timers;
  }

  #cancelTimers(groupId: string, memberId: string): void {
    const ofGroup = this.#timers.get(groupId);
    const timers = ofGroup?.get(memberId);
    timers?.session.cancel();
    timers?.revocation.cancel();
    if (ofGroup?.delete(memberId) === true) this.#memberCount -= 1;
    if (ofGroup?.size === 0) this.#timers.delete(groupId);
  }

  #expire(groupId: string, memberId: string, reason: string): void {
    const { clock, counters, logger } = this.#options;
    this.#store(groupId, (commit) => {
      const group = this.#group(groupId);
      if (group?.member(memberId) === undefined) return;
      this.#stage(commit, decideRemoval(group, memberId, clock.now()));
      counters.expiredMembers += 1;
      logger?.info('member expired', { group: groupId, member: memberId, reason });
    }).catch((error: unknown) => {
      logger?.error('the journal refused a change of a group', { what: reason, group: groupId, error: String(error) });
      // A stopped journal takes nothing any more; members that are gone expire after the restart.
      const isClosed = error instanceof MillraceError && error.kind === 'closed';
      if (!isClosed && this.#group(groupId)?.member(memberId) !== undefined) {
        this.#obtainTimers(groupId, memberId).session.set(RETRY_MS);
      }
    });
  }

  #named(set: PartitionSet): DescribedTopic[] {
    return Array.from(set, ([topicId, partitions]) => {
      return { topicId, topic: this.#options.topics.nameOf(topicId), partitions };
    });
  }
}
