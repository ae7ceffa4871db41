/** Steps that look at one item at a time. */
import { type Item, withValue } from './item.ts';
import type { Step } from './step.ts';
import { type CallInfo, type WorkOptions, workStep } from './work.ts';

/** A function of the program. The value is what it mostly wants; the item has key, timestamp and headers. */
export type Call<Value, Key, Result> = (
  value: Value,
  item: Item<Value, Key>,
  info: CallInfo,
) => Result | Promise<Result>;

/**
 * Another value for each; key, timestamp and headers stay.
 *
 * ```ts
 * map((order: Order) => fetchCustomer(order.customer), { concurrency: 16, order: 'key', retry: {} })
 * ```
 */
export function map<Value, Key, Result>(
  call: Call<Value, Key, Result>,
  options?: WorkOptions<Value, Key>,
): Step<Item<Value, Key>, Item<Result, Key>> {
  return workStep<Value, Key, Result, Item<Result, Key>>(
    async () => ({
      name: 'map',
      call: (item, info) => call(item.value, item, info),
      emit(result, item, next, { metrics }) {
        metrics.out += 1;
        return next.push(withValue(item, result));
      },
    }),
    'map',
    options,
  );
}

/** Only items for which the function says true. With a type guard the values have its type from here on. */
export function filter<Value, Key, Narrow extends Value>(
  call: (value: Value, item: Item<Value, Key>, info: CallInfo) => value is Narrow,
  options?: WorkOptions<Value, Key>,
): Step<Item<Value, Key>, Item<Narrow, Key>>;
export function filter<Value, Key>(
  call: Call<Value, Key, boolean>,
  options?: WorkOptions<Value, Key>,
): Step<Item<Value, Key>, Item<Value, Key>>;
export function filter<Value, Key>(
  call: Call<Value, Key, boolean>,
  options?: WorkOptions<Value, Key>,
): Step<Item<Value, Key>, Item<Value, Key>> {
  return workStep<Value, Key, boolean, Item<Value, Key>>(
    async () => ({
      name: 'filter',
      call: (item, info) => call(item.value, item, info),
      emit(keep, item, next, { metrics }) {
        if (!keep) {
          metrics.dropped += 1;
          return;
        }
        metrics.out += 1;
        return next.push(item);
      },
    }),
    'filter',
    options,
  );
}

/** Any number of values for each, none too. */
export function flatMap<Value, Key, Result>(
  call: Call<Value, Key, Iterable<Result>>,
  options?: WorkOptions<Value, Key>,
): Step<Item<Value, Key>, Item<Result, Key>> {
  return workStep<Value, Key, Iterable<Result>, Item<Result, Key>>(
    async () => ({
      name: 'flatMap',
      call: (item, info) => call(item.value, item, info),
      async emit(results, item, next, { metrics }) {
        for (const result of results) {
          metrics.out += 1;
          const pushed = next.push(withValue(item, result));
          if (pushed !== undefined) await pushed;
        }
      },
    }),
    'flatMap',
    options,
  );
}

/** Calls the function and hands on the item as it is. */
export function tap<Value, Key>(
  call: Call<Value, Key, unknown>,
  options?: WorkOptions<Value, Key>,
): Step<Item<Value, Key>, Item<Value, Key>> {
  return workStep<Value, Key, unknown, Item<Value, Key>>(
    async () => ({
      name: 'tap',
      call: (item, info) => call(item.value, item, info),
      emit(_result, item, next, { metrics }) {
        metrics.out += 1;
        return next.push(item);
      },
    }),
    'tap',
    options,
  );
}

/**
 * Another key. Steps behind it that go by key (windows, reduce, `order: 'key'`) see the new one; items stay in this pipeline,
 * so in a load-balanced group each member has its own part of a key. Write to a topic and read it again to bring them together.
 */
export function rekey<Value, Key, NewKey>(
  call: (value: Value, item: Item<Value, Key>) => NewKey | null,
): Step<Item<Value, Key>, Item<Value, NewKey>> {
  return changed('rekey', (item) => {
    const { value, timestamp, headers, origin } = item;
    return { value, key: call(value, item), timestamp, headers, origin };
  });
}

/** Another timestamp, in milliseconds since 1970. For windows give the event time to the source: watermarks come from there. */
export function restamp<Value, Key>(
  call: (value: Value, item: Item<Value, Key>) => number,
): Step<Item<Value, Key>, Item<Value, Key>> {
  return changed('restamp', (item) => ({ ...item, timestamp: call(item.value, item) }));
}

function changed<Value, Key, Out>(name: string, change: (item: Item<Value, Key>) => Out): Step<Item<Value, Key>, Out> {
  return workStep<Value, Key, Out, Out>(
    async () => ({
      name,
      call: change,
      emit(result, _item, next, { metrics }) {
        metrics.out += 1;
        return next.push(result);
      },
    }),
    name,
  );
}
