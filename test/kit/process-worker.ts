/** What worker threads call in tests: doubles; 13 throws, 20 takes the thread down with it. */
import { threadId } from 'node:worker_threads';
import type { WorkerCallInfo } from '../../src/process/index.ts';

export default async function work(n: number, { key }: WorkerCallInfo): Promise<{ text: string; thread: number }> {
  if (n === 13) throw new RangeError('13 it is');
  if (n === 20) process.exit(3);
  return { text: `${String(key)}:${n * 2}`, thread: threadId };
}
