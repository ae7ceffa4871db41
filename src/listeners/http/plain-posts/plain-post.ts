import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HttpContext } from '../context.ts';
import { fromForeign, logDefect, problemHeaders, problemOf } from '../problem.ts';
import type { PlainHead } from './plain-head.ts';

/** A request and where its answer goes. */
export interface Exchange {
  readonly context: HttpContext;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly requestId: string;
}

/** One plain POST, from its head to its answer. Its body is charged already, and given back when the answer is closed. */
export abstract class PlainPost<Head extends PlainHead = PlainHead> {
  /** As metrics name it. */
  protected abstract readonly route: string;
  protected readonly context: HttpContext;
  protected readonly head: Head;
  protected readonly request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #requestId: string;
  readonly #pieces: Buffer[] = [];

  constructor({ context, request, response, requestId }: Exchange, head: Head) {
    this.context = context;
    this.head = head;
    this.request = request;
    this.#response = response;
    this.#requestId = requestId;
  }

  /** Once, with the whole body. What it throws is answered. */
  protected abstract serve(body: Buffer): void;

  receive(): void {
    const { counters, bodies } = this.context;
    const { bodyBytes } = this.head;
    const response = this.#response;
    counters.sockets.get(this.request.socket)?.requested(this.head);
    counters.inFlight += 1;
    counters.plainPosts += 1;
    response.on('close', () => {
      counters.inFlight -= 1;
      bodies.give(bodyBytes);
      counters.answered('POST', this.route, response.statusCode);
    });
    // An `end` comes only after the whole body; a client that leaves before it closes the answer.
    this.request.on('data', this.#onData).on('end', this.#onEnd);
  }

  readonly #onData = (piece: Buffer): void => {
    this.#pieces.push(piece);
  };

  readonly #onEnd = (): void => {
    const [first] = this.#pieces;
    try {
      this.serve(this.#pieces.length === 1 ? (first as Buffer) : Buffer.concat(this.#pieces));
    } catch (error) {
      this.refuse(error);
    }
    this.#pieces.length = 0;
  };

  /** @param headers that go with the refusal, names and values in turn; owned. */
  protected refuse(thrown: unknown, headers: string[] = []): void {
    const { path } = this.head;
    const error = fromForeign(thrown);
    const problem = problemOf(error, path);
    if (problem.status === 500) logDefect(this.context.logger, error, { request: this.#requestId, path });
    const { 'content-type': type, ...others } = problemHeaders(problem);
    // As fastify has it.
    headers.push('content-type', `${type}; charset=utf-8`, ...Object.entries(others).flat());
    this.send(problem.status, headers, JSON.stringify(problem));
  }

  /** @param headers names and values in turn; owned. @param body without one there is neither type nor length. */
  protected send(status: number, headers: string[], body?: string): void {
    headers.push('millrace-request-id', this.#requestId);
    if (this.context.isStopping()) headers.push('connection', 'close');
    if (body === undefined) {
      this.#response.writeHead(status, headers).end();
      return;
    }
    const sizeBytes = Buffer.byteLength(body);
    headers.push('content-length', String(sizeBytes));
    // Plain ASCII, as nearly always, is written faster as Latin-1.
    this.#response.writeHead(status, headers).end(body, sizeBytes === body.length ? 'latin1' : 'utf8');
  }
}
