/** `PUT /v1/stream/{path}`: create a stream, or a fork of one, or find it with the same configuration. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { resolveFork } from '../../../broker/streams/fork-point.ts';
import { releaseBatches } from '../../../broker/streams/owned-batch.ts';
import { mediaTypeOf } from '../../../broker/streams/stream.ts';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import type { ForkSpec } from '../../../broker/streams/streams.ts';
import type { BodyParts } from '../body-parts.ts';
import type { HttpContext } from '../context.ts';
import { STREAM } from './headers.ts';
import { closesStream, contentTypeOf, expiryOf, forkOf } from './request-headers.ts';
import { pieceBytes, takeBody } from './stream-body.ts';
import { streamNameOf, streamNameOfPath } from './stream-path.ts';

const EMPTY_JSON_BODY = /^\s*\[\s*\]\s*$/;

export async function createStream(
  context: HttpContext,
  request: FastifyRequest<{ Body: BodyParts | undefined }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { broker, settings } = context;
  const { headers, body } = request;
  const name = streamNameOf(request.originalUrl);
  const expiry = expiryOf(headers);
  const fork = await findFork(context, headers);
  // What is no media type is as good as none; a fork then has that of its source.
  const contentType = contentTypeOf(headers);
  const isJson = mediaTypeOf(contentType ?? fork?.source.config.contentType ?? '') === 'application/json';
  const maxBatchBytes = broker.topics.find(name)?.limits.maxBatchBytes ?? broker.settings.maxMessageBytes;
  const limits = { maxBatchBytes, maxRecords: settings.maxRecordsPerRequest, pool: broker.pool };
  const batches =
    body === undefined || body.sizeBytes === 0 || (isJson && isEmptyArray(body))
      ? []
      : takeBody(body, isJson, broker.clock.now(), limits);
  const spec = { name, contentType, ...expiry, closed: closesStream(headers), fork, batches };
  const { stream, created, nextOffset } = await broker.streams.create(spec).finally(() => releaseBatches(batches));
  if (created) reply.header('location', `${request.protocol}://${request.host}${pathOf(request.originalUrl)}`);
  if (stream.closed) reply.header(STREAM.CLOSED, 'true');
  reply.header(STREAM.NEXT_OFFSET, formatStreamOffset(nextOffset));
  return reply
    .code(created ? 201 : 200)
    .type(stream.config.contentType)
    .send();
}

function isEmptyArray(body: BodyParts): boolean {
  return body.sizeBytes < 64 && EMPTY_JSON_BODY.test(body.whole().toString('latin1'));
}

async function findFork({ broker }: HttpContext, headers: FastifyRequest['headers']): Promise<ForkSpec | undefined> {
  const asked = forkOf(headers);
  if (asked === undefined) return undefined;
  const source = broker.streams.source(streamNameOfPath(asked.sourcePath));
  const size = pieceBytes(source.topic.limits.maxBatchBytes);
  return await resolveFork(broker.streamReader, {
    source,
    offset: asked.offset,
    subOffset: asked.subOffset,
    pieceBytes: size,
  });
}

function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}
