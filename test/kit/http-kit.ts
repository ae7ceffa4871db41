/** A broker with an HTTP listener on a free port, and short words for what tests say to it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '../../src/base/clock.ts';
import type { Broker } from '../../src/broker/broker.ts';
import type { BrokerSettings } from '../../src/broker/settings.ts';
import { HttpListener } from '../../src/listeners/http/listener.ts';
import type { HttpSettings } from '../../src/listeners/http/settings.ts';
import { openBroker } from './broker-kit.ts';
import { TempDirectory } from './temp-directory.ts';

export interface HttpKitOptions {
  readonly http?: Partial<HttpSettings>;
  readonly broker?: Partial<BrokerSettings>;
  readonly clock?: Clock;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; undefined where it is none. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly json: any;
}

export interface CallOptions {
  /** An object is sent as JSON. */
  readonly body?: string | Uint8Array | object;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export class HttpKit implements AsyncDisposable {
  readonly broker: Broker;
  readonly listener: HttpListener;
  readonly #directory: TempDirectory;

  static async start(options: HttpKitOptions = {}): Promise<HttpKit> {
    const directory = new TempDirectory();
    const broker = await openBroker(directory.path, {
      settings: options.broker ?? {},
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    });
    const settings = options.http ?? {};
    const listener = await HttpListener.start({ broker, host: '127.0.0.1', port: 0, settings });
    return new HttpKit(directory, broker, listener);
  }

  private constructor(directory: TempDirectory, broker: Broker, listener: HttpListener) {
    this.#directory = directory;
    this.broker = broker;
    this.listener = listener;
  }

  get port(): number {
    return this.listener.address.port;
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<Answer> {
    const { body, type, headers, signal } = options;
    const isPlain = body === undefined || typeof body === 'string' || body instanceof Uint8Array;
    const contentType = type ?? (body === undefined ? undefined : 'application/json');
    const response = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      headers: { ...(contentType === undefined ? {} : { 'content-type': contentType }), ...headers },
      ...(body === undefined ? {} : { body: isPlain ? (body as string) : JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.text();
    const isJson = text !== '' && /^application\/(?:problem\+)?json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, text, json: isJson ? JSON.parse(text) : undefined };
  }

  get(path: string, options?: CallOptions): Promise<Answer> {
    return this.call('GET', path, options);
  }

  post(path: string, body: CallOptions['body'], options?: CallOptions): Promise<Answer> {
    return this.call('POST', path, { ...options, ...(body === undefined ? {} : { body }) });
  }

  /** Asserts a refusal: its status, its code, and that it is a problem in form. */
  async refused(
    expected: readonly [number, string],
    method: string,
    path: string,
    options?: CallOptions,
  ): Promise<Answer> {
    const answer = await this.call(method, path, options);
    assert.deepEqual([answer.status, answer.json?.code], expected, `${method} ${path}: ${answer.text}`);
    assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.equal(answer.json.status, answer.status);
    assert.equal(answer.json.type, 'about:blank');
    assert.ok(answer.json.detail.length > 10 && answer.json.title.length > 2);
    assert.equal(answer.headers.has('retry-after'), answer.status === 503 || answer.status === 429);
    return answer;
  }

  follow(path: string, headers: Readonly<Record<string, string>> = {}): Promise<LineReader> {
    return LineReader.open(this.port, path, headers);
  }

  /** What must be zero when nobody asks for anything. */
  held(): Record<string, number> {
    const { counters } = this.listener;
    return {
      readers: counters.readers,
      inFlight: counters.inFlight,
      bodies: counters.bodies?.usedBytes ?? 0,
      answers: counters.answers?.usedBytes ?? 0,
      parked: this.broker.fetchPath.counters.parked,
    };
  }

  /** Waits until nothing is held: closed sockets are noticed a moment later. */
  async idle(): Promise<void> {
    await until(
      () => Object.values(this.held()).every((value) => value === 0),
      () => JSON.stringify(this.held()),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.stop({ deadlineMs: 2_000 });
    await this.broker.close();
    this.#directory[Symbol.dispose]();
  }
}

/** Polls a condition that becomes true by itself; the test's own timeout is the limit. */
export async function until(condition: () => boolean, describe: () => string = () => 'never true'): Promise<void> {
  for (let i = 0; i < 2_000; i++) {
    if (condition()) return;
    await sleep(5);
  }
  assert.fail(describe());
}

/** Fields that came; an event of a comment alone has none. */
export interface ServerSentEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data?: string;
}

/** Reads a streamed answer line by line, as slowly as the test likes. */
export class LineReader {
  readonly response: http.IncomingMessage;
  readonly #request: http.ClientRequest;
  readonly #lines: string[] = [];
  #rest = '';
  #ended = false;

  static async open(port: number, path: string, headers: Readonly<Record<string, string>>): Promise<LineReader> {
    const request = http.get({ port, path, headers, agent: false });
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return new LineReader(request, response);
  }

  private constructor(request: http.ClientRequest, response: http.IncomingMessage) {
    this.#request = request;
    this.response = response;
    request.on('error', () => {});
    response.setEncoding('utf8');
    response.on('error', () => {});
    response.on('close', () => (this.#ended = true));
  }

  start(): this {
    this.response.on('data', (text: string) => {
      const parts = (this.#rest + text).split('\n');
      this.#rest = parts.pop() ?? '';
      this.#lines.push(...parts);
    });
    return this;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** The next line, parsed; an empty line is null. Undefined at the end of the stream. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  async next(): Promise<any> {
    await until(() => this.#lines.length > 0 || this.#ended);
    const line = this.#lines.shift();
    return line === undefined ? undefined : line === '' ? null : JSON.parse(line);
  }

  /** The next Server-Sent Event; undefined at the end of the stream. */
  async event(): Promise<ServerSentEvent | undefined> {
    const event: { -readonly [name in keyof ServerSentEvent]: string } = {};
    for (;;) {
      await until(() => this.#lines.length > 0 || this.#ended);
      const line = this.#lines.shift();
      if (line === undefined || line === '') return line === undefined ? undefined : event;
      const colon = line.indexOf(': ');
      const name = line.slice(0, colon);
      if (name === 'id' || name === 'event' || name === 'data') event[name] = line.slice(colon + 2);
    }
  }

  close(): void {
    this.#request.destroy();
  }
}

/** Sends bytes as they are, in pieces, and collects what comes until the other side closes. */
export async function rawExchange(
  port: number,
  pieces: readonly (string | Uint8Array)[],
  options: { endAfter?: boolean } = {},
): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  const received: Buffer[] = [];
  socket.on('data', (data: Buffer) => received.push(data));
  socket.on('error', () => {});
  await once(socket, 'connect');
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    await sleep(1);
  }
  if (options.endAfter === true) socket.end();
  if (!socket.closed) await once(socket, 'close');
  return Buffer.concat(received).toString('latin1');
}
