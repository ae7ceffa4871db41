/** A fresh broker in its own process on free ports of the loopback interface, started as users start it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { AdminClient } from '../../src/cli/bench/admin.ts';
import { findListener, type ProcessUsage, readUsage } from '../../src/cli/bench/proc-stats.ts';
import type { Address } from '../../src/cli/bench/raw-socket.ts';
import { sleep } from './measure.ts';

const MILLRACE = fileURLToPath(new URL('../../bin/millrace', import.meta.url));
const READY_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
/** Of the broker's output, for the error when it does not start. */
const KEPT_OUTPUT_CHARACTERS = 4000;

export interface BrokerStart {
  /** By the names of `millrace serve --set`. */
  readonly settings?: Readonly<Record<string, string | number>>;
  readonly env?: Readonly<Record<string, string>>;
}

export class BrokerProcess {
  readonly address: Address;
  readonly httpPort: number;
  readonly #child: ChildProcess;
  #output = '';
  #readyMs = Number.NaN;
  #pid = 0;

  private constructor(script: string, directory: string, kafkaPort: number, httpPort: number, start: BrokerStart) {
    this.address = { host: '127.0.0.1', port: kafkaPort };
    this.httpPort = httpPort;
    const args = ['serve', '--data', directory, '--kafka', `127.0.0.1:${kafkaPort}`, '--http', `127.0.0.1:${httpPort}`];
    for (const [name, value] of Object.entries(start.settings ?? {})) args.push('--set', `${name}=${value}`);
    this.#child = spawn(process.execPath, [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...start.env },
    });
    const keep = (text: Buffer): void => {
      this.#output = (this.#output + text.toString()).slice(-KEPT_OUTPUT_CHARACTERS);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    process.once('exit', this.#killNow);
  }

  /**
   * @param script what to start in place of this checkout's `bin/millrace`, to compare two of them.
   * @returns once the broker answers on its Kafka port.
   */
  static async start(directory: string, script: string = MILLRACE, start: BrokerStart = {}): Promise<BrokerProcess> {
    const [kafkaPort, httpPort] = [await freePort(), await freePort()];
    const startedAt = performance.now();
    const broker = new BrokerProcess(script, directory, kafkaPort, httpPort, start);
    while (!(await answers(broker.address))) {
      if (broker.#child.exitCode !== null) throw new Error(`The broker ended at start:\n${broker.#output}`);
      if (performance.now() - startedAt > READY_TIMEOUT_MS) {
        await broker[Symbol.asyncDispose]();
        throw new Error(`The broker did not answer within ${READY_TIMEOUT_MS / 1000} s:\n${broker.#output}`);
      }
      await sleep(5);
    }
    broker.#readyMs = performance.now() - startedAt;
    // The command may run the broker in a process below its own, so the one that listens is looked up.
    broker.#pid = findListener(kafkaPort) ?? (broker.#child.pid as number);
    return broker;
  }

  get pid(): number {
    return this.#pid;
  }

  /** From the start of the process to the first answer. */
  get readyMs(): number {
    return this.#readyMs;
  }

  usage(): ProcessUsage | undefined {
    return readUsage(this.#pid);
  }

  #killNow = (): void => {
    if (this.#pid !== 0 && this.#child.exitCode === null && this.#child.signalCode === null)
      killQuietly(this.#pid, 'SIGKILL');
    this.#child.kill('SIGKILL');
  };

  /** Asks it to stop as an operator would, and insists when it does not. */
  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#killNow);
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    const insist = setTimeout(this.#killNow, STOP_TIMEOUT_MS);
    killQuietly(this.#pid === 0 ? (this.#child.pid as number) : this.#pid, 'SIGTERM');
    await ended;
    clearTimeout(insist);
  }
}

function killQuietly(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone.
  }
}

async function answers(address: Address): Promise<boolean> {
  try {
    const admin = await AdminClient.connect(address, 5000);
    try {
      await admin.ping();
      return true;
    } finally {
      admin.close();
    }
  } catch {
    return false;
  }
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
