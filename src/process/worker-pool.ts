/** Threads that call a function of a module. Calls go to the thread with the fewest on the way. */
import { Worker } from 'node:worker_threads';
import { workerModule } from '../base/worker-module.ts';
import { MillraceError } from '../client/internal.ts';
import type { WorkerCallInfo } from './in-workers.ts';

export interface WorkerCall {
  readonly id: number;
  readonly value: unknown;
  readonly info: WorkerCallInfo;
}

export type WorkerAnswer =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number;
      readonly error: { readonly name: string; readonly message: string; readonly stack?: string };
    };

interface Thread {
  readonly worker: Worker;
  readonly calls: Map<number, PromiseWithResolvers<unknown>>;
}

export class WorkerPool {
  readonly #module: URL;
  readonly #threads: (Thread | undefined)[];
  #calls = 0;
  #closed = false;

  constructor(module: URL, threads: number) {
    if (!Number.isInteger(threads) || threads < 1)
      throw new MillraceError('CLIENT_OPTION_INVALID', `threads is a whole number from 1, not ${String(threads)}.`);
    this.#module = module;
    this.#threads = Array.from({ length: threads }, () => undefined);
  }

  /** @throws what the function threw (name and message); MillraceError PROCESS_WORKER_DIED. */
  async call(value: unknown, info: WorkerCallInfo): Promise<unknown> {
    if (this.#closed) throw new MillraceError('CLIENT_CLOSED', 'The worker threads have been stopped.');
    const { worker, calls } = this.#leastBusy();
    const id = this.#calls++;
    const settled = Promise.withResolvers<unknown>();
    calls.set(id, settled);
    try {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage({ id, value, info } satisfies WorkerCall);
    } catch (error) {
      // The value holds what cannot be copied.
      calls.delete(id);
      throw error;
    }
    return await settled.promise;
  }

  /** Ends the threads; calls on the way fail. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const thread of this.#threads) await thread?.worker.terminate();
  }

  /** Threads start when they are needed. */
  #leastBusy(): Thread {
    const idle = this.#threads.find((thread) => thread?.calls.size === 0);
    if (idle !== undefined) return idle;
    const free = this.#threads.indexOf(undefined);
    if (free >= 0) return this.#start(free);
    return this.#threads.reduce((a, b) => ((b?.calls.size ?? 0) < (a?.calls.size ?? 0) ? b : a)) as Thread;
  }

  #start(index: number): Thread {
    const worker = new Worker(workerModule(import.meta.url, './worker-main'), {
      workerData: { module: this.#module.href },
    });
    const thread: Thread = { worker, calls: new Map() };
    this.#threads[index] = thread;
    worker.on('message', (answer: WorkerAnswer) => settle(thread, answer));
    let failure: unknown;
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', (exitCode) => {
      if (this.#threads[index] === thread) this.#threads[index] = undefined;
      const why = failure instanceof Error ? failure.message : `exit code ${exitCode}`;
      const error = new MillraceError('PROCESS_WORKER_DIED', `A worker thread of ${this.#module.href} ended: ${why}`, {
        details: { module: this.#module.href, exitCode },
        cause: failure,
      });
      for (const { reject } of thread.calls.values()) reject(error);
      thread.calls.clear();
    });
    return thread;
  }
}

function settle({ calls }: Thread, answer: WorkerAnswer): void {
  const call = calls.get(answer.id);
  if (call === undefined) return;
  calls.delete(answer.id);
  if ('result' in answer) {
    call.resolve(answer.result);
    return;
  }
  const { name, message, stack } = answer.error;
  call.reject(Object.assign(new Error(message), { name }, stack === undefined ? {} : { stack }));
}
