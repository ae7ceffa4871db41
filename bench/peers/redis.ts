/**
 * Redis Streams: a batch is a pipeline of XADD commands; with `appendfsync always` Redis syncs its append-only file
 * before it answers what one turn of its event loop took in.
 *
 * Command: `*5` and bulk strings XADD, stream, `*`, field `v`, value. Answer: bulk string with the entry id, or `-ERR ...`.
 * Source: Redis serialization protocol (RESP 2).
 */
import { freePort } from '../kit/broker-process.ts';
import { findProgram, type Peer, type PeerConnection, type RunningPeer } from './peer.ts';
import { ServerProcess } from './server-process.ts';

const STREAM = 'bench';
const [DOLLAR, MINUS, LF] = [0x24, 0x2d, 0x0a];

export const redis: Peer = {
  name: 'redis',
  title: 'Redis Streams, appendfsync always',
  durability: 'synced',
  packageName: 'redis-server',
  program: 'redis-server',
  start,
  connect: () => new RedisConnection(),
};

async function start(directory: string): Promise<RunningPeer> {
  const port = await freePort();
  const settings = {
    port: String(port),
    bind: '127.0.0.1',
    dir: directory,
    save: '',
    appendonly: 'yes',
    appendfsync: 'always',
    // A rewrite in the middle of a short run would measure the rewrite.
    'auto-aof-rewrite-percentage': '0',
    daemonize: 'no',
  };
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const server = new ServerProcess(findProgram('redis-server') as string, args);
  await server.listening(port);
  return { port, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

class RedisConnection implements PeerConnection {
  /** Of the present line; an answer is two lines, `$15` and the id, of which the first is counted. */
  #lineStart = true;
  #error: string | undefined;

  async open(): Promise<void> {
    // Nothing to say: there is no login, and XADD makes the stream.
  }

  encodeBatch(records: number, value: Buffer): Buffer {
    const head = Buffer.from(
      `*5\r\n$4\r\nXADD\r\n$${STREAM.length}\r\n${STREAM}\r\n$1\r\n*\r\n$1\r\nv\r\n$${value.length}\r\n`,
    );
    const command = Buffer.concat([head, value, Buffer.from('\r\n')]);
    return Buffer.concat(Array.from({ length: records }, () => command));
  }

  receive(bytes: Buffer, end: number): number {
    let acknowledged = 0;
    let at = 0;
    while (at < end) {
      const lineEnd = bytes.indexOf(LF, at);
      const stop = lineEnd < 0 || lineEnd >= end ? end : lineEnd;
      if (this.#lineStart && bytes[at] === DOLLAR) acknowledged += 1;
      if (this.#lineStart && bytes[at] === MINUS) this.#error = '';
      if (this.#error !== undefined) this.#error += bytes.toString('latin1', at, stop);
      this.#lineStart = stop < end;
      if (this.#error !== undefined && this.#lineStart) throw new Error(`Redis answered: ${this.#error.trim()}`);
      at = stop + 1;
    }
    return acknowledged;
  }
}
