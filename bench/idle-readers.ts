/**
 * What readers cost that wait and get nothing: many connections by Server-Sent Events, of each kind, to a broker in a
 * process of its own, through two heartbeats.
 *
 *   node bench/idle-readers.ts [--connections 5000] [--only records|subscribe|stream] [--seconds 35]
 *
 * The figure is how far the broker's resident memory grows by each, once what nobody holds any more has been given back
 * (`keptBytes` of kit/weighed-broker.ts); beside it stands the memory as it was before that, with what making the
 * connections left behind. The kernel's own buffers of sockets are in neither. Bound: under 20 KB (issue 4). Exit code
 * 1 where it is missed.
 */
import { once } from 'node:events';
import net from 'node:net';
import { parseArgs } from 'node:util';
import { Helper, sleep, TemporaryDirectory } from './kit/measure.ts';
import type { Weight } from './kit/weighed-broker.ts';

const MAX_BYTES = 20_000;
const AT_ONCE = 100;
const SETTLE_MS = 3_000;
const WARM_UP = 500;

const KINDS = {
  records: '/v1/topics/idle/records?offset=latest',
  subscribe: '/v1/subscribe?match=idle/**&match=idle&cursor=latest',
  stream: '/v1/stream/idle.stream?offset=now&live=sse',
} as const;
type Kind = keyof typeof KINDS;

async function connect(port: number, path: string): Promise<net.Socket> {
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
    sockets.push(...(await Promise.all(Array.from({ length: more }, () => connect(port, path)))));
  }
  return sockets;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(0)} MB`;
}

/** Bytes of each connection. */
async function measure(kind: Kind, connections: number, holdMs: number): Promise<number> {
  using directory = new TemporaryDirectory();
  using broker = new Helper(new URL('./kit/weighed-broker.ts', import.meta.url), [directory.path], ['--expose-gc']);
  const { port } = await broker.receive<{ port: number }>();
  const weigh = async (): Promise<Weight> => {
    broker.send({});
    return await broker.receive<Weight>();
  };
  const origin = `http://127.0.0.1:${port}`;
  const json = { 'content-type': 'application/json' };
  await fetch(`${origin}/v1/topics`, { method: 'POST', headers: json, body: '{"name":"idle"}' });
  await fetch(`${origin}/v1/stream/idle.stream`, { method: 'PUT', headers: json });
  // Modules, and code that the first ones need.
  for (const socket of await openAll(port, KINDS[kind], WARM_UP)) socket.destroy();
  await sleep(SETTLE_MS);
  const before = await weigh();
  const sockets = await openAll(port, KINDS[kind], connections);
  await sleep(holdMs);
  const after = await weigh();
  const open = sockets.filter((socket) => !socket.destroyed).length;
  for (const socket of sockets) socket.destroy();
  const each = (after.keptBytes - before.keptBytes) / connections;
  const asItWas = (after.rssBytes - before.keptBytes) / connections;
  console.log(
    `${kind}: ${open} connections open after ${holdMs / 1000} s, ${(each / 1000).toFixed(1)} KB each ` +
      `(${mb(before.keptBytes)}, then ${mb(after.keptBytes)}; ${mb(after.rssBytes)} before it was given back, ` +
      `${(asItWas / 1000).toFixed(1)} KB each)`,
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
