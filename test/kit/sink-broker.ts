/**
 * The least that answers a load generator: CreateTopics, Metadata, ListOffsets, Produce and Fetch in the versions it
 * sends, batches kept in memory. It proves nothing about brokers; it lets the generator be tested alone, and shows what
 * the generator itself can do.
 */
import { once } from 'node:events';
import net from 'node:net';

interface StoredBatch {
  readonly baseOffset: number;
  readonly bytes: Buffer;
}

interface Log {
  nextOffset: number;
  bytes: number;
  readonly batches: StoredBatch[];
  readonly waiters: Set<() => void>;
}

export interface SinkBrokerOptions {
  /** Produce answers carry this error code. */
  readonly produceError?: number;
  /** Adds this to each base offset: a hole after every batch. */
  readonly offsetGap?: number;
  /** Never answers Produce. */
  readonly silent?: boolean;
  /** Most bytes kept per partition; older batches go. */
  readonly keepBytes?: number;
  readonly port?: number;
}

export class SinkBroker {
  readonly #options: SinkBrokerOptions;
  readonly #server: net.Server;
  readonly #logs = new Map<string, Log>();
  readonly #partitions = new Map<string, number>();
  readonly #sockets = new Set<net.Socket>();

  private constructor(options: SinkBrokerOptions) {
    this.#options = options;
    this.#server = net.createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  static async start(options: SinkBrokerOptions = {}): Promise<SinkBroker> {
    const broker = new SinkBroker(options);
    broker.#server.listen(options.port ?? 0, '127.0.0.1');
    await once(broker.#server, 'listening');
    return broker;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  /** Everything appended to a partition and still kept, as one buffer. */
  stored(topic: string, partition: number): Buffer {
    return Buffer.concat(this.#log(topic, partition).batches.map((batch) => batch.bytes));
  }

  topics(): string[] {
    return [...this.#partitions.keys()];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serve(socket: net.Socket): void {
    this.#sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    let turn: Promise<void> = Promise.resolve();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (data: Buffer) => {
      pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
        const end = 4 + pending.readInt32BE(0);
        const frame = new Cursor(pending.subarray(4, end));
        pending = pending.subarray(end);
        turn = this.#answerAfter(turn, frame, socket);
      }
    });
  }

  /** Requests of a connection are answered in their order, as a broker does. */
  async #answerAfter(turn: Promise<void>, frame: Cursor, socket: net.Socket): Promise<void> {
    await turn;
    const answer = await this.#answer(frame);
    if (answer !== undefined) socket.write(answer);
  }

