/** Starts, reads, stops and kills a group member that runs in a process of its own (member.ts). */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { MemberOrder, MemberRecord } from './member.ts';

const PROGRAM = fileURLToPath(new URL('member.ts', import.meta.url));
const ERROR_TAIL_CHARS = 2000;

export class MemberProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  /** What came so far, in order. */
  readonly records: MemberRecord[] = [];
  #errors = '';

  constructor(order: MemberOrder) {
    // A group of its own: kcat's driver has a child that must die with it.
    const child = spawn(process.execPath, [PROGRAM, JSON.stringify(order)], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    createInterface({ input: child.stdout }).on('line', (line) => this.records.push(JSON.parse(line) as MemberRecord));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-ERROR_TAIL_CHARS);
    });
    this.#child = child;
    this.#ended = once(child, 'close');
  }

  get values(): string[] {
    return this.records.map((record) => record.value);
  }

  /** Leaves the group first. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  /** Without a goodbye. */
  async kill9(): Promise<void> {
    if (this.#child.pid !== undefined) killGroup(this.#child.pid);
    await this.#ended;
  }

  /** For the message of a failed test. */
  errors(): string {
    return this.#errors;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill9();
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
