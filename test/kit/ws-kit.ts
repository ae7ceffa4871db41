/** A broker with HTTP and WebSockets on one free port, and a client that tests talk through. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type RawData, WebSocket } from 'ws';
import { WebSocketListener } from '../../src/listeners/ws/listener.ts';
import type { WebSocketSettings } from '../../src/listeners/ws/settings.ts';
import { HttpKit, type HttpKitOptions, until } from './http-kit.ts';

export interface WsKitOptions extends HttpKitOptions {
  readonly ws?: Partial<WebSocketSettings>;
}

export class WsKit implements AsyncDisposable {
  readonly http: HttpKit;
  readonly listener: WebSocketListener;

  static async start(options: WsKitOptions = {}): Promise<WsKit> {
    return new WsKit(await HttpKit.start(options), options.ws ?? {});
  }

  private constructor(http: HttpKit, settings: Partial<WebSocketSettings>) {
    this.http = http;
    this.listener = WebSocketListener.attach(http.listener, { clock: http.broker.clock, settings });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.http.port}/v1/ws`;
  }

  async connect(query = ''): Promise<WsClient> {
    const socket = new WebSocket(`${this.url}${query}`);
    const client = new WsClient(socket);
    await once(socket, 'open');
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.listener.stop();
    await this.http[Symbol.asyncDispose]();
  }
}

export class WsClient {
  readonly socket: WebSocket;
  readonly #received: (Record<string, unknown> | Buffer)[] = [];
  closed: { code: number; reason: string } | undefined;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: RawData, isBinary) => {
      const bytes = data as Buffer;
      this.#received.push(isBinary ? bytes : (JSON.parse(bytes.toString('utf8')) as Record<string, unknown>));
    });
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString('utf8') };
    });
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  get received(): number {
    return this.#received.length;
  }

  /** The next message, whatever it is. */
  async next(): Promise<Record<string, unknown> | Buffer> {
    await until(
      () => this.#received.length > 0 || this.closed !== undefined,
      () => 'no message came',
    );
    const message = this.#received.shift();
    assert.ok(message !== undefined, `closed with ${this.closed?.code} ${this.closed?.reason}`);
    return message;
  }

  /** The next message, which must be text with this `op`. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into messages of every shape
  async op(op: string): Promise<any> {
    const message = await this.next();
    assert.equal((message as Record<string, unknown>)['op'], op, JSON.stringify(message));
    return message;
  }

  async refused(code: string): Promise<Record<string, unknown>> {
    const message = await this.op('error');
    assert.equal(message.problem.code, code, JSON.stringify(message));
    return message;
  }

  async ended(): Promise<{ code: number; reason: string }> {
    await until(() => this.closed !== undefined);
    return this.closed as { code: number; reason: string };
  }

  close(): void {
    this.socket.close();
  }
}
