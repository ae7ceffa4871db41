/**
 * A broker in a process of its own that can be killed and started again on the same data and the same ports, for tests
 * whose clients must find it again.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Running, startMillrace } from './millrace.ts';

/**
 * Ports below those that the system gives to outgoing connections: a client that tries again and again to reach a dead
 * port of that range may be given the very port as its own, and then is connected to itself.
 */
const FIRST_PORT = 20_000;
const PORT_COUNT = 12_000;
const START_ATTEMPTS = 3;
/** Kept of the log, for the message of a failed test. */
const LOG_TAIL_CHARS = 16 * 1024;

export interface MillraceProcessOptions {
  /** Data directory; left out, one of its own that is removed at the end. */
  readonly directory?: string | undefined;
  /** `name=value`, as after `--set`. */
  readonly settings?: readonly string[] | undefined;
  readonly extra?: readonly string[] | undefined;
}

/** Tests write records of fixed, old times. */
const OLD_RECORDS_STAY = ['--set', 'log.retention.ms=-1'];

export class MillraceProcess implements AsyncDisposable {
  readonly directory: string;
  readonly #ownsDirectory: boolean;
  readonly #args: readonly string[];
  readonly #kafkaPort: number;
  readonly #httpPort: number;
  #running: Running | undefined;
  #pastLog = '';
  /** What the broker itself says of its start, without the time the process took to load. */
  startMs = 0;

  private constructor(options: MillraceProcessOptions, kafkaPort: number, httpPort: number) {
    this.#ownsDirectory = options.directory === undefined;
    this.directory = options.directory ?? mkdtempSync(path.join(tmpdir(), 'millrace-process-'));
    this.#kafkaPort = kafkaPort;
    this.#httpPort = httpPort;
    const settings = (options.settings ?? []).flatMap((setting) => ['--set', setting]);
    const addresses = ['--kafka', this.kafka, '--http', this.http];
    this.#args = [
      'serve',
      '--data',
      this.directory,
      ...addresses,
      ...OLD_RECORDS_STAY,
      ...settings,
      ...(options.extra ?? []),
    ];
  }

  /** @returns a broker that is ready. @throws Error with its log where it ended instead. */
  static async start(options: MillraceProcessOptions = {}): Promise<MillraceProcess> {
    for (let attempt = 1; ; attempt++) {
      const broker = new MillraceProcess(options, await freePort(), await freePort());
      try {
        await broker.start();
        return broker;
      } catch (error) {
        await broker[Symbol.asyncDispose]();
        // Between the look for a free port and the start another test may have taken it.
        if (attempt === START_ATTEMPTS || !String(error).includes('is in use by another program')) throw error;
      }
    }
  }

  /** HOST:PORT; the same over all restarts. */
  get kafka(): string {
    return `127.0.0.1:${this.#kafkaPort}`;
  }

  get http(): string {
    return `127.0.0.1:${this.#httpPort}`;
  }

  get pid(): number {
    const pid = this.#running?.child.pid;
    if (pid === undefined) throw new Error('the broker is not running');
    return pid;
  }

  get running(): boolean {
    const child = this.#running?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Starts it again, on the same data and ports. */
  async start(): Promise<void> {
    if (this.running) throw new Error('the broker runs already');
    const running = startMillrace(this.#args);
    this.#running = running;
    try {
      const ready = await running.until(/\{[^\n]*"msg":"ready"[^\n]*/);
      this.startMs = (JSON.parse(ready[0]) as { startMs: number }).startMs;
    } catch (error) {
      await this.kill9();
      throw error;
    }
  }

  /** Gracefully, as SIGTERM does. @throws Error with the log where it does not end with 0. */
  async stop(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.child.kill('SIGTERM');
    const outcome = await running.ended;
    this.#forget(running);
    if (outcome.code !== 0) throw new Error(`the broker ended with ${outcome.code ?? outcome.signal}:\n${this.log()}`);
  }

  /** What kill -9 does; resolves once the process is gone. */
  async kill9(): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    running.child.kill('SIGKILL');
    await running.ended;
    this.#forget(running);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The newest part of what it logged, over all restarts. */
  log(): string {
    return (this.#pastLog + (this.#running?.stderr() ?? '')).slice(-LOG_TAIL_CHARS);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
    if (this.#ownsDirectory) rmSync(this.directory, { recursive: true, force: true });
  }

  #forget(running: Running): void {
    this.#pastLog = (this.#pastLog + running.stderr()).slice(-LOG_TAIL_CHARS);
    this.#running = undefined;
  }
}

/** A port that nobody listens on and that the system gives to no outgoing connection. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const server = net.createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch {
      // Taken; the next one.
    } finally {
      server.close();
    }
  }
  throw new Error(`no free port from ${FIRST_PORT} to ${FIRST_PORT + PORT_COUNT - 1}`);
}
