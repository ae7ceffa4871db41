/** Small things every benchmark script needs: processes of their own, temporary directories, medians, options. */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A directory that is removed when the work is done. */
export class TemporaryDirectory {
  readonly path: string;

  /** @param parent on the disk to be measured; the system's own place for temporary files unless given. */
  constructor(parent: string = tmpdir()) {
    this.path = mkdtempSync(join(parent, 'millrace-bench-'));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A helper process that answers in messages: `ready` first, then one `result`. It ends with the caller. */
export class Helper {
  readonly #child: ChildProcess;
  readonly #messages: unknown[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  /** @param execArgv of Node. */
  constructor(script: URL, args: readonly string[], execArgv: readonly string[] = process.execArgv) {
    this.#child = fork(script, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], execArgv: [...execArgv] });
    this.#child.on('message', (message) => {
      this.#messages.push(message);
      this.#wake?.();
    });
    this.#child.on('exit', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  /** Next message in order. */
  async receive<T>(timeoutMs = 60_000): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    while (this.#messages.length === 0) {
      if (this.#ended) throw new Error('A helper process ended early; its output says why.');
      if (performance.now() > deadline) throw new Error(`A helper process said nothing for ${timeoutMs / 1000} s.`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#messages.shift() as T;
  }

  send(message: object): void {
    this.#child.send(message);
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** Median, least and most: `5.2 (4.9 to 7.0)`. */
export function spread(values: readonly number[], digits: number): string {
  const [least, most] = [Math.min(...values), Math.max(...values)].map((each) => each.toFixed(digits));
  return `${median(values).toFixed(digits)} (${least} to ${most})`;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
