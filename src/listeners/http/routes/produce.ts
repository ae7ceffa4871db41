/** `POST /v1/topics/{name}/records`: one request, one atomic commit. */
import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import { foldTopicName } from '../../../model/topic-name.ts';
import { mediaType } from '../accept.ts';
import { ConnectionOrder } from '../connection-order.ts';
import type { HttpContext } from '../context.ts';
import { readRawRecord } from '../raw-input.ts';
import { bodyText, jsonRecords, ndjsonRecords, type ProducedRecord } from '../record-input.ts';
import { answerTo, type RecordsCall, stageRecords } from '../record-stage.ts';
import { ProduceQuery, TopicParams } from '../schemas.ts';
import { TOPICS_PATH } from '../topic-path.ts';

/** How the body of a media type becomes records. */
const READERS: Readonly<Record<string, 'json' | 'ndjson' | 'raw'>> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'application/octet-stream': 'raw',
  'text/plain': 'raw',
};

export const RECORD_MEDIA_TYPES: readonly string[] = Object.keys(READERS);

interface ProduceCall {
  readonly body: Buffer;
  readonly type: 'json' | 'ndjson' | 'raw';
  readonly query: ProduceQuery;
  readonly rawHeaders: readonly string[];
}

export function produceRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker, counters } = context;
  const schema = { params: TopicParams, querystring: ProduceQuery };
  const order = new ConnectionOrder();
  app.post<{ Params: TopicParams; Querystring: ProduceQuery; Body: Buffer | undefined }>(
    `${TOPICS_PATH}/:name/records`,
    { schema },
    async (request, reply) => {
      const startedAt = broker.clock.monotonic();
      const { body, query } = request;
      const type = READERS[mediaType(request.headers['content-type'])];
      if (type === undefined || body === undefined) {
        throw new MillraceError('HTTP_MEDIA_TYPE_UNSUPPORTED', 'The request has no body. Send records.');
      }
      const call = { body, type, query, rawHeaders: request.raw.rawHeaders };
      checkCall(call);
      const name = foldTopicName(request.params.name);
      const records: RecordsCall = {
        records: () => readRecords(call),
        partition: query.partition,
        degree: query.ack ?? 'durable',
        eachOffset: query.offsets === 'each',
      };
      const staged = await order.run(request.raw.socket, () => stageRecords(context, name, records));
      const answer = await answerTo(staged);
      counters.recordsProduced += answer.count;
      counters.produceLatency.addMs(broker.clock.monotonic() - startedAt);
      return reply.code(query.ack === 'admitted' ? 202 : 200).send(answer);
    },
  );
}

/** @throws HTTP_REQUEST_INVALID for parameters that the body's type does not take. */
function checkCall({ type, query }: ProduceCall): void {
  const [names, of] =
    type === 'raw' ? ([['format'], 'JSON'] as const) : ([['key', 'keyBase64', 'timestamp'], 'raw'] as const);
  const given = names.find((name) => query[name as keyof ProduceQuery] !== undefined);
  if (given === undefined) return;
  throw new MillraceError('HTTP_REQUEST_INVALID', `Query parameter \`${given}\` is for ${of} bodies only.`, {
    details: { in: 'query', name: given },
  });
}

function readRecords({ body, type, query, rawHeaders }: ProduceCall): Iterable<ProducedRecord> {
  const format = query.format ?? 'json';
  if (type === 'raw') return [readRawRecord(body, rawHeaders, query)];
  return type === 'json' ? jsonRecords(bodyText(body), format) : ndjsonRecords(bodyText(body), format);
}
