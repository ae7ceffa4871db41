/**
 * Serves plain POSTs of records off the socket, before node's HTTP and fastify see them: for a record of a kilobyte these
 * two are more work than everything else together (docs/adr/0009-plain-posts-off-the-socket.md). Every connection begins
 * here and goes to node's HTTP with the first request that is anything else, for good.
 *
 * What a request means is not decided here: records are read, encoded, appended and answered by what the route uses.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Timer } from '../../../base/clock.ts';
import { http } from '../../../base/node-http.ts';
import type { HttpContext } from '../context.ts';
import { PlainConnection } from './plain-connection.ts';
import type { PlainLimits } from './plain-head.ts';

/** Larger bodies are worth the way through node; so what is held of requests that are not whole stays small. */
const MAX_PLAIN_BODY_BYTES = 64 * 1024;
/** How often connections are looked after. A timer of each would be kept by every socket, also of those that went to node. */
const LOOK_MS = 1_000;

export class PlainPosts {
  readonly context: HttpContext;
  readonly limits: PlainLimits;
  readonly newRequestId: () => string;
  readonly #server: Server;
  /** What node's HTTP does with a new connection. */
  readonly #toHttp: readonly ((socket: Socket) => void)[];
  readonly #connections = new Set<PlainConnection>();
  readonly #keepAlive: string;
  /** Runs while there are connections. */
  #looking: Timer | undefined;
  /** Date header of the second. */
  #date = '';
  #second = -1;

  /** Takes over the new connections of the server, which nobody else listens for yet. */
  constructor(server: Server, context: HttpContext, newRequestId: () => string) {
    const { settings } = context;
    this.context = context;
    this.limits = { ...settings, maxBodyBytes: Math.min(MAX_PLAIN_BODY_BYTES, settings.maxBodyBytes) };
    this.newRequestId = newRequestId;
    this.#server = server;
    this.#toHttp = server.listeners('connection') as ((socket: Socket) => void)[];
    server.removeAllListeners('connection');
    server.on('connection', (socket: Socket) => {
      this.#connections.add(new PlainConnection(this, socket));
      this.#lookLater();
    });
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(settings.keepAliveTimeoutMs / 1000)}\r\n`;
  }

  /** False while requests have to be looked at in ways that only the hooks of the listener know. */
  get isOpen(): boolean {
    const { quotas, governor } = this.context.broker;
    return !quotas.active && !governor.slows && !this.context.isStopping();
  }

  statusLine(status: number): string {
    return `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\ncontent-type: application/json; charset=utf-8\r\n`;
  }

  commonHeaders(isLast: boolean): string {
    const now = this.context.broker.clock.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#date = `Date: ${new Date(now).toUTCString()}\r\n`;
    }
    return `${this.#date}${isLast ? 'Connection: close\r\n' : this.#keepAlive}`;
  }

  handOver(socket: Socket): void {
    for (const listener of this.#toHttp) listener.call(this.#server, socket);
  }

  delete(connection: PlainConnection): void {
    this.#connections.delete(connection);
  }

  #lookLater(): void {
    if (this.#connections.size > 0) this.#looking ??= this.context.broker.clock.schedule(LOOK_MS, () => this.#look());
  }

  #look(): void {
    this.#looking = undefined;
    const idleLooks = Math.ceil(this.context.settings.keepAliveTimeoutMs / LOOK_MS);
    for (const connection of this.#connections) connection.look(idleLooks);
    this.#lookLater();
  }

  /** Ends idle connections; those that are being served end with their answer. */
  stop(): void {
    for (const connection of this.#connections) connection.stop();
  }

  /** At the end of a stop. */
  cut(): void {
    this.#looking?.cancel();
    for (const connection of this.#connections) connection.cut();
  }
}
