/** What subscriptions are asked, and what they answer, apart from any protocol. */
import type { SubscriptionType } from './stream-subscription.ts';

export interface SubscriptionSpec {
  readonly id: string;
  readonly type: SubscriptionType;
  readonly pattern: string | undefined;
  /** Canonical topic names. */
  readonly streams: readonly string[];
  readonly webhookUrl: string | undefined;
  readonly wakeStream: string | undefined;
  readonly leaseTtlMs: number;
  readonly description: string | undefined;
  readonly baseUrl: string;
}

/** A stream as a wake, a claim or a description shows it. */
export interface LinkView {
  readonly name: string;
  readonly linkType: 'explicit' | 'glob';
  readonly ackedOffset: number;
  readonly tailOffset: number;
  readonly hasPending: boolean;
}

export interface Ack {
  /** Canonical topic name. */
  readonly name: string;
  readonly offset: number;
}

/** A worker's report on a wake: callback, ack or release. */
export interface WakeReport {
  readonly token: string;
  readonly wakeId: string;
  readonly generation: number;
  readonly acks: readonly Ack[];
  /** Ends the wake; else it only extends the lease. */
  readonly done: boolean;
}

export interface Claim {
  readonly wakeId: string;
  readonly generation: number;
  readonly token: string;
  readonly streams: readonly LinkView[];
  readonly leaseTtlMs: number;
}

/** One webhook call, ready to be sent. */
export interface WebhookCall {
  readonly url: string;
  readonly body: string;
  /** Value of `Webhook-Signature`. */
  readonly signature: string;
  readonly timeoutMs: number;
}

export interface WakeNotice {
  readonly subscriptionId: string;
  readonly wakeId: string;
  readonly generation: number;
  readonly streams: readonly LinkView[];
  readonly baseUrl: string;
  readonly token: string;
}

/** The way out of the broker: made by a listener, which knows the protocol's texts and the rules of calling out. */
export interface WebhookSender {
  /** The body of a wake's call. */
  render(notice: WakeNotice): string;
  /** @returns whether the receiver took it, and whether its work is done. Never rejects. */
  send(call: WebhookCall): Promise<{ readonly ok: boolean; readonly done: boolean; readonly reason?: string }>;
}

export interface SubscriptionCounters {
  wakes: number;
  webhookCalls: number;
  webhookFailures: number;
  acks: number;
  leasesExpired: number;
}
