/**
 * All consumer groups of one lane: finds the group a request is for, keeps the limits, and ties groups to the journal.
 *
 * A group is an object only while it has members; an idle one is a record of the folded state (group-state.ts) and
 * comes to life when somebody joins. Everything runs in one thread, step by step: a group has one serial order.
 */
import type { Clock } from '../../base/clock.ts';
import { type ErrorCode, type MillraceError } from '../../base/errors.ts';
import { type Journal, transactOnce } from '../../journal/journal.ts';
import { COMMAND } from '../state-part.ts';
import type { AdmittedOffsets, TransactionalGroups } from '../transactions/api.ts';
import {
  type DeleteOffsetsAnswer,
  type DeleteOffsetsRequest,
  GROUP_DEFAULTS,
  type GroupCounters,
  type GroupDescription,
  type GroupListing,
  type GroupLogger,
  type GroupSettings,
  type Groups,
  type HeartbeatRequest,
  type JoinAnswer,
  type JoinRequest,
  type LeaveAnswer,
  type LeaveRequest,
  type OffsetCommitAnswer,
  type OffsetCommitRequest,
  type OffsetFetchAnswer,
  type OffsetFetchRequest,
  type SyncAnswer,
  type SyncRequest,
} from './api.ts';
import type { ConsumerGroupDescription, ConsumerHeartbeatAnswer, ConsumerHeartbeatRequest } from './consumer/api.ts';
import { ConsumerGroups, type GroupTopics } from './consumer/consumer-groups.ts';
import { Deadlines } from './deadlines.ts';
import { Group } from './group.ts';
import { decodeGroupImage, decodeGroupSummary, encodeGroupImage, type GroupImage } from './group-image.ts';
import type { GroupRuntime } from './group-runtime.ts';
import type { GroupRecord, GroupState } from './group-state.ts';
import { imageBytes } from './member.ts';
import { encodeGroupDeleted } from './offset-commands.ts';
import { OffsetRetention } from './offset-retention.ts';
import { OffsetStore } from './offset-store.ts';
import { Outbox } from './outbox.ts';
import { allSubscribedTopics, CONSUMER_PROTOCOL_TYPE } from './subscription.ts';

export interface GroupCoordinatorOptions {
  readonly journal: Journal;
  /** Folded from the journal; complete when `start` is called. */
  readonly state: GroupState;
  readonly clock: Clock;
  readonly settings?: Partial<GroupSettings>;
  /** @param prefix instance id or client id, to begin the id with; the rest must be unique for ever. */
  readonly newMemberId: (prefix: string) => string;
  /** Of the head state; canonical topic names. */
  readonly partitionExists: (topic: string, partition: number) => boolean;
  /** Of the head state: what the broker assigns to members of the new protocol. */
  readonly topics?: GroupTopics;
  /** Of the head state: offsets of an open transaction; without transactions there are none. */
  readonly hasPendingOffset?: (groupId: string, topic: string, partition: number) => boolean;
  readonly logger?: GroupLogger;
}

export class GroupCoordinator implements Groups, TransactionalGroups {
  readonly counters: GroupCounters = { rebalances: 0, expiredMembers: 0, committedOffsets: 0, expiredOffsets: 0 };
  readonly #settings: GroupSettings;
  readonly #journal: Journal;
  readonly #state: GroupState;
  readonly #clock: Clock;
  readonly #logger: GroupLogger | undefined;
  readonly #outbox = new Outbox();
  readonly #deadlines: Deadlines;
  readonly #offsets: OffsetStore;
  readonly #retention: OffsetRetention;
  readonly #consumers: ConsumerGroups;
  readonly #runtime: GroupRuntime;
  /** Groups with members, reserved ids, or something on its way to the journal. */
  readonly #live = new Map<string, Group>();
  #stopped = false;

