/**
 * One subscription of a connection: sends records while the subscriber has given credit for them.
 *
 * ```
 *   credit? ──none──► wait for credit
 *      │ some
 *      ▼
 *   read a piece ──records──► send, wait until the socket took it ──► credit less
 *      │ no more now
 *      └──► wait for records, pace (follow-pace.ts)
 * ```
 */
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Collector } from '../http/collector.ts';
import { FollowPace } from '../http/follow-pace.ts';
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
      const { room } = this.#options;
      const source = await this.#options.source;
      const pace = new FollowPace(room.settings);
      while (this.#reading.ended === undefined) {
        await room.payOff(this.#reading);
        if (this.#credit === 0) {
          await this.#creditComes();
          continue;
        }
        const sent = await this.#piece(source);
        if (sent > 0) {
          pace.sent(sent, room.broker.clock.monotonic());
          if (!source.isCaughtUp) {
            await setImmediate();
            continue;
          }
        }
        if (this.#reading.ended !== undefined) break;
        const isDense = pace.next();
        if (sent === 0 || !isDense) await source.wait(this.#reading, WAIT_MS);
        await room.pause(this.#reading, pace.waitMs(room.broker.clock.monotonic()));
      }
    } finally {
      this.stop();
    }
  }

  /** @returns records sent. */
  async #piece(source: RecordSource): Promise<number> {
    const { room, pieceBytes, send } = this.#options;
    if (!(await room.take(this.#reading, pieceBytes))) return 0;
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
      if (count === 0 || this.#reading.ended !== undefined) return 0;
      // One record can be larger than a piece.
      const excess = Math.max(0, sizeBytes - heldBytes);
      room.budget.force(excess);
      heldBytes += excess;
      room.counters.recordsRead += count;
      this.#credit -= count;
      room.charge(this.#reading, sizeBytes);
      if (!(await send(records))) this.stop();
      return count;
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
