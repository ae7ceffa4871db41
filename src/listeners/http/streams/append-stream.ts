/** `POST /v1/stream/{path}`: append, close, or both, in one commit that is durable when it is answered. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import { type OwnedBatch, releaseBatches } from '../../../broker/streams/owned-batch.ts';
import type { ProducerStamp } from '../../../broker/streams/producer-rules.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { AppendOutcome } from '../../../broker/streams/stream-append.ts';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import type { BodyParts } from '../body-parts.ts';
import type { HttpContext } from '../context.ts';
import { problemHeaders, problemOf } from '../problem.ts';
import { STREAM } from './headers.ts';
import { closesStream, contentTypeOf, producerOf, writerSeqOf } from './request-headers.ts';
import { takeBody } from './stream-body.ts';
import { streamNameOf } from './stream-path.ts';

export async function appendToStream(
  context: HttpContext,
  request: FastifyRequest<{ Body: BodyParts | undefined }>,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { broker, counters } = context;
  const startedAt = broker.clock.monotonic();
  const { headers } = request;
  const stream = broker.streams.get(streamNameOf(request.originalUrl));
  const producer = producerOf(headers);
  const closes = closesStream(headers);
  const contentType = contentTypeOf(headers);
  const batches = batchesOf(context, request, stream, contentType, closes);
  const append = { batches, contentType, closes, writerSeq: writerSeqOf(headers), producer };
  const outcome = await broker.streams.append(stream, append).finally(() => releaseBatches(batches));
  if (outcome.kind === 'appended') {
    counters.recordsProduced += batches.length === 0 ? 0 : 1;
    counters.produceLatency.addMs(broker.clock.monotonic() - startedAt);
  }
  return answer(request, reply, stream, outcome, { producer, hasBody: batches.length > 0 });
}

/** @throws HTTP_REQUEST_INVALID, and what `takeBody` throws. */
function batchesOf(
  { broker, settings }: HttpContext,
  { body }: FastifyRequest<{ Body: BodyParts | undefined }>,
  stream: Stream,
  contentType: string | undefined,
  closes: boolean,
): OwnedBatch[] {
  if (body === undefined || body.sizeBytes === 0) {
    if (closes) return [];
    throw new MillraceError('HTTP_REQUEST_INVALID', 'The body is empty. Send bytes, or Stream-Closed: true.');
  }
  if (contentType === undefined) {
    throw new MillraceError('HTTP_REQUEST_INVALID', 'The request has no Content-Type. Send that of the stream.');
  }
  const limits = {
    maxBatchBytes: stream.topic.limits.maxBatchBytes,
    maxRecords: settings.maxRecordsPerRequest,
    pool: broker.pool,
  };
  const batches = takeBody(body, stream.isJson, broker.clock.now(), limits);
  if (batches.length > 0) return batches;
  throw new MillraceError('HTTP_REQUEST_INVALID', 'The array is empty: there is nothing to append.');
}

function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  stream: Stream,
  outcome: AppendOutcome,
  { producer, hasBody }: { producer: ProducerStamp | undefined; hasBody: boolean },
): FastifyReply {
  switch (outcome.kind) {
    case 'appended':
    case 'duplicate': {
      reply.header(STREAM.NEXT_OFFSET, formatStreamOffset(outcome.nextOffset));
      if (outcome.closed) reply.header(STREAM.CLOSED, 'true');
      if (producer === undefined) return reply.code(204).send();
      reply.header(STREAM.PRODUCER_EPOCH, String(producer.epoch)).header(STREAM.PRODUCER_SEQ, String(outcome.lastSeq));
      return reply.code(outcome.kind === 'appended' && hasBody ? 200 : 204).send();
    }
    case 'closed':
      reply.header(STREAM.CLOSED, 'true').header(STREAM.NEXT_OFFSET, formatStreamOffset(outcome.nextOffset));
      return refuse(request, reply, 'BROKER_STREAM_CLOSED', `Stream ${stream.topic.name} is closed and takes no more.`);
    case 'stale-epoch':
      reply.header(STREAM.PRODUCER_EPOCH, String(outcome.currentEpoch));
      return refuse(
        request,
        reply,
        'BROKER_PRODUCER_EPOCH_OLD',
        `Epoch ${producer?.epoch} of the producer is over; the current one is ${outcome.currentEpoch}.`,
      );
    case 'gap':
      reply.header(STREAM.PRODUCER_EXPECTED_SEQ, String(outcome.expectedSeq));
      reply.header(STREAM.PRODUCER_RECEIVED_SEQ, String(producer?.seq));
      return refuse(
        request,
        reply,
        'BROKER_SEQUENCE_GAP',
        `Sequence ${producer?.seq} came where ${outcome.expectedSeq} is next.`,
      );
    default:
      return outcome satisfies never;
  }
}

/** As the error handler would, but the headers that the protocol asks for go with it. */
function refuse(
  request: FastifyRequest,
  reply: FastifyReply,
  code: 'BROKER_STREAM_CLOSED' | 'BROKER_PRODUCER_EPOCH_OLD' | 'BROKER_SEQUENCE_GAP',
  message: string,
): FastifyReply {
  const problem = problemOf(new MillraceError(code, message), request.originalUrl.split('?')[0]);
  return reply.code(problem.status).headers(problemHeaders(problem)).send(JSON.stringify(problem));
}
