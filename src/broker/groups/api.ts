/**
 * What listeners say to the group coordinator and what it answers, in our words: no wire shapes, no Kafka numbers.
 *
 * An error is an `ErrorCode` value, `undefined` meaning success: refusals are expected outcomes here, not exceptions.
 * Every code that an answer can carry stands in its comment; BROKER_COORDINATOR_UNAVAILABLE can stand in all of them
 * and says "try again": the journal refused the change, the group is being deleted, or the broker stops.
 * Semantics: docs/groups.md.
 *
 * Topic names are canonical (dotted). Bytes in requests are borrowed for the call and copied; bytes in answers belong
 * to the coordinator and never change, so they may be written to a socket later.
 */
import type { ErrorCode, ErrorDetails } from '../../base/errors.ts';
import type { ConsumerGroupDescription, ConsumerHeartbeatAnswer, ConsumerHeartbeatRequest } from './consumer/api.ts';

/** Settings of the coordinator, named after Kafka's broker settings where it has them. */
export interface GroupSettings {
  /** `group.initial.rebalance.delay.ms`: how long the first rebalance of an empty group waits for more members. */
  readonly groupInitialRebalanceDelayMs: number;
  /** `group.min.session.timeout.ms` and `group.max.session.timeout.ms`, both inclusive. */
  readonly groupMinSessionTimeoutMs: number;
  readonly groupMaxSessionTimeoutMs: number;
  /** Longest rebalance timeout taken from a member; a longer one is cut to it, so that a group never waits for ever. */
  readonly groupMaxRebalanceTimeoutMs: number;
  /** How long a new member's JoinGroup may wait; nobody can heartbeat without a member id. */
  readonly groupNewMemberJoinTimeoutMs: number;
  /** `group.consumer.session.timeout.ms`: a member of the new protocol that is not heard of so long is removed. */
  readonly consumerSessionTimeoutMs: number;
  /** `group.consumer.heartbeat.interval.ms`: the longest interval that members of the new protocol are told to keep to. */
  readonly consumerHeartbeatIntervalMs: number;
  /** The interval while there are few members: a member hears of a change with its next heartbeat. */
  readonly consumerShortIntervalMs: number;
  /** All members together, where the interval is between these two. */
  readonly consumerHeartbeatsPerSecond: number;
  /** The same while a member waits for partitions, or gives some up: a rebalance takes as long as its heartbeats. */
  readonly consumerWaitingIntervalMs: number;
  /** `group.consumer.max.size`. */
  readonly consumerMaxSize: number;
  /** `group.max.size`: members of one group, those with a reserved id included. */
  readonly groupMaxSize: number;
  /** Protocol names and metadata, ids and host of one member. */
  readonly groupMaxMemberBytes: number;
  /** Sum of the above over a group, and bound of the sum of its assignments: both fit one journal command. */
  readonly groupMaxBytes: number;
  readonly groupMaxIdBytes: number;
  /** Groups, whether they have members or offsets only. */
  readonly groupMaxCount: number;
  /** Memory of all stored groups and offsets together, approximately. */
  readonly groupMaxStateBytes: number;
  /** `offset.metadata.max.bytes`, per committed partition. */
  readonly offsetMetadataMaxBytes: number;
  /** `offsets.retention.minutes`, in milliseconds: offsets of a group without members are kept so long. */
  readonly offsetsRetentionMs: number;
  /** `offsets.retention.check.interval.ms`. */
  readonly offsetsRetentionCheckIntervalMs: number;
}

export const GROUP_DEFAULTS: GroupSettings = {
  // Kafka waits 3 s. It is the most visible latency of a consumer's start, and members that come later only cost one
  // more rebalance; 50 ms still gathers what one deployment starts together.
  groupInitialRebalanceDelayMs: 50,
  groupMinSessionTimeoutMs: 6_000,
  groupMaxSessionTimeoutMs: 30 * 60_000,
  // Kafka has no bound; a day is longer than any poll loop.
  groupMaxRebalanceTimeoutMs: 24 * 3_600_000,
  groupNewMemberJoinTimeoutMs: 5 * 60_000,
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5_000,
  consumerShortIntervalMs: 1_000,
  // About 1 % of a core; 1,000 members then keep to Kafka's 5 s.
  consumerHeartbeatsPerSecond: 200,
  consumerWaitingIntervalMs: 250,
  consumerMaxSize: 1_000,
  groupMaxSize: 1_000,
  groupMaxMemberBytes: 1024 * 1024,
  // Subscriptions and assignments stand in one journal command, which takes 16 MiB.
  groupMaxBytes: 7 * 1024 * 1024,
  groupMaxIdBytes: 1_024,
  groupMaxCount: 100_000,
  groupMaxStateBytes: 256 * 1024 * 1024,
  offsetMetadataMaxBytes: 4_096,
  offsetsRetentionMs: 7 * 24 * 3_600_000,
  offsetsRetentionCheckIntervalMs: 10 * 60_000,
};

/** `completing`: a generation is formed, its assignment is not there yet. `dead`: being deleted. */
export type ClassicPhase = 'empty' | 'preparing' | 'completing' | 'stable' | 'dead';

