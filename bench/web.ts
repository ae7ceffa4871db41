/**
 * The web side's bounds (docs/performance.md, "Over HTTP"): single JSON POSTs beside a bare fastify route, NDJSON beside
 * record batches, those beside the same batches by Kafka's Produce, WebSocket produce beside a bare echo, and Server-Sent Events to many clients. Both servers run in
 * processes of their own and are loaded in turns, each pair right behind each other, and a ratio is the median of the
 * pairs': what else the machine does changes within seconds. Requests are encoded before the run, so that the generator is
 * little of the work.
 *
 *   node bench/web.ts [--seconds N] [--runs N] [--clients N] [--write]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WebSocket } from 'ws';
import { asBuffer } from '../src/base/bytes.ts';
import { produceFrame } from '../src/cli/bench/frames.ts';
import { encodeBatch } from '../src/model/batch-builder.ts';
import { median } from './kit/measure.ts';
import { writeResultsBlock } from './kit/results-block.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    runs: { type: 'string', default: '7' },
    clients: { type: 'string', default: '1000' },
    write: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(options.seconds);
const CLIENTS = Number(options.clients);
const WARM_UP_SECONDS = 2;
const CONNECTIONS = 20;
const IN_FLIGHT = 100;
const VALUE = 'x'.repeat(1_000);
const KAFKA_TOPIC = 'kafka-batches';

interface Server {
  readonly port: number;
  /** Where it takes Kafka's protocol. */
  readonly kafkaPort: number;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

