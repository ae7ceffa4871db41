/**
 * A real S3 server of the test's own: Ceph's radosgw over one monitor and one memory store, all in a temporary directory and
 * on loopback. Debian packages ceph-mon, ceph-osd and radosgw. It takes 12 to 20 seconds to start.
 *
 * `node test/kit/radosgw.ts` runs one until it is interrupted, and prints how to use it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { endChild } from './end-child.ts';
import { freePort } from './millrace-process.ts';
import { TempDirectory } from './temp-directory.ts';
import { findTool, installDebianPackages } from './tools.ts';

/** Each holds the program of its name. */
const PACKAGES = ['ceph-mon', 'ceph-osd', 'radosgw'];
const READY_MS = 120_000;
const COMMAND_TIMEOUT_MS = 60_000;
/** Of each server's log, in the error of a start that failed. */
const LOG_LINES = 10;
const START_ATTEMPTS = 5;

export class Radosgw implements AsyncDisposable {
  readonly port: number;
  readonly accessKey = 'millrace-test';
  readonly secretKey = 'secret-of-the-test';
  readonly #directory = new TempDirectory();
  readonly #environment: NodeJS.ProcessEnv;
  readonly #monitorPort: number;
  /** Monitor, store, gateway, in the order of their start. */
  readonly #children: ChildProcess[] = [];

  private constructor(port: number, monitorPort: number) {
    this.port = port;
    this.#monitorPort = monitorPort;
    this.#environment = { ...process.env, CEPH_CONF: join(this.#directory.path, 'ceph.conf') };
  }

  static async start(): Promise<Radosgw> {
    for (let attempt = 1; ; attempt++) {
      const server = new Radosgw(await freePort(), await freePort());
      try {
        await server.#start();
        return server;
      } catch (error) {
        await server[Symbol.asyncDispose]();
        // One in ten stores sends the monitor a command before it has learnt the cluster's id, is refused and ends.
        if (attempt === START_ATTEMPTS || !String(error).includes('ended with')) throw error;
      }
    }
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The store's address for a bucket, for `tier.store`. */
  url(bucket: string, prefix = ''): string {
    return `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}?endpoint=${this.endpoint}&region=us-east-1`;
  }

  get credentials(): Record<string, string> {
    return { AWS_ACCESS_KEY_ID: this.accessKey, AWS_SECRET_ACCESS_KEY: this.secretKey };
  }

  /** The store of the gateway stands still: requests hang. */
  pause(): void {
    this.#children[1]?.kill('SIGSTOP');
  }

  resume(): void {
    this.#children[1]?.kill('SIGCONT');
  }

  async #start(): Promise<void> {
    const fsid = randomUUID();
    const root = this.#directory.path;
    for (const name of ['mon', 'osd', 'run']) mkdirSync(join(root, name));
    writeFileSync(join(root, 'ceph.conf'), this.#configuration(fsid));
    const map = join(root, 'monmap');
    const address = `[v1:127.0.0.1:${this.#monitorPort}]`;
    this.#run('monmaptool', '--create', '--clobber', '--fsid', fsid, '--addv', 'a', address, map);
    this.#run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', map);
    this.#spawn('ceph-mon', '-i', 'a', '-f');
    await this.#until('the monitor', () =>
      this.#run('ceph', '--connect-timeout', '2', 'mon', 'stat').includes('quorum'),
    );
    const osd = randomUUID();
    this.#run('ceph', 'osd', 'new', osd);
    this.#run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', osd);
    this.#spawn('ceph-osd', '-i', '0', '-f');
    await this.#until('the object store', () => this.#run('ceph', 'osd', 'stat').includes('1 up'));
    this.#spawn('radosgw', '-n', 'client.rgw', '-f');
    await this.#until('the gateway', async () => {
      const answer = await fetch(this.endpoint, { signal: AbortSignal.timeout(2_000) });
      return answer.status > 0;
    });
    const user = ['--uid=t', '--display-name=t', `--access-key=${this.accessKey}`, `--secret=${this.secretKey}`];
    this.#run('radosgw-admin', 'user', 'create', ...user);
  }

  #configuration(fsid: string): string {
    const root = this.#directory.path;
    return `[global]
fsid = ${fsid}
mon host = v1:127.0.0.1:${this.#monitorPort}/0
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms bind msgr2 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
mon allow pool size one = true
mon max pg per osd = 1000
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
mon data = ${root}/mon
osd data = ${root}/osd
run dir = ${root}/run
admin socket = ${root}/run/$name.asok
pid file = ${root}/run/$name.pid
log file = ${root}/$name.log
mon cluster log file = ${root}/cluster.log
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:${this.port}
rgw thread pool size = 64
`;
  }

  #run(program: string, ...args: string[]): string {
    const options = { env: this.#environment, encoding: 'utf8', timeout: COMMAND_TIMEOUT_MS } as const;
    return execFileSync(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  #spawn(program: string, ...args: string[]): void {
    this.#children.push(spawn(program, args, { env: this.#environment, stdio: 'ignore' }));
  }

  async #until(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
    const end = Date.now() + READY_MS;
    for (;;) {
      try {
        if (await check()) return;
      } catch {
        // Not there yet.
      }
      const dead = this.#children.find(({ exitCode }) => exitCode !== null);
      if (dead !== undefined) throw new Error(`${dead.spawnfile} ended with ${dead.exitCode}\n${this.#lastOfLogs()}`);
      if (Date.now() > end) throw new Error(`${what} of the S3 server is not ready after ${READY_MS / 1000} s`);
      await sleep(200);
    }
  }

  /** What the servers wrote last: why one ended stands nowhere else. */
  #lastOfLogs(): string {
    const logs = readdirSync(this.#directory.path).filter((name) => name.endsWith('.log'));
    const tails = logs.map((name) => {
      const lines = readFileSync(join(this.#directory.path, name), 'utf8').trimEnd().split('\n');
      return [`${name}:`, ...lines.slice(-LOG_LINES)].join('\n');
    });
    return tails.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children.toReversed()) await endChild(child, 'SIGKILL');
    this.#directory[Symbol.dispose]();
  }
}

