import { TopicPattern } from '../../model/topic-pattern.ts';

export type SubscriptionType = 'webhook' | 'pull-wake';

/** What is fixed when a subscription is made. */
export interface SubscriptionConfig {
  readonly id: string;
  readonly type: SubscriptionType;
  /** Glob over topic names, as it was given. */
  readonly pattern: string | undefined;
  readonly webhookUrl: string | undefined;
  /** Canonical topic name. */
  readonly wakeStream: string | undefined;
  readonly leaseTtlMs: number;
  readonly description: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Where its creator reached this server; callbacks are told to come there. No slash at the end. */
  readonly baseUrl: string;
  /** SHA-256 of the normalized request, hexadecimal: the same request again is the same subscription. */
  readonly configHash: string;
}

/** One stream of a subscription. */
export interface StreamLink {
  /** Canonical topic name; an explicit link may name a stream that does not exist yet. */
  readonly name: string;
  readonly byGlob: boolean;
  readonly byName: boolean;
  /** Everything before this offset was processed. */
  readonly ackedOffset: number;
}

/**
 * Where a subscription stands. In the journal, so that a restart goes on where it was.
 *
 * ```
 *   idle ──pending work──► woken ──(pull-wake) claim──► claimed ──done / release / lease over──► idle
 *                            └────(webhook) done / callback done / lease over──────────────────►┘
 * ```
 */
export interface WakeState {
  /** Grows by one with each wake; everything that names an older one is fenced. */
  readonly generation: number;
  /** Undefined: idle. */
  readonly wakeId: string | undefined;
  /** Worker that has claimed it; pull-wake only. */
  readonly holder: string | undefined;
  /** Milliseconds since 1970; 0: no lease runs. */
  readonly leaseUntil: number;
  /** Failed deliveries of this wake in a row. */
  readonly retryCount: number;
  /** Milliseconds since 1970; 0: no retry is planned. */
  readonly nextAttemptAt: number;
}

const IDLE: WakeState = {
  generation: 0,
  wakeId: undefined,
  holder: undefined,
  leaseUntil: 0,
  retryCount: 0,
  nextAttemptAt: 0,
};

/** Changed only by the fold (`subscriptions-state.ts`). */
export class StreamSubscription {
  readonly config: SubscriptionConfig;
  readonly links = new Map<string, StreamLink>();
  wake: WakeState = IDLE;
  deleted = false;
  readonly #pattern: TopicPattern | undefined;

  constructor(config: SubscriptionConfig) {
    this.config = config;
    this.#pattern = config.pattern === undefined ? undefined : new TopicPattern(config.pattern);
  }

  get id(): string {
    return this.config.id;
  }

  /** Its own wake events are no work: they would wake it for ever. */
  matches(name: string): boolean {
    return name !== this.config.wakeStream && this.#pattern?.matches(name) === true;
  }
}
