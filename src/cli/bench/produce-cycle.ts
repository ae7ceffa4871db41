/**
 * The requests of one connection, encoded once, in the order in which it repeats them: one frame per target, round and
 * round. Frames lie behind one another, so several small requests leave in one socket write.
 */
import { MillraceError } from '../../base/errors.ts';
import { produceFrame, type Target } from './frames.ts';

/** Small cycles are repeated up to this size, so that a whole window of requests is one write. */
const REPEAT_UP_TO_BYTES = 256 * 1024;
/** Of all connections of a generator together. */
const MAX_CYCLE_BYTES = 1024 * 1024 * 1024;

export interface ProduceCycle {
  readonly bytes: Buffer;
  /** Where frame i begins; one more entry than frames, the last being the end. */
  readonly starts: readonly number[];
  /** Where in a frame the batch begins, per frame. */
  readonly batchStarts: readonly number[];
  readonly batchBytes: number;
}

/**
 * @param minFrames the cycle is repeated to hold at least this many, as far as it stays small.
 * Correlation ids are the frame's number in the cycle, so that an answer out of order is noticed.
 */
export function buildCycle(targets: readonly Target[], acks: number, batch: Buffer, minFrames: number): ProduceCycle {
  const rounds = targets.map((target) => produceFrame(0, target, acks, batch));
  const roundBytes = rounds.reduce((sum, frame) => sum + frame.length, 0);
  if (roundBytes > MAX_CYCLE_BYTES) {
    throw new MillraceError(
      'CONFIG_INVALID',
      `${targets.length} topics with requests of ${batch.length} bytes would take ${roundBytes} bytes of encoded requests; the limit is ${MAX_CYCLE_BYTES}. Use fewer --topics or a smaller --batch.`,
    );
  }
  const repeats = Math.max(
    1,
    Math.min(Math.ceil(minFrames / targets.length), Math.floor(REPEAT_UP_TO_BYTES / roundBytes)),
  );
  const frames = Array.from({ length: repeats }, () => rounds).flat();
  const bytes = Buffer.concat(frames);
  const starts = [0];
  for (const frame of frames) starts.push((starts.at(-1) as number) + frame.length);
  for (let i = 0; i < frames.length; i++) bytes.writeInt32BE(i, (starts[i] as number) + 8);
  const batchStarts = frames.map((frame, i) => (starts[i] as number) + frame.length - batch.length);
  return { bytes, starts, batchStarts, batchBytes: batch.length };
}