function missing(): string[] {
  return PACKAGES.filter((name) => findTool(name) === undefined);
}

/**
 * Installs the server where it may (66 MB of packages: not for every day). @returns false where it is missing: the test is
 * skipped loudly, and fails in CI.
 */
export function requireRadosgw(t: TestContext): boolean {
  installDebianPackages(missing(), (line) => t.diagnostic(line));
  if (missing().length === 0) return true;
  const message = `${missing().join(', ')} (Debian packages of these names) is not installed`;
  if (process.env['CI'] === 'true') throw new Error(`${message}; CI must not skip tests`);
  t.skip(`SKIPPED LOUDLY: ${message}`);
  return false;
}

/** Buckets are made once, by hand: a broker does not make them. */
export async function createBucket(server: Radosgw, bucket: string): Promise<void> {
  const { AwsClient } = await import('aws4fetch');
  const keys = { accessKeyId: server.accessKey, secretAccessKey: server.secretKey };
  const client = new AwsClient({ ...keys, service: 's3', region: 'us-east-1' });
  const answer = await client.fetch(`${server.endpoint}/${bucket}`, { method: 'PUT' });
  if (!answer.ok) throw new Error(`bucket ${bucket}: ${answer.status} ${await answer.text()}`);
}

if (import.meta.main) {
  const server = await Radosgw.start();
  await createBucket(server, 'millrace');
  const keys = Object.entries(server.credentials).map(([name, value]) => `${name}=${value}`);
  process.stdout.write(`${keys.join(' ')} bin/millrace serve --set 'tier.store=${server.url('millrace')}'\n`);
  // Its servers are processes of their own, and would stay.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void server[Symbol.asyncDispose]());
  }
}
