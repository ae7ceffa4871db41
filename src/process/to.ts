/** Sinks. */
import type { Client, Codec, Guarantee, Producer, ProducerOptions } from '../client/internal.ts';
import { type Item, outgoingHeaders } from './item.ts';
import type { Call } from './map.ts';
import type { Sink, Stage, StageContext } from './step.ts';
import { type WorkOptions, workStep } from './work.ts';

/** A producer's options; headers are those of the record that was read, and its parents. */
export type ToOptions<Value, Key = string> = Omit<ProducerOptions<Value, Key>, 'headers'> & {
  /** For metrics. Default: `to` and the topic. */
  readonly name?: string | undefined;
  /** Where an item goes, if not where the options say. */
  readonly route?: ((item: Item<Value, Key>) => { readonly topic?: string; readonly partition?: number }) | undefined;
};

/**
 * Writes to a topic: the item's value, key and timestamp, the headers it came with, and its parents as `millrace-parent`
 * headers. A back end without headers gets none; one without keys refuses them, unless `unstorable` says `drop`.
 *
 * ```ts
 * to(client, { topic: 'totals', value: json<Total>() })
 * ```
 */
export function to<Value, Key, Can extends Guarantee>(
  client: Client<Can>,
  options: ToOptions<Value, Key> & { readonly key: Codec<unknown, Key> },
): Sink<Item<Value, Key>, Can>;
export function to<Value, Can extends Guarantee>(
  client: Client<Can>,
  options: ToOptions<Value>,
): Sink<Item<Value>, Can>;
export function to<Value, Key>(client: Client, options: ToOptions<Value, Key>): Sink<Item<Value, Key>> {
  const { route, name: named, ...producerOptions } = options;
  const name = named ?? `to ${options.topic ?? client.topics.join(',')}`;
  return {
    name,
    clients: [client],
    async open(opener) {
      const context = opener.context(name);
      const producer =
        context.transaction === undefined
          ? await client.producer<Value, Key>(producerOptions)
          : await context.transaction.producer<Value, Key, undefined>(client, producerOptions);
      return new TopicStage(producer, context, client.features.headers, route);
    },
  };
}

class TopicStage<Value, Key> implements Stage<Item<Value, Key>> {
  readonly #producer: Producer<Value, Key>;
  readonly #context: StageContext;
  readonly #takesHeaders: boolean;
  readonly #route: ToOptions<Value, Key>['route'];
  readonly #waiting: { readonly signal: AbortSignal };

  constructor(
    producer: Producer<Value, Key>,
    context: StageContext,
    takesHeaders: boolean,
    route: ToOptions<Value, Key>['route'],
  ) {
    this.#producer = producer;
    this.#context = context;
    this.#takesHeaders = takesHeaders;
    this.#route = route;
    this.#waiting = { signal: context.signal };
  }

  push(item: Item<Value, Key>): void | Promise<void> {
    const { metrics } = this.#context;
    metrics.in += 1;
    const { value, key, timestamp } = item;
    const headers = this.#takesHeaders ? outgoingHeaders(item) : undefined;
    const record = { value, key, timestamp, headers, ...this.#route?.(item) };
    const ticket = this.#producer.submit(record, this.#waiting);
    metrics.out += 1;
    if (ticket instanceof Promise) return ticket.then(() => undefined);
  }

  advance(): void {
    // Records carry their own time.
  }

  async flush(): Promise<void> {
    await this.#producer.flush(this.#waiting);
  }

  async close(): Promise<void> {
    await this.#producer.close();
  }
}

/**
 * Ends a pipeline with a call for each item: a request, a row in a database. An item counts as processed when its call is done.
 *
 * ```ts
 * forEach((order: Order) => sendMail(order), { concurrency: 8, order: 'any', retry: {} })
 * ```
 */
export function forEach<Value, Key>(
  call: Call<Value, Key, unknown>,
  options?: WorkOptions<Value, Key>,
): Sink<Item<Value, Key>, 'at-least-once'> {
  const step = workStep<Value, Key, unknown, never>(
    async () => ({
      name: 'forEach',
      call: (item, info) => call(item.value, item, info),
      emit(_result, _item, _next, { metrics }) {
        metrics.out += 1;
      },
    }),
    'forEach',
    options,
  );
  return { name: step.name, open: async (opener) => await step.open(END, opener) };
}

/** Behind the last stage. */
const END: Stage<never> = {
  push: () => undefined,
  advance: () => undefined,
  flush: async () => undefined,
  close: async () => undefined,
};
