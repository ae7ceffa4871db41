/** Records of all topics that match a glob, in the order of commits. */
import type { Timer } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import { FOR_EVER } from '../../broker/fetch.ts';
import type { CommitWaiter } from '../../broker/subscriptions/commit-watch.ts';
import { formatCursor, writeCursor } from '../../broker/subscriptions/cursor.ts';
import type { CommitRun, Subscription } from '../../broker/subscriptions/subscription.ts';
import type { Topic } from '../../broker/topic.ts';
import type { CommitNumber } from '../../journal/journal.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import type { Partition } from '../../store/partition.ts';
import type { AbortedTransaction } from '../../store/transaction-index.ts';
import type { Collector } from './collector.ts';
import type { RecordFrame } from './framing.ts';
import type { PartitionPosition } from './position.ts';
import type { Reading, ReadingRoom, Wait, WaitTarget } from './reading.ts';
import { type RecordFormat, RecordPlace, utf8, writeMembers } from './record-output.ts';
import type { ReadOutcome, RecordSource } from './record-source.ts';
import { PartitionWalk } from './record-walk.ts';
import type { TextBuffer } from './text-buffer.ts';

/** Places of partitions that are kept to be written again: as many as are busy, where not very many are. */
const MAX_PLACES = 1_000;
const CURSOR = utf8('{"cursor":"');
const CURSOR_END = utf8('",');

type OwnPosition = { -readonly [Member in keyof PartitionPosition]: PartitionPosition[Member] };
const NONE_ABORTED: readonly AbortedTransaction[] = [];

export class SubscriptionSource implements RecordSource {
  readonly #room: ReadingRoom;
  readonly #subscription: Subscription;
  readonly #format: RecordFormat;
  readonly #frame: RecordFrame;
  /** By partition number; none until a record came, since thousands wait for one. */
  #places: Map<number, RecordPlace> | undefined;
  /** Of the last record: `#entry` is -1 where what was passed last had none, and `#commit` too where nothing was. */
  #commit: CommitNumber = -1;
  #entry = -1;
  #offset = -1;
  isCaughtUp = false;
  /** Published when the subscription came to its end: what came since is a reason not to wait. */
  #endedAt = -1;

  constructor(room: ReadingRoom, subscription: Subscription, format: RecordFormat, frame: RecordFrame) {
    this.#room = room;
    this.#subscription = subscription;
    this.#format = format;
    this.#frame = frame;
  }

