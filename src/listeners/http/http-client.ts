/** One HTTP connection, or the WebSocket that it became, as `GET /v1/clients` shows it. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ConnectedClient } from '../../base/connected-client.ts';
import { CLIENT_ID_HEADER } from './quota.ts';

/** What a client may make us keep and show of its own words. */
const MAX_WORDS = 200;

export class HttpClient implements ConnectedClient {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly connectedAt: number;
  transport: 'http' | 'websocket' = 'http';
  requests = 0;
  /** Both of the newest request. The request itself is not kept: thousands of connections may be idle. */
  clientId: string | undefined;
  software: string | undefined;
  readonly #socket: Socket;

  /** @param number unique among the connections of this listener. @param now milliseconds since 1970. */
  constructor(socket: Socket, number: number, now: number) {
    this.#socket = socket;
    this.id = `http-${number}`;
    // A closed socket forgets both.
    this.host = socket.remoteAddress ?? '';
    this.port = socket.remotePort ?? 0;
    this.connectedAt = now;
  }

  get receivedBytes(): number {
    return this.#socket.bytesRead;
  }

  get sentBytes(): number {
    return this.#socket.bytesWritten;
  }

  requested({ headers }: { readonly headers: IncomingHttpHeaders }): void {
    this.requests += 1;
    this.#introduced(headers, undefined);
  }

  /** @param clientId where the upgrade named one. */
  upgraded({ headers }: IncomingMessage, clientId: string | undefined): void {
    this.transport = 'websocket';
    this.#introduced(headers, clientId);
  }

  #introduced(headers: IncomingHttpHeaders, named: string | undefined): void {
    this.clientId = shorten(named) ?? shorten(headers[CLIENT_ID_HEADER]);
    this.software = shorten(headers['user-agent']);
  }
}

function shorten(words: string | readonly string[] | undefined): string | undefined {
  return typeof words === 'string' && words !== '' ? words.slice(0, MAX_WORDS) : undefined;
}
