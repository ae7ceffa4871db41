/**
 * A PostgreSQL server of the test's own (Debian package postgresql): a data directory and a socket in a temporary directory,
 * that can be killed and started again. The server refuses to run as root, so a test that is root runs it as another user.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Client } from 'pg';
import { endChild } from './end-child.ts';
import { freePort } from './millrace-process.ts';
import { TempDirectory } from './temp-directory.ts';
import { findTool, installDebianPackages } from './tools.ts';

/** Debian puts the programs of each version here and not into PATH. */
const VERSIONS = '/usr/lib/postgresql';
const PACKAGE = 'postgresql';
const READY_MS = 30_000;
/** What is root outside is one of these inside: whichever the machine has. */
const USERS = ['postgres', 'nobody'];

export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #programs: string;
  readonly #directory = new TempDirectory();
  readonly #identity = unprivileged();
  #child: ChildProcess | undefined;

  private constructor(programs: string, port: number) {
    this.#programs = programs;
    this.port = port;
  }

  /** @param programs directory of initdb and postgres, from `requirePostgres`. */
  static async start(programs: string): Promise<PostgresServer> {
    const server = new PostgresServer(programs, await freePort());
    try {
      server.#initialize();
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** For `new Pool(...)` of pg. */
  get connection(): { readonly host: string; readonly port: number; readonly user: string; readonly database: string } {
    return { host: '127.0.0.1', port: this.port, user: 'test', database: 'postgres' };
  }

  /** Tries again for a while: processes of a server that was killed hold its port and memory until they notice. */
  async start(): Promise<void> {
    const end = Date.now() + READY_MS;
    for (;;) {
      const child = this.#spawn();
      this.#child = child;
      while (child.exitCode === null && child.signalCode === null) {
        if (await this.#answers()) return;
        if (Date.now() > end) throw new Error(`postgres did not start:\n${this.#log()}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      if (Date.now() > end) throw new Error(`postgres ended instead of starting:\n${this.#log()}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  #spawn(): ChildProcess {
    const directory = this.#directory.path;
    // A server that was killed leaves its locks behind; the process of that number may be another's by now.
    for (const lock of [path.join(this.#data, 'postmaster.pid'), path.join(directory, `.s.PGSQL.${this.port}.lock`)])
      rmSync(lock, { force: true });
    const settings = ['-c', 'listen_addresses=127.0.0.1', '-c', `unix_socket_directories=${directory}`];
    const log = openSync(this.#logFile, 'w');
    try {
      return spawn(path.join(this.#programs, 'postgres'), ['-D', this.#data, '-p', String(this.port), ...settings], {
        stdio: ['ignore', 'ignore', log],
        cwd: directory,
        ...this.#identity,
      });
    } finally {
      closeSync(log);
    }
  }

  get #logFile(): string {
    return path.join(this.#directory.path, 'log');
  }

  /** What the last start said. */
  #log(): string {
    return readFileSync(this.#logFile, 'utf8').slice(-2_000);
  }

  /** The postmaster and, through its end, all that work for it. */
  async kill9(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await endChild(child, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    // At once, and with all its processes.
    await endChild(child, 'SIGQUIT');
    this.#directory[Symbol.dispose]();
  }

  get #data(): string {
    return path.join(this.#directory.path, 'data');
  }

  #initialize(): void {
    const { uid, gid } = this.#identity;
    if (uid !== undefined && gid !== undefined) {
      chownSync(this.#directory.path, uid, gid);
      chmodSync(this.#directory.path, 0o700);
    }
    execFileSync(
      path.join(this.#programs, 'initdb'),
      ['-D', this.#data, '-U', 'test', '-A', 'trust', '--no-sync', '--locale=C', '-E', 'UTF8'],
      { stdio: ['ignore', 'ignore', 'pipe'], cwd: this.#directory.path, timeout: 60_000, ...this.#identity },
    );
  }

  async #answers(): Promise<boolean> {
    const client = new Client({ ...this.connection, connectionTimeoutMillis: 1000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      return true;
    } catch {
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** Whom to run as; nothing where this process is no root. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {};
  for (const user of USERS) {
    try {
      const ask = (flag: string): number =>
        Number(execFileSync('id', [flag, user], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
      return { uid: ask('-u'), gid: ask('-g') };
    } catch {
      // No such user here; the next one.
    }
  }
  throw new Error(`PostgreSQL does not run as root, and there is no user ${USERS.join(' or ')}`);
}

/** Directory of the newest version's programs. */
function findPrograms(): string | undefined {
  const inPath = findTool('postgres');
  if (inPath !== undefined) return path.dirname(inPath);
  try {
    const [newest] = readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a));
    return newest === undefined ? undefined : path.join(VERSIONS, newest, 'bin');
  } catch {
    return undefined;
  }
}

/** Installs the server where it may. @returns its programs; undefined (skipped loudly, failed in CI) where it is missing. */
export function requirePostgres(t: TestContext): string | undefined {
  if (findPrograms() === undefined) installDebianPackages([PACKAGE], (line) => t.diagnostic(line));
  const programs = findPrograms();
  if (programs !== undefined) return programs;
  const message = `postgres is not installed (Debian package ${PACKAGE})`;
  if (process.env['CI'] === 'true') throw new Error(`${message}; CI must not skip tests`);
  t.skip(`SKIPPED LOUDLY: ${message}`);
  return undefined;
}