  get cursor(): string | undefined {
    if (this.#commit < 0) return undefined;
    const [commit, entry, offset] = [this.#commit, this.#entry, this.#offset];
    return formatCursor(entry < 0 ? { commit } : { commit, entry, offset });
  }

  /** Refuses a cursor that cannot be gone on from. @throws BROKER_CURSOR_EXPIRED, BROKER_CURSOR_INVALID. */
  async begin(): Promise<void> {
    await this.#subscription.begin();
  }

  async read(reading: Reading, maxBytes: number, collector: Collector): Promise<ReadOutcome> {
    let readBytes = 0;
    const before = collector.count;
    let walk: PartitionWalk | undefined;
    this.isCaughtUp = false;
    try {
      let { publishedCommit } = this.#room.broker.journal.status();
      while (readBytes < maxBytes && !collector.isFull && reading.ended === undefined) {
        const next = this.#subscription.next();
        const step = next instanceof Promise ? await next : next;
        if (step.kind !== 'run') {
          this.isCaughtUp = true;
          this.#endedAt = publishedCommit;
          if (step.kind === 'end') this.#passed(this.#subscription.seen.commit, -1, -1);
          return readBytes > 0 ? 'read' : 'empty';
        }
        readBytes += step.run.sizeBytes;
        walk = walkOf(step.run, walk);
        const collected = this.#collect(step.run, walk, collector, before);
        const goesOn = collected instanceof Promise ? await collected : collected;
        if (!goesOn) return 'read';
        // Nothing is published while nothing is waited for.
        if (next instanceof Promise || collected instanceof Promise) {
          publishedCommit = this.#room.broker.journal.status().publishedCommit;
        }
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

  /**
   * @param before records that the collector had when the round began.
   * @returns whether the next run may follow: not where this one is left in front of a batch that cannot be opened. A
   *   promise only where a batch is compressed.
   */
  #collect(run: CommitRun, walk: PartitionWalk, collector: Collector, before: number): boolean | Promise<boolean> {
    try {
      const waits = this.#render(run, walk, collector);
      return waits === undefined ? this.#collected(run, walk) : this.#collectLater(run, walk, collector, before, waits);
    } catch (error) {
      return this.#faulted(run, walk, collector.count > before, error);
    }
  }

  /** What of the run is in batches that must be opened first. */
  async #collectLater(
    run: CommitRun,
    walk: PartitionWalk,
    collector: Collector,
    before: number,
    first: Promise<boolean>,
  ): Promise<boolean> {
    try {
      for (let waits: Promise<boolean> | undefined = first; waits !== undefined; ) {
        waits = this.#render(run, walk, collector, await waits);
      }
      return this.#collected(run, walk);
    } catch (error) {
      return this.#faulted(run, walk, collector.count > before, error);
    }
  }

  /**
   * Gives records to the collector until it is full or the run has no more.
   * @param there whether the walk is at one.
   * @returns what has to be waited for to go on; undefined: done.
   */
  #render(
    { topic, partition, commit, entry }: CommitRun,
    walk: PartitionWalk,
    collector: Collector,
    there: boolean | Promise<boolean> = walk.openNext(this.#room.broker.decompressor),
  ): Promise<boolean> | undefined {
    const place = this.#placeOf(topic, partition);
    for (let next = there; next !== false; ) {
      if (next instanceof Promise) return next;
      const record = walk.record as RecordCursor;
      this.#write(collector.next, record, place, commit, entry);
      const goesOn = collector.added();
      this.#passed(commit, entry, record.offset);
      walk.delivered();
      if (!goesOn) return undefined;
      next = walk.advance() || walk.openNext(this.#room.broker.decompressor);
    }
    return undefined;
  }

  #write(into: TextBuffer, record: RecordCursor, place: RecordPlace, commit: CommitNumber, entry: number): void {
    const { id, end } = this.#frame;
    if (id !== undefined) {
      into.text(id.before);
      writeCursor(into, commit, entry, record.offset);
      into.text(id.after);
    }
    into.literal(CURSOR);
    writeCursor(into, commit, entry, record.offset);
    into.literal(CURSOR_END);
    writeMembers(into, record, place);
    into.text(end);
  }

  #passed(commit: CommitNumber, entry: number, offset: number): void {
    this.#commit = commit;
    this.#entry = entry;
    this.#offset = offset;
  }

  #placeOf({ name }: Topic, { number, index }: Partition): RecordPlace {
    this.#places ??= new Map();
    const known = this.#places.get(number);
    if (known !== undefined) return known;
    if (this.#places.size >= MAX_PLACES) this.#places.clear();
    const place = new RecordPlace(name, index, this.#format);
    this.#places.set(number, place);
    return place;
  }

  #collected(run: CommitRun, { position }: PartitionWalk): true {
    // The rest of the entry is the next round's.
    if (position.nextOffset < run.endOffset) this.#subscription.reread(run, position.nextOffset);
    return true;
  }

  /** @param isBehindOthers what this round collected before the fault is good; the next round begins with it. */
  #faulted(run: CommitRun, { position }: PartitionWalk, isBehindOthers: boolean, error: unknown): false {
    this.#subscription.reread(run, position.nextOffset);
    if (isBehindOthers) return false;
    throw withCursor(error, run);
  }
}

/** @param before that of another run, which is used again with its position: there may be a run for each record. */
function walkOf(run: CommitRun, before: PartitionWalk | undefined): PartitionWalk {
  const { topic, partition, firstOffset, endOffset, abortedTransactions } = run;
  const { highWatermark, logStartOffset } = partition;
  const walk =
    before ??
    new PartitionWalk({ topic, partition, nextOffset: firstOffset, highWatermark, logStartOffset }, [], NONE_ABORTED);
  const position: OwnPosition = walk.position;
  position.topic = topic;
  position.partition = partition;
  position.nextOffset = firstOffset;
  position.highWatermark = highWatermark;
  position.logStartOffset = logStartOffset;
  walk.restart(run, abortedTransactions, endOffset);
  return walk;
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
