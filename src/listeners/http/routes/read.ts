/** `GET /v1/topics/{name}/records`: read, wait for, or follow records. `DELETE`: move the log start. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { RecordCursor } from '../../../model/record-codec.ts';
import type { Partition } from '../../../store/partition.ts';
import { negotiate } from '../accept.ts';
import { collectAnswer } from '../answer.ts';
import { Collector } from '../collector.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { beginStream, follow } from '../follow.ts';
import { EVENT_FRAMING, type Framing, framingFor, wantsEvents } from '../framing.ts';
import {
  checkReadQuery,
  choosePartitions,
  formatOffsets,
  OFFSETS_FORM,
  type PartitionPosition,
  queryTimestamp,
  startPositions,
} from '../position.ts';
import { type RawRecord, rawRecord } from '../raw-output.ts';
import type { Reading } from '../reading.ts';
import { type RecordFormat, recordJson } from '../record-output.ts';
import type { PartitionWalk } from '../record-walk.ts';
import { DeleteRecordsQuery, type ReadQuery, readQuery, TopicParams } from '../schemas.ts';
import { abandoned, holdUntilSent } from '../sent-answer.ts';
import { TOPICS_PATH } from '../topic-path.ts';
import { TopicSource } from '../topic-source.ts';

/** Positions as an event's id has them: `0:18,1:7`. */
const OFFSETS = new RegExp(OFFSETS_FORM);
const PATH = `${TOPICS_PATH}/:name/records`;
const NDJSON = 'application/x-ndjson';
const RAW = 'application/octet-stream';
const ANSWER_TYPES = ['application/json', NDJSON, 'application/jsonl', RAW, 'text/plain'] as const;
type AnswerType = (typeof ANSWER_TYPES)[number];

type ReadRequest = FastifyRequest<{ Params: TopicParams; Querystring: ReadQuery }>;

export function readRoutes(app: FastifyInstance, context: HttpContext): void {
  const { broker, settings } = context;

  const schema = { params: TopicParams, querystring: readQuery(settings) };
  app.get<{ Params: TopicParams; Querystring: ReadQuery }>(PATH, { schema }, async (request, reply) => {
    const query = resumed(request);
    checkReadQuery(query);
    const follows = query.follow === true;
    const framing = follows ? framingFor(request.headers.accept) : undefined;
    const type = follows ? NDJSON : answerType(request.headers.accept);
    const topic = findTopic(broker, request.params.name);
    const waits = follows || (query.wait ?? 0) > 0;
    // Before the first await: a client that leaves during it must be noticed.
    const reading = context.room.enter(reply.raw, waits);
    const positions = await startPositions(broker, topic, query);
    if (framing !== undefined) return await startFollow(context, request, reply, positions, reading, framing);
    if (type === RAW || type === 'text/plain')
      return await answerRaw(context, request, reply, positions, reading, type);
    return await answerRecords(context, request, reply, positions, reading, type);
  });

  const deleteSchema = { params: TopicParams, querystring: DeleteRecordsQuery };
  app.delete<{ Params: TopicParams; Querystring: DeleteRecordsQuery }>(
    PATH,
    { schema: deleteSchema },
    async (request, reply) => {
      const { query } = request;
      checkDeleteQuery(query);
      const topic = findTopic(broker, request.params.name);
      const partitions = choosePartitions(topic, query.partition);
      const ends = await Promise.all(partitions.map((partition) => deletionEnd(broker, partition, query)));
      const targets = partitions.map((partition, i) => ({ partition, beforeOffset: ends[i] as number }));
      const starts = await broker.topics.deleteBefore(topic, targets);
      const views = partitions.map(({ index }, i) => ({ partition: index, logStartOffset: starts[i] as number }));
      return reply.send(query.partition === 'all' ? { partitions: views } : views[0]);
    },
  );
}

function checkDeleteQuery(query: DeleteRecordsQuery): void {
  if ((query.before === undefined) !== (query.timestamp === undefined)) return;
  throw new MillraceError('HTTP_REQUEST_INVALID', 'Give either `before` (an offset, or end) or `timestamp`.', {
    details: { in: 'query', name: 'before' },
  });
}

/** Offset before which records go; -1: the high watermark. Of a time: that of the first record at or after it. */
async function deletionEnd(broker: Broker, partition: Partition, query: DeleteRecordsQuery): Promise<number> {
  if (query.timestamp === undefined) return query.before === 'end' ? -1 : Number(query.before);
  return (await broker.offsetForTimestamp(partition, queryTimestamp(query.timestamp))).offset;
}

