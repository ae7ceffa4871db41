/** Where items go whose last call failed: a sink, with what went wrong in headers; or nowhere, counted. */
import { encodeUtf8, RecordHeaders } from '../client/internal.ts';
import type { Item } from './item.ts';
import type { Opener, Sink, Stage } from './step.ts';
import { Turns } from './turns.ts';

/** A sink takes the item as the step got it. `drop` lets it go; metrics count both. */
export type DeadLetterTarget<Value, Key> = Sink<Item<Value, Key>> | 'drop';

/** Headers that dead letters carry, beside those of the record and its parents. */
export const ERROR_HEADER = 'millrace-error';
/** Header of a dead letter: the step that failed. */
export const ERROR_STEP_HEADER = 'millrace-error-step';
/** Header of a dead letter: how often the step was called for it. */
export const ERROR_ATTEMPTS_HEADER = 'millrace-error-attempts';

/** Headers have to stay small, and messages of errors may not. */
const MAX_MESSAGE_CHARACTERS = 1000;

export class DeadLetters<Value, Key> {
  readonly #sink: Stage<Item<Value, Key>> | undefined;
  readonly #step: string;
  readonly #turns = new Turns();

  private constructor(sink: Stage<Item<Value, Key>> | undefined, step: string) {
    this.#sink = sink;
    this.#step = step;
  }

  static async open<Value, Key>(
    target: DeadLetterTarget<Value, Key> | undefined,
    step: string,
    opener: Opener,
  ): Promise<DeadLetters<Value, Key> | undefined> {
    if (target === undefined) return undefined;
    return new DeadLetters(target === 'drop' ? undefined : await target.open(opener), step);
  }

  /** Any number of callers at the same time. */
  async put(item: Item<Value, Key>, error: unknown, attempts: number): Promise<void> {
    const sink = this.#sink;
    if (sink === undefined) return;
    const message = error instanceof Error ? error.message : String(error);
    const entries = [
      ...item.headers.entries,
      { key: ERROR_HEADER, value: encodeUtf8(message.slice(0, MAX_MESSAGE_CHARACTERS).toWellFormed()) },
      { key: ERROR_STEP_HEADER, value: encodeUtf8(this.#step) },
      { key: ERROR_ATTEMPTS_HEADER, value: encodeUtf8(String(attempts)) },
    ];
    await this.#turns.take(() => sink.push({ ...item, headers: new RecordHeaders<unknown>(entries, undefined) }));
  }

  async flush(): Promise<void> {
    await this.#sink?.flush();
  }

  async close(): Promise<void> {
    await this.#sink?.close();
  }
}
