/** The sink that writes effects and positions together. */
import { MillraceError } from '../../client/internal.ts';
import type { Item } from '../item.ts';
import type { Positions, Sink, Stage, StageContext } from '../step.ts';
import type { OffsetStore } from './offset-store.ts';

/** Options of `into`. */
export interface IntoOptions {
  readonly name?: string | undefined;
}

/**
 * Writes items into a database, in the transaction that moves the source's positions there: each counts once, whatever crashes.
 * The source must be `from` with `offsets` of the same store. One call for all items between two commits, none where there are
 * none; set `commitEveryRecords` to how many may be in memory (1,000 is good).
 *
 * ```ts
 * const offsets = { store: sqliteOffsets(database), group: 'totals' };
 * await pipe(
 *   from(client, { topics: 'orders', offsets, value: json<Order>() }),
 *   into(offsets.store, (items, db) => {
 *     for (const { value } of items) db.prepare('INSERT INTO totals VALUES (?, ?)').run(value.id, value.total);
 *   }),
 * ).run({ commitEveryRecords: 1_000 });
 * ```
 */
export function into<Value, Key, Transaction>(
  store: OffsetStore<Transaction>,
  write: (items: readonly Item<Value, Key>[], transaction: Transaction) => void | Promise<void>,
  { name = 'into' }: IntoOptions = {},
): Sink<Item<Value, Key>, 'at-least-once'> {
  return { name, open: async (opener) => new IntoStage(store, write, opener.context(name)) };
}

class IntoStage<Value, Key, Transaction> implements Stage<Item<Value, Key>> {
  readonly #store: OffsetStore<Transaction>;
  readonly #write: (items: readonly Item<Value, Key>[], transaction: Transaction) => void | Promise<void>;
  readonly #context: StageContext;
  #items: Item<Value, Key>[] = [];

  constructor(
    store: OffsetStore<Transaction>,
    write: (items: readonly Item<Value, Key>[], transaction: Transaction) => void | Promise<void>,
    context: StageContext,
  ) {
    this.#store = store;
    this.#write = write;
    this.#context = context;
  }

  push(item: Item<Value, Key>): void {
    const { metrics } = this.#context;
    metrics.in += 1;
    metrics.inFlight = this.#items.push(item);
  }

  advance(): void {
    // The database sees what is done, not what time it is.
  }

  async flush(): Promise<void> {
    // What was pushed is written with the positions.
  }

  async commit(positions: Positions): Promise<void> {
    const items = this.#items;
    this.#items = [];
    const { moves, group } = positions.takeFor(this.#store);
    if (group === undefined)
      throw new MillraceError(
        'CLIENT_OPTION_INVALID',
        `Sink ${this.#context.metrics.step} needs a source with 'offsets' of its store.`,
      );
    await this.#store.transact(group, moves, async (transaction) => {
      if (items.length > 0) await this.#write(items, transaction);
    });
    this.#context.metrics.out += items.length;
    this.#context.metrics.inFlight = 0;
  }

  async close(): Promise<void> {
    this.#items = [];
  }
}
