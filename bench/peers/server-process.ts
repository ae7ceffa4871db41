/** Starts a peer's server as a child of this process and ends exactly that one. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { sleep } from '../kit/measure.ts';

const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const KEPT_OUTPUT_CHARACTERS = 2000;

export class ServerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  #output = '';

  constructor(program: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.#output = (this.#output + text.toString()).slice(-KEPT_OUTPUT_CHARACTERS);
      });
    }
    process.once('exit', this.#killNow);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get #ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves when something accepts connections on the port. */
  async listening(port: number): Promise<void> {
    const startedAt = performance.now();
    while (!(await accepts(port))) {
      if (this.#ended) throw new Error(`${this.#child.spawnfile} ended at start:\n${this.#output}`);
      if (performance.now() - startedAt > READY_TIMEOUT_MS) {
        throw new Error(
          `${this.#child.spawnfile} did not listen on ${port} within ${READY_TIMEOUT_MS / 1000} s:\n${this.#output}`,
        );
      }
      await sleep(50);
    }
  }

  #killNow = (): void => {
    this.#child.kill('SIGKILL');
  };

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#killNow);
    if (this.#ended) return;
    const ended = once(this.#child, 'exit');
    const insist = setTimeout(this.#killNow, STOP_TIMEOUT_MS);
    this.#child.kill('SIGTERM');
    await ended;
    clearTimeout(insist);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
