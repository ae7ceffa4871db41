/** Entry of the compaction worker's thread: one round. */
import { parentPort, workerData } from 'node:worker_threads';
import { giveWay } from '../../base/background-thread.ts';
import { waitingClock } from '../../base/clock.ts';
import { asMillraceError } from '../../base/errors.ts';
import { NodeDisk } from '../../journal/node-disk.ts';
import { diskWith } from '../../journal/open-disk.ts';
import { compactRound } from './compact-round.ts';
import type { CompactionStart, FromCompactionWorker } from './messages.ts';

const port = parentPort;
if (port === null) throw new TypeError('the compaction worker is started by the broker');
giveWay();
const { directory, round, keys, compression } = workerData as CompactionStart;
const disk = diskWith(new NodeDisk(), keys, compression);
const message = await compactRound(disk, waitingClock, directory, round).then(
  (answer): FromCompactionWorker => ({ kind: 'done', ...answer }),
  (error: unknown): FromCompactionWorker => ({ kind: 'failed', message: asMillraceError(error).message }),
);
port.postMessage(message);
