/** A worker thread of `inWorkers`: calls the default export of the program's module. */
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerFunction } from './in-workers.ts';
import type { WorkerAnswer, WorkerCall } from './worker-pool.ts';

const port = parentPort;
if (port === null) throw new Error('This module is the entry of a worker thread.');
const { module } = workerData as { module: string };
// Calls that come meanwhile wait in the port.
const { default: call } = (await import(module)) as { default: WorkerFunction<unknown, unknown> };
if (typeof call !== 'function') throw new TypeError(`${module} has no function as its default export`);

port.on('message', ({ id, value, info }: WorkerCall) => void answer(id, value, info));

/** Never rejects. */
async function answer(id: number, value: unknown, info: WorkerCall['info']): Promise<void> {
  let reply: WorkerAnswer;
  try {
    reply = { id, result: await call(value, info) };
  } catch (error) {
    reply = { id, error: describe(error) };
  }
  try {
    port?.postMessage(reply);
  } catch (error) {
    // The result holds what cannot be copied.
    port?.postMessage({ id, error: describe(error) } satisfies WorkerAnswer);
  }
}

function describe(error: unknown): { name: string; message: string; stack?: string } {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const { name, message, stack } = error;
  return { name, message, ...(stack === undefined ? {} : { stack }) };
}