  constructor(options: GroupCoordinatorOptions) {
    this.#settings = { ...GROUP_DEFAULTS, ...options.settings };
    this.#journal = options.journal;
    this.#state = options.state;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#deadlines = new Deadlines(options.clock);
    const shared = { journal: this.#journal, state: this.#state, settings: this.#settings, counters: this.counters };
    const { partitionExists, hasPendingOffset = () => false } = options;
    this.#offsets = new OffsetStore({ ...shared, partitionExists, hasPendingOffset });
    this.#consumers = new ConsumerGroups({
      ...shared,
      clock: options.clock,
      deadlines: this.#deadlines,
      logger: options.logger,
      topics: options.topics ?? NO_TOPICS,
      newMemberId: () => options.newMemberId('consumer'),
      isClassic: (groupId) => this.#live.has(groupId),
    });
    this.#retention = new OffsetRetention({
      ...shared,
      deadlines: this.#deadlines,
      logger: options.logger,
      now: () => this.#clock.now(),
      find: (groupId) => this.#live.get(groupId),
      subscribedTopics: (group) => this.#consumers.subscribedTopics(group),
    });
    this.#runtime = this.#makeRuntime(options.newMemberId);
  }

  /** After recovery, before the first request: members found in the state have their session timeout from now on. */
  start(): void {
    for (const { groupId, image } of this.#state.all()) {
      if (image === undefined || decodeGroupSummary(image).phase === 'empty') continue;
      this.#live.set(groupId, new Group(groupId, this.#runtime, decodeGroupImage(image)));
    }
    this.#consumers.start();
    this.#retention.start();
  }

  /** Answers everybody who waits and refuses what comes later; what is on its way to the journal still settles. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#outbox.step(() => {
      for (const group of this.#live.values()) group.die();
    });
    this.#deadlines.stop();
  }

  join(request: JoinRequest, respond: (answer: JoinAnswer) => void): void {
    const { groupId, memberId } = request;
    this.#outbox.step(() => {
      const refusal = this.#refuseJoin(request);
      const group = refusal === undefined ? this.#toJoin(groupId, memberId) : undefined;
      if (group === undefined) {
        this.#outbox.push(() => respond({ error: refusal ?? 'BROKER_MEMBER_UNKNOWN', memberId }));
        return;
      }
      group.join(request, respond);
      this.#runtime.settleDown(group);
    });
  }

  sync(request: SyncRequest, respond: (answer: SyncAnswer) => void): void {
    this.#outbox.step(() => {
      const refusal = this.#refuse(request.groupId);
      const group = this.#live.get(request.groupId);
      if (refusal === undefined && group !== undefined) return group.sync(request, respond);
      this.#outbox.push(() => respond({ error: refusal ?? 'BROKER_MEMBER_UNKNOWN' }));
    });
  }

  heartbeat(request: HeartbeatRequest): ErrorCode | undefined {
    const refusal = this.#refuse(request.groupId);
    if (refusal !== undefined) return refusal;
    const group = this.#live.get(request.groupId);
    return group === undefined ? 'BROKER_MEMBER_UNKNOWN' : group.heartbeat(request);
  }

  async leave(request: LeaveRequest): Promise<LeaveAnswer> {
    const refusal = this.#refuse(request.groupId);
    if (refusal !== undefined) return { error: refusal, members: [] };
    if (this.#state.get(request.groupId)?.consumer !== undefined) return await this.#removeStatic(request);
    const group = this.#live.get(request.groupId);
    const errors = group === undefined ? [] : this.#outbox.step(() => group.leave(request));
    const members = request.members.map(({ memberId, instanceId }, index) => {
      return { memberId, instanceId, error: group === undefined ? ('BROKER_MEMBER_UNKNOWN' as const) : errors[index] };
    });
    // The last one to leave is only told so when the group's emptiness is durable.
    const failure = await this.#tryJournal('leave', () => transactOnce(this.#journal, () => undefined));
    return failure === undefined
      ? { error: 'BROKER_COORDINATOR_UNAVAILABLE', members: [] }
      : { error: undefined, members };
  }

  /** Of a group of the new protocol this request removes static members for an operator, and nobody else. */
  async #removeStatic({ groupId, members }: LeaveRequest): Promise<LeaveAnswer> {
    const answers: LeaveAnswer['members'][number][] = [];
    for (const { memberId, instanceId } of members) {
      const isOperator = memberId === '' && instanceId !== null;
      const done = await this.#tryJournal('removal of a static member', async () =>
        isOperator ? await this.#consumers.removeStatic(groupId, instanceId) : ('BROKER_MEMBER_UNKNOWN' as const),
      );
      const error = done === undefined ? 'BROKER_COORDINATOR_UNAVAILABLE' : done.value;
      answers.push({ memberId, instanceId, error });
    }
    return { error: undefined, members: answers };
  }

  consumerHeartbeat(request: ConsumerHeartbeatRequest): ConsumerHeartbeatAnswer | Promise<ConsumerHeartbeatAnswer> {
    const refusal = this.#refuse(request.groupId) ?? this.#refuseChangeOfType(request);
    if (refusal !== undefined) return { error: refusal, message: CONSUMER_REFUSALS[refusal] ?? refusal };
    return this.#consumers.steady(request) ?? this.#tryHeartbeat(request);
  }

  async #tryHeartbeat(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const answer = await this.#tryJournal('heartbeat', () => this.#consumers.heartbeat(request));
    const unavailable = 'BROKER_COORDINATOR_UNAVAILABLE';
    return answer?.value ?? { error: unavailable, message: CONSUMER_REFUSALS[unavailable] ?? '' };
  }

  /** A classic group gives way when it has no members; ids that were reserved in it are forgotten. */
  #refuseChangeOfType({ groupId, epoch }: ConsumerHeartbeatRequest): ErrorCode | undefined {
    const group = this.#live.get(groupId);
    if (group === undefined) return undefined;
    if (group.phase === 'dead' || (group.phase === 'empty' && !group.isStored)) return 'BROKER_COORDINATOR_UNAVAILABLE';
    if (group.phase !== 'empty' || epoch !== 0) return 'BROKER_GROUP_NOT_FOUND';
    this.#outbox.step(() => group.die());
    this.#live.delete(groupId);
    return undefined;
  }

  describeConsumer(groupId: string): ConsumerGroupDescription | undefined {
    return this.#consumers.describe(groupId);
  }

  async commitOffsets(request: OffsetCommitRequest): Promise<OffsetCommitAnswer> {
    const refusal = this.#refuse(request.groupId) ?? this.#refuseCommit(request);
    if (refusal !== undefined) return refuseOffsets(request, refusal);
    const answer = await this.#tryJournal('offset commit', () => this.#offsets.commit(request, this.#clock.now()));
    return answer?.value ?? refuseOffsets(request, 'BROKER_COORDINATOR_UNAVAILABLE');
  }

  refuseId(groupId: string): ErrorCode | undefined {
    return this.#refuse(groupId);
  }

  refuseTransactional(request: OffsetCommitRequest): ErrorCode | undefined {
    return this.#refuse(request.groupId) ?? this.#refuseCommit(request, true);
  }

  admitOffsets(request: OffsetCommitRequest, now: number): AdmittedOffsets {
    return this.#offsets.admit(request, now);
  }

  async fetchOffsets(request: OffsetFetchRequest): Promise<OffsetFetchAnswer> {
    const { groupId, memberId = null, memberEpoch = -1 } = request;
    const refusal = this.#refuse(groupId) ?? this.#consumers.refuseFetch(groupId, memberId, memberEpoch);
    if (refusal !== undefined) return { error: refusal, topics: [] };
    const answer = await this.#tryJournal('offset fetch', () => this.#offsets.fetch(request));
    return answer?.value ?? { error: 'BROKER_COORDINATOR_UNAVAILABLE', topics: [] };
  }

  async deleteOffsets(request: DeleteOffsetsRequest): Promise<DeleteOffsetsAnswer> {
    const refusal = this.#refuse(request.groupId) ?? this.#refuseForgetting(request.groupId);
    if (refusal !== undefined) return { error: refusal, topics: [] };
    const isSubscribed = this.#subscriptionTest(request.groupId);
    const answer = await this.#tryJournal('offset deletion', () =>
      this.#offsets.forget(request, this.#clock.now(), isSubscribed),
    );
    if (answer === undefined) return { error: 'BROKER_COORDINATOR_UNAVAILABLE', topics: [] };
    return { error: undefined, topics: answer.value };
  }

  describe(groupId: string): GroupDescription | undefined {
    const group = this.#live.get(groupId);
    if (group !== undefined) return group.describe();
    const record = this.#state.get(groupId);
    return record === undefined || record.consumer !== undefined ? undefined : describeIdle(record);
  }

  list(): GroupListing[] {
    const groups: GroupListing[] = [];
    for (const record of this.#state.all()) {
      const live = this.#live.get(record.groupId);
      groups.push(live === undefined ? summarize(record) : listingOf(live));
    }
    for (const group of this.#live.values()) {
      if (this.#state.get(group.groupId) === undefined) groups.push(listingOf(group));
    }
    return groups;
  }

  async delete(groupId: string): Promise<ErrorCode | undefined> {
    const refusal = this.#refuse(groupId);
    if (refusal !== undefined) return refusal;
    const live = this.#live.get(groupId);
    if (live === undefined && this.#state.get(groupId) === undefined) return 'BROKER_GROUP_NOT_FOUND';
    if (live?.phase === 'dead') return 'BROKER_COORDINATOR_UNAVAILABLE';
    if ((this.#state.get(groupId)?.consumer?.size ?? 0) > 0) return 'BROKER_GROUP_NOT_EMPTY';
    if (live !== undefined && live.phase !== 'empty') return 'BROKER_GROUP_NOT_EMPTY';
    const group = live ?? new Group(groupId, this.#runtime, undefined);
    this.#live.set(groupId, group);
    this.#outbox.step(() => group.die());
    const done = await this.#tryJournal('group deletion', () =>
      transactOnce(this.#journal, (commit) => {
        if (this.#state.get(groupId) !== undefined) commit.command(COMMAND.GROUP_DELETED, encodeGroupDeleted(groupId));
      }),
    );
    this.#live.delete(groupId);
    return done === undefined ? 'BROKER_COORDINATOR_UNAVAILABLE' : undefined;
  }

  // Who is refused before any group is asked.

  #refuse(groupId: string): ErrorCode | undefined {
    if (this.#stopped) return 'BROKER_COORDINATOR_UNAVAILABLE';
    const isGood = groupId !== '' && Buffer.byteLength(groupId) <= this.#settings.groupMaxIdBytes;
    return isGood ? undefined : 'BROKER_GROUP_ID_INVALID';
  }

  #refuseJoin(request: JoinRequest): ErrorCode | undefined {
    const refusal = this.#refuse(request.groupId);
    if (refusal !== undefined) return refusal;
    const { groupMinSessionTimeoutMs, groupMaxSessionTimeoutMs, groupMaxMemberBytes } = this.#settings;
    const { sessionTimeoutMs } = request;
    if (!(sessionTimeoutMs >= groupMinSessionTimeoutMs && sessionTimeoutMs <= groupMaxSessionTimeoutMs)) {
      return 'BROKER_SESSION_TIMEOUT_INVALID';
    }
    // Kafka lets classic members into groups of the new protocol while their clients are upgraded; we do not.
    if ((this.#state.get(request.groupId)?.consumer?.size ?? 0) > 0) return 'BROKER_PROTOCOL_INCONSISTENT';
    if (imageBytes(request) > groupMaxMemberBytes) return 'BROKER_LIMIT_REACHED';
    return request.memberId === '' && this.#isFull(request.groupId) ? 'BROKER_LIMIT_REACHED' : undefined;
  }

  /** Groups that stand may go on; nothing new is taken. */
  #isFull(groupId: string): boolean {
    const { groupMaxCount, groupMaxStateBytes } = this.#settings;
    if (this.#state.sizeBytes > groupMaxStateBytes) return true;
    if (this.#live.has(groupId) || this.#state.get(groupId) !== undefined) return false;
    return this.#live.size >= groupMaxCount || this.#state.size >= groupMaxCount;
  }

  #refuseCommit(request: OffsetCommitRequest, isTransactional = false): ErrorCode | undefined {
    const group = this.#live.get(request.groupId);
    if (group !== undefined) return group.admitCommit(request, isTransactional);
    const consumer = this.#state.get(request.groupId)?.consumer;
    if (consumer !== undefined) return this.#consumers.refuseCommit(consumer, request, isTransactional);
    if (request.generation < 0) return undefined;
    return this.#state.get(request.groupId)?.image === undefined
      ? 'BROKER_GENERATION_ILLEGAL'
      : 'BROKER_MEMBER_UNKNOWN';
  }

  #refuseForgetting(groupId: string): ErrorCode | undefined {
    const group = this.#live.get(groupId);
    if (group === undefined) return this.#state.get(groupId) === undefined ? 'BROKER_GROUP_NOT_FOUND' : undefined;
    if (group.phase === 'dead') return 'BROKER_COORDINATOR_UNAVAILABLE';
    const isReadable = group.phase === 'empty' || group.protocolType === CONSUMER_PROTOCOL_TYPE;
    return isReadable ? undefined : 'BROKER_GROUP_NOT_EMPTY';
  }

  /** Where a subscription cannot be read, every topic may be subscribed. */
  #subscriptionTest(groupId: string): (topic: string) => boolean {
    const consumer = this.#state.get(groupId)?.consumer;
    if (consumer !== undefined) {
      const names = this.#consumers.subscribedTopics(consumer);
      return (topic) => consumer.size > 0 && names.has(topic);
    }
    const group = this.#live.get(groupId);
    if (group === undefined || group.phase === 'empty') return () => false;
    const subscribed = group.protocol === null ? undefined : allSubscribedTopics(group.subscriptions());
    return (topic) => subscribed === undefined || subscribed.has(topic);
  }

  // Groups and what they stand on.

  /** Undefined: a member of a group that has none. */
  #toJoin(groupId: string, memberId: string): Group | undefined {
    const live = this.#live.get(groupId);
    if (live !== undefined || memberId !== '') return live;
    const group = new Group(groupId, this.#runtime, imageOf(this.#state.get(groupId)));
    this.#live.set(groupId, group);
    return group;
  }

  #makeRuntime(newMemberId: (prefix: string) => string): GroupRuntime {
    const step = (settled: (error: MillraceError | undefined) => void) => (error: MillraceError | undefined) => {
      this.#outbox.step(() => settled(error));
    };
    return {
      settings: this.#settings,
      counters: this.counters,
      outbox: this.#outbox,
      logger: this.#logger,
      now: () => this.#clock.now(),
      deadline: (expired) => this.#deadlines.create(() => this.#outbox.step(expired)),
      newMemberId,
      store: (image, settled) => {
        const body = encodeGroupImage(image);
        this.#journal.transact({
          degree: 'durable',
          build: (commit) => commit.command(COMMAND.GROUP_CHANGED, body),
          settled: step((error) => {
            if (error !== undefined) this.#logFailure('group change', error, image.groupId);
            settled(error);
          }),
        });
      },
      barrier: (settled) =>
        this.#journal.transact({ degree: 'durable', build: () => undefined, settled: step(settled) }),
      settleDown: (group) => {
        if (group.isForgettable && this.#live.get(group.groupId) === group) this.#live.delete(group.groupId);
      },
    };
  }

  /** Undefined when the journal refused: whether the change happened may then be unknown, so clients shall ask again. */
  async #tryJournal<T>(what: string, run: () => Promise<T>): Promise<{ readonly value: T } | undefined> {
    try {
      return { value: await run() };
    } catch (error) {
      this.#logFailure(what, error);
      return undefined;
    }
  }

  #logFailure(what: string, error: unknown, group = ''): void {
    this.#logger?.error('the journal refused a change of a group', { what, group, error: String(error) });
  }
}

