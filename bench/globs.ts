/**
 * What one subscriber by glob costs the broker beside a consumer of each topic: 10,000 topics, 100 of them active, single
 * records of 1 KB in turns. Both follow over HTTP as NDJSON and get every record.
 *
 *   node bench/globs.ts [--rate 2000] [--seconds 10] [--topics 10000] [--rounds 5]
 *
 * CPU of the broker's threads while the records come, less that of the same writes without a reader, which are measured before and after the two in each
 * round; which of these comes first changes from round to round. Each figure is a median over the rounds, with the least and the most beside it. Asked
 * (issue 4): the subscriber gets every record in the order of commits, for under 10 % of what the consumers take. Exit code 1 where not.
 * Then how long a record takes from the client that writes it to the subscriber, alone after silence and at the rate.
 */
import { once } from 'node:events';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { encodeBatch } from '../src/model/batch-builder.ts';
import { produce } from '../src/wire/index.ts';
import { RawClient } from '../test/kit/raw-client.ts';
import { BrokerProcess } from './kit/broker-process.ts';
import { CpuTime } from './kit/cpu-time.ts';
import { median, percentile, sleep, spread, TemporaryDirectory } from './kit/measure.ts';

const ACTIVE = 100;
const MAX_SHARE = 0.1;
const CREATED_AT_ONCE = 1_000;
const PER_TICK_MS = 10;
const VALUE_BYTES = 1_000;
const LONE_RECORDS = 100;
const LONE_GAP_MS = 100;

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '10' },
    topics: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
  },
});
const [rate, seconds, topicCount] = [Number(values.rate), Number(values.seconds), Number(values.topics)];

function topicName(index: number): string {
  return `all.${index}`;
}

/** Counts the records of a follow, and those that came out of order. */
class Follower {
  received = 0;
  outOfOrder = 0;
  /** Milliseconds from the client that wrote to here, of each record. */
  readonly tookMs: number[] = [];
  readonly #socket: net.Socket;
  #rest = '';
  #last: readonly number[] = [-1, -1];

  static async open(port: number, path: string): Promise<Follower> {
    const socket = net.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(`GET ${path} HTTP/1.1\r\nhost: bench\r\naccept: application/x-ndjson\r\n\r\n`);
    await once(socket, 'data');
    return new Follower(socket);
  }

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => undefined);
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('{"')) continue;
      this.received += 1;
      this.tookMs.push(now() - Number(/"value":"([0-9.]+)/.exec(line)?.[1]));
      const cursor = /^\{"cursor":"([^"]+)"/.exec(line)?.[1];
      if (cursor === undefined) continue;
      const place = cursor
        .split(/[^0-9]+/)
        .filter((part) => part !== '')
        .map(Number);
      if (!isBehind(this.#last, place)) this.outOfOrder += 1;
      this.#last = place;
    }
  }
}

