/** What the listener counts, as plain numbers: adding to them costs nothing, and the metrics room reads them on scrape. */
import type { Socket } from 'node:net';
import { LatencyHistogram } from '../../base/latency-histogram.ts';
import type { ByteBudget } from './byte-budget.ts';
import { HttpClient } from './http-client.ts';

export class HttpCounters {
  /** Open connections. */
  readonly sockets = new Map<Socket, HttpClient>();
  /** Long polls and follows open now. */
  readers = 0;
  /** Requests that have begun and whose answer is not finished. */
  inFlight = 0;
  /** Connections turned away at the limit. */
  connectionsRefused = 0;
  /** Requests that `plain-posts` served, before fastify. */
  plainPosts = 0;
  recordsProduced = 0;
  recordsRead = 0;
  /** Records rendered for followers: fewer than were sent, where many follow at one place. */
  recordsRendered = 0;
  /** Finished answers by `METHOD route status`: bounded by routes times statuses. */
  readonly requests = new Map<string, number>();
  /** From the whole request to its acknowledgement. */
  readonly produceLatency = new LatencyHistogram();
  /** Of reads that did not ask to wait or follow. */
  readonly readLatency = new LatencyHistogram();
  /** Set by the listener. */
  bodies: ByteBudget | undefined;
  answers: ByteBudget | undefined;
  #accepted = 0;
  #closedRead = 0;
  #closedWritten = 0;

  /** @param now milliseconds since 1970. */
  connected(socket: Socket, now: number): void {
    this.#accepted += 1;
    this.sockets.set(socket, new HttpClient(socket, this.#accepted, now));
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.#closedRead += socket.bytesRead;
      this.#closedWritten += socket.bytesWritten;
    });
  }

  answered(method: string, route: string, status: number): void {
    const key = `${method} ${route} ${status}`;
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1);
  }

  get receivedBytes(): number {
    let sum = this.#closedRead;
    for (const socket of this.sockets.keys()) sum += socket.bytesRead;
    return sum;
  }

  get sentBytes(): number {
    let sum = this.#closedWritten;
    for (const socket of this.sockets.keys()) sum += socket.bytesWritten;
    return sum;
  }
}
