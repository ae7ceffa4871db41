/**
 * Steps that call a function of the program: map, filter, flatMap, forEach. One call at a time, or several with the order of
 * items kept, not kept, or kept for each key; failed calls are tried again; what fails for good is set aside or ends the
 * pipeline.
 *
 *   push ─► call (and calls again) ─► results, in the order asked for ─► the next stage, one after the other
 *
 * At most `concurrency` items are in work; results that wait for their turn count as in work, so memory is bounded.
 */
import { MillraceError, Wake } from '../client/internal.ts';
import { DeadLetters, type DeadLetterTarget } from './dead-letters.ts';
import { type AnyItem, type Item, keyText } from './item.ts';
import { type ExactRetry, exactRetry, type RetryPolicy, retry } from './retry.ts';
import type { Stage, StageContext, Step } from './step.ts';

/** What a function of the program gets beside the value. */
export interface CallInfo {
  /** Ends when the pipeline gives up: nobody waits for the result any more. */
  readonly signal: AbortSignal;
  /** From 1. */
  readonly attempt: number;
}

/** Options of steps that call functions: how many at a time, in which order, what happens to failures. */
export interface WorkOptions<Value, Key> {
  /** For metrics and messages. Default: what the step is. */
  readonly name?: string | undefined;
  /** Calls at the same time, at most. Default 1. */
  readonly concurrency?: number | undefined;
  /**
   * Order of the results with a concurrency above 1: that of the items (`kept`, default), as they come (`any`), or that of the
   * items of each key (`key`: calls for one key follow each other, those for different keys do not wait for one another).
   */
  readonly order?: 'kept' | 'any' | 'key' | undefined;
  /** Default: no second call. `{}` takes the defaults of `RetryPolicy`. */
  readonly retry?: RetryPolicy | undefined;
  /** Where items go whose last call failed. Default: the pipeline ends with the failure, and the record comes again. */
  readonly deadLetter?: DeadLetterTarget<Value, Key> | undefined;
}

/** A kind of function step. */
export interface WorkKind<In extends AnyItem, Result, Out> {
  readonly name: string;
  call(item: In, info: CallInfo): Result | Promise<Result>;
  /** Hands on what came out of a call; one at a time. */
  emit(result: Result, item: In, next: Stage<Out>, context: StageContext): void | Promise<void>;
  /** Called once when the stage closes. */
  close?(): Promise<void>;
}

export function workStep<Value, Key, Result, Out>(
  kind: (context: StageContext) => Promise<WorkKind<Item<Value, Key>, Result, Out>>,
  defaultName: string,
  options: WorkOptions<Value, Key> = {},
): Step<Item<Value, Key>, Out> {
  const name = options.name ?? defaultName;
  const settings = exactSettings(options);
  return {
    name,
    async open(next, opener) {
      const context = opener.context(name);
      const deadLetters = await DeadLetters.open(options.deadLetter, name, opener);
      return new WorkStage({ kind: await kind(context), next, context, deadLetters, ...settings });
    },
  };
}

interface Settings {
  readonly concurrency: number;
  readonly order: 'kept' | 'any' | 'key';
  readonly retry: ExactRetry;
}

function exactSettings<Value, Key>(options: WorkOptions<Value, Key>): Settings {
  const { concurrency = 1, order = 'kept' } = options;
  if (!Number.isInteger(concurrency) || concurrency < 1)
    throw new MillraceError(
      'CLIENT_OPTION_INVALID',
      `concurrency is a whole number from 1, not ${String(concurrency)}.`,
    );
  if (order !== 'kept' && order !== 'any' && order !== 'key')
    throw new MillraceError('CLIENT_OPTION_INVALID', "order is 'kept', 'any' or 'key'.");
  return { concurrency, order, retry: exactRetry(options.retry) };
}

interface Parts<Value, Key, Result, Out> extends Settings {
  readonly kind: WorkKind<Item<Value, Key>, Result, Out>;
  readonly next: Stage<Out>;
  readonly context: StageContext;
  readonly deadLetters: DeadLetters<Value, Key> | undefined;
}

/** A call's outcome; undefined where the item went to the dead letters. */
type Outcome<Result> = { readonly value: Result } | undefined;

