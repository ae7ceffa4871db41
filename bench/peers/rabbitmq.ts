/**
 * RabbitMQ streams over their own binary protocol: a batch is one Publish frame; confirms list publishing ids, sent once
 * the stream's leader has written the chunk (no sync before the confirm).
 *
 * Frame: size uint32, key uint16 (bit 15 = answer), version uint16, body; big-endian, strings with int16 length.
 *
 * | key | command | body |
 * |---|---|---|
 * | 0x01 | DeclarePublisher | correlation u32, publisher u8, reference string (empty), stream string |
 * | 0x02 | Publish | publisher u8, count i32, per message: publishing id u64, size i32, bytes |
 * | 0x03 | PublishConfirm | publisher u8, count i32, ids u64 |
 * | 0x04 | PublishError | publisher u8, count i32, per message: id u64, code u16 |
 * | 0x0d | Create | correlation u32, stream string, arguments i32 (0) |
 * | 0x11 | PeerProperties | correlation u32, count i32 (0) |
 * | 0x12 | SaslHandshake | correlation u32 |
 * | 0x13 | SaslAuthenticate | correlation u32, mechanism string, bytes i32 + data |
 * | 0x14 | Tune | frame max u32, heartbeat u32 (0 = none); the server's question, answered with bit 15 |
 * | 0x15 | Open | correlation u32, virtual host string |
 *
 * Answers carry correlation u32 and code u16, 1 = done. Source: RabbitMQ stream protocol, PROTOCOL.adoc.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FrameSplitter } from '../../src/cli/bench/frame-splitter.ts';
import type { RawSocket } from '../../src/cli/bench/raw-socket.ts';
import { freePort } from '../kit/broker-process.ts';
import type { Peer, PeerConnection, RunningPeer } from './peer.ts';
import { ServerProcess } from './server-process.ts';

const STREAM = 'bench';
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const KEY = {
  declarePublisher: 0x01,
  publish: 0x02,
  confirm: 0x03,
  publishError: 0x04,
  create: 0x0d,
  peerProperties: 0x11,
  saslHandshake: 0x12,
  saslAuthenticate: 0x13,
  tune: 0x14,
  open: 0x15,
} as const;
const ANSWER_BIT = 0x8000;
const CODE_OK = 1;
const CODE_STREAM_EXISTS = 5;

export const rabbitmq: Peer = {
  name: 'rabbitmq',
  title: 'RabbitMQ streams',
  durability: 'written, not synced',
  packageName: 'rabbitmq-server',
  program: 'rabbitmq-server',
  start,
  connect: () => new RabbitConnection(),
};

/**
 * The server's own script, run as the present user with every path inside the directory. Its name server (epmd) is
 * started beside it on a port of its own, because the one it would start by itself stays behind.
 */
async function start(directory: string): Promise<RunningPeer> {
  const [amqpPort, port, distributionPort, epmdPort] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  for (const name of ['data', 'log']) mkdirSync(join(directory, name));
  writeFileSync(join(directory, 'plugins'), '[rabbitmq_stream].\n');
  writeFileSync(
    join(directory, 'rabbitmq.conf'),
    `listeners.tcp.1 = 127.0.0.1:${amqpPort}\nstream.listeners.tcp.1 = 127.0.0.1:${port}\ndisk_free_limit.absolute = 100MB\n`,
  );
  const environment = {
    HOME: directory,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: `bench${process.pid}@localhost`,
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_PID_FILE: join(directory, 'pid'),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
  };
  const names = new ServerProcess('epmd', ['-port', String(epmdPort)], environment);
  await names.listening(epmdPort);
  const server = new ServerProcess('/usr/lib/rabbitmq/bin/rabbitmq-server', [], environment);
  const stop = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await names[Symbol.asyncDispose]();
  };
  try {
    await server.listening(port);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, pid: server.pid, [Symbol.asyncDispose]: stop };
}

class RabbitConnection implements PeerConnection {
  readonly #splitter = new FrameSplitter(MAX_FRAME_BYTES, (bytes, at) => this.#frame(bytes, at));
  readonly #answers = new Map<number, () => void>();
  #socket: RawSocket | undefined;
  #acknowledged = 0;

  async open(socket: RawSocket): Promise<void> {
    this.#socket = socket;
    await this.#ask(KEY.peerProperties, int32(0));
    await this.#ask(KEY.saslHandshake);
    const tuned = this.#awaitKey(KEY.tune);
    await this.#ask(KEY.saslAuthenticate, string('PLAIN'), bytesField('\0guest\0guest'));
    await tuned;
    await this.#ask(KEY.open, string('/'));
    await this.#ask(KEY.create, string(STREAM), int32(0));
    await this.#ask(KEY.declarePublisher, Buffer.from([1]), string(''), string(STREAM));
  }

  encodeBatch(records: number, value: Buffer): Buffer {
    const messages = Array.from({ length: records }, (_, i) => {
      const head = Buffer.alloc(12);
      head.writeUInt32BE(i, 4);
      head.writeInt32BE(value.length, 8);
      return Buffer.concat([head, value]);
    });
    return frame(KEY.publish, Buffer.from([1]), int32(records), ...messages);
  }

  receive(bytes: Buffer, end: number): number {
    this.#acknowledged = 0;
    this.#splitter.push(bytes, end);
    return this.#acknowledged;
  }

  async #ask(key: number, ...body: Buffer[]): Promise<void> {
    const answered = this.#awaitKey(key);
    this.#socket?.socket.write(frame(key, int32(1), ...body));
    await answered;
  }

  #awaitKey(key: number): Promise<void> {
    return new Promise((resolve) => this.#answers.set(key, resolve));
  }

  #frame(bytes: Buffer, at: number): void {
    const raw = bytes.readUInt16BE(at);
    const key = raw & ~ANSWER_BIT;
    if (key === KEY.confirm) {
      this.#acknowledged += bytes.readInt32BE(at + 5);
      return;
    }
    if (key === KEY.publishError)
      throw new Error(`RabbitMQ refused a publish with code ${bytes.readUInt16BE(at + 17)}.`);
    if (key === KEY.tune) {
      this.#socket?.socket.write(frame(KEY.tune | ANSWER_BIT, bytes.subarray(at + 4, at + 8), int32(0)));
    } else if ((raw & ANSWER_BIT) !== 0) {
      const code = bytes.readUInt16BE(at + 8);
      const fine = code === CODE_OK || (key === KEY.create && code === CODE_STREAM_EXISTS);
      if (!fine) throw new Error(`RabbitMQ answered command 0x${key.toString(16)} with code ${code}.`);
    }
    this.#answers.get(key)?.();
  }
}

function frame(key: number, ...body: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt16BE(key, 4);
  head.writeUInt16BE(1, 6);
  const bytes = Buffer.concat([head, ...body]);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(value: string): Buffer {
  const bytes = Buffer.alloc(2 + value.length);
  bytes.writeInt16BE(value.length);
  bytes.write(value, 2, 'latin1');
  return bytes;
}

function bytesField(value: string): Buffer {
  return Buffer.concat([int32(value.length), Buffer.from(value, 'latin1')]);
}
