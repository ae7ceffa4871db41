/** Proves what does not compile: `tsc` fails where a line under `@ts-expect-error` is accepted. Nothing here runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, json, string } from '../sdk/index.ts';
import { count, filter, forEach, from, map, pipe, reduce, session, to, tumbling, values, window } from './index.ts';

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

test('the types of this file are checked by tsc', () => {
  assert.equal(pipelines.length, 1);
});