  async #answer(request: Cursor): Promise<Buffer | undefined> {
    const key = request.int16();
    request.int16();
    const correlationId = request.int32();
    request.string();
    const body = new Builder().int32(0).int32(correlationId);
    if (key === 0) return this.#produce(request, body);
    if (key === 1) await this.#fetch(request, body);
    else if (key === 2) this.#listOffsets(request, body);
    else if (key === 3) this.#metadata(request, body);
    else if (key === 19) this.#createTopics(request, body);
    return body.frame();
  }

  #produce(request: Cursor, answer: Builder): Buffer | undefined {
    request.string();
    const acks = request.int16();
    request.skip(8);
    const topic = request.string();
    request.skip(4);
    const partition = request.int32();
    const bytes = Buffer.from(request.bytes(request.int32()));
    const log = this.#log(topic, partition);
    const baseOffset = log.nextOffset;
    bytes.writeBigInt64BE(BigInt(baseOffset), 0);
    log.batches.push({ baseOffset, bytes });
    log.bytes += bytes.length;
    while (log.bytes > (this.#options.keepBytes ?? Number.POSITIVE_INFINITY)) {
      log.bytes -= log.batches.shift()?.bytes.length ?? 0;
    }
    log.nextOffset = baseOffset + bytes.readInt32BE(57) + (this.#options.offsetGap ?? 0);
    for (const wake of log.waiters) wake();
    if (acks === 0 || this.#options.silent === true) return undefined;
    answer
      .int32(1)
      .string(topic)
      .int32(1)
      .int32(partition)
      .int16(this.#options.produceError ?? 0);
    return answer.int64(baseOffset).int64(-1).int64(0).int32(0).frame();
  }

  async #fetch(request: Cursor, answer: Builder): Promise<void> {
    request.skip(4);
    const maxWaitMs = request.int32();
    request.skip(4 + 4 + 1 + 8);
    const topics = Array.from({ length: request.int32() }, () => ({
      topic: request.string(),
      partitions: Array.from({ length: request.int32() }, () => {
        const index = request.int32();
        request.skip(4);
        const offset = request.int64();
        request.skip(8);
        return { index, offset, maxBytes: request.int32() };
      }),
    }));
    const asked = topics.flatMap(({ topic, partitions }) =>
      partitions.map((p) => ({ log: this.#log(topic, p.index), ...p })),
    );
    if (maxWaitMs > 0 && asked.every(({ log, offset }) => log.nextOffset <= offset)) {
      await waitForAny(
        asked.map(({ log }) => log),
        maxWaitMs,
      );
    }
    answer.int32(0).int16(0).int32(0).int32(topics.length);
    for (const { topic, partitions } of topics) {
      answer.string(topic).int32(partitions.length);
      for (const { index, offset, maxBytes } of partitions) {
        const log = this.#log(topic, index);
        const records = slice(log, offset, maxBytes);
        answer.int32(index).int16(0).int64(log.nextOffset).int64(log.nextOffset).int64(0).int32(-1).int32(-1);
        answer.int32(records.length).raw(records);
      }
    }
  }

  #listOffsets(request: Cursor, answer: Builder): void {
    request.skip(4);
    const topics = request.int32();
    answer.int32(topics);
    for (let i = 0; i < topics; i++) {
      const topic = request.string();
      const partitions = request.int32();
      answer.string(topic).int32(partitions);
      for (let j = 0; j < partitions; j++) {
        const partition = request.int32();
        const log = this.#log(topic, partition);
        const offset = request.int64() === -1 ? log.nextOffset : (log.batches[0]?.baseOffset ?? 0);
        answer.int32(partition).int16(0).int64(-1).int64(offset);
      }
    }
  }

  #metadata(request: Cursor, answer: Builder): void {
    answer.int32(0).int32(1).int32(0).string('127.0.0.1').int32(this.port).string('').string('sink').int32(0);
    const names = Array.from({ length: request.int32() }, () => request.string());
    answer.int32(names.length);
    for (const name of names) {
      const count = this.#partitions.get(name);
      answer
        .int16(count === undefined ? 3 : 0)
        .string(name)
        .int8(0)
        .int32(count ?? 0);
      for (let i = 0; i < (count ?? 0); i++) answer.int16(0).int32(i).int32(0).int32(1).int32(0).int32(1).int32(0);
    }
  }

  #createTopics(request: Cursor, answer: Builder): void {
    const count = request.int32();
    answer.int32(0).int32(count);
    for (let i = 0; i < count; i++) {
      const name = request.string();
      const partitions = request.int32();
      request.skip(2 + 4 + 4);
      const exists = this.#partitions.has(name);
      if (!exists) this.#partitions.set(name, partitions);
      answer
        .string(name)
        .int16(exists ? 36 : 0)
        .string('');
    }
  }

  #log(topic: string, partition: number): Log {
    const key = `${topic}/${partition}`;
    let log = this.#logs.get(key);
    if (log === undefined) {
      log = { nextOffset: 0, bytes: 0, batches: [], waiters: new Set() };
      this.#logs.set(key, log);
    }
    return log;
  }
}

/** Whole batches from the one that holds `offset`, at least one, cut at `maxBytes` as a broker may cut. */
function slice(log: Log, offset: number, maxBytes: number): Buffer {
  const first = log.batches.findLastIndex((batch) => batch.baseOffset <= offset);
  if (first < 0 || offset >= log.nextOffset) return Buffer.alloc(0);
  const parts: Buffer[] = [];
  let size = 0;
  for (let i = first; i < log.batches.length && size < maxBytes; i++) {
    const { bytes } = log.batches[i] as StoredBatch;
    parts.push(bytes);
    size += bytes.length;
  }
  const firstBytes = parts[0]?.length ?? 0;
  return Buffer.concat(parts).subarray(0, Math.max(firstBytes, maxBytes));
}

function waitForAny(logs: readonly Log[], maxWaitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const log of logs) log.waiters.delete(done);
      resolve();
    };
    const timer = setTimeout(done, maxWaitMs);
    for (const log of logs) log.waiters.add(done);
  });
}

class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.skip(2));
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.skip(4));
  }

  int64(): number {
    return Number(this.#bytes.readBigInt64BE(this.skip(8)));
  }

  string(): string {
    return this.bytes(Math.max(0, this.int16())).toString();
  }

  bytes(size: number): Buffer {
    const at = this.skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  skip(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }
}

class Builder {
  readonly #parts: Buffer[] = [];

  int8(value: number): this {
    return this.raw(Buffer.from([value]));
  }

  int16(value: number): this {
    const bytes = Buffer.allocUnsafe(2);
    bytes.writeInt16BE(value);
    return this.raw(bytes);
  }

  int32(value: number): this {
    const bytes = Buffer.allocUnsafe(4);
    bytes.writeInt32BE(value);
    return this.raw(bytes);
  }

  int64(value: number): this {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64BE(BigInt(value));
    return this.raw(bytes);
  }

  string(value: string): this {
    return this.int16(Buffer.byteLength(value)).raw(Buffer.from(value));
  }

  raw(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }

  /** The first part was left for the size. */
  frame(): Buffer {
    const bytes = Buffer.concat(this.#parts);
    bytes.writeInt32BE(bytes.length - 4, 0);
    return bytes;
  }
}
