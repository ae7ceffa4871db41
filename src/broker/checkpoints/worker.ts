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
    if (folder.due) say({ kind: 'checkpointed', file: await folder.checkpoint() });
  } else {
    if (folder.hasNews) say({ kind: 'checkpointed', file: await folder.checkpoint() });
    port?.close();
  }
}

port.on('message', (message: ToWorker) => {
  queue = queue
    .then(() => handle(message))
    .catch((error: unknown) => {
      say({ kind: 'failed', message: asMillraceError(error).message });
      port.close();
    });
});
