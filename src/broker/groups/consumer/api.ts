/**
 * What listeners say to groups of the new protocol (KIP-848) and what is answered. As in ../api.ts: topic names are
 * canonical, errors are codes. Semantics: docs/groups.md.
 */
import type { ErrorCode } from '../../../base/errors.ts';
import type { PartitionSet } from './partition-set.ts';

export interface ConsumerHeartbeatRequest {
  readonly groupId: string;
  /** Empty only in a first heartbeat of version 0: the answer carries one. */
  readonly memberId: string;
  /** 0: join. -1: leave. -2: a static member leaves for a while. */
  readonly epoch: number;
  /** Null, here and below: as before, or none. */
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** -1: as before. */
  readonly rebalanceTimeoutMs: number;
  readonly topics: readonly string[] | null;
  /** Empty: none any more. */
  readonly regex: string | null;
  readonly assignor: string | null;
  readonly owned: PartitionSet | null;
  /** The client makes member ids itself (version 1). */
  readonly requireMemberId: boolean;
}

/**
 * BROKER_REQUEST_INVALID, BROKER_GROUP_ID_INVALID, BROKER_GROUP_NOT_FOUND (none of this type), BROKER_GROUP_FULL,
 * BROKER_LIMIT_REACHED, BROKER_MEMBER_UNKNOWN, BROKER_MEMBER_FENCED, BROKER_MEMBER_EPOCH_FENCED,
 * BROKER_INSTANCE_UNRELEASED, BROKER_ASSIGNOR_UNSUPPORTED, BROKER_TOPIC_REGEX_INVALID, BROKER_COORDINATOR_UNAVAILABLE.
 */
export interface ConsumerHeartbeatRefused {
  readonly error: ErrorCode;
  readonly message: string;
}

export interface ConsumerHeartbeatDone {
  readonly error: undefined;
  readonly memberId: string;
  readonly epoch: number;
  /** When to come back. */
  readonly intervalMs: number;
  /** Undefined: as before. */
  readonly assigned: PartitionSet | undefined;
}

export type ConsumerHeartbeatAnswer = ConsumerHeartbeatDone | ConsumerHeartbeatRefused;

/** Assignments by topic id, with the name where the topic still exists. */
export interface DescribedTopic {
  readonly topicId: string;
  readonly topic: string | undefined;
  readonly partitions: readonly number[];
}

export interface ConsumerGroupDescription {
  readonly groupId: string;
  readonly type: 'consumer';
  readonly phase: 'empty' | 'assigning' | 'reconciling' | 'stable' | 'dead';
  readonly epoch: number;
  readonly targetEpoch: number;
  readonly assignor: string;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly rackId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly epoch: number;
    readonly topics: readonly string[];
    readonly regex: string | null;
    readonly assigned: readonly DescribedTopic[];
    readonly target: readonly DescribedTopic[];
  }[];
}
