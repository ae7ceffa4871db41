/**
 * A Kafka listener on a broker of its own, and a client that speaks frames: for tests that must see the bytes, or send
 * ones that no real client would.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../src/base/clock.ts';
import type { ErrorDetails } from '../../src/base/errors.ts';
import type { Broker } from '../../src/broker/broker.ts';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import { KafkaListener, type KafkaListenerOptions } from '../../src/listeners/kafka/listener.ts';
import {
  type Api,
  type Decoded,
  decodeResponse,
  type Encodable,
  encodeRequest,
  fetch,
  produce,
} from '../../src/wire/index.ts';
import { openBroker } from './broker-kit.ts';
import { TempDirectory } from './temp-directory.ts';

export interface Line {
  readonly level: 'error' | 'info' | 'debug';
  readonly message: string;
  readonly details: ErrorDetails;
}

export interface KitOptions {
  readonly settings?: KafkaListenerOptions['settings'];
  readonly advertised?: KafkaListenerOptions['advertised'];
  readonly broker?: Partial<BrokerSettings>;
  readonly clock?: Clock;
  readonly host?: string;
}

/** A running listener with everything below it. */
export class KafkaKit implements AsyncDisposable {
  readonly broker: Broker;
  readonly listener: KafkaListener;
  readonly lines: Line[];
  readonly #directory: TempDirectory;
  readonly #clients: RawClient[] = [];

  private constructor(broker: Broker, listener: KafkaListener, lines: Line[], directory: TempDirectory) {
    this.broker = broker;
    this.listener = listener;
    this.lines = lines;
    this.#directory = directory;
  }

  static async start(options: KitOptions = {}): Promise<KafkaKit> {
    const directory = new TempDirectory();
    const lines: Line[] = [];
    const log =
      (level: Line['level']) =>
      (message: string, details: ErrorDetails = {}) =>
        void lines.push({ level, message, details });
    const broker = await openBroker(directory.path, {
      settings: { groupInitialRebalanceDelayMs: 0, ...options.broker },
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    });
    const listener = await KafkaListener.start({
      broker,
      host: options.host ?? '127.0.0.1',
      port: 0,
      settings: options.settings,
      advertised: options.advertised,
      logger: { error: log('error'), info: log('info'), debug: log('debug') },
    });
    return new KafkaKit(broker, listener, lines, directory);
  }

  async client(): Promise<RawClient> {
    const client = await RawClient.connect(this.listener.address.port);
    this.#clients.push(client);
    return client;
  }

  /** Reasons for which connections were closed. */
  get reasons(): string[] {
    return this.lines.filter(({ level }) => level !== 'debug').map(({ details }) => String(details['reason']));
  }

  /** Stops everything; no error may stand in the log. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.destroy();
    await this.listener.stop();
    await this.broker.close();
    this.#directory[Symbol.dispose]();
    assert.deepEqual(
      this.lines.filter(({ level }) => level === 'error'),
      [],
    );
  }
}

type ResponseBody<A extends Api> = Decoded<A['response']['fields']>;
type RequestBody<A extends Api> = Encodable<A['request']['fields']>;

/** One connection. Answers are read in order. */
export class RawClient {
  readonly socket: Socket;
  readonly #frames: Buffer[] = [];
  readonly #waiting: (() => void)[] = [];
  #received: Buffer = Buffer.alloc(0);
  #correlationId = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => this.#wake());
    socket.on('close', () => this.#wake());
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  get closed(): boolean {
    return this.socket.readableEnded || this.socket.destroyed;
  }

  /** Answers that arrived and were not taken. */
  get waitingFrames(): number {
    return this.#frames.length;
  }

  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The frame of a request; correlation ids count from 1. */
  encode<A extends Api>(api: A, version: number, body: RequestBody<A>): Buffer {
    this.#correlationId += 1;
    return encodeRequest(api, version, { correlationId: this.#correlationId, clientId: 'kit' }, body);
  }

  /** Sends a request and reads the next answer as its. */
  async call<A extends Api>(api: A, version: number, body: RequestBody<A>): Promise<ResponseBody<A>> {
    this.send(this.encode(api, version, body));
    return await this.answer(api, version);
  }

  /** Reads the next answer. */
  async answer<A extends Api>(api: A, version: number): Promise<ResponseBody<A>> {
    return decodeResponse(api, version, await this.frame()).body;
  }

  /** The next answer without its size. @throws Error when the connection ends first. */
  async frame(): Promise<Buffer> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame !== undefined) return frame;
      if (this.closed) throw new Error('the connection was closed before an answer came');
      await this.#news();
    }
  }

  /** Resolves when the other side has closed. */
  async ended(): Promise<void> {
    while (!this.closed) await this.#news();
  }

  /** Produces one batch; version 9 unless given. */
  async produce(topic: string, index: number, records: Uint8Array, acks = -1, version = 9) {
    const body = { acks, timeoutMs: 1000, topicData: [{ name: topic, partitionData: [{ index, records }] }] };
    const { responses } = await this.call(produce, version, body);
    const answer = responses[0]?.partitionResponses[0];
    assert.ok(answer !== undefined);
    return answer;
  }

  /** Fetches from one partition by name, version 11. */
  async fetch(topic: string, partition: number, fetchOffset: number, options: { maxWaitMs?: number } = {}) {
    const { maxWaitMs = 0 } = options;
    const { responses } = await this.call(fetch, 11, {
      maxWaitMs,
      minBytes: 1,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: 1024 * 1024 }] }],
    });
    const answer = responses[0]?.partitions[0];
    assert.ok(answer !== undefined);
    return answer;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readInt32BE(0);
      if (this.#received.length < end) break;
      this.#frames.push(this.#received.subarray(4, end));
      this.#received = this.#received.subarray(end);
    }
    if (this.#frames.length > 0) this.#wake();
  }

  /** Resolves when a frame has come or the connection has ended. */
  #news(): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
