/**
 * Serves plain POSTs behind node's HTTP, before fastify sees them: for a record of a kilobyte its routing, hooks and promises
 * are more work than all that the record itself needs (docs/adr/0009-plain-posts-before-fastify.md).
 *
 * ```
 *  head ─► plain? ─► RecordPost   POST /v1/topics/{name}/records    record-head.ts
 *            │  └──► AppendPost   POST /v1/stream/{path}            append-head.ts
 *            └─ no ─► fastify
 * ```
 *
 * What a request means is not decided here: records are read, encoded, appended and answered by what the routes use.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpContext } from '../context.ts';
import { STREAM_ROOT } from '../streams/stream-path.ts';
import { parseAppendHead } from './append-head.ts';
import { AppendPost } from './append-post.ts';
import type { PlainHead, PlainLimits, RequestHead } from './plain-head.ts';
import type { Exchange, PlainPost } from './plain-post.ts';
import { parseRecordHead } from './record-head.ts';
import { RecordPost } from './record-post.ts';

/** Larger bodies are worth the way through the route. */
const MAX_PLAIN_BODY_BYTES = 64 * 1024;

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

/** As it came. */
type SentHead = Pick<RequestHead, 'url' | 'httpVersion' | 'rawHeaders'>;

/** A head that is plain, and what serves it. */
interface Plain {
  readonly head: PlainHead;
  begin(exchange: Exchange): PlainPost;
}

export class PlainPosts {
  readonly #context: HttpContext;
  readonly #recordLimits: PlainLimits;
  readonly #appendLimits: PlainLimits;
  readonly #newRequestId: () => string;
  /** Of each connection the last head: clients send the same again and again. */
  readonly #last = new WeakMap<Socket, { readonly of: SentHead; readonly plain: Plain | undefined }>();

  constructor(context: HttpContext, newRequestId: () => string) {
    const { maxBodyBytes, maxStreamBodyBytes, ...limits } = context.settings;
    this.#context = context;
    this.#recordLimits = { ...limits, maxBodyBytes: Math.min(MAX_PLAIN_BODY_BYTES, maxBodyBytes) };
    this.#appendLimits = { ...limits, maxBodyBytes: Math.min(MAX_PLAIN_BODY_BYTES, maxStreamBodyBytes) };
    this.#newRequestId = newRequestId;
  }

  /** Takes over the server's requests from fastify, which gets what is not plain. */
  attach(server: Server): void {
    const listeners = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      if (this.#serves(request, response)) return;
      for (const listener of listeners) listener.call(server, request, response);
    });
  }

  #serves(request: IncomingMessage, response: ServerResponse): boolean {
    const context = this.#context;
    const { quotas, governor } = context.broker;
    // Sent ahead, behind one that is not answered: the route keeps the order.
    if (response.socket === null) return false;
    // Then requests have to be looked at in ways that only the hooks of the listener know.
    if (request.method !== 'POST' || quotas.active || governor.slows || context.isStopping()) return false;
    const plain = this.#plainOf(request);
    if (plain === undefined || !context.bodies.tryTake(plain.head.bodyBytes)) return false;
    plain.begin({ context, request, response, requestId: this.#newRequestId() }).receive();
    return true;
  }

  #plainOf(request: IncomingMessage): Plain | undefined {
    const last = this.#last.get(request.socket);
    if (last !== undefined && isSame(last.of, request)) return last.plain;
    const { url, httpVersion, rawHeaders } = request;
    const plain = url?.startsWith(STREAM_ROOT) === true ? this.#plainAppend(request) : this.#plainRecords(request);
    this.#last.set(request.socket, { of: { url, httpVersion, rawHeaders }, plain });
    return plain;
  }

  #plainRecords(request: RequestHead): Plain | undefined {
    const head = parseRecordHead(request, this.#recordLimits);
    return head && { head, begin: (exchange) => new RecordPost(exchange, head) };
  }

  #plainAppend(request: RequestHead): Plain | undefined {
    const head = parseAppendHead(request, this.#appendLimits);
    return head && { head, begin: (exchange) => new AppendPost(exchange, head) };
  }
}

function isSame(a: SentHead, b: SentHead): boolean {
  const { rawHeaders } = a;
  if (a.url !== b.url || a.httpVersion !== b.httpVersion || rawHeaders.length !== b.rawHeaders.length) return false;
  for (let i = 0; i < rawHeaders.length; i++) if (rawHeaders[i] !== b.rawHeaders[i]) return false;
  return true;
}