function refuseOffsets(request: OffsetCommitRequest, error: ErrorCode): OffsetCommitAnswer {
  return {
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, error })),
    })),
  };
}

/** Words for what is decided before a group of the new protocol is asked. */
const CONSUMER_REFUSALS: Readonly<Partial<Record<ErrorCode, string>>> = {
  BROKER_GROUP_ID_INVALID: 'GroupId is empty or too long.',
  BROKER_GROUP_NOT_FOUND: 'The group has members of the classic protocol.',
  BROKER_COORDINATOR_UNAVAILABLE: 'The group cannot be changed at the moment.',
};

/** For a coordinator whose groups are all classic. */
const NO_TOPICS: GroupTopics = { version: 0, names: () => [], find: () => undefined, nameOf: () => undefined };

function listingOf({ groupId, phase, protocolType }: Group): GroupListing {
  return { groupId, type: 'classic', phase, protocolType };
}

/** What a classic group goes on from; one of the other type was here and left its last epoch, so that none is used twice. */
function imageOf(record: GroupRecord | undefined): GroupImage | undefined {
  if (record?.image !== undefined) return decodeGroupImage(record.image);
  if (record?.consumer === undefined) return undefined;
  const { groupId, consumer } = record;
  const { epoch: generation, changedAt } = consumer;
  const nobody = { protocolType: '', protocol: null, leaderId: null, members: [] };
  return { groupId, phase: 'empty', changedAt, generation, ...nobody };
}

function summarize({ groupId, image, consumer }: GroupRecord): GroupListing {
  if (consumer !== undefined) {
    return { groupId, type: 'consumer', phase: consumer.phase, protocolType: CONSUMER_PROTOCOL_TYPE };
  }
  if (image === undefined) return { groupId, type: 'classic', phase: 'empty', protocolType: '' };
  const { phase, protocolType } = decodeGroupSummary(image);
  return { groupId, type: 'classic', phase, protocolType };
}

function describeIdle(record: GroupRecord): GroupDescription {
  const generation = record.image === undefined ? 0 : decodeGroupSummary(record.image).generation;
  const { groupId, phase, protocolType } = summarize(record);
  return { groupId, type: 'classic', phase, protocolType, generation, protocol: null, leaderId: null, members: [] };
}
