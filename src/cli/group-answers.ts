/** Shapes of the answers about consumer groups, as docs/protocol.md gives them, and the paths they come from. */
import { UsageError } from './failure.ts';

export interface GroupSummary {
  readonly group: string;
  readonly type: string;
  readonly state: string;
  readonly protocolType: string;
}

export interface GroupPage {
  readonly groups: readonly GroupSummary[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

export interface GroupMember {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly epoch: number;
  readonly assignment: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

export interface GroupDetail extends GroupSummary {
  readonly epoch: number;
  readonly assignor: string | null;
  readonly leader: string | null;
  readonly members: readonly GroupMember[];
}

export interface GroupOffset {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly metadata: string;
  /** Null where the partition is gone. */
  readonly highWatermark: number | null;
  readonly lag: number | null;
}

export interface GroupOffsets {
  readonly group: string;
  readonly offsets: readonly GroupOffset[];
}

export interface ResetOffset {
  readonly topic: string;
  readonly partition: number;
  readonly before: number | null;
  readonly after: number;
  readonly clamped: boolean;
}

export interface ResetAnswer {
  readonly group: string;
  readonly dryRun: boolean;
  readonly offsets: readonly ResetOffset[];
}

/** Path of a group's resource; the id goes as one segment. */
export function groupPath(group: string, verb?: 'offsets' | 'offsets/reset'): string {
  if (group === '') throw new UsageError('The group id is empty.');
  return `/v1/groups/${encodeURIComponent(group)}${verb === undefined ? '' : `/${verb}`}`;
}
