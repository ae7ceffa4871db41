/** Entry of the checkpoint worker's thread. */
import { parentPort, workerData } from 'node:worker_threads';
import { giveWay } from '../../base/background-thread.ts';
import { waitingClock } from '../../base/clock.ts';
import { HeapTrim } from '../../base/heap-trim.ts';
import { NodeDisk } from '../../journal/node-disk.ts';
import type { ToWorker, WorkerStart } from './messages.ts';
import { WorkerLoop } from './worker-loop.ts';

const port = parentPort;
if (port === null) throw new TypeError('the checkpoint worker is started by the broker');
giveWay();
const start = workerData as WorkerStart;
const heap = start.collects ? new HeapTrim() : undefined;
const loop = new WorkerLoop(new NodeDisk(), waitingClock, start, {
  say: (message) => port.postMessage(message),
  close: () => port.close(),
  stepped: () => heap?.step(),
  letGo: () => heap?.release(),
});
port.on('message', (message: ToWorker) => loop.post(message));
