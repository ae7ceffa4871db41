/** `POST /v1/topics/{name}/records`: one request, one atomic commit. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import { PARENT_HEADER } from '../../../model/record-position.ts';
import { foldTopicName } from '../../../model/topic-name.ts';
import { releaseBody } from '../body-reader.ts';
import type { HttpContext } from '../context.ts';
import { lineRecords, sizedRecords } from '../delimited-input.ts';
import { parentOf, withParent } from '../parent-header.ts';
import { readRawRecord } from '../raw-input.ts';
import { bodyText, jsonRecords, ndjsonRecords, type ProducedRecord } from '../record-input.ts';
import { lineEndingOf, mediaOf, RECORD_MEDIA_TYPES, type RecordMedia } from '../record-media.ts';
import { answerTo, type StagedWrites, stageBatch, stageRecords } from '../record-stage.ts';
import { ProduceQuery, TopicParams } from '../schemas.ts';
import { RECORDS_ROUTE } from '../topic-path.ts';
import { countWritten, REPLAYED_HEADER } from '../write-answer.ts';
import { expectedEnds, keyedRequest } from '../write-headers.ts';

interface ProduceCall {
  readonly body: Buffer;
  readonly media: RecordMedia;
  readonly query: ProduceQuery;
  readonly contentType: string | undefined;
  readonly rawHeaders: readonly string[];
}

type ProduceRequest = FastifyRequest<{ Params: TopicParams; Querystring: ProduceQuery; Body: Buffer | undefined }>;

export function produceRoutes(app: FastifyInstance, context: HttpContext): void {
  const schema = { params: TopicParams, querystring: ProduceQuery };
  const options = { schema, config: { quota: 'producer' } } as const;
  app.post(RECORDS_ROUTE, options, async (request: ProduceRequest, reply) => {
    const startedAt = context.broker.clock.monotonic();
    const { staged, answer } = await write(context, request);
    countWritten(context, startedAt, answer.count);
    if (staged.condition?.replayed !== undefined) reply.header(REPLAYED_HEADER, 'true');
    return reply.code(request.query.ack === 'admitted' ? 202 : 200).send(answer);
  });
}

async function write(context: HttpContext, request: ProduceRequest) {
  try {
    const stage = stager(context, request, callOf(request));
    const staged = await context.order.run(request.raw.socket, stage);
    return { staged, answer: await answerTo(staged) };
  } finally {
    // The answer may still have looked at the records.
    releaseBody(request.held);
  }
}

function callOf({ body, query, headers, raw }: ProduceRequest): ProduceCall {
  const contentType = headers['content-type'];
  const media = mediaOf(contentType);
  if (media === undefined || body === undefined) {
    const types = RECORD_MEDIA_TYPES.join(', ');
    throw new MillraceError('HTTP_MEDIA_TYPE_UNSUPPORTED', `The request has no body. Send records as ${types}.`);
  }
  const call = { body, media, query, contentType, rawHeaders: raw.rawHeaders };
  checkCall(call);
  return call;
}

/** Parameters that are for some bodies only. */
const FOR_JSON = ['format'] as const;
const FOR_BYTES = ['key', 'keyBase64', 'timestamp'] as const;
const NOT_FOR_BATCHES = ['format', 'key', 'keyBase64', 'timestamp', 'offsets'] as const;

/** @throws HTTP_REQUEST_INVALID for parameters that the body's type does not take. */
function checkCall({ media, query }: ProduceCall): void {
  const isJson = media === 'json' || media === 'ndjson';
  const refused = media === 'batch' ? NOT_FOR_BATCHES : isJson ? FOR_BYTES : FOR_JSON;
  const given = refused.find((name) => query[name] !== undefined);
  if (given === undefined) return;
  const why = media === 'batch' ? 'does not go with a record batch' : `is for ${isJson ? 'raw' : 'JSON'} bodies only`;
  throw new MillraceError('HTTP_REQUEST_INVALID', `Query parameter \`${given}\` ${why}.`, {
    details: { in: 'query', name: given },
  });
}

/** Everything that can be wrong with the request alone is refused here. */
function stager(context: HttpContext, request: ProduceRequest, call: ProduceCall): () => Promise<StagedWrites> {
  const name = foldTopicName(request.params.name);
  const { partition, ack, offsets } = request.query;
  const { headers } = request;
  const ends = expectedEnds(headers, partition);
  const { body, rawHeaders } = call;
  const keyed = keyedRequest(name, { url: request.originalUrl, headers, rawHeaders, body });
  const options = { degree: ack ?? 'durable', keyed };
  const { media } = call;
  if (media === 'batch' && headers[PARENT_HEADER] !== undefined) {
    throw new MillraceError('HTTP_REQUEST_INVALID', `Header ${PARENT_HEADER} does not go with a record batch.`, {
      details: { in: 'headers', name: PARENT_HEADER },
    });
  }
  if (media === 'batch')
    return () => stageBatch(context, name, { batch: body, partition, ends, lease: request.held.body?.lease }, options);
  const parent = parentOf(headers[PARENT_HEADER]);
  const read = recordsOf(call, media);
  const records = parent === undefined ? read : () => withParent(read(), parent);
  return () => stageRecords(context, name, { records, partition, eachOffset: offsets === 'each', ends }, options);
}

/** @param media none that has its own way into the log. */
function recordsOf(
  { body, query, contentType, rawHeaders }: ProduceCall,
  media: Exclude<RecordMedia, 'batch'>,
): () => Iterable<ProducedRecord> {
  const format = query.format ?? 'json';
  switch (media) {
    case 'json':
      return () => jsonRecords(bodyText(body), format);
    case 'ndjson':
      return () => ndjsonRecords(bodyText(body), format);
    case 'lines': {
      const lineEnding = lineEndingOf(contentType, 'content-type');
      const template = readRawRecord(body, rawHeaders, query);
      return () => lineRecords(body, lineEnding, template);
    }
    case 'sized': {
      const template = readRawRecord(body, rawHeaders, query);
      return () => sizedRecords(body, template);
    }
    case 'raw': {
      const record = readRawRecord(body, rawHeaders, query);
      return () => [record];
    }
    default:
      return media satisfies never;
  }
}
