/**
 * Millrace beside the reference server of Durable Streams on its file store, with the loads of that project's benchmark
 * (latency of append and long poll, small and large messages through its own client) and plain requests beside them. Both
 * acknowledge what is on stable storage. They take turns: one server at a time, in a process of its own; each load is run
 * once unmeasured and then for two seconds, and its figure is the median of these. Beside them a bare node server takes the
 * same requests, keeps nothing and says that all is well: what it reaches is the client's, and no server that keeps what
 * it acknowledges comes near. Beside each figure stands how busy the server's process and this one were, in shares of a core.
 *
 *   node bench/streams.ts [--runs N] [--write]
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { DurableStream } from '@durable-streams/client';
import { median } from './kit/measure.ts';
import { writeResultsBlock } from './kit/results-block.ts';

const REFERENCE = '@durable-streams/server@0.3.7';
const HERE = fileURLToPath(new URL('.', import.meta.url));
const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '3' }, write: { type: 'boolean', default: false } },
});

const MEASURED_MS = 2_000;

interface Server {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

interface Load {
  readonly name: string;
  readonly unit: string;
  /** Whether less is better. */
  readonly isTime?: boolean;
  /** Whether it reads, which the bare server does not serve. */
  readonly reads?: boolean;
  run(url: string): Promise<number>;
}

let streamCount = 0;
const freshUrl = (url: string): string => `${url}/v1/stream/bench/s${(streamCount += 1)}`;

async function freshStream(url: string): Promise<DurableStream> {
  return await DurableStream.create({ url: freshUrl(url), contentType: 'application/octet-stream' });
}

/** Milliseconds from an append to its arrival at a reader that waits; the median of 100. */
async function latency(url: string): Promise<number> {
  const stream = await freshStream(url);
  const message = new Uint8Array(100).fill(42);
  const took: number[] = [];
  let offset = 'now';
  for (let i = 0; i < 110; i++) {
    const arrived = fetch(`${stream.url}?offset=${offset}&live=long-poll`);
    // The reader must be waiting, or it is a read of what is there.
    await new Promise((resolve) => setTimeout(resolve, 5));
    const startedAt = performance.now();
    await stream.append(message);
    const answer = await arrived;
    await answer.arrayBuffer();
    if (i >= 10) took.push(performance.now() - startedAt);
    offset = answer.headers.get('stream-next-offset') ?? 'now';
  }
  return took.sort((a, b) => a - b)[Math.floor(took.length / 2)] ?? Number.NaN;
}

/**
 * The benchmark's own loop: rounds of appends that wait for each other, through the client, which joins them. As there the
 * last round is a full one, and what it sends too much is not counted.
 */
async function throughClient(url: string, bytes: number, count: number, concurrency: number): Promise<number> {
  const stream = await freshStream(url);
  const message = new Uint8Array(bytes).fill(42);
  const startedAt = performance.now();
  for (let sent = 0; sent < count; sent += concurrency) {
    await Promise.all(Array.from({ length: concurrency }, () => stream.append(message)));
  }
  const perSecond = count / ((performance.now() - startedAt) / 1000);
  await stream.delete();
  return perSecond;
}

/** One request an append, over kept connections: what the server does without the client's joining. */
async function plainAppends(url: string, bytes: number, count: number, connections: number): Promise<number> {
  const { url: target } = await freshStream(url);
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const body = Buffer.alloc(bytes, 42);
  let left = count;
  const one = () =>
    new Promise<void>((resolve, reject) => {
      const headers = { 'content-type': 'application/octet-stream', 'content-length': bytes };
      const request = http.request(target, { method: 'POST', agent, headers }, (response) => {
        response
          .resume()
          .on('end', () => (response.statusCode === 204 ? resolve() : reject(new Error(`${response.statusCode}`))));
      });
      request.on('error', reject).end(body);
    });
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (left > 0) {
        left -= 1;
        await one();
      }
    }),
  );
  agent.destroy();
  return count / ((performance.now() - startedAt) / 1000);
}

/** MB/s of reading 64 MB back in one pass. */
async function catchUp(url: string): Promise<number> {
  const stream = await freshStream(url);
  const piece = new Uint8Array(512 * 1024).fill(42);
  for (let i = 0; i < 128; i++) await stream.append(piece);
  const startedAt = performance.now();
  let [offset, bytes] = ['-1', 0];
  for (;;) {
    const answer = await fetch(`${stream.url}?offset=${offset}`);
    bytes += (await answer.arrayBuffer()).byteLength;
    offset = answer.headers.get('stream-next-offset') ?? offset;
    if (answer.headers.get('stream-up-to-date') === 'true') break;
  }
  await stream.delete();
  return bytes / 1e6 / ((performance.now() - startedAt) / 1000);
}

const LOADS: readonly Load[] = [
  { name: 'append to arrival at a long poll, 100 B, p50', unit: 'ms', isTime: true, reads: true, run: latency },
  {
    name: 'small messages: 100 B, 75 at once, client',
    unit: 'msg/s',
    run: (url) => throughClient(url, 100, 1_000, 75),
  },
  {
    name: 'large messages: 1 MiB, 15 at once, client',
    unit: 'msg/s',
    run: (url) => throughClient(url, 1024 * 1024, 50, 15),
  },
  { name: 'plain appends: 100 B, 75 connections', unit: 'msg/s', run: (url) => plainAppends(url, 100, 6_000, 75) },
  {
    name: 'joined as the client does: 75 x 100 B a request, 20 connections',
    unit: 'msg/s',
    run: async (url) => 75 * (await plainAppends(url, 7_500, 2_000, 20)),
  },
  { name: 'plain appends: 1 KB, 1 connection', unit: 'msg/s', run: (url) => plainAppends(url, 1_000, 500, 1) },
  { name: 'catch-up of 64 MB', unit: 'MB/s', reads: true, run: catchUp },
];

