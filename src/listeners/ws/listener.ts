/**
 * WebSockets at `/v1/ws`, on the port of the HTTP listener. docs/protocol.md, "WebSocket", says what they speak.
 *
 * ```
 *  HTTP upgrade ─► path, origin, limits ─► ws ─► connection ─► broker
 *                        │ refused
 *                        └─► problem+json, closed
 * ```
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../base/clock.ts';
import { MillraceError } from '../../base/errors.ts';
import type { HttpListener } from '../http/listener.ts';
import { PROBLEM_TYPE, problemOf } from '../http/problem.ts';
import { quotaClientOf } from '../http/quota.ts';
import { isValidatorLoaded, loadValidator } from '../http/validator.ts';
import type { WebSocketConnection } from './connection.ts';
import type { WebSocketContext } from './context.ts';
import { WebSocketCounters } from './counters.ts';
import { WEB_SOCKET_DEFAULTS, type WebSocketSettings } from './settings.ts';

const PATH = '/v1/ws';
/** How long peers have to answer the close frame of a broker that stops. */
const STOP_MS = 1_000;

export interface WebSocketListenerOptions {
  readonly clock: Clock;
  readonly settings?: Partial<WebSocketSettings>;
  readonly counters?: WebSocketCounters;
}

export class WebSocketListener {
  readonly counters: WebSocketCounters;
  #server: WebSocketServer | undefined;
  readonly #context: WebSocketContext;
  readonly #connections = new Set<WebSocketConnection>();
  #stopped: Promise<void> | undefined;

  /** Takes the upgrades of an HTTP listener. To be stopped before it. */
  static attach(http: HttpListener, options: WebSocketListenerOptions): WebSocketListener {
    return new WebSocketListener(http, options);
  }

  /** Loads what the first connection would. */
  static async load(): Promise<void> {
    await import('./accepted.ts');
  }

  private constructor(http: HttpListener, options: WebSocketListenerOptions) {
    const settings: WebSocketSettings = { ...WEB_SOCKET_DEFAULTS, ...options.settings };
    this.counters = options.counters ?? new WebSocketCounters();
    this.#context = { http: http.context, clock: options.clock, settings, counters: this.counters };
    http.server.on('upgrade', (request, socket, head) => {
      this.#upgrade(request, socket, head).catch(() => socket.destroy());
    });
  }

  /** Tells the peers, and cuts those that do not leave. Safe to call twice. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    for (const connection of this.#connections) connection.goAway();
    if (this.#connections.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      this.#context.clock.schedule(STOP_MS, () => {
        for (const connection of this.#connections) connection.terminate();
      });
    });
  }

  #onEmpty: (() => void) | undefined;

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    socket.on('error', () => undefined);
    // Messages are checked where there is nothing to wait for; right after a start the validator may not be there yet.
    if (!isValidatorLoaded()) await loadValidator();
    // The library and all that a connection needs come with the first one, too.
    const { openWebSockets, WebSocketConnection: Connection } = await import('./accepted.ts');
    const url = new URL(request.url ?? '/', 'http://localhost');
    const refusal = this.#refusal(request, url.pathname);
    if (refusal !== undefined) {
      this.counters.connectionsRefused += 1;
      refuseUpgrade(socket, refusal, url.pathname);
      return;
    }
    // Browsers cannot send headers with it.
    const named = url.searchParams.get('clientId') ?? undefined;
    this.#context.http.counters.sockets.get(request.socket)?.upgraded(request, named);
    const quotaClient = named ?? quotaClientOf(request);
    this.#server ??= openWebSockets(this.#context.settings);
    this.#server.handleUpgrade(request, socket, head, (webSocket) =>
      this.#opened(new Connection(webSocket, this.#context, quotaClient), webSocket, url.searchParams),
    );
  }

  #opened(connection: WebSocketConnection, socket: WebSocket, query: URLSearchParams): void {
    this.#connections.add(connection);
    this.counters.connections += 1;
    socket.once('close', () => {
      this.#connections.delete(connection);
      this.counters.connections -= 1;
      if (this.#connections.size === 0) this.#onEmpty?.();
    });
    const match = query.getAll('match');
    if (match.length === 0) return;
    const cursor = query.get('cursor');
    connection.subscribe({ op: 'subscribe', sub: 'url', match, ...(cursor === null ? {} : { cursor }) });
  }

  #refusal(request: IncomingMessage, path: string): MillraceError | undefined {
    const { http, settings } = this.#context;
    if (path !== PATH) {
      return new MillraceError(
        'HTTP_ROUTE_NOT_FOUND',
        `No WebSocket is served at ${path.slice(0, 200)}, but at ${PATH}.`,
      );
    }
    if (http.isStopping() || this.#stopped !== undefined) {
      return new MillraceError('HTTP_STOPPING', 'The broker is stopping. Connect again when it is back.');
    }
    if (this.#connections.size >= settings.maxConnections) {
      return new MillraceError(
        'HTTP_OVERLOADED',
        `${settings.maxConnections} WebSockets are open, which is the limit.`,
      );
    }
    const { origin, host } = request.headers;
    if (origin === undefined || isAllowed(origin, host, http.settings.corsOrigins)) return undefined;
    return new MillraceError(
      'HTTP_ORIGIN_REFUSED',
      `Pages of ${origin.slice(0, 200)} may not open WebSockets here. Allow the origin with --cors.`,
    );
  }
}

/** Browsers let every page open a WebSocket anywhere, so the origin is judged here: our own pages, and those of CORS. */
function isAllowed(origin: string, host: string | undefined, allowed: readonly string[]): boolean {
  if (allowed.includes('*') || allowed.includes(origin)) return true;
  return URL.canParse(origin) && new URL(origin).host === host;
}

function refuseUpgrade(socket: Duplex, error: MillraceError, path: string): void {
  const problem = problemOf(error, path);
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\ncontent-type: ${PROBLEM_TYPE}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
