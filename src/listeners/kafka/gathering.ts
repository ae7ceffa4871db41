/**
 * Small requests that nobody hurries for, answered a few at a time. A thousand members that heartbeat and commit every second wake an
 * otherwise idle process for each of two thousand requests, whose code and data the processor has forgotten meanwhile: twice
 * the work of the same requests side by side. So while there are many, each waits for the next of fifty turns a second. Its
 * client loses a tenth at most of the time between two of its requests, and one that asks in a row nothing.
 */
import type { Clock } from '../../base/clock.ts';
import { API_KEYS } from '../../wire/api-keys.ts';

const TURN_MS = 20;
/** Since the client's last request of this kind: whoever asks more often waits for the answers. */
const MIN_GAP_MS = 10 * TURN_MS;
/** Requests a turn from which on it pays. */
const MIN_REQUESTS = 4;
/** Answered in one go; then whoever else has come is served. */
const MAX_IN_ONE_GO = 6;

const CAN_WAIT: ReadonlySet<number> = new Set([
  API_KEYS.Heartbeat,
  API_KEYS.ConsumerGroupHeartbeat,
  API_KEYS.OffsetCommit,
]);

export interface Gathered {
  /** Of its last request that could have waited, on the monotonic clock. */
  lastPatientAt: number;
  /** Its turn has come. */
  runGathered(): void;
}

export class Gathering {
  readonly #clock: Clock;
  #waiting: Gathered[] = [];
  #windowAt = Number.NEGATIVE_INFINITY;
  #requests = 0;
  #pays = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns whether the request is to wait for `runGathered`, which its connection may also call before. */
  gather(connection: Gathered, apiKey: number): boolean {
    if (!CAN_WAIT.has(apiKey)) return false;
    const now = this.#clock.monotonic();
    const gapMs = now - connection.lastPatientAt;
    connection.lastPatientAt = now;
    this.#count(now);
    if (!this.#pays || gapMs < MIN_GAP_MS) return false;
    if (this.#waiting.push(connection) === 1) this.#clock.schedule(TURN_MS, () => this.#run());
    return true;
  }

  /** Whether it pays is known from the last ten turns. */
  #count(now: number): void {
    this.#requests += 1;
    const elapsedMs = now - this.#windowAt;
    if (elapsedMs < MIN_GAP_MS) return;
    this.#pays = this.#requests * TURN_MS >= MIN_REQUESTS * elapsedMs;
    this.#windowAt = now;
    this.#requests = 0;
  }

  #run(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const some = (from: number): void => {
      const to = from + MAX_IN_ONE_GO;
      for (const connection of waiting.slice(from, to)) connection.runGathered();
      if (to < waiting.length) setImmediate(some, to);
    };
    some(0);
  }
}