interface Slot<Value, Key, Result> {
  readonly item: Item<Value, Key>;
  outcome: Outcome<Result>;
  done: boolean;
}

/** With `order: 'key'` items wait behind others of their key; so many, at most, for each call that may run. */
const WAITING_PER_CALL = 8;

class WorkStage<Value, Key, Result, Out> implements Stage<Item<Value, Key>> {
  readonly #parts: Parts<Value, Key, Result, Out>;
  /** In work or waiting for their turn, in the order they came. */
  readonly #slots = new Set<Slot<Value, Key, Result>>();
  /** Done and to be handed on, in the order of that. */
  readonly #ready: Slot<Value, Key, Result>[] = [];
  /** Watermarks that wait for the items before them: with the last of those. */
  #watermarks: { readonly afterItem: number; readonly watermarkMs: number }[] = [];
  readonly #numbers = new Map<Slot<Value, Key, Result>, number>();
  #items = 0;
  /** The last item of each key that is in work. */
  readonly #lastOfKey = new Map<string, Promise<void>>();
  #running = 0;
  readonly #changed = new Wake();
  #pumping = false;
  #failed = false;
  readonly #capacity: number;

  constructor(parts: Parts<Value, Key, Result, Out>) {
    this.#parts = parts;
    this.#capacity = parts.order === 'key' ? parts.concurrency * WAITING_PER_CALL : parts.concurrency;
  }

  push(item: Item<Value, Key>): void | Promise<void> {
    this.#parts.context.metrics.in += 1;
    if (this.#parts.concurrency === 1) return this.#one(item);
    if (this.#slots.size >= this.#capacity) return this.#pushWhenRoom(item);
    this.#start(item);
  }

  advance(watermarkMs: number): void | Promise<void> {
    if (this.#slots.size === 0) return this.#parts.next.advance(watermarkMs);
    this.#watermarks.push({ afterItem: this.#items, watermarkMs });
  }

  async flush(): Promise<void> {
    await this.#settled();
    await this.#parts.deadLetters?.flush();
    await this.#parts.next.flush();
  }

  async close(): Promise<void> {
    await this.#parts.deadLetters?.close();
    await this.#parts.kind.close?.();
  }

  /** One call at a time: no promise where the function gives none. */
  #one(item: Item<Value, Key>): void | Promise<void> {
    const { kind, next, context } = this.#parts;
    let result: Result | Promise<Result>;
    try {
      result = kind.call(item, { signal: context.signal, attempt: 1 });
    } catch (error) {
      return this.#oneFailed(item, error);
    }
    if (!(result instanceof Promise)) return kind.emit(result, item, next, context);
    return this.#oneLater(item, result);
  }

  async #oneLater(item: Item<Value, Key>, result: Promise<Result>): Promise<void> {
    const { kind, next, context } = this.#parts;
    let value: Result;
    try {
      value = await result;
    } catch (error) {
      return await this.#oneFailed(item, error);
    }
    await kind.emit(value, item, next, context);
  }

  async #oneFailed(item: Item<Value, Key>, error: unknown): Promise<void> {
    const { kind, next, context } = this.#parts;
    const outcome = await this.#again(item, error);
    if (outcome !== undefined) await kind.emit(outcome.value, item, next, context);
  }

  async #pushWhenRoom(item: Item<Value, Key>): Promise<void> {
    await this.#changed.until(() => this.#failed || this.#slots.size < this.#capacity, this.#parts.context.signal);
    if (!this.#failed) this.#start(item);
  }

  #start(item: Item<Value, Key>): void {
    const slot: Slot<Value, Key, Result> = { item, outcome: undefined, done: false };
    this.#slots.add(slot);
    this.#numbers.set(slot, ++this.#items);
    this.#parts.context.metrics.inFlight = this.#slots.size;
    const work = this.#parts.order === 'key' ? this.#afterOthersOfKey(slot) : this.#call(slot);
    work.catch((error: unknown) => this.#fail(error));
  }

