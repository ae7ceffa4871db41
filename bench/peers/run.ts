/**
 * Millrace and three other brokers on the same work in the same run, each alone on the machine while it is measured:
 * `node bench/peers/run.ts [--quick] [--runs N] [--seconds N] [--dir DIR] [--millrace SCRIPT] [--json FILE] [--write]`.
 *
 * Work: records of 1,000 bytes over 10 connections; batches of 100 with 5 in flight, and single records with 1 and with
 * 100 in flight. Millrace acknowledges after sync (acks=all). MB/s counts record values only, 10^6 bytes, for all alike.
 * Servers come from Debian packages: `apt-get install --no-install-recommends redis-server nats-server rabbitmq-server`;
 * one that is missing is left out with a loud line. They run as children of this script, on loopback, in a directory
 * that is removed afterwards. Exit code 1 when a bound is missed.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { makePlan } from '../../src/cli/bench/plan.ts';
import { runBench } from '../../src/cli/bench/run-bench.ts';
import { BrokerProcess } from '../kit/broker-process.ts';
import { Helper, median, TemporaryDirectory } from '../kit/measure.ts';
import { writeResultsBlock } from '../kit/results-block.ts';
import { PEERS } from './all.ts';
import { findProgram, type Peer, type PeerName } from './peer.ts';
import type { PeerLoad, PeerResult } from './peer-load.ts';

const VALUE_BYTES = 1000;
const CONNECTIONS = 10;

const WORKS = [
  { id: 'batches', title: 'batches of 100, 5 in flight', records: 100, inFlight: 5 },
  { id: 'singles', title: 'single, 1 in flight', records: 1, inFlight: 1 },
  { id: 'singles-100', title: 'single, 100 in flight', records: 1, inFlight: 100 },
] as const;
type Work = (typeof WORKS)[number];

/** Least ratio of Millrace to the peer in MB/s, for batches of 100. */
const ASKED: Readonly<Record<PeerName, number>> = { redis: 5, nats: 5, rabbitmq: 2.5 };

interface Options {
  readonly directory: string;
  readonly runs: number;
  readonly seconds: number;
  readonly script: string | undefined;
}

interface Row {
  readonly work: string;
  readonly broker: string;
  readonly acknowledged: string;
  readonly mbPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Millrace over this broker, median of the runs; undefined for Millrace itself. */
  readonly ratio: number | undefined;
  readonly asked: number | undefined;
  readonly note: string;
}

async function runPeers(options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  const peers = Object.values(PEERS).filter(isInstalled);
  for (const work of WORKS) {
    const own: PeerResult[] = [];
    const others = new Map<Peer, PeerResult[]>(peers.map((peer) => [peer, []]));
    for (let i = 0; i < options.runs; i++) {
      own.push(await measureMillrace(work, options));
      for (const [peer, results] of others) results.push(await measurePeer(peer, work, options));
    }
    const ownRow = makeRow(work, 'Millrace', 'synced', own, own, undefined);
    rows.push({ ...ownRow, ratio: undefined });
    for (const [peer, results] of others) {
      const asked = work.id === 'batches' ? ASKED[peer.name] : undefined;
      rows.push(makeRow(work, peer.title, peer.durability, results, own, asked));
    }
    process.stderr.write(table(rows.filter((row) => row.work === work.title)));
  }
  return rows;
}

function isInstalled(peer: Peer): boolean {
  if (findProgram(peer.program) !== undefined) return true;
  process.stderr.write(
    `LEFT OUT: ${peer.title}, since ${peer.program} is missing: apt-get install --no-install-recommends ${peer.packageName}\n`,
  );
  return false;
}

async function measureMillrace(work: Work, options: Options): Promise<PeerResult> {
  using directory = new TemporaryDirectory(options.directory);
  await using broker = await BrokerProcess.start(directory.path, options.script);
  const { records: batch, inFlight } = work;
  const load = { mode: 'produce', acks: -1, size: VALUE_BYTES, connections: CONNECTIONS, batch, inFlight } as const;
  const report = await runBench(
    makePlan({ ...load, broker: broker.address, length: { seconds: options.seconds }, warmup: 1 }),
  );
  const { recordsPerSecond = Number.NaN, latency } = report.produced ?? {};
  return { recordsPerSecond, p50Ms: latency?.p50Ms ?? Number.NaN, p99Ms: latency?.p99Ms ?? Number.NaN };
}

async function measurePeer(peer: Peer, work: Work, options: Options): Promise<PeerResult> {
  using directory = new TemporaryDirectory(options.directory);
  await using server = await peer.start(directory.path);
  const { records, inFlight } = work;
  const { seconds } = options;
  const shape = { records, inFlight, connections: CONNECTIONS, valueBytes: VALUE_BYTES };
  const load: PeerLoad = { peer: peer.name, port: server.port, seconds, warmup: 1, ...shape };
  using helper = new Helper(new URL('./peer-load.ts', import.meta.url), [JSON.stringify(load)]);
  const result = await helper.receive<PeerResult>();
  if (result.error !== undefined) throw new Error(`${peer.title}: ${result.error}`);
  return result;
}

function makeRow(
  work: Work,
  broker: string,
  acknowledged: string,
  results: readonly PeerResult[],
  own: readonly PeerResult[],
  asked: number | undefined,
): Row {
  const of = (figure: (result: PeerResult) => number): number => median(results.map(figure));
  const ratio = median(results.map((result, i) => (own[i]?.recordsPerSecond ?? Number.NaN) / result.recordsPerSecond));
  return {
    work: work.title,
    broker,
    acknowledged,
    mbPerSecond: of((result) => (result.recordsPerSecond * VALUE_BYTES) / 1e6),
    p50Ms: of((result) => result.p50Ms),
    p99Ms: of((result) => result.p99Ms),
    ratio,
    asked,
    note: asked === undefined ? '' : ratio >= asked ? 'pass' : 'miss',
  };
}

function table(rows: readonly Row[]): string {
  const lines = [
    '| 1 KB records, 10 connections | broker | acknowledged when | MB/s | records/s | p50 ms | p99 ms | Millrace is | asked | |',
    '|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const row of rows) {
    const ratio = row.ratio === undefined ? '–' : `${row.ratio.toFixed(1)}x`;
    const records = Math.round((row.mbPerSecond * 1e6) / VALUE_BYTES).toLocaleString('en-US');
    lines.push(
      `| ${row.work} | ${row.broker} | ${row.acknowledged} | ${row.mbPerSecond.toFixed(0)} | ${records} | ${row.p50Ms.toFixed(2)} | ${row.p99Ms.toFixed(2)} | ${ratio} | ${row.asked === undefined ? '–' : `≥ ${row.asked}x`} | ${row.note} |`,
    );
  }
  return `${lines.join('\n')}\n`;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      seconds: { type: 'string' },
      dir: { type: 'string' },
      millrace: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean', default: false },
    },
  });
  using directory = new TemporaryDirectory(values.dir);
  const rows = await runPeers({
    directory: directory.path,
    runs: Number(values.runs ?? (values.quick ? 1 : 3)),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 3)),
    script: values.millrace,
  });
  const text = table(rows);
  console.log(text);
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`);
  if (values.write) writeResultsBlock('peers', text);
  if (rows.some((row) => row.note === 'miss')) process.exitCode = 1;
}

if (import.meta.main) await main();