async function startProcess(args: readonly string[], ready: RegExp): Promise<Server> {
  const child = spawn(process.execPath, [...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [port, kafkaPort] = await new Promise<[number, number]>((resolve, reject) => {
    let text = '';
    const look = (piece: Buffer): void => {
      text += piece.toString();
      const found = ready.exec(text);
      if (found !== null) resolve([Number(found[1]), Number(/"kafka":"127\.0\.0\.1:(\d+)"/.exec(text)?.[1])]);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    child.once('exit', () => reject(new Error(`ended at start:\n${text}`)));
  });
  const stop = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  return { port, kafkaPort, child, stop };
}

function startBroker(directory: string): Promise<Server> {
  const addresses = ['--kafka', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  const args = [path.join(HERE, '../src/cli/main.ts'), 'serve', '--data', directory, ...addresses];
  return startProcess(args, /"http":"127\.0\.0\.1:(\d+)"[^\n]*"msg":"ready"/);
}

function requestOf(target: string, type: string, body: Uint8Array | string): Buffer {
  const head = `POST ${target} HTTP/1.1\r\nhost: bench\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(body)]);
}

/** `refused`: the disk does not keep up, and the same request is sent again. */
type Answer = 'cut' | 'good' | 'refused';
/** @throws for one that is not what it should be. */
type AnswerCheck = (bytes: Buffer) => Answer;

function httpAnswer(bytes: Buffer): Answer {
  const text = bytes.toString('latin1');
  const bodyAt = text.indexOf('\r\n\r\n') + 4;
  if (bodyAt < 4 || text.length < bodyAt + Number(/content-length: (\d+)/i.exec(text)?.[1])) return 'cut';
  if (text.includes('JOURNAL_OVERLOADED')) return 'refused';
  if (!text.startsWith('HTTP/1.1 200')) throw new Error(text);
  return 'good';
}

/** Of a Produce answer for one partition of the topic. */
function produceAnswer(bytes: Buffer): Answer {
  if (bytes.length < 4 || bytes.length < 4 + bytes.readInt32BE(0)) return 'cut';
  // Correlation id, one topic, its name, one partition, its index.
  const code = bytes.readInt16BE(4 + 4 + 4 + 2 + KAFKA_TOPIC.length + 4 + 4);
  if (code !== 0) throw new Error(`Produce was answered with error ${code}`);
  return 'good';
}

function postsFor(seconds: number, port: number, request: Buffer, connections: number): Promise<number> {
  return requestsFor(seconds, port, request, connections, httpAnswer);
}

/** Answers a second: each connection sends the same request again when it is answered. @throws as the check. */
async function requestsFor(
  seconds: number,
  port: number,
  request: Buffer,
  connections: number,
  answerOf: AnswerCheck,
): Promise<number> {
  const deadline = performance.now() + seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = net.connect(port, '127.0.0.1').setNoDelay(true);
      await once(socket, 'connect');
      await new Promise<void>((resolve, reject) => {
        let answer: Buffer = Buffer.alloc(0);
        socket.on('error', reject).on('close', () => resolve());
        socket.on('data', (piece: Buffer) => {
          answer = answer.length === 0 ? piece : Buffer.concat([answer, piece]);
          try {
            const outcome = answerOf(answer);
            if (outcome === 'cut') return;
            if (outcome === 'good') count += 1;
          } catch (error) {
            reject(error);
          }
          answer = Buffer.alloc(0);
          if (performance.now() < deadline) socket.write(request);
          else socket.destroy();
        });
        socket.write(request);
      });
    }),
  );
  return count / seconds;
}

/** Messages a second on one WebSocket with so many unanswered. @param acked how many an answer stands for, in all. */
async function messages(
  seconds: number,
  url: string,
  messageOf: (id: number) => Buffer,
  acked: (answer: Buffer, before: number) => number,
) {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  await once(socket, 'open');
  const deadline = performance.now() + seconds * 1000;
  let [sent, done] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    const send = (): void => {
      while (sent - done < IN_FLIGHT) socket.send(messageOf(++sent));
    };
    socket.on('error', reject).on('close', () => resolve());
    socket.on('message', (answer: Buffer, isBinary) => {
      if (!isBinary) reject(new Error(answer.toString()));
      done = acked(answer, done);
      if (performance.now() < deadline) send();
      else socket.terminate();
    });
    send();
  });
  return done / seconds;
}

function produceMessage(): (id: number) => Buffer {
  const topic = Buffer.from('ws');
  const head = Buffer.alloc(12);
  head.writeUInt8(1, 0);
  head.writeUInt8(1, 1);
  head.writeUInt16BE(topic.length, 2);
  const message = Buffer.concat([head, topic, encodeBatch([{ value: VALUE, timestamp: 1_700_000_000_000 }])]);
  return (id) => {
    const copy = Buffer.from(message);
    copy.writeUInt32BE(id, 4);
    return copy;
  };
}

/** CPU of a process so far, milliseconds. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Events a second to many readers of one topic, and broker CPU for each. */
async function fanOut({ port, child }: Server): Promise<{ readonly rate: number; readonly cpuUs: number }> {
  const target = '/v1/topics/fan/records';
  await postsFor(0, port, requestOf(target, 'application/json', '{"value":0}'), 1);
  const seen = { events: 0 };
  const sockets = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const socket = net.connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(`GET ${target}?offset=latest HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n`);
      await once(socket, 'data');
      socket.on('data', (piece: Buffer) => {
        for (let at = piece.indexOf('data: '); at >= 0; at = piece.indexOf('data: ', at + 6)) seen.events += 1;
      });
      return socket;
    }),
  );
  const [cpuBefore, startedAt] = [cpuMs(child.pid ?? 0), performance.now()];
  seen.events = 0;
  const body = JSON.stringify({ value: VALUE });
  while (performance.now() - startedAt < SECONDS * 1000) {
    const goal = seen.events + CLIENTS;
    const answer = await fetch(`http://127.0.0.1:${port}${target}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    });
    await answer.text();
    while (seen.events < goal) await new Promise((resolve) => setImmediate(resolve));
  }
  const took = performance.now() - startedAt;
  const cpu = cpuMs(child.pid ?? 0) - cpuBefore;
  for (const socket of sockets) socket.destroy();
  return { rate: (seen.events / took) * 1000, cpuUs: (cpu * 1000) / seen.events };
}

function written(topic: string): string {
  return `/v1/topics/${topic}/records?ack=written`;
}

/** Of a binary acknowledgement. */
function upTo(answer: Buffer): number {
  return answer.readUInt32BE(4);
}

const figures = new Map<string, number[]>();
function note(name: string, figure: number): void {
  figures.set(name, [...(figures.get(name) ?? []), figure]);
  process.stderr.write(`${name}: ${figure.toFixed(1)}\n`);
}

const single = JSON.stringify({ value: VALUE });
const batch = encodeBatch(Array.from({ length: 100 }, () => ({ value: VALUE, timestamp: 1_700_000_000_000 })));
const bareRequest = requestOf('/json', 'application/json', single);
const singleRequest = requestOf(written('json'), 'application/json', single);
const linesRequest = requestOf(written('lines'), 'application/x-ndjson', `${single}\n`.repeat(100));
const produceRequest = produceFrame(1, { topic: KAFKA_TOPIC, partition: 0 }, 1, asBuffer(batch));
const batchRequest = requestOf(written('batches'), 'application/vnd.millrace.record-batch', batch);

/** One after the other, by the names under which they are noted. */
function measures(bare: Server, broker: Server): [string, (seconds: number) => Promise<number>][] {
  const echoUrl = `ws://127.0.0.1:${bare.port}/`;
  const produceUrl = `ws://127.0.0.1:${broker.port}/v1/ws`;
  return [
    ['bare fastify', (seconds) => postsFor(seconds, bare.port, bareRequest, CONNECTIONS)],
    ['single JSON', (seconds) => postsFor(seconds, broker.port, singleRequest, CONNECTIONS)],
    [
      'Kafka',
      async (seconds) =>
        100 * (await requestsFor(seconds, broker.kafkaPort, produceRequest, CONNECTIONS, produceAnswer)),
    ],
    ['record batches', async (seconds) => 100 * (await postsFor(seconds, broker.port, batchRequest, CONNECTIONS))],
    ['NDJSON', async (seconds) => 100 * (await postsFor(seconds, broker.port, linesRequest, CONNECTIONS))],
    ['bare echo', (seconds) => messages(seconds, echoUrl, produceMessage(), (_answer, before) => before + 1)],
    ['WebSocket', (seconds) => messages(seconds, produceUrl, produceMessage(), upTo)],
  ];
}

const directory = mkdtempSync(path.join(tmpdir(), 'millrace-web-'));
const bare = await startProcess([path.join(HERE, 'web-bare.ts')], /listening (\d+)/);
const broker = await startBroker(directory);
try {
  for (const topic of ['ws', KAFKA_TOPIC]) {
    await postsFor(0, broker.port, requestOf(written(topic), 'application/json', single), 1);
  }
  for (const [, measure] of measures(bare, broker)) await measure(WARM_UP_SECONDS);
  for (let run = 0; run < Number(options.runs); run++) {
    for (const [name, measure] of measures(bare, broker)) note(name, await measure(SECONDS));
  }
  const { rate, cpuUs } = await fanOut(broker);
  note('events', rate);
  note('CPU of an event', cpuUs);
} finally {
  await bare.stop();
  await broker.stop();
  rmSync(directory, { recursive: true, force: true });
}

const of = (name: string): number => median(figures.get(name) ?? []);
function row(name: string, unit: string, ours: string, theirs: string, what: string, asked: number): string {
  const beside = figures.get(theirs) ?? [];
  const ratio = median((figures.get(ours) ?? []).map((figure, run) => figure / (beside[run] ?? Number.NaN)));
  const verdict = ratio >= asked ? 'pass' : 'miss';
  return `| ${name} | ${of(ours).toFixed(0)} ${unit} | ${what}: ${of(theirs).toFixed(0)} | ${ratio.toFixed(2)} | ${asked} | ${verdict} |`;
}
const table = [
  '| | Millrace | beside | ratio | asked | |',
  '|---|---|---|---|---|---|',
  row(
    'single 1 KB JSON POSTs, ack=written, 20 connections',
    'req/s',
    'single JSON',
    'bare fastify',
    'bare fastify',
    0.6,
  ),
  row('record batches by POST, 100 x 1 KB', 'records/s', 'record batches', 'Kafka', 'the same by Produce', 0.5),
  row('NDJSON, 100 x 1 KB a request', 'records/s', 'NDJSON', 'record batches', 'record batches by POST', 0.5),
  row(
    'WebSocket binary produce, 1 KB, ack=written, 100 in flight',
    'msg/s',
    'WebSocket',
    'bare echo',
    'bare ws echo',
    0.7,
  ),
  `| Server-Sent Events, one topic to ${CLIENTS} clients, 1 KB | ${of('events').toFixed(0)} events/s | broker CPU ${of('CPU of an event').toFixed(1)} us an event | | | |`,
].join('\n');
process.stdout.write(`${table}\n`);
if (options.write) {
  const when = new Date().toISOString().slice(0, 10);
  const how = `medians of ${options.runs} pairs of ${options.seconds} s, generator and server on the same two cores`;
  writeResultsBlock('web', `Measured ${when}, Node ${process.version}, ${how}.\n\n${table}`);
}
