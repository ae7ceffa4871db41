/** Waiting for a stream to move: more records, its end, or its deletion. Holds nothing but the place in two sets. */
import type { Timer } from '../../../base/clock.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { Partition, PartitionWaiter } from '../../../store/partition.ts';
import type { Reading, Wait, WaitTarget } from '../reading.ts';

/** `moved`: look again. `ended`: the reading ended first. */
export type WaitOutcome = 'moved' | 'timeout' | 'ended';

/** @param offset what the reader has; anything readable behind it ends the wait at once. */
export function waitForStream(
  broker: Broker,
  reading: Reading,
  stream: Stream,
  offset: number,
  waitMs: number,
): Promise<WaitOutcome> {
  return reading.wait<WaitOutcome>(new StreamWait(broker, stream, offset, waitMs), 'ended');
}

class StreamWait implements PartitionWaiter, WaitTarget<WaitOutcome> {
  readonly #broker: Broker;
  readonly #stream: Stream;
  readonly #offset: number;
  readonly #waitMs: number;
  readonly #look = (): void => this.advanced();
  #wait: Wait<WaitOutcome> | undefined;
  #timer: Timer | undefined;

  constructor(broker: Broker, stream: Stream, offset: number, waitMs: number) {
    this.#broker = broker;
    this.#stream = stream;
    this.#offset = offset;
    this.#waitMs = waitMs;
  }

  start(wait: Wait<WaitOutcome>): void {
    this.#wait = wait;
    const stream = this.#stream;
    // Between the read that found nothing and here it may have moved, and nobody would tell us.
    if (this.#hasMoved()) {
      wait.done('moved');
      return;
    }
    stream.partition.wait(this);
    stream.watchers ??= new Set();
    stream.watchers.add(this.#look);
    this.#timer = this.#broker.clock.schedule(this.#waitMs, () => this.#end('timeout'));
  }

  cancel(): void {
    const stream = this.#stream;
    this.#timer?.cancel();
    stream.partition.stopWaiting(this);
    stream.watchers?.delete(this.#look);
    if (stream.watchers?.size === 0) stream.watchers = undefined;
  }

  advanced(): void {
    // A commit of an open transaction is not readable yet.
    if (this.#hasMoved()) this.#end('moved');
  }

  trimmed(partition: Partition): void {
    // The next look finds that what it asks for was deleted.
    if (this.#offset < partition.logStartOffset) this.#end('moved');
  }

  gone(): void {
    this.#end('moved');
  }

  #hasMoved(): boolean {
    const stream = this.#stream;
    if (stream.tailOffset > this.#offset || stream.topic.deleted || stream.retired) return true;
    // Records of an open transaction may still become readable behind the end.
    return stream.tailOffset >= stream.partition.highWatermark && this.#broker.streams.isClosed(stream);
  }

  #end(outcome: WaitOutcome): void {
    this.cancel();
    this.#wait?.done(outcome);
  }
}
