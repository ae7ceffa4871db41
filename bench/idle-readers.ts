/**
 * What readers cost that wait and get nothing: many connections by Server-Sent Events, of each kind, to a broker in a
 * process of its own, through two heartbeats.
 *
 *   node bench/idle-readers.ts [--connections 5000] [--only records|subscribe|stream] [--seconds 35]
 *
 * The figure is the broker's resident memory over what it was after a tenth as many connections had come and gone, by
 * connection; the kernel's own buffers of sockets are not in it. Bound: under 20 KB (issue 4). Exit code 1 where it is missed.
 */
import { once } from 'node:events';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { BrokerProcess } from './kit/broker-process.ts';
import { sleep, TemporaryDirectory } from './kit/measure.ts';

const MAX_BYTES = 20_000;
const AT_ONCE = 100;
const SETTLE_MS = 3_000;

const KINDS = {
  records: '/v1/topics/idle/records?offset=latest',
  subscribe: '/v1/subscribe?match=idle/**&match=idle&cursor=latest',
  stream: '/v1/stream/idle.stream?offset=now&live=sse',
} as const;
type Kind = keyof typeof KINDS;

async function open(port: number, path: string): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: bench\r\naccept: text/event-stream\r\n\r\n`);
  const [head] = (await once(socket, 'data')) as [Buffer];
  if (!head.toString().startsWith('HTTP/1.1 200')) throw new Error(`The broker answered: ${head.toString()}`);
  socket.on('data', () => undefined);
  return socket;
}

async function openAll(port: number, path: string, count: number): Promise<net.Socket[]> {
  const sockets: net.Socket[] = [];
  while (sockets.length < count) {
    const more = Math.min(AT_ONCE, count - sockets.length);
    sockets.push(...(await Promise.all(Array.from({ length: more }, () => open(port, path)))));
  }
  return sockets;
}

function rssBytes(broker: BrokerProcess): number {
  const usage = broker.usage();
  if (usage === undefined) throw new Error('The broker is gone.');
  return usage.rssBytes;
}

/** Bytes of each connection. */
async function measure(kind: Kind, connections: number, holdMs: number): Promise<number> {
  using directory = new TemporaryDirectory();
  await using broker = await BrokerProcess.start(directory.path);
  const { httpPort: port } = broker;
  const origin = `http://127.0.0.1:${port}`;
  const json = { 'content-type': 'application/json' };
  await fetch(`${origin}/v1/topics`, { method: 'POST', headers: json, body: '{"name":"idle"}' });
  await fetch(`${origin}/v1/stream/idle.stream`, { method: 'PUT', headers: json });
  for (const socket of await openAll(port, KINDS[kind], connections / 10)) socket.destroy();
  await sleep(SETTLE_MS);
  const before = rssBytes(broker);
  const sockets = await openAll(port, KINDS[kind], connections);
  await sleep(holdMs);
  const after = rssBytes(broker);
  const open = sockets.filter((socket) => !socket.destroyed).length;
  for (const socket of sockets) socket.destroy();
  await sleep(SETTLE_MS);
  const each = (after - before) / connections;
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
  console.log(
    `${kind}: ${open} of ${connections} connections open after ${holdMs / 1000} s, ${(each / 1000).toFixed(1)} KB each ` +
      `(${mb(before)} before, ${mb(after)} with them, ${mb(rssBytes(broker))} after)`,
  );
  return each;
}

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '5000' },
    only: { type: 'string' },
    seconds: { type: 'string', default: '35' },
  },
});
for (const kind of Object.keys(KINDS) as Kind[]) {
  if (values.only !== undefined && values.only !== kind) continue;
  const each = await measure(kind, Number(values.connections), Number(values.seconds) * 1000);
  if (each > MAX_BYTES) process.exitCode = 1;
}
