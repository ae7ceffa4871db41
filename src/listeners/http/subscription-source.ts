/** Records of all topics that match a glob, in the order of commits. */
import type { Timer } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import { FOR_EVER } from '../../broker/fetch.ts';
import type { CommitWaiter } from '../../broker/subscriptions/commit-watch.ts';
import { type Cursor, formatCursor } from '../../broker/subscriptions/cursor.ts';
import type { CommitRun, Subscription } from '../../broker/subscriptions/subscription.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import type { Collector } from './collector.ts';
import type { Reading, ReadingRoom, Wait, WaitTarget } from './reading.ts';
import { type RecordFormat, recordJson } from './record-output.ts';
import type { ReadOutcome, RecordSource } from './record-source.ts';
import { PartitionWalk } from './record-walk.ts';

/** @param json the record, its cursor included. */
export type RenderRecord = (json: string, cursor: string) => string;

export class SubscriptionSource implements RecordSource {
  readonly #room: ReadingRoom;
  readonly #subscription: Subscription;
  readonly #format: RecordFormat;
  readonly #render: RenderRecord;
  /** Of the last record, or of what was passed without one. */
  #cursor: Cursor | undefined;
  isCaughtUp = false;
  /** Published when the subscription came to its end: what came since is a reason not to wait. */
  #endedAt = -1;

  constructor(room: ReadingRoom, subscription: Subscription, format: RecordFormat, render: RenderRecord) {
    this.#room = room;
    this.#subscription = subscription;
    this.#format = format;
    this.#render = render;
  }

  get cursor(): string | undefined {
    return this.#cursor === undefined ? undefined : formatCursor(this.#cursor);
  }

  /** Refuses a cursor that cannot be gone on from. @throws BROKER_CURSOR_EXPIRED, BROKER_CURSOR_INVALID. */
  async begin(): Promise<void> {
    await this.#subscription.begin();
  }

  async read(reading: Reading, maxBytes: number, collector: Collector): Promise<ReadOutcome> {
    let readBytes = 0;
    const before = collector.parts.length;
    this.isCaughtUp = false;
    try {
      while (readBytes < maxBytes && !collector.isFull && reading.ended === undefined) {
        const { publishedCommit } = this.#room.broker.journal.status();
        const next = this.#subscription.next();
        const step = next instanceof Promise ? await next : next;
        if (step.kind !== 'run') {
          this.isCaughtUp = true;
          this.#endedAt = publishedCommit;
          if (step.kind === 'end') this.#cursor = this.#subscription.seen;
          return readBytes > 0 ? 'read' : 'empty';
        }
        readBytes += step.run.bytes.length;
        if (!(await this.#collect(step.run, collector, before))) return 'read';
      }
      return reading.ended === undefined ? 'read' : 'ended';
    } finally {
      this.#subscription.rest();
    }
  }

  wait(reading: Reading, waitMs: number): Promise<ReadOutcome> {
    const { broker } = this.#room;
    if (broker.journal.status().publishedCommit !== this.#endedAt) return Promise.resolve('read');
    return reading.wait<ReadOutcome>(new CommitWait(broker, waitMs), 'ended');
  }

  /** @returns whether the next run may follow: not where this one is left in front of a batch that cannot be opened. */
  async #collect(run: CommitRun, collector: Collector, before: number): Promise<boolean> {
    const { topic, partition, commit, entry, bytes, firstOffset, endOffset, abortedTransactions } = run;
    const { highWatermark, logStartOffset } = partition;
    const position = { topic, partition, nextOffset: firstOffset, highWatermark, logStartOffset };
    const walk = new PartitionWalk(position, [bytes], abortedTransactions, endOffset);
    const topicJson = JSON.stringify(topic.name);
    try {
      let there = await walk.openNext(this.#room.broker.decompressor);
      while (there) {
        const record = walk.record as RecordCursor;
        this.#cursor = { commit, entry, offset: record.offset };
        const cursor = formatCursor(this.#cursor);
        const json = recordJson(record, topicJson, partition.index, this.#format, `"cursor":"${cursor}",`);
        const goesOn = collector.add(this.#render(json, cursor));
        walk.delivered();
        if (!goesOn) break;
        there = walk.advance() || (await walk.openNext(this.#room.broker.decompressor));
      }
    } catch (error) {
      this.#subscription.reread(run, position.nextOffset);
      // What this round collected before the fault is good; the next round begins with it.
      if (collector.parts.length > before) return false;
      throw withCursor(error, run);
    }
    // The rest of the entry, perhaps, is the next round's.
    this.#subscription.reread(run, position.nextOffset);
    return true;
  }
}

/** Until the journal goes on. */
class CommitWait implements CommitWaiter, WaitTarget<ReadOutcome> {
  readonly #broker: Broker;
  readonly #waitMs: number;
  #wait: Wait<ReadOutcome> | undefined;
  #timer: Timer | undefined;

  constructor(broker: Broker, waitMs: number) {
    this.#broker = broker;
    this.#waitMs = waitMs;
  }

  start(wait: Wait<ReadOutcome>): void {
    this.#wait = wait;
    this.#broker.commits.wait(this);
    if (this.#waitMs !== FOR_EVER) this.#timer = this.#broker.clock.schedule(this.#waitMs, () => this.#end('empty'));
  }

  advanced(): void {
    this.#end('read');
  }

  cancel(): void {
    this.#broker.commits.leave(this);
    this.#timer?.cancel();
  }

  #end(outcome: ReadOutcome): void {
    this.cancel();
    this.#wait?.done(outcome);
  }
}

/** A batch that cannot be opened is passed by a cursor behind it. */
function withCursor(error: unknown, { commit, entry }: CommitRun): unknown {
  const next = error instanceof MillraceError ? error.details['nextOffset'] : undefined;
  if (!(error instanceof MillraceError) || typeof next !== 'number') return error;
  const cursor = formatCursor({ commit, entry, offset: next - 1 });
  return new MillraceError(error.code, error.message.replace(/ Go on behind it .*$/, ` Go on with cursor=${cursor}.`), {
    details: { ...error.details, cursor },
    cause: error.cause,
  });
}
