/**
 * Appends to a stream, closes it, or both, in one commit that is durable when it is answered: all that
 * `POST /v1/stream/{path}` means, for the route and for plain requests (`../plain-posts`).
 */
import type { IncomingHttpHeaders } from 'node:http';
import { MillraceError } from '../../../base/errors.ts';
import { type OwnedBatch, releaseBatches } from '../../../broker/streams/owned-batch.ts';
import type { ProducerStamp } from '../../../broker/streams/producer-rules.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { AppendOutcome } from '../../../broker/streams/stream-append.ts';
import { formatStreamOffset } from '../../../broker/streams/stream-offset.ts';
import { recordCount } from '../../../model/record-batch.ts';
import type { BodyParts } from '../body-parts.ts';
import type { HttpContext } from '../context.ts';
import { fromForeign } from '../problem.ts';
import { countWritten } from '../write-answer.ts';
import { STREAM } from './headers.ts';
import { closesStream, contentTypeOf, producerOf, writerSeqOf } from './request-headers.ts';
import { takeBody } from './stream-body.ts';
import { streamNameOf } from './stream-path.ts';

/** What the head of a request asks for. */
export interface AppendHead {
  /** Canonical. */
  readonly streamName: string;
  readonly contentType: string | undefined;
  readonly closes: boolean;
  readonly writerSeq: string | undefined;
  readonly producer: ProducerStamp | undefined;
}

/** `headers` are those that the protocol asks for, names and values in turn; a refusal is sent as every other. */
export type AppendAnswer =
  | { readonly status: 200 | 204; readonly headers: readonly string[] }
  | { readonly refusal: MillraceError; readonly headers: readonly string[] };

/** @throws MODEL_TOPIC_NAME_INVALID, HTTP_ROUTE_NOT_FOUND, HTTP_REQUEST_INVALID. */
export function appendHeadOf(url: string, headers: IncomingHttpHeaders): AppendHead {
  return {
    streamName: streamNameOf(url),
    producer: producerOf(headers),
    closes: closesStream(headers),
    contentType: contentTypeOf(headers),
    writerSeq: writerSeqOf(headers),
  };
}

/**
 * Appends in call order.
 *
 * @param body its memory is given back; undefined: there is none.
 * @param answered once; perhaps inside the call.
 */
export function appendToStream(
  context: HttpContext,
  head: AppendHead,
  body: BodyParts | undefined,
  answered: (answer: AppendAnswer) => void,
): void {
  const { broker } = context;
  const startedAt = broker.clock.monotonic();
  const { closes, writerSeq, producer, contentType } = head;
  let stream: Stream;
  let batches: readonly OwnedBatch[];
  try {
    stream = broker.streams.get(head.streamName);
    batches = batchesOf(context, stream, head, body);
  } catch (error) {
    body?.release();
    answered({ refusal: fromForeign(error), headers: [] });
    return;
  }
  broker.streams.append(stream, { batches, contentType, closes, writerSeq, producer }, (result) => {
    const isAppended = !(result instanceof MillraceError) && result.kind === 'appended';
    if (isAppended) countWritten(context, startedAt, recordsIn(batches));
    releaseBatches(batches);
    answered(
      result instanceof MillraceError
        ? { refusal: result, headers: [] }
        : answerTo(stream, result, { producer, hasBody: batches.length > 0 }),
    );
  });
}

/** @throws HTTP_REQUEST_INVALID, and what `takeBody` throws. */
function batchesOf(
  { broker, settings }: HttpContext,
  stream: Stream,
  { closes, contentType }: AppendHead,
  body: BodyParts | undefined,
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

function recordsIn(batches: readonly OwnedBatch[]): number {
  let count = 0;
  for (const { bytes } of batches) count += recordCount(bytes, 0);
  return count;
}

function answerTo(
  { topic }: Stream,
  outcome: AppendOutcome,
  { producer, hasBody }: { readonly producer: ProducerStamp | undefined; readonly hasBody: boolean },
): AppendAnswer {
  switch (outcome.kind) {
    case 'appended':
    case 'duplicate': {
      const headers = [STREAM.NEXT_OFFSET, formatStreamOffset(outcome.nextOffset)];
      if (outcome.closed) headers.push(STREAM.CLOSED, 'true');
      if (producer === undefined) return { status: 204, headers };
      headers.push(STREAM.PRODUCER_EPOCH, String(producer.epoch), STREAM.PRODUCER_SEQ, String(outcome.lastSeq));
      return { status: outcome.kind === 'appended' && hasBody ? 200 : 204, headers };
    }
    case 'closed': {
      const message = `Stream ${topic.name} is closed and takes no more.`;
      return {
        refusal: new MillraceError('BROKER_STREAM_CLOSED', message),
        headers: [STREAM.CLOSED, 'true', STREAM.NEXT_OFFSET, formatStreamOffset(outcome.nextOffset)],
      };
    }
    case 'stale-epoch': {
      const message = `Epoch ${producer?.epoch} of the producer is over; the current one is ${outcome.currentEpoch}.`;
      return {
        refusal: new MillraceError('BROKER_PRODUCER_EPOCH_OLD', message),
        headers: [STREAM.PRODUCER_EPOCH, String(outcome.currentEpoch)],
      };
    }
    case 'gap': {
      const message = `Sequence ${producer?.seq} came where ${outcome.expectedSeq} is next.`;
      return {
        refusal: new MillraceError('BROKER_SEQUENCE_GAP', message),
        headers: [
          STREAM.PRODUCER_EXPECTED_SEQ,
          String(outcome.expectedSeq),
          STREAM.PRODUCER_RECEIVED_SEQ,
          String(producer?.seq),
        ],
      };
    }
    default:
      return outcome satisfies never;
  }
}
