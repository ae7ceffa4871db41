import type { PartitionWaiter } from '../../store/partition.ts';
import type { Stream } from '../streams/stream.ts';

/** Tells when a stream got records, whoever wrote them. Stays for as long as subscriptions are linked to it. */
export class StreamWatch implements PartitionWaiter {
  readonly #stream: Stream;
  readonly advanced: () => void;
  readonly gone: () => void;

  constructor(stream: Stream, advanced: () => void, gone: () => void) {
    this.#stream = stream;
    this.advanced = advanced;
    this.gone = gone;
    stream.partition.wait(this);
  }

  trimmed(): void {
    // What was deleted is never asked for again.
  }

  stop(): void {
    this.#stream.partition.stopWaiting(this);
  }
}
