/** Proves what does not compile: `tsc` fails where a line under `@ts-expect-error` is accepted. Nothing here runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, connect, json, string } from '../sdk/index.ts';
import {
  count,
  filter,
  forEach,
  from,
  join,
  map,
  pipe,
  reduce,
  session,
  to,
  tumbling,
  values,
  window,
} from './index.ts';

interface Order {
  readonly id: string;
  readonly total: number;
}

/** Compiles only where the types are equal. */
function same<A, B>(_equal: [A, B] extends [B, A] ? true : false): void {}

function pipelines(client: Client): void {
  const orders = from(client, { topics: 'orders', value: json<Order>() });
  pipe(
    orders,
    filter((order) => order.total > 1),
    map((order, { key }) => {
      same<typeof order, Order>(true);
      same<typeof key, string | null>(true);
      return order.total;
    }),
    window(tumbling({ sizeMs: 1000 }), count()),
    forEach(({ startMs, value }) => {
      same<typeof startMs, number>(true);
      same<typeof value, number>(true);
    }),
  );
  const numbers = map((order: Order) => order.total);
  const texts = map((text: string) => text);
  const end = forEach(() => undefined);
  const toOrders = to(client, { value: json<Order>() });
  const toNumbers = to(client, { value: json<number>() });
  // @ts-expect-error the sink takes orders, not numbers
  pipe(orders, numbers, toOrders);
  // @ts-expect-error an order has no such member
  map((order: Order) => order.price);
  // @ts-expect-error a step for other values
  pipe(orders, texts, end);
  // @ts-expect-error a missing codec
  from(client, { topics: 'orders' });
  // @ts-expect-error a group in real-time mode
  from(client, { topics: 'orders', group: 'g', value: string() });
  // @ts-expect-error the pipeline says when to commit
  from(client, { topics: 'orders', mode: 'resumable', group: 'g', commit: 'each', value: string() });
  // @ts-expect-error dead letters of another type
  map((order: Order) => order.id, { deadLetter: toNumbers });
  // @ts-expect-error sessions may have to be merged
  window(session({ gapMs: 5 }), { initial: () => 0, add: (n: number) => n + 1 });
  pipe(
    orders,
    filter((order): order is Order & { id: 'a' } => order.id === 'a'),
    map(({ id }) => {
      same<typeof id, 'a'>(true);
      return id;
    }),
    window(session({ gapMs: 5 }), values()),
    reduce({ initial: () => 0, fold: (n: number, { value }) => n + value.length }),
    forEach((n) => {
      same<typeof n, number>(true);
    }),
  );
}

async function guarantees(client: Client): Promise<void> {
  const kafka = await connect('kafka://127.0.0.1:9092');
  const redis = await connect('redis://127.0.0.1');
  const group = { topics: 'orders', mode: 'resumable', group: 'g', value: string() } as const;
  const exactlyOnce = { transactionalId: 'a' };
  const out = { topic: 'out', value: string() };
  await pipe(from(kafka, group), map(String), to(kafka, out)).run({ exactlyOnce });
  // @ts-expect-error Redis has no transactions
  await pipe(from(redis, group), to(redis, out)).run({ exactlyOnce });
  // @ts-expect-error the source has none
  await pipe(from(redis, group), to(kafka, out)).run({ exactlyOnce });
  // @ts-expect-error no transaction covers what a function does
  await pipe(from(kafka, group), forEach(String)).run({ exactlyOnce });
  // @ts-expect-error it is not known what the client can
  await pipe(from(client, group), to(client, out)).run({ exactlyOnce });
  if (client.hasTransactions()) await pipe(from(client, group), to(client, out)).run({ exactlyOnce });
  const both = join(from(kafka, group), from(kafka, { ...group, topics: 'b' }), { withinMs: 1 });
  // @ts-expect-error what waits in a join is kept nowhere
  await pipe(both, map(String), to(kafka, out)).run({ exactlyOnce });
}

test('the types of this file are checked by tsc', () => {
  for (const check of [pipelines, guarantees]) assert.equal(check.length, 1);
});
