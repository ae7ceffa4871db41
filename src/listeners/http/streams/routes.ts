/** The Durable Streams protocol at `/v1/stream/{path}` (docs/protocol.md, "Streams"). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import type { BodyParts } from '../body-parts.ts';
import { readBody, readParts } from '../body-reader.ts';
import type { HttpContext } from '../context.ts';
import { appendHeadOf, appendToStream } from './append-stream.ts';
import { createStream } from './create-stream.ts';
import { STREAM, STREAM_SAFETY } from './headers.ts';
import { readStream } from './read-stream.ts';
import { partLayout } from './stream-body.ts';
import { STREAMS_ROUTE, streamNameOf } from './stream-path.ts';
import { subscriptionRoutes } from './subscription-routes.ts';

const METHODS = 'GET, HEAD, PUT, POST, DELETE';
const REQUEST_HEADERS = [
  'content-type',
  'authorization',
  'if-none-match',
  STREAM.SEQ,
  STREAM.TTL,
  STREAM.EXPIRES_AT,
  STREAM.CLOSED,
  STREAM.FORKED_FROM,
  STREAM.FORK_OFFSET,
  STREAM.FORK_SUB_OFFSET,
  STREAM.PRODUCER_ID,
  STREAM.PRODUCER_EPOCH,
  STREAM.PRODUCER_SEQ,
].join(', ');

type BytesRequest = FastifyRequest<{ Body: BodyParts | undefined }>;

export function streamRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker, settings, bodies } = context;
  // Any content type is a stream's; bytes are all that is read here.
  app.removeAllContentTypeParsers();
  const limits = { maxBodyBytes: settings.maxStreamBodyBytes, budget: bodies, pool: broker.pool };
  const layout = partLayout(broker.settings.maxMessageBytes);
  app.addContentTypeParser('*', (request: FastifyRequest, payload: FastifyRequest['raw']) =>
    readParts(payload, request.held, limits, layout),
  );
  app.addHook('onRequest', (_request, reply, done) => {
    addHeaders(reply, STREAM_SAFETY);
    done();
  });

  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (request: FastifyRequest, payload: FastifyRequest['raw']) =>
      readBody(payload, request.held, { ...limits, pool: undefined }),
    );
    subscriptionRoutes(scope, context);
  });
  app.put(STREAMS_ROUTE, { config: { quota: 'producer' } }, (request: BytesRequest, reply) =>
    createStream(context, request, reply),
  );
  app.post(STREAMS_ROUTE, { config: { quota: 'producer' } }, (request: BytesRequest, reply) =>
    appendToStream(context, appendHeadOf(request.originalUrl, request.headers), request.body, (answer) => {
      addHeaders(reply, answer.headers);
      if ('refusal' in answer) reply.send(answer.refusal);
      else reply.code(answer.status).send();
    }),
  );
  app.get(STREAMS_ROUTE, { exposeHeadRoute: false, config: { quota: 'consumer' } }, (request, reply) =>
    readStream(context, request, reply),
  );

  app.head(STREAMS_ROUTE, async (request, reply) => {
    const stream = broker.streams.get(streamNameOf(request.originalUrl));
    const { contentType, ttlSeconds, expiresAt } = stream.config;
    const offset = stream.tailOffset;
    reply.header(STREAM.NEXT_OFFSET, formatStreamOffset(offset)).header('cache-control', 'no-store');
    if (ttlSeconds !== undefined) reply.header(STREAM.TTL, String(ttlSeconds));
    if (expiresAt !== undefined) reply.header(STREAM.EXPIRES_AT, expiresAt);
    if (broker.streams.isClosed(stream)) reply.header(STREAM.CLOSED, 'true');
    return reply.header('content-type', contentType).send();
  });

  app.delete(STREAMS_ROUTE, async (request, reply) => {
    await broker.streams.delete(broker.streams.get(streamNameOf(request.originalUrl)));
    return reply.code(204).send();
  });

  // What may be asked is no secret; who may ask from a browser is what CORS settings say (cors.ts).
  app.options(STREAMS_ROUTE, async (_request, reply) =>
    reply
      .code(204)
      .header('allow', `${METHODS}, OPTIONS`)
      .header('access-control-allow-methods', METHODS)
      .header('access-control-allow-headers', REQUEST_HEADERS)
      .send(),
  );
}

/** @param headers names and values in turn. */
function addHeaders(reply: FastifyReply, headers: readonly string[]): void {
  for (let i = 0; i + 1 < headers.length; i += 2) reply.header(headers[i] as string, headers[i + 1]);
}
