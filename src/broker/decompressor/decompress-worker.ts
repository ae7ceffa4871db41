/** The thread behind `Decompressor`: one job in, one answer out. */
import { parentPort } from 'node:worker_threads';
import { asMillraceError } from '../../base/errors.ts';
import { decompress } from '../../model/compression.ts';
import type { DecompressAnswer, DecompressJob } from './decompressor.ts';
import { recompress } from './recompress.ts';

const port = parentPort;
if (port === null) throw new TypeError('decompress-worker runs as a worker thread only.');

port.on('message', (job: DecompressJob) => {
  const answer = run(job);
  port.postMessage(answer, 'bytes' in answer ? [answer.bytes.buffer as ArrayBuffer] : []);
});

function run(job: DecompressJob): DecompressAnswer {
  try {
    const opened =
      job.target === undefined
        ? decompress(job.codec, job.bytes, job.maxOutputBytes)
        : recompress(job.bytes, job.target, job.maxOutputBytes);
    // Only memory that is the result and nothing else may change threads: small results lie in a shared pool, larger ones
    // at the start of a buffer that was grown by guess.
    const owns = opened.byteLength === opened.buffer.byteLength;
    return { bytes: owns ? opened : new Uint8Array(opened) };
  } catch (error) {
    const { code, message, details } = asMillraceError(error);
    return { code, message, details };
  }
}
