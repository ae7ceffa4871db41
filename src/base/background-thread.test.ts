/** A worker that gives way is nice, and no other thread of the process with it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';

const SCRIPT = `
  import { parentPort } from 'node:worker_threads';
  import { giveWay } from ${JSON.stringify(new URL('./background-thread.ts', import.meta.url).href)};
  giveWay();
  setInterval(() => undefined, 1_000);
  parentPort.postMessage('ready');
`;

/** Of all threads of the process, as the kernel has it. */
function niceness(): number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const text = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
    // Behind the name, which may have spaces: field 19 of all.
    return Number(text.slice(text.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

test('the thread gives way, and no other', { timeout: 60_000, skip: process.platform !== 'linux' }, async () => {
  const before = niceness().filter((nice) => nice === 10).length;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`));
  await once(worker, 'message');
  assert.equal(niceness().filter((nice) => nice === 10).length, before + 1);
  await worker.terminate();
});
