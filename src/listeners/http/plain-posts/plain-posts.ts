/**
 * Serves plain POSTs of records behind node's HTTP, before fastify sees them: for a record of a kilobyte its routing, hooks
 * and promises are more work than all that the record itself needs (docs/adr/0009-plain-posts-before-fastify.md).
 *
 * What a request means is not decided here: records are read, encoded, appended and answered by what the route uses.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { HttpContext } from '../context.ts';
import { type PlainHead, type PlainLimits, parsePlainHead, type RequestHead } from './plain-head.ts';
import { PlainPost } from './plain-post.ts';

/** Larger bodies are worth the way through the route. */
const MAX_PLAIN_BODY_BYTES = 64 * 1024;

type RequestListener = (request: IncomingMessage, response: ServerResponse) => void;

export class PlainPosts {
  readonly #context: HttpContext;
  readonly #limits: PlainLimits;
  readonly #newRequestId: () => string;
  /** Of each connection the last head: clients send the same again and again. */
  readonly #heads = new WeakMap<Socket, { readonly of: RequestHead; readonly head: PlainHead | undefined }>();

  constructor(context: HttpContext, newRequestId: () => string) {
    const { settings } = context;
    this.#context = context;
    this.#limits = { ...settings, maxBodyBytes: Math.min(MAX_PLAIN_BODY_BYTES, settings.maxBodyBytes) };
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
    const head = this.#headOf(request);
    if (head === undefined || !context.bodies.tryTake(head.bodyBytes)) return false;
    new PlainPost(context, head, request, response, this.#newRequestId()).receive();
    return true;
  }

  #headOf(request: IncomingMessage): PlainHead | undefined {
    const last = this.#heads.get(request.socket);
    if (last !== undefined && isSame(last.of, request)) return last.head;
    const { url, httpVersion, rawHeaders } = request;
    const of = { url, httpVersion, rawHeaders };
    const head = parsePlainHead(of, this.#limits);
    this.#heads.set(request.socket, { of, head });
    return head;
  }
}

function isSame(a: RequestHead, b: RequestHead): boolean {
  const { rawHeaders } = a;
  if (a.url !== b.url || a.httpVersion !== b.httpVersion || rawHeaders.length !== b.rawHeaders.length) return false;
  for (let i = 0; i < rawHeaders.length; i++) if (rawHeaders[i] !== b.rawHeaders[i]) return false;
  return true;
}
