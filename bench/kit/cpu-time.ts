/**
 * Processor time of a process in nanoseconds, as the sum over its threads in Linux's /proc: that of the whole process counts in
 * hundredths of a second.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { readUsage } from '../../src/cli/bench/proc-stats.ts';

export class CpuTime {
  /** By thread, since it began. */
  readonly #nanoseconds = new Map<string, number>();
  readonly #seconds: number;

  /** What there was until now. */
  constructor(pid: number) {
    this.#seconds = readUsage(pid)?.cpuSeconds ?? Number.NaN;
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      try {
        const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ');
        this.#nanoseconds.set(thread, Number(nanoseconds));
      } catch {
        // It has ended.
      }
    }
  }

  secondsSince(before: CpuTime): number {
    // What a thread took that has ended meanwhile only the process knows.
    for (const thread of before.#nanoseconds.keys())
      if (!this.#nanoseconds.has(thread)) return this.#seconds - before.#seconds;
    let sum = 0;
    for (const [thread, nanoseconds] of this.#nanoseconds) sum += nanoseconds - (before.#nanoseconds.get(thread) ?? 0);
    return sum / 1e9;
  }
}
