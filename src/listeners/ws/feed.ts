/**
 * One subscription of a connection: sends records while the subscriber has given credit for them.
 *
 * ```
 *   credit? ──none──► wait for credit
 *      │ some
 *      ▼
 *   read a piece ──records──► send, wait until the socket took it ──► credit less
 *      │ nothing
 *      └──► wait for records
 * ```
 */
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Collector } from '../http/collector.ts';
import type { Reading, ReadingRoom, WaitTarget } from '../http/reading.ts';
import type { RecordSource } from '../http/record-source.ts';

/** How long to wait for records before looking again: only so that a wait has an end. */
const WAIT_MS = 60_000;

export interface FeedOptions {
  readonly room: ReadingRoom;
  /** Being opened: the subscription's name is taken meanwhile. */
  readonly source: Promise<RecordSource>;
  /** Records that may be sent before more credit comes. */
  readonly credit: number;
  readonly pieceBytes: number;
  /** Whose quota it counts for. */
  readonly quotaClient: string;
  /** Sends rendered records, with commas between them; resolves when the socket took them, false when it is gone. */
  readonly send: (records: string) => Promise<boolean>;
}

export class Feed {
  readonly #options: FeedOptions;
  readonly #closed = new EventEmitter();
  readonly #reading: Reading;
  #credit: number;
  #onCredit: (() => void) | undefined;

  /** @throws HTTP_TOO_MANY_READERS, HTTP_STOPPING. */
  constructor(options: FeedOptions) {
    this.#options = options;
    this.#credit = options.credit;
    this.#reading = options.room.enter(this.#closed, true, options.quotaClient);
  }

  addCredit(records: number): void {
    this.#credit = Math.min(this.#credit + records, Number.MAX_SAFE_INTEGER);
    this.#onCredit?.();
  }

  /** Lets go of whatever it waits for; `run` resolves. Safe to call twice. */
  stop(): void {
    this.#closed.emit('close');
  }

  /** Until it is stopped. @throws what reading gives. */
  async run(): Promise<void> {
    try {
      const source = await this.#options.source;
      while (this.#reading.ended === undefined) {
        await this.#options.room.payOff(this.#reading);
        if (this.#credit === 0) await this.#creditComes();
        else if (await this.#piece(source)) await setImmediate();
        else if (this.#reading.ended === undefined) await source.wait(this.#reading, WAIT_MS);
      }
    } finally {
      this.stop();
    }
  }

  /** @returns whether records were sent. */
  async #piece(source: RecordSource): Promise<boolean> {
    const { room, pieceBytes, send } = this.#options;
    if (!(await room.take(this.#reading, pieceBytes))) return false;
    let heldBytes = pieceBytes;
    try {
      const collector = new Collector({ records: this.#credit, bytes: pieceBytes }, ',');
      while (!collector.isFull) {
        const before = collector.count;
        const outcome = await source.read(this.#reading, pieceBytes, collector);
        if (outcome !== 'read' || collector.count > before) break;
      }
      const { count, sizeBytes } = collector;
      const records = collector.takeText();
      if (count === 0 || this.#reading.ended !== undefined) return false;
      // One record can be larger than a piece.
      const excess = Math.max(0, sizeBytes - heldBytes);
      room.budget.force(excess);
      heldBytes += excess;
      room.counters.recordsRead += count;
      this.#credit -= count;
      room.charge(this.#reading, sizeBytes);
      if (!(await send(records))) this.stop();
      return true;
    } finally {
      room.budget.give(heldBytes);
    }
  }

  async #creditComes(): Promise<void> {
    const target: WaitTarget<void> = {
      start: (wait) => {
        this.#onCredit = () => wait.done();
      },
      cancel: () => {},
    };
    await this.#reading.wait(target, undefined);
    this.#onCredit = undefined;
  }
}
