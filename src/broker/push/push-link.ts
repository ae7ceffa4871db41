/** One partition of a push: what waits there, and how its deliveries go. */
import type { Partition, PartitionWaiter } from '../../store/partition.ts';
import type { Deadline } from '../groups/deadlines.ts';
import type { Topic } from '../topic.ts';
import type { LinkState, PushLinkView } from './api.ts';
import type { Push } from './push.ts';

export interface LinkOwner {
  /** The link has something to deliver, and is not under way. */
  ready(link: PushLink): void;
  /** Its topic is gone. */
  gone(link: PushLink): void;
  newRetry(link: PushLink): Deadline;
}

export class PushLink implements PartitionWaiter {
  readonly push: Push;
  readonly topic: Topic;
  readonly partition: Partition;
  state: LinkState = 'idle';
  failures = 0;
  lastError: string | undefined;
  /** Milliseconds since 1970. */
  nextAttemptAt: number | undefined;
  /** Rewinds in a row: an application that never agrees with itself would go round for ever. */
  rewinds = 0;
  /** Up to here (exclusive) there is nothing to deliver; not folded. */
  passedTo = 0;
  readonly #owner: LinkOwner;
  #retry: Deadline | undefined;

  constructor(push: Push, topic: Topic, partition: Partition, owner: LinkOwner) {
    this.push = push;
    this.topic = topic;
    this.partition = partition;
    this.#owner = owner;
    partition.wait(this);
  }

  get ackedOffset(): number {
    return this.push.cursor(this.topic.id, this.partition.index)?.ackedOffset ?? this.partition.logStartOffset;
  }

  /** Where the next delivery begins to read. */
  get readOffset(): number {
    const skippedTo = this.push.cursor(this.topic.id, this.partition.index)?.skippedTo ?? 0;
    return Math.max(this.ackedOffset, skippedTo, this.passedTo);
  }

  get hasPending(): boolean {
    return !this.partition.deleted && this.partition.lastStableOffset > this.readOffset;
  }

  advanced(): void {
    if (this.state === 'idle' && this.hasPending) this.#owner.ready(this);
  }

  trimmed(): void {
    // What was deleted is told of with the next delivery.
  }

  gone(): void {
    this.#owner.gone(this);
  }

  retryIn(delayMs: number, nextAttemptAt: number): void {
    this.state = 'waiting';
    this.nextAttemptAt = nextAttemptAt;
    this.#retry ??= this.#owner.newRetry(this);
    this.#retry.set(delayMs);
  }

  /** What failed before is tried at once. */
  forgetFailures(): void {
    this.#retry?.cancel();
    this.nextAttemptAt = undefined;
    this.failures = 0;
    this.rewinds = 0;
    this.lastError = undefined;
  }

  stop(): void {
    this.#retry?.cancel();
    this.partition.stopWaiting(this);
  }

  view(): PushLinkView {
    const { ackedOffset, readOffset, partition, topic, state, failures, lastError, nextAttemptAt } = this;
    const endOffset = partition.lastStableOffset;
    const lag = Math.max(0, endOffset - readOffset);
    const place = { topic: topic.name, partition: partition.index };
    return { ...place, ackedOffset, endOffset, lag, state, failures, lastError, nextAttemptAt };
  }
}