/** Of either type: `assigning` and `reconciling` are phases of the new protocol alone. */
export type GroupPhase = ClassicPhase | 'assigning' | 'reconciling';

/** Levels by who must act: `error` a developer looks, `info` state changed. */
export interface GroupLogger {
  info(message: string, details: ErrorDetails): void;
  error(message: string, details: ErrorDetails): void;
}

export interface GroupProtocol {
  readonly name: string;
  /** Opaque: what the client's assignor wants to know (topics, owned partitions). */
  readonly metadata: Uint8Array;
}

export interface JoinRequest {
  readonly groupId: string;
  /** Empty: a new member. */
  readonly memberId: string;
  /** Name of a static member (`group.instance.id`), or null for a dynamic one. */
  readonly instanceId: string | null;
  readonly clientId: string;
  /** Shown by `describe` only. */
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  /** Where the client's version has none: the session timeout. */
  readonly rebalanceTimeoutMs: number;
  /** "consumer", "connect"... All members of a group have the same one. */
  readonly protocolType: string;
  /** Preferred first. */
  readonly protocols: readonly GroupProtocol[];
  /** The client understands BROKER_MEMBER_ID_REQUIRED (JoinGroup v4 and later). */
  readonly requireKnownMemberId: boolean;
  /** The client understands `skipAssignment` (JoinGroup v9 and later). */
  readonly supportsSkipAssignment: boolean;
}

/**
 * BROKER_MEMBER_ID_REQUIRED (join again with `memberId`), BROKER_MEMBER_UNKNOWN, BROKER_MEMBER_FENCED,
 * BROKER_PROTOCOL_INCONSISTENT, BROKER_GROUP_ID_INVALID, BROKER_SESSION_TIMEOUT_INVALID, BROKER_GROUP_FULL,
 * BROKER_LIMIT_REACHED, BROKER_REBALANCE_IN_PROGRESS (a later join of the same member took this one's place).
 */
export interface JoinRefused {
  readonly error: ErrorCode;
  readonly memberId: string;
}

export interface Joined {
  readonly error: undefined;
  readonly memberId: string;
  readonly generation: number;
  readonly protocolType: string;
  readonly protocol: string;
  readonly leaderId: string;
  /** For the leader only, else empty: everybody with the metadata of the chosen protocol. */
  readonly members: readonly JoinedMember[];
  /** The leader keeps the assignment that stands (a static leader that came back). */
  readonly skipAssignment: boolean;
}

export interface JoinedMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly metadata: Uint8Array;
}

export type JoinAnswer = Joined | JoinRefused;

export interface SyncRequest {
  readonly groupId: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
  /** Null where the client does not say (before SyncGroup v5). */
  readonly protocolType: string | null;
  readonly protocol: string | null;
  /** From the leader; members that are not named get an empty assignment. */
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Uint8Array }[];
}

/**
 * BROKER_MEMBER_UNKNOWN, BROKER_MEMBER_FENCED, BROKER_GENERATION_ILLEGAL, BROKER_PROTOCOL_INCONSISTENT,
 * BROKER_REBALANCE_IN_PROGRESS (join again), BROKER_GROUP_ID_INVALID, BROKER_LIMIT_REACHED (assignments too large).
 */
export type SyncAnswer =
  | { readonly error: ErrorCode }
  | {
      readonly error: undefined;
      readonly protocolType: string;
      readonly protocol: string;
      readonly assignment: Uint8Array;
    };

/**
 * Answered with `undefined`, BROKER_REBALANCE_IN_PROGRESS (join again), BROKER_MEMBER_UNKNOWN, BROKER_MEMBER_FENCED,
 * BROKER_GENERATION_ILLEGAL or BROKER_GROUP_ID_INVALID.
 */
export interface HeartbeatRequest {
  readonly groupId: string;
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
}

export interface LeaveRequest {
  readonly groupId: string;
  /** An empty member id with an instance id: an operator removes that static member. */
  readonly members: readonly { readonly memberId: string; readonly instanceId: string | null }[];
}

export interface LeaveAnswer {
  readonly error: ErrorCode | undefined;
  /** In request order; BROKER_MEMBER_UNKNOWN or BROKER_MEMBER_FENCED. */
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly error: ErrorCode | undefined;
  }[];
}

export interface OffsetToCommit {
  readonly partition: number;
  /** The next offset to read, 0 or more. */
  readonly offset: number;
  /** -1 where the client does not say. */
  readonly leaderEpoch: number;
  readonly metadata: string | null;
}

export interface OffsetCommitRequest {
  readonly groupId: string;
  /** Empty, with generation -1: a client that assigns partitions by itself, or an operator. */
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generation: number;
  /** The client knows that a generation may be a member epoch (OffsetCommit v9 and later). */
  readonly knowsMemberEpochs?: boolean;
  /** Kept at most so long (OffsetCommit v2 to v4); -1 for the broker's own rule. */
  readonly retentionMs: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly OffsetToCommit[] }[];
}

