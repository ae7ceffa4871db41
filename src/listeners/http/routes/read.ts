/** `GET /v1/topics/{name}/records`: read, wait for, or follow records. `DELETE`: move the log start. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { RecordCursor } from '../../../model/record-codec.ts';
import { negotiate } from '../accept.ts';
import { Collector, collectAnswer } from '../answer.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { follow } from '../follow.ts';
import {
  checkReadQuery,
  formatOffsets,
  onlyPartition,
  type PartitionPosition,
  partitionOf,
  startPositions,
} from '../position.ts';
import { type RawRecord, rawRecord } from '../raw-output.ts';
import type { Reading } from '../reading.ts';
import { recordJson } from '../record-output.ts';
import type { PartitionWalk } from '../record-walk.ts';
import { DeleteRecordsQuery, type ReadQuery, readQuery, TopicParams } from '../schemas.ts';
import { TOPICS_PATH } from '../topic-path.ts';

const PATH = `${TOPICS_PATH}/:name/records`;
const NDJSON = 'application/x-ndjson';
const RAW = 'application/octet-stream';
const ANSWER_TYPES = ['application/json', NDJSON, 'application/jsonl', RAW, 'text/plain'] as const;
const FOLLOW_TYPES = [NDJSON, 'application/jsonl'] as const;
type AnswerType = (typeof ANSWER_TYPES)[number];

type ReadRequest = FastifyRequest<{ Params: TopicParams; Querystring: ReadQuery }>;

export function readRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker, settings } = context;

  const schema = { params: TopicParams, querystring: readQuery(settings) };
  app.get<{ Params: TopicParams; Querystring: ReadQuery }>(PATH, { schema }, async (request, reply) => {
    const { query } = request;
    checkReadQuery(query);
    const type = answerType(request.headers.accept, query.follow === true);
    const topic = findTopic(broker, request.params.name);
    const waits = query.follow === true || (query.wait ?? 0) > 0;
    // Before the first await: a client that leaves during it must be noticed.
    const reading = context.room.enter(reply.raw, waits);
    const positions = await startPositions(broker, topic, query);
    if (query.follow === true) return await startFollow(context, request, reply, positions, reading);
    if (type === RAW || type === 'text/plain')
      return await answerRaw(context, request, reply, positions, reading, type);
    return await answerRecords(context, request, reply, positions, reading, type);
  });

  const deleteSchema = { params: TopicParams, querystring: DeleteRecordsQuery };
  app.delete<{ Params: TopicParams; Querystring: DeleteRecordsQuery }>(
    PATH,
    { schema: deleteSchema },
    async (request, reply) => {
      const { before, partition: asked } = request.query;
      const topic = findTopic(broker, request.params.name);
      const partition = asked === undefined ? onlyPartition(topic, '') : partitionOf(topic, asked);
      const logStartOffset = await broker.deleteRecords(partition, before === 'end' ? -1 : Number(before));
      return reply.send({ partition: partition.index, logStartOffset });
    },
  );
}

function answerType(accept: string | undefined, follows: boolean): AnswerType {
  const offers: readonly AnswerType[] = follows ? FOLLOW_TYPES : ANSWER_TYPES;
  const type = negotiate(accept, offers);
  if (type !== undefined) return type;
  const what = follows ? 'A follow is' : 'Records come as';
  throw new MillraceError('HTTP_NOT_ACCEPTABLE', `${what} ${offers.join(', ')}. Accept one of them.`);
}

async function answerRecords(
  context: HttpContext,
  request: ReadRequest,
  reply: FastifyReply,
  positions: PartitionPosition[],
  reading: Reading,
  type: AnswerType,
): Promise<FastifyReply> {
  const { room, broker, counters } = context;
  const startedAt = broker.clock.monotonic();
  const topicJson = JSON.stringify(positions[0]?.topic.name);
  const limits = limitsOf(context, request.query, positions.length);
  const collector = new Collector(limits, renderer(topicJson, request.query));
  if (!(await collectAnswer(room, reading, positions, limits, collector))) return abandoned(reply);
  const { parts } = collector;
  counters.recordsRead += parts.length;
  if (limits.waitMs === 0) counters.readLatency.addMs(broker.clock.monotonic() - startedAt);
  const isLines = type === NDJSON || type === 'application/jsonl';
  const text = isLines ? parts.join('') : answerJson(topicJson, parts, positions);
  holdUntilSent(context, reply, limits.bytes, text.length);
  if (isLines) reply.headers(positionHeaders(positions));
  return reply.type(isLines ? type : 'application/json').send(text);
}

/** Every record is one line of NDJSON; in an array of JSON the line break is white space. */
function renderer(topicJson: string, query: ReadQuery): (walk: PartitionWalk) => string {
  const format = query.format ?? 'text';
  return ({ record, position }) =>
    `${recordJson(record as RecordCursor, topicJson, position.partition.index, format)}\n`;
}