function isBehind(before: readonly number[], after: readonly number[]): boolean {
  for (const [i, part] of after.entries()) {
    const other = before[i] ?? -1;
    if (part !== other) return part > other;
  }
  return false;
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

/** One record that says when it was written. */
function send(client: RawClient, topic: number): Promise<unknown> {
  const value = Buffer.alloc(VALUE_BYTES, 'x');
  value.write(now().toFixed(3));
  const records = encodeBatch([{ key: null, value, headers: [], timestamp: Date.now() }]);
  const topicData = [{ name: topicName(topic), partitionData: [{ index: 0, records }] }];
  return client.request(produce, 9, { transactionalId: null, acks: 1, timeoutMs: 30_000, topicData });
}

/** @returns records that were acknowledged. */
async function write(client: RawClient): Promise<number> {
  const total = rate * seconds;
  const startedAt = performance.now();
  let sent = 0;
  while (sent < total) {
    const due = Math.min(total, Math.ceil(((performance.now() - startedAt) / 1000) * rate));
    const wave: Promise<unknown>[] = [];
    for (; sent < due; sent++) wave.push(send(client, sent % ACTIVE));
    await Promise.all(wave);
    await sleep(PER_TICK_MS);
  }
  return sent;
}

interface Round {
  readonly cpuSeconds: number;
  readonly sent: number;
  readonly received: number;
  readonly outOfOrder: number;
}

async function round(broker: BrokerProcess, client: RawClient, paths: readonly string[]): Promise<Round> {
  const followers = await Promise.all(paths.map((path) => Follower.open(broker.httpPort, path)));
  await sleep(500);
  const before = new CpuTime(broker.pid);
  const sent = await write(client);
  const deadline = performance.now() + 10_000;
  const count = (): number => followers.reduce((sum, { received }) => sum + received, 0);
  while (paths.length > 0 && count() < sent && performance.now() < deadline) await sleep(20);
  const cpuSeconds = new CpuTime(broker.pid).secondsSince(before);
  const outOfOrder = followers.reduce((sum, follower) => sum + follower.outOfOrder, 0);
  const received = count();
  for (const follower of followers) follower.close();
  await sleep(500);
  return { cpuSeconds, sent, received, outOfOrder };
}

/** Of the subscriber by glob. @returns how long records took, in milliseconds. */
async function latency(broker: BrokerProcess, path: string, work: () => Promise<unknown>): Promise<string> {
  const follower = await Follower.open(broker.httpPort, path);
  await sleep(500);
  await work();
  await sleep(500);
  follower.close();
  const { tookMs } = follower;
  const at = (share: number): string => percentile(tookMs, share).toFixed(1);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (${tookMs.length} records)`;
}

async function writeLone(client: RawClient): Promise<void> {
  for (let i = 0; i < LONE_RECORDS; i++) {
    await send(client, i % ACTIVE);
    await sleep(LONE_GAP_MS);
  }
}

function cpu({ cpuSeconds }: Round): string {
  return `${cpuSeconds.toFixed(2)} s`;
}

async function main(): Promise<void> {
  using directory = new TemporaryDirectory();
  await using broker = await BrokerProcess.start(directory.path);
  const address = `${broker.address.host}:${broker.address.port}`;
  using client = await RawClient.connect(address);
  for (let from = 0; from < topicCount; from += CREATED_AT_ONCE) {
    const names = Array.from({ length: Math.min(CREATED_AT_ONCE, topicCount - from) }, (_, i) => topicName(from + i));
    await Promise.all(names.map((name) => client.createTopic(name, 1)));
  }
  const consumers = Array.from(
    { length: ACTIVE },
    (_, i) => `/v1/topics/${topicName(i)}/records?follow=true&offset=latest`,
  );
  const glob = ['/v1/subscribe?match=all/**&follow=true&cursor=latest'];
  // Compiled code, and what follows the creation of so many topics.
  await round(broker, client, glob);
  await round(broker, client, consumers);
  const rounds: { readonly one: Round; readonly many: Round; readonly ofOne: number; readonly ofMany: number }[] = [];
  let before = await round(broker, client, []);
  for (let i = 0; i < Number(values.rounds); i++) {
    const taken = new Map<readonly string[], Round>();
    for (const paths of i % 2 === 0 ? [glob, consumers] : [consumers, glob]) {
      taken.set(paths, await round(broker, client, paths));
    }
    const after = await round(broker, client, []);
    const [one, many] = [taken.get(glob) as Round, taken.get(consumers) as Round];
    const none = (before.cpuSeconds + after.cpuSeconds) / 2;
    console.log(
      `  writes alone ${cpu(before)} and ${cpu(after)}; with one subscriber by glob ${cpu(one)}; with ${ACTIVE} consumers ${cpu(many)}`,
    );
    rounds.push({ one, many, ofOne: one.cpuSeconds - none, ofMany: many.cpuSeconds - none });
    before = after;
  }
  const ofOne = rounds.map((each) => each.ofOne);
  const ofMany = rounds.map((each) => each.ofMany);
  const shares = rounds.map((each) => (100 * each.ofOne) / each.ofMany);
  const share = median(ofOne) / median(ofMany);
  const isWhole = rounds.every(
    ({ one, many }) => one.received === one.sent && one.outOfOrder === 0 && many.received === many.sent,
  );
  console.log(
    `${topicCount} topics, ${ACTIVE} active, ${rate} records/s for ${seconds} s, ${rounds.length} rounds: one subscriber by glob ${spread(ofOne, 2)} s of CPU, ` +
      `${ACTIVE} consumers ${spread(ofMany, 2)} s, share ${(share * 100).toFixed(1)} % (of the rounds: ${spread(shares, 1)}); ` +
      (isWhole ? 'every record came, in order' : 'RECORDS ARE MISSING OR OUT OF ORDER'),
  );
  const [path = ''] = glob;
  console.log(
    `from write to subscriber, ${LONE_GAP_MS} ms apart: ${await latency(broker, path, () => writeLone(client))}`,
  );
  console.log(`from write to subscriber, ${rate} records/s: ${await latency(broker, path, () => write(client))}`);
  if (!isWhole || share > MAX_SHARE) process.exitCode = 1;
}

await main();
