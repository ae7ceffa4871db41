/**
 * NATS JetStream with file storage: a batch is as many asynchronous publishes, each acknowledged by a message to the
 * reply subject once the server has written it (it syncs every two minutes by default, not before the ack).
 *
 * Lines: INFO {json}; CONNECT {json}; SUB subject sid; PUB subject reply size CRLF payload CRLF; MSG subject sid size
 * CRLF payload CRLF; PING; PONG; -ERR text. Source: NATS client protocol.
 */
import type { RawSocket } from '../../src/cli/bench/raw-socket.ts';
import { freePort } from '../kit/broker-process.ts';
import { findProgram, type Peer, type PeerConnection, type RunningPeer } from './peer.ts';
import { ServerProcess } from './server-process.ts';

const SUBJECT = 'bench';

export const nats: Peer = {
  name: 'nats',
  title: 'NATS JetStream, file storage',
  durability: 'written, not synced',
  packageName: 'nats-server',
  program: 'nats-server',
  start,
  connect: (index) => new NatsConnection(index),
};

async function start(directory: string): Promise<RunningPeer> {
  const port = await freePort();
  const args = ['--addr', '127.0.0.1', '--port', String(port), '--jetstream', '--store_dir', directory];
  const server = new ServerProcess(findProgram('nats-server') as string, args);
  await server.listening(port);
  return { port, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

class NatsConnection implements PeerConnection {
  readonly #inbox: string;
  readonly #opened = Promise.withResolvers<void>();
  #socket: RawSocket | undefined;
  #carry = '';
  #acknowledged = 0;
  #isOpen = false;

  constructor(index: number) {
    this.#inbox = `_INBOX.bench${index}`;
  }

  async open(socket: RawSocket): Promise<void> {
    this.#socket = socket;
    const stream = JSON.stringify({ name: SUBJECT, subjects: [SUBJECT], storage: 'file', num_replicas: 1 });
    socket.socket.write(
      `CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1"}\r\nSUB ${this.#inbox}.* 1\r\n` +
        `PUB $JS.API.STREAM.CREATE.${SUBJECT} ${this.#inbox}.create ${stream.length}\r\n${stream}\r\n`,
    );
    await this.#opened.promise;
  }

  encodeBatch(records: number, value: Buffer): Buffer {
    const publish = Buffer.concat([
      Buffer.from(`PUB ${SUBJECT} ${this.#inbox}.a ${value.length}\r\n`),
      value,
      Buffer.from('\r\n'),
    ]);
    return Buffer.concat(Array.from({ length: records }, () => publish));
  }

  receive(bytes: Buffer, end: number): number {
    this.#acknowledged = 0;
    const text = this.#carry + bytes.toString('latin1', 0, end);
    let at = 0;
    for (let next = this.#one(text, at); next > at; next = this.#one(text, at)) at = next;
    this.#carry = text.slice(at);
    return this.#acknowledged;
  }

  /** @returns where the next line begins, or `at` while this one is not complete. */
  #one(text: string, at: number): number {
    const lineEnd = text.indexOf('\r\n', at);
    if (lineEnd < 0) return at;
    const line = text.slice(at, lineEnd);
    if (line.startsWith('PING')) this.#socket?.socket.write('PONG\r\n');
    if (line.startsWith('-ERR')) throw new Error(`NATS answered: ${line}`);
    if (!line.startsWith('MSG ')) return lineEnd + 2;
    const size = Number(line.slice(line.lastIndexOf(' ') + 1));
    const end = lineEnd + 2 + size + 2;
    if (end > text.length) return at;
    this.#message(text.slice(lineEnd + 2, end - 2));
    return end;
  }

  #message(payload: string): void {
    // Ten connections create the same stream: the same settings again are no error.
    if (payload.includes('"error"')) throw new Error(`NATS answered: ${payload}`);
    if (this.#isOpen) {
      this.#acknowledged += 1;
      return;
    }
    this.#isOpen = true;
    this.#opened.resolve();
  }
}