async function startProcess(args: readonly string[], ready: RegExp): Promise<Server> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    const look = (piece: Buffer): void => {
      text += piece.toString();
      const match = ready.exec(text);
      if (match?.[1] !== undefined) resolve(match[1]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', () => reject(new Error(`ended at start:\n${text}`)));
  });
  return {
    url: url.startsWith('http') ? url : `http://${url}`,
    pid: child.pid ?? 0,
    stop: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve());
        child.kill('SIGTERM');
      }),
  };
}

function referenceFolder(): string {
  const scratch = process.env['MILLRACE_SCRATCH'] ?? path.join(tmpdir(), 'millrace-scratch');
  const folder = path.join(scratch, REFERENCE.replaceAll(/[^\w.]+/g, '-'));
  if (existsSync(path.join(folder, 'complete'))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
  const result = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', REFERENCE], {
    cwd: folder,
  });
  if (result.status !== 0) throw new Error(`${REFERENCE} cannot be installed:\n${result.stderr.toString()}`);
  writeFileSync(path.join(folder, 'complete'), '');
  return folder;
}

const SERVERS: Readonly<Record<string, (directory: string) => Promise<Server>>> = {
  millrace: (directory) =>
    startProcess(
      [
        path.join(HERE, '../src/cli/main.ts'),
        'serve',
        '--data',
        directory,
        '--kafka',
        '127.0.0.1:0',
        '--http',
        '127.0.0.1:0',
      ],
      /"http":"([^"]+)"[^\n]*"msg":"ready"/,
    ),
  reference: (directory) =>
    startProcess([path.join(HERE, 'streams-reference.ts'), referenceFolder(), directory], /listening (\S+)/),
  bare: () => startProcess([path.join(HERE, 'streams-bare.ts')], /listening (\S+)/),
};

/** User and system time of a process so far, ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** By server and load: shares of a core. */
const busy = new Map<string, { readonly server: number; readonly client: number }[]>();
async function measure(key: string, server: Server, load: Load): Promise<number> {
  await load.run(server.url);
  const [startedAt, ofServer, ofClient] = [performance.now(), cpuMs(server.pid), cpuMs(process.pid)];
  const taken: number[] = [];
  while (performance.now() - startedAt < MEASURED_MS) taken.push(await load.run(server.url));
  const figure = median(taken);
  const took = performance.now() - startedAt;
  const shares = { server: (cpuMs(server.pid) - ofServer) / took, client: (cpuMs(process.pid) - ofClient) / took };
  busy.set(key, [...(busy.get(key) ?? []), shares]);
  return figure;
}

function busyIn(server: string, load: string): string {
  const shares = busy.get(`${server} ${load}`) ?? [];
  const percent = (of: 'server' | 'client'): string => `${(100 * median(shares.map((each) => each[of]))).toFixed(0)} %`;
  return `${percent('server')}, ${percent('client')}`;
}

const figures = new Map<string, number[]>();
for (let run = 0; run < Number(options.runs); run++) {
  for (const [name, start] of Object.entries(SERVERS)) {
    const directory = mkdtempSync(path.join(tmpdir(), 'millrace-streams-'));
    const server = await start(directory);
    try {
      for (const load of LOADS) {
        if (load.reads === true && name === 'bare') continue;
        const key = `${name} ${load.name}`;
        const figure = await measure(key, server, load);
        figures.set(key, [...(figures.get(key) ?? []), figure]);
        process.stderr.write(`${key}: ${figure.toFixed(1)} ${load.unit}\n`);
      }
    } finally {
      await server.stop();
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

function timesFaster(ours: number, theirs: number, isTime: boolean | undefined): string {
  return (isTime === true ? theirs / ours : ours / theirs).toFixed(1);
}

const rows = LOADS.map(({ name, unit, isTime, reads }) => {
  const of = (server: string): number => median(figures.get(`${server} ${name}`) ?? []);
  const [ours, theirs] = [of('millrace'), of('reference')];
  const digits = isTime === true ? 2 : 0;
  const cells = [
    name,
    `${ours.toFixed(digits)} ${unit}`,
    `${theirs.toFixed(digits)} ${unit}`,
    timesFaster(ours, theirs, isTime),
    reads === true ? '' : timesFaster(of('bare'), theirs, isTime),
    busyIn('millrace', name),
    busyIn('reference', name),
  ];
  return `| ${cells.join(' | ')} |`;
});
const heads = [
  '',
  'Millrace',
  'reference, file store',
  'times faster',
  'a server that keeps nothing',
  'busy: Millrace, client',
  'busy: reference, client',
];
const table = [`| ${heads.join(' | ')} |`, `|${'---|'.repeat(heads.length)}`, ...rows].join('\n');
process.stdout.write(`${table}\n`);
if (options.write) {
  const when = new Date().toISOString().slice(0, 10);
  writeResultsBlock(
    'streams',
    `Measured ${when}, Node ${process.version}, medians of ${options.runs} runs, ${REFERENCE}.\n\n${table}`,
  );
}