/**
 * In request order. Whole request (the same code in every partition): BROKER_MEMBER_UNKNOWN, BROKER_MEMBER_FENCED,
 * BROKER_GENERATION_ILLEGAL, BROKER_REBALANCE_IN_PROGRESS, BROKER_GROUP_ID_INVALID; in groups of the new protocol
 * BROKER_MEMBER_EPOCH_STALE, and WIRE_UNSUPPORTED_VERSION for a member that does not know epochs.
 * One partition: BROKER_PARTITION_NOT_FOUND, BROKER_OFFSET_METADATA_TOO_LARGE, BROKER_REQUEST_INVALID (an offset that
 * is none), BROKER_LIMIT_REACHED.
 */
export interface OffsetCommitAnswer {
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly { readonly partition: number; readonly error: ErrorCode | undefined }[];
  }[];
}

export interface OffsetFetchRequest {
  readonly groupId: string;
  /** Null: everything the group has committed. */
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[] | null;
  /** Of a member of the new protocol, which may be refused; null and -1 for others. */
  readonly memberId?: string | null;
  readonly memberEpoch?: number;
  /** Refuse where an open transaction holds newer offsets (KIP-447). */
  readonly requireStable?: boolean;
}

export interface OffsetFetchAnswer {
  /** BROKER_GROUP_ID_INVALID, BROKER_MEMBER_UNKNOWN, BROKER_MEMBER_EPOCH_STALE; then `topics` is empty. */
  readonly error: ErrorCode | undefined;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly FetchedOffset[] }[];
}

export interface FetchedOffset {
  readonly partition: number;
  /** -1: nothing committed, which is not an error. */
  readonly offset: number;
  /** -1: unknown. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Only with `requireStable`; the offset is -1 then. */
  readonly error?: 'BROKER_OFFSETS_UNSTABLE';
}

export interface DeleteOffsetsRequest {
  readonly groupId: string;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

export interface DeleteOffsetsAnswer {
  /** BROKER_GROUP_NOT_FOUND, BROKER_GROUP_NOT_EMPTY (members whose subscription we cannot read), BROKER_GROUP_ID_INVALID. */
  readonly error: ErrorCode | undefined;
  /** Per partition BROKER_GROUP_SUBSCRIBED: live members consume that topic. Empty with an error above. */
  readonly topics: OffsetCommitAnswer['topics'];
}

/** Which protocol a group's members speak: JoinGroup and SyncGroup, or ConsumerGroupHeartbeat (KIP-848). */
export type GroupType = 'classic' | 'consumer';

export interface GroupListing {
  readonly groupId: string;
  readonly type: GroupType;
  /** Empty for a group that only stores offsets. */
  readonly protocolType: string;
  readonly phase: GroupPhase;
}

/** Of a classic group. */
export interface GroupDescription extends GroupListing {
  readonly generation: number;
  /** Null while no generation has members. */
  readonly protocol: string | null;
  readonly leaderId: string | null;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    /** Of the chosen protocol; empty outside `completing` and `stable`. */
    readonly metadata: Uint8Array;
    /** Empty outside `stable`. */
    readonly assignment: Uint8Array;
  }[];
}

/** Plain counters for the metrics room. */
export interface GroupCounters {
  rebalances: number;
  expiredMembers: number;
  /** Partitions, not requests. */
  committedOffsets: number;
  expiredOffsets: number;
}

/**
 * The face of the coordinator. Nothing here throws for what a client sent. `respond` is called exactly once, perhaps
 * before the call returns; everything it can be told of is durable by then, or was never more than a refusal.
 */
export interface Groups {
  readonly counters: Readonly<GroupCounters>;
  /** Parks until the group's next generation is formed: at most the group's largest rebalance timeout. */
  join(request: JoinRequest, respond: (answer: JoinAnswer) => void): void;
  /** Parks until the leader's assignment is durable: at most the group's largest rebalance timeout. */
  sync(request: SyncRequest, respond: (answer: SyncAnswer) => void): void;
  heartbeat(request: HeartbeatRequest): ErrorCode | undefined;
  leave(request: LeaveRequest): Promise<LeaveAnswer>;
  commitOffsets(request: OffsetCommitRequest): Promise<OffsetCommitAnswer>;
  fetchOffsets(request: OffsetFetchRequest): Promise<OffsetFetchAnswer>;
  deleteOffsets(request: DeleteOffsetsRequest): Promise<DeleteOffsetsAnswer>;
  /** One heartbeat of a member of the new protocol; durable when it is answered: at once, where nothing follows from it. */
  consumerHeartbeat(request: ConsumerHeartbeatRequest): ConsumerHeartbeatAnswer | Promise<ConsumerHeartbeatAnswer>;
  /** Of the moment, for people: a phase is not a promise. Undefined: no such classic group. */
  describe(groupId: string): GroupDescription | undefined;
  /** The same for groups of the new protocol. */
  describeConsumer(groupId: string): ConsumerGroupDescription | undefined;
  list(): GroupListing[];
  /** BROKER_GROUP_NOT_FOUND, BROKER_GROUP_NOT_EMPTY, BROKER_GROUP_ID_INVALID. */
  delete(groupId: string): Promise<ErrorCode | undefined>;
}
