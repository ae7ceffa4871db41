/** A step whose function runs on worker threads: for work that computes for long. */
import { availableParallelism } from 'node:os';
import { type Item, withValue } from './item.ts';
import type { Step } from './step.ts';
import { type WorkOptions, workStep } from './work.ts';
import { WorkerPool } from './worker-pool.ts';

/** Options of `inWorkers`. */
export interface InWorkersOptions<Value, Key> extends WorkOptions<Value, Key> {
  /** Default: one for each core that this process may use. */
  readonly threads?: number | undefined;
}

/** What the module's default export is called with beside the value. */
export interface WorkerCallInfo {
  readonly key: unknown;
  readonly timestamp: number;
}

/** Default export of a module for `inWorkers`: called on a worker thread for each value. */
export type WorkerFunction<Value, Result> = (value: Value, info: WorkerCallInfo) => Result | Promise<Result>;

/**
 * Calls the default export of a module on worker threads. Values and results are copied (structured clone), so they hold no
 * functions. By default two calls a thread are on the way, with the order of items kept. A thread that dies fails its calls with
 * PROCESS_WORKER_DIED, which `retry` tries again, and another takes its place.
 *
 * ```ts
 * inWorkers<typeof import('./resize.ts').default>(new URL('./resize.ts', import.meta.url), { threads: 4 })
 * ```
 */
export function inWorkers<Call extends WorkerFunction<never, unknown>, Key = string>(
  module: URL,
  options: InWorkersOptions<Parameters<Call>[0], Key> = {},
): Step<Item<Parameters<Call>[0], Key>, Item<Awaited<ReturnType<Call>>, Key>> {
  type Value = Parameters<Call>[0];
  type Result = Awaited<ReturnType<Call>>;
  const { threads = availableParallelism(), ...work } = options;
  return workStep<Value, Key, Result, Item<Result, Key>>(
    async () => {
      const pool = new WorkerPool(module, threads);
      return {
        name: 'inWorkers',
        call: ({ value, key, timestamp }) => pool.call(value, { key, timestamp }) as Promise<Result>,
        emit(result, item, next, { metrics }) {
          metrics.out += 1;
          return next.push(withValue(item, result));
        },
        close: async () => await pool.close(),
      };
    },
    'inWorkers',
    { concurrency: threads * 2, ...work },
  );
}
