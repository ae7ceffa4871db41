/** What the engine of pushes asks of a listener, and what it tells of itself. */
import type { Partition } from '../../store/partition.ts';
import type { Topic } from '../topic.ts';
import type { PushConfig } from './push.ts';

/** One delivery to be made. */
export interface PushOrder {
  readonly config: PushConfig;
  readonly topic: Topic;
  readonly partition: Partition;
  /** What the application should have stored. */
  readonly fromOffset: number;
  /** Where the records begin: behind `fromOffset` where some went to the dead letters. */
  readonly readOffset: number;
  readonly maxRecords: number;
  /** From 1. */
  readonly attempt: number;
}

export type PushOutcome =
  /** Taken up to the offset, which is beyond `fromOffset`. */
  | { readonly kind: 'accepted'; readonly offset: number; readonly recordCount: number }
  /** The application is elsewhere. */
  | { readonly kind: 'rewound'; readonly offset: number }
  /** There is nothing for an application before this offset: markers of transactions. */
  | { readonly kind: 'empty'; readonly nextOffset: number }
  /** @param firstOffset that of the first record that was sent; undefined: none was. */
  | { readonly kind: 'failed'; readonly reason: string; readonly firstOffset: number | undefined }
  /** The listener stops. */
  | { readonly kind: 'ended' };

/** The way out of the broker: made by a listener, which reads, renders and calls. Never rejects. */
export interface PushSender {
  deliver(order: PushOrder): Promise<PushOutcome>;
}

export type LinkState = 'idle' | 'ready' | 'delivering' | 'waiting';

/** How one partition of a push stands. */
export interface PushLinkView {
  readonly topic: string;
  readonly partition: number;
  readonly ackedOffset: number;
  readonly endOffset: number;
  readonly lag: number;
  readonly state: LinkState;
  /** Failures in a row. */
  readonly failures: number;
  readonly lastError: string | undefined;
  /** Milliseconds since 1970; undefined: no retry is planned. */
  readonly nextAttemptAt: number | undefined;
}

export interface PushCounters {
  deliveries: number;
  failures: number;
  /** Records that were taken. */
  records: number;
  /** The application was elsewhere than its cursor. */
  rewinds: number;
  deadLetters: number;
}
