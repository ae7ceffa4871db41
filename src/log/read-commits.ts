/** Records of many topics in the order of commits: what is there, and what comes. */
import type { Broker } from '../broker/broker.ts';
import { formatCursor, parseCursor } from '../broker/subscriptions/cursor.ts';
import { type CommitRun, runBytes, type Subscription } from '../broker/subscriptions/subscription.ts';
import { TopicPattern } from '../model/topic-pattern.ts';
import { openBatches } from './open-batches.ts';
import type { SubscribedRecord, SubscribeOptions } from './types.ts';
import { isAborted, waitFor } from './waits.ts';

/** @throws BROKER_CURSOR_INVALID, BROKER_CURSOR_EXPIRED, MODEL_TOPIC_PATTERN_INVALID, STORE_CORRUPT. */
export async function* readCommits(
  broker: Broker,
  match: readonly string[],
  options: SubscribeOptions,
): AsyncGenerator<SubscribedRecord, void, undefined> {
  const { signal, follow = false, limit = Number.POSITIVE_INFINITY } = options;
  const subscription = broker.subscribe({
    patterns: match.map((text) => new TopicPattern(text)),
    start: options.from === undefined ? 'earliest' : parseCursor(options.from),
    readCommitted: true,
  });
  let left = limit;
  try {
    while (left > 0 && !isAborted(signal)) {
      const { publishedCommit } = broker.journal.status();
      const step = await subscription.next();
      if (step.kind === 'run') {
        for await (const record of recordsOf(step.run, broker)) {
          yield record;
          left -= 1;
          if (left === 0 || isAborted(signal)) return;
        }
      } else if (!follow || !(await waitForMore(broker, subscription, publishedCommit, signal))) return;
    }
  } finally {
    subscription.rest();
  }
}

/** What came between the look and the wait is not waited for. */
async function waitForMore(
  broker: Broker,
  subscription: Subscription,
  seenCommit: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  subscription.rest();
  return await waitFor((done) => {
    const waiter = { advanced: done };
    broker.commits.wait(waiter);
    if (broker.journal.status().publishedCommit !== seenCommit) setImmediate(done);
    return () => broker.commits.leave(waiter);
  }, signal);
}

async function* recordsOf(run: CommitRun, broker: Broker): AsyncGenerator<SubscribedRecord, void, undefined> {
  const { topic, partition, commit, entry, firstOffset, endOffset, abortedTransactions } = run;
  // The run is borrowed; the records are given away.
  const bytes = Uint8Array.from(runBytes(run));
  for await (const record of openBatches(bytes, firstOffset, endOffset, abortedTransactions, broker.decompressor)) {
    const cursor = formatCursor({ commit, entry, offset: record.offset });
    yield { topic: topic.name, partition: partition.index, ...record, cursor };
  }
}
