/** Answers of `/v1/push`, as far as the commands look into them. */

export interface PushSummary {
  readonly id: string;
  readonly match: readonly string[];
  readonly url: string;
  readonly paused: boolean;
  readonly lag: number;
}

export interface PushPage {
  readonly pushes: readonly PushSummary[];
  readonly nextCursor: string | null;
}

export interface PushDetail extends PushSummary {
  readonly partitionCount: number;
  readonly deadLetterTopic: string | null;
  readonly maxAttempts: number;
  readonly partitions: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly ackedOffset: number;
    readonly endOffset: number;
    readonly lag: number;
    readonly state: string;
    readonly failures: number;
    readonly lastError: string | null;
    readonly nextAttemptAt: string | null;
  }[];
}

export function pushPath(id: string, verb?: 'pause' | 'resume'): string {
  return `/v1/push/${encodeURIComponent(id)}${verb === undefined ? '' : `/${verb}`}`;
}
