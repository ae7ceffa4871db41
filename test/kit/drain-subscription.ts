import type { Broker } from '../../src/broker/broker.ts';
import { type Cursor } from '../../src/broker/subscriptions/cursor.ts';
import { runBytes, type Subscription } from '../../src/broker/subscriptions/subscription.ts';
import { isControl } from '../../src/model/record-batch.ts';
import { readRecords } from '../../src/model/record-codec.ts';
import { TopicPattern } from '../../src/model/topic-pattern.ts';
import { splitBatches } from './broker-kit.ts';

/** One record that a subscription gave out. */
export interface Seen {
  /** `topic/partition@offset`. */
  readonly place: string;
  readonly cursor: Cursor;
}

export function subscribe(
  broker: Broker,
  match: readonly string[],
  start: Cursor | 'earliest' | 'latest',
): Subscription {
  return broker.subscribe({ patterns: match.map((text) => new TopicPattern(text)), start, readCommitted: true });
}

/** All records there are, or the first so many. */
export async function drain(subscription: Subscription, limit = Number.POSITIVE_INFINITY): Promise<Seen[]> {
  const seen: Seen[] = [];
  while (seen.length < limit) {
    const step = await subscription.next();
    if (step.kind !== 'run') return seen;
    const { topic, partition, commit, entry, firstOffset, endOffset } = step.run;
    for (const batch of splitBatches(Buffer.from(runBytes(step.run)))) {
      if (isControl(batch, 0)) continue;
      for (const { offset } of readRecords(batch)) {
        if (offset < firstOffset || offset >= endOffset) continue;
        seen.push({ place: `${topic.name}/${partition.index}@${offset}`, cursor: { commit, entry, offset } });
      }
    }
  }
  return seen;
}

export function places(seen: readonly Seen[]): string[] {
  return seen.map(({ place }) => place);
}
