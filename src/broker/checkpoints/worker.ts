/** Entry of the checkpoint worker: runs a `Folder`, one message after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { asMillraceError } from '../../base/errors.ts';
import { NodeDisk } from '../../journal/node-disk.ts';
import { Folder } from './folder.ts';
import { type FromWorker, packRanges, type ToWorker, type WorkerStart } from './messages.ts';

const port = parentPort;
if (port === null) throw new TypeError('the checkpoint worker is started by the broker');
const start = workerData as WorkerStart;
const folder = new Folder(new NodeDisk(), start.directory, start.settings);
let queue = Promise.resolve();

function say(message: FromWorker, transfer: ArrayBuffer[] = []): void {
  port?.postMessage(message, transfer);
}

async function handle(message: ToWorker): Promise<void> {
  if (message.kind === 'fold') {
    const ranges = packRanges(await folder.fold(message.file, message.sizeBytes));
    say({ kind: 'indexed', file: message.file, ranges }, [ranges.buffer as ArrayBuffer]);
    if (folder.due) await checkpoint();
  } else {
    if (folder.hasNews) await checkpoint();
    port?.close();
  }
}

async function checkpoint(): Promise<void> {
  const file = await folder.checkpoint();
  say({ kind: 'checkpointed', file, removed: await folder.removeDead() });
}

let failed = false;

port.on('message', (message: ToWorker) => {
  queue = queue
    // After a failure the state may be that of half a file: what is still in line must not be folded into it.
    .then(() => (failed ? undefined : handle(message)))
    .catch((error: unknown) => {
      failed = true;
      say({ kind: 'failed', message: asMillraceError(error).message });
      port.close();
    });
});