  async #afterOthersOfKey(slot: Slot<Value, Key, Result>): Promise<void> {
    const key = keyText(slot.item.key);
    const before = this.#lastOfKey.get(key);
    const own = (async () => {
      // Failures end the pipeline, so those behind one never run.
      await before;
      await this.#changed.until(() => this.#takePlace(), this.#parts.context.signal);
      try {
        await this.#call(slot);
      } finally {
        this.#running -= 1;
        this.#changed.all();
      }
    })();
    this.#lastOfKey.set(key, own);
    try {
      await own;
    } finally {
      if (this.#lastOfKey.get(key) === own) this.#lastOfKey.delete(key);
    }
  }

  /** Looks and takes in one go: others that wait look in the same turn. */
  #takePlace(): boolean {
    if (this.#running >= this.#parts.concurrency) return false;
    this.#running += 1;
    return true;
  }

  async #call(slot: Slot<Value, Key, Result>): Promise<void> {
    const { kind, context } = this.#parts;
    try {
      slot.outcome = { value: await kind.call(slot.item, { signal: context.signal, attempt: 1 }) };
    } catch (error) {
      slot.outcome = await this.#again(slot.item, error);
    }
    slot.done = true;
    this.#ready.push(slot);
    void this.#pump();
  }

  /** @returns what a later call gave; undefined for dead letters. @throws PROCESS_STEP_FAILED. */
  async #again(item: Item<Value, Key>, firstError: unknown): Promise<Outcome<Result>> {
    const { kind, context, deadLetters } = this.#parts;
    const { clock, random, signal, metrics } = context;
    const onRetry = (): void => void (metrics.retried += 1);
    const end = await retry(this.#parts.retry, { clock, random, signal, onRetry }, firstError, (attempt) =>
      kind.call(item, { signal, attempt }),
    );
    if ('value' in end) return end;
    if (deadLetters === undefined || signal.aborted) throw stepFailed(metrics.step, item, end.error, end.attempts);
    metrics.deadLettered += 1;
    await deadLetters.put(item, end.error, end.attempts);
    return undefined;
  }

  /** Hands on what is ready, one after the other. Never rejects. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    const { kind, next, context } = this.#parts;
    try {
      for (let slot = this.#nextReady(); slot !== undefined && !this.#failed; slot = this.#nextReady()) {
        if (slot.outcome !== undefined) await kind.emit(slot.outcome.value, slot.item, next, context);
        this.#slots.delete(slot);
        this.#numbers.delete(slot);
        context.metrics.inFlight = this.#slots.size;
        await this.#passWatermarks();
        this.#changed.all();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#pumping = false;
      this.#changed.all();
    }
  }

  #nextReady(): Slot<Value, Key, Result> | undefined {
    if (this.#parts.order !== 'kept') return this.#ready.shift();
    const [first] = this.#slots;
    return first?.done === true ? first : undefined;
  }

  /** Those for which all items before are handed on. */
  async #passWatermarks(): Promise<void> {
    if (this.#watermarks.length === 0) return;
    const [first] = this.#slots;
    const done = first === undefined ? this.#items : (this.#numbers.get(first) as number) - 1;
    const passed = this.#watermarks.filter(({ afterItem }) => afterItem <= done).at(-1);
    if (passed === undefined) return;
    this.#watermarks = this.#watermarks.filter(({ afterItem }) => afterItem > done);
    await this.#parts.next.advance(passed.watermarkMs);
  }

  async #settled(): Promise<void> {
    const idle = (): boolean => this.#failed || (this.#slots.size === 0 && !this.#pumping);
    await this.#changed.until(idle, this.#parts.context.signal);
  }

  #fail(error: unknown): void {
    this.#failed = true;
    this.#parts.context.fail(error);
    this.#changed.all();
  }
}

function stepFailed(step: string, { origin }: AnyItem, error: unknown, attempts: number): MillraceError {
  const place = origin.parents.at(-1);
  const where = place === undefined ? '' : ` on ${place.topic}/${place.partition}/${place.offset}`;
  const times = attempts === 1 ? '' : ` ${attempts} times`;
  const why = error instanceof Error ? error.message : String(error);
  return new MillraceError('PROCESS_STEP_FAILED', `Step ${step} failed${where}${times}: ${why}`, {
    details: {
      step,
      attempts,
      ...(place === undefined ? {} : { record: `${place.topic}/${place.partition}/${place.offset}` }),
    },
    cause: error,
  });
}
