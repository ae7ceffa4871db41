/** Folding the items of each key into a state. */
import { MillraceError } from '../client/internal.ts';
import { type Item, keyText, type OriginPlace, withValue } from './item.ts';
import { KeyedState, type StateStore } from './state.ts';
import type { Stage, StageContext, Step } from './step.ts';

/** Options of `reduce`. */
export interface ReduceOptions<Value, Key, State> {
  readonly name?: string | undefined;
  /** State of a key that has none yet. */
  readonly initial: (key: Key | null) => State;
  /** @returns the next state, a new one where it is an object; undefined deletes the key's state. */
  readonly fold: (state: State, value: Value, item: Item<Value, Key>) => State | undefined;
  /** Where the state outlives the pipeline. Without it a pipeline begins with none. */
  readonly state?: StateStore<State> | undefined;
}

/**
 * Keeps a state for each key, and hands it on whenever it changes. A record that comes again after a crash does not change the
 * state a second time; the state as it is goes on once more.
 */
export function reduce<Value, Key, State>(
  options: ReduceOptions<Value, Key, State>,
): Step<Item<Value, Key>, Item<State, Key>> {
  const { name = 'reduce' } = options;
  return {
    name,
    async open(next, opener) {
      const context = opener.context(name);
      refuseScatteredKeys(context);
      return new ReduceStage(next, context, options, await KeyedState.open(options.state, context));
    },
  };
}

/** @throws MillraceError CLIENT_UNSUPPORTED. */
export function refuseScatteredKeys({ acknowledgesRecords, metrics }: StageContext): void {
  if (!acknowledgesRecords) return;
  throw new MillraceError(
    'CLIENT_UNSUPPORTED',
    `Step ${metrics.step} needs all records of a key in one pipeline, and this group hands out records one by one; use mode resumable.`,
  );
}

class ReduceStage<Value, Key, State> implements Stage<Item<Value, Key>> {
  readonly #next: Stage<Item<State, Key>>;
  readonly #context: StageContext;
  readonly #options: ReduceOptions<Value, Key, State>;
  readonly #state: KeyedState<State>;
  #hasItems = false;

  constructor(
    next: Stage<Item<State, Key>>,
    context: StageContext,
    options: ReduceOptions<Value, Key, State>,
    state: KeyedState<State>,
  ) {
    this.#next = next;
    this.#context = context;
    this.#options = options;
    this.#state = state;
  }

  push(item: Item<Value, Key>): void | Promise<void> {
    const { metrics } = this.#context;
    metrics.in += 1;
    this.#hasItems = true;
    const name = keyText(item.key);
    const entry = this.#state.get(name);
    if (entry !== undefined && this.#state.hasSeen(name, item.origin)) {
      metrics.out += 1;
      return this.#next.push(withValue(item, entry.state));
    }
    const state = this.#options.fold(entry?.state ?? this.#options.initial(item.key), item.value, item);
    if (state === undefined) {
      this.#state.delete(name);
      metrics.dropped += 1;
      return;
    }
    this.#state.set(name, state, item.origin);
    metrics.out += 1;
    return this.#next.push(withValue(item, state));
  }

  advance(watermarkMs: number): void | Promise<void> {
    return this.#next.advance(watermarkMs);
  }

  async flush(): Promise<void> {
    await this.#next.flush();
    // Right before the write: another member has what was lost, and its state is newer.
    this.#context.followAssignment();
    await this.#state.save();
  }

  lost(places: readonly Omit<OriginPlace, 'offset'>[]): void {
    this.#state.forget(places);
  }

  /** Another member may have changed the states of its keys. */
  async gained(): Promise<void> {
    if (!this.#context.partitionsMove || !this.#state.isKept) return;
    if (this.#hasItems) await this.flush();
    await this.#state.load();
  }

  async close(): Promise<void> {
    await this.#state.close();
  }
}
