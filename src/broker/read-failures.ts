/**
 * Says in the broker's log what could not be read: an answer to a client has no room for the file and the place in it.
 * A reader that asks again and again is heard once a minute, and so are many readers of one place.
 */
import type { Clock } from '../base/clock.ts';
import { asMillraceError, type ErrorCode } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Partition } from '../store/partition.ts';

const SILENT_MS = 60_000;
/** Failures that are remembered; beyond them the oldest is said once more. */
const MAX_REMEMBERED = 1_000;
/** No fault of what is stored: the broker ends, or the client asked for what is not there. */
const EXPECTED: ReadonlySet<ErrorCode> = new Set(['STORE_OFFSET_OUT_OF_RANGE', 'STORE_CLOSED', 'JOURNAL_CLOSED']);

export interface ReadFailuresOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Undefined: the topic was deleted, and nobody misses its records. */
  readonly topicOf: (partition: Partition) => string | undefined;
}

export class ReadFailures {
  readonly #options: ReadFailuresOptions;
  /** When each was said, by partition and message; the oldest first. */
  readonly #said = new Map<string, number>();

  constructor(options: ReadFailuresOptions) {
    this.#options = options;
  }

  /** @param offset from which was read: the place that failed is there or behind it. */
  failed(partition: Partition, offset: number, thrown: unknown): void {
    const { clock, logger, topicOf } = this.#options;
    const { code, message } = asMillraceError(thrown);
    const topic = topicOf(partition);
    if (topic === undefined || EXPECTED.has(code)) return;
    const key = `${partition.number} ${message}`;
    const now = clock.monotonic();
    if (now - (this.#said.get(key) ?? Number.NEGATIVE_INFINITY) < SILENT_MS) return;
    this.#said.delete(key);
    this.#said.set(key, now);
    if (this.#said.size > MAX_REMEMBERED) this.#said.delete(this.#said.keys().next().value as string);
    logger.error(`Records of ${topic}, partition ${partition.index}, cannot be read: ${message}`, { code, offset });
  }
}