/** What is asked for: Server-Sent Events do not end, and a browser that comes back says where it was. */
function resumed(request: ReadRequest): ReadQuery {
  const { query, headers } = request;
  if (!wantsEvents(headers.accept)) return query;
  const id = headers['last-event-id'];
  if (typeof id !== 'string' || id === '') return { ...query, follow: true };
  if (!OFFSETS.test(id)) {
    throw new MillraceError(
      'HTTP_REQUEST_INVALID',
      'Header `Last-Event-ID` must be the id of an event of this stream.',
      {
        details: { in: 'headers', name: 'last-event-id' },
      },
    );
  }
  const { partition: _, offset: __, timestamp: ___, first: ____, last: _____, ...rest } = query;
  return { ...rest, offsets: id, follow: true };
}

function answerType(accept: string | undefined): AnswerType {
  const type = negotiate(accept, ANSWER_TYPES);
  if (type !== undefined) return type;
  throw new MillraceError('HTTP_NOT_ACCEPTABLE', `Records come as ${ANSWER_TYPES.join(', ')}. Accept one of them.`);
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
  const collector = new Collector(limits);
  const source = new TopicSource(room, {
    positions,
    allPartitions: false,
    render: renderer(topicJson, request.query.format, (json) => `${json}\n`),
  });
  if (!(await collectAnswer(room, reading, source, limits, collector))) return abandoned(reply);
  const { parts } = collector;
  counters.recordsRead += parts.length;
  if (limits.waitMs === 0) counters.readLatency.addMs(broker.clock.monotonic() - startedAt);
  const isLines = type === NDJSON || type === 'application/jsonl';
  const text = isLines ? parts.join('') : answerJson(topicJson, parts, positions);
  holdUntilSent(context, reply, limits.bytes, text.length);
  if (isLines) reply.headers(positionHeaders(positions));
  return reply.type(isLines ? type : 'application/json').send(text);
}

/** Every record of an answer is one line of NDJSON; in an array of JSON the line break is white space. */
function renderer(
  topicJson: string,
  format: RecordFormat = 'text',
  frame: (json: string, walk: PartitionWalk) => string,
): (walk: PartitionWalk) => string {
  return (walk) =>
    frame(recordJson(walk.record as RecordCursor, topicJson, walk.position.partition.index, format), walk);
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
  const render = ({ record, position }: PartitionWalk): string => {
    found = rawRecord(record as RecordCursor, position.partition.index);
    return '';
  };
  const source = new TopicSource(context.room, { positions, allPartitions: false, render });
  if (!(await collectAnswer(context.room, reading, source, limits, new Collector(limits)))) return abandoned(reply);
  holdUntilSent(context, reply, limits.bytes, found?.body.length ?? 0);
  reply.headers(positionHeaders(positions));
  if (found === undefined) return reply.code(204).send();
  context.counters.recordsRead += 1;
  return reply.headers(found.headers).type(type).send(found.body);
}

async function startFollow(
  context: HttpContext,
  request: ReadRequest,
  reply: FastifyReply,
  positions: PartitionPosition[],
  reading: Reading,
  framing: Framing,
): Promise<FastifyReply> {
  const { query } = request;
  if (request.method === 'HEAD') {
    throw new MillraceError('HTTP_REQUEST_INVALID', 'HEAD does not go with `follow`, which has no end.');
  }
  const topicJson = JSON.stringify(positions[0]?.topic.name);
  const frame = (json: string, { record, position }: PartitionWalk): string => {
    // NDJSON says with its members where a record stands; an event says it in its id, for the browser to send back.
    if (framing !== EVENT_FRAMING) return framing.record(json, '');
    return framing.record(json, nextOffsets(positions, position, (record as RecordCursor).offset + 1));
  };
  const source = new TopicSource(context.room, {
    positions,
    allPartitions: query.partition === 'all',
    render: renderer(topicJson, query.format, frame),
  });
  const limit = query.limit ?? query.first ?? Number.POSITIVE_INFINITY;
  beginStream(reply, framing);
  await follow(context.room, reading, reply.raw, { source, framing, limit });
  return reply;
}

/** Where to go on behind a record that is about to be delivered, as `offsets` takes it. */
function nextOffsets(positions: readonly PartitionPosition[], moving: PartitionPosition, nextOffset: number): string {
  return formatOffsets(positions.map((position) => (position === moving ? { ...position, nextOffset } : position)));
}