function limitsOf({ settings }: HttpContext, query: ReadQuery, partitionCount: number) {
  const { limit, first, last } = query;
  const wanted = last === undefined ? settings.defaultLimit : Math.min(settings.maxLimit, last * partitionCount);
  return {
    records: limit ?? first ?? wanted,
    bytes: query.maxBytes ?? settings.defaultAnswerBytes,
    waitMs: (query.wait ?? 0) * 1000,
  };
}

function answerJson(topicJson: string, parts: readonly string[], positions: readonly PartitionPosition[]): string {
  const [only] = positions;
  const top = positions.length === 1 && only !== undefined ? `${offsetsJson(only)},` : '';
  const each = positions.map((position) => `{"partition":${position.partition.index},${offsetsJson(position)}}`);
  return `{"topic":${topicJson},"records":[${parts.join(',')}],${top}"partitions":[${each.join(',')}]}`;
}

function offsetsJson({ nextOffset, highWatermark, logStartOffset }: PartitionPosition): string {
  return `"nextOffset":${nextOffset},"highWatermark":${highWatermark},"logStartOffset":${logStartOffset}`;
}

function positionHeaders(positions: readonly PartitionPosition[]): Record<string, string> {
  const headers: Record<string, string> = { 'millrace-next-offsets': formatOffsets(positions) };
  const [only] = positions;
  if (positions.length !== 1 || only === undefined) return headers;
  headers['millrace-next-offset'] = String(only.nextOffset);
  headers['millrace-high-watermark'] = String(only.highWatermark);
  headers['millrace-log-start-offset'] = String(only.logStartOffset);
  return headers;
}

async function answerRaw(
  context: HttpContext,
  request: ReadRequest,
  reply: FastifyReply,
  positions: PartitionPosition[],
  reading: Reading,
  type: AnswerType,
): Promise<FastifyReply> {
  if (positions.length !== 1) {
    throw new MillraceError(
      'HTTP_REQUEST_INVALID',
      'A raw answer is one record of one partition. Give its `partition`.',
    );
  }
  let found: RawRecord | undefined;
  const limits = { ...limitsOf(context, request.query, 1), records: 1 };
  const collector = new Collector(limits, ({ record, position }) => {
    found = rawRecord(record as RecordCursor, position.partition.index);
    return '';
  });
  if (!(await collectAnswer(context.room, reading, positions, limits, collector))) return abandoned(reply);
  holdUntilSent(context, reply, limits.bytes, found?.body.length ?? 0);
  reply.headers(positionHeaders(positions));
  if (found === undefined) return reply.code(204).send();
  context.counters.recordsRead += 1;
  return reply.headers(found.headers).type(type).send(found.body);
}

/** What was charged for reading becomes what the answer really holds, until its socket has it. */
function holdUntilSent({ room }: HttpContext, reply: FastifyReply, chargedBytes: number, answerBytes: number): void {
  room.budget.force(answerBytes);
  room.budget.give(chargedBytes);
  room.watchStall(reply.raw);
  reply.raw.once('close', () => room.budget.give(answerBytes));
}

/** The client is gone: there is nobody to answer. */
function abandoned(reply: FastifyReply): FastifyReply {
  return reply.hijack();
}

async function startFollow(
  context: HttpContext,
  request: ReadRequest,
  reply: FastifyReply,
  positions: PartitionPosition[],
  reading: Reading,
): Promise<FastifyReply> {
  const { query } = request;
  if (request.method === 'HEAD') {
    throw new MillraceError('HTTP_REQUEST_INVALID', 'HEAD does not go with `follow`, which has no end.');
  }
  const topicJson = JSON.stringify(positions[0]?.topic.name);
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': NDJSON,
    'cache-control': 'no-store',
    // Proxies that buffer would hold records back.
    'x-accel-buffering': 'no',
  });
  reply.raw.flushHeaders();
  await follow(context.room, reading, reply.raw, {
    positions,
    allPartitions: query.partition === 'all',
    limit: query.limit ?? query.first ?? Number.POSITIVE_INFINITY,
    render: renderer(topicJson, query),
  });
  return reply;
}
