/** `GET /v1/records/{topic}/{partition}/{offset}/lineage`: what caused a record, and what it caused. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import { parentsOf } from '../../../broker/lineage/lineage.ts';
import { readRecord } from '../../../broker/read-record.ts';
import type { RecordCursor } from '../../../model/record-codec.ts';
import { formatRecordPosition, type RecordPosition } from '../../../model/record-position.ts';
import { sendCoded } from '../content-coding.ts';
import type { HttpContext } from '../context.ts';
import { findTopic } from '../find-topic.ts';
import { partitionOf } from '../position.ts';
import type { Reading } from '../reading.ts';
import { RecordPlace, recordJson } from '../record-output.ts';
import { LineageParams, type LineageQuery, lineageQuery } from '../schemas.ts';
import { abandoned, holdUntilSent } from '../sent-answer.ts';

const DEFAULT_DEPTH = 10;
const DEFAULT_LIMIT = 100;
const DEFAULT_WAIT_S = 10;

type LineageRequest = FastifyRequest<{ Params: LineageParams; Querystring: LineageQuery }>;

/** What one answer holds, and may still hold. */
interface Answer {
  readonly query: LineageQuery;
  bytesLeft: number;
}

/** A record that was read, as text. */
interface Shown {
  readonly json: string;
  readonly parents: readonly RecordPosition[];
}

interface Ancestors {
  readonly parts: readonly string[];
  readonly complete: boolean;
}

interface Descendants extends Ancestors {
  readonly nextCursor: string | null;
}

export function lineageRoutes(app: FastifyInstance, context: HttpContext): void {
  const schema = { params: LineageParams, querystring: lineageQuery(context.settings) };
  app.get(
    '/v1/records/:topic/:partition/:offset/lineage',
    { schema, config: { quota: 'consumer' } },
    (request: LineageRequest, reply) => answerLineage(context, request, reply),
  );
}

async function answerLineage(
  context: HttpContext,
  request: LineageRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { room, broker, settings } = context;
  const { params, query } = request;
  const topic = findTopic(broker, params.topic);
  const { index } = partitionOf(topic, Number(params.partition));
  const root = { topic: topic.name, partition: index, offset: Number(params.offset) };
  const reading = room.enter(reply.raw, true);
  const maxBytes = query.maxBytes ?? settings.defaultAnswerBytes;
  if (!(await room.take(reading, maxBytes))) return abandoned(reply);
  let text: string;
  try {
    text = await lineageJson(broker, reading, root, { query, bytesLeft: maxBytes });
  } catch (error) {
    room.budget.give(maxBytes);
    throw error;
  }
  holdUntilSent(context, reply, maxBytes, text.length);
  return await sendCoded(request, reply.type('application/json'), text);
}

async function lineageJson(broker: Broker, reading: Reading, root: RecordPosition, answer: Answer): Promise<string> {
  const { query } = answer;
  const direction = query.direction ?? 'both';
  const record = await show(broker, root, answer, '');
  if (record === undefined) {
    const place = formatRecordPosition(root);
    throw new MillraceError(
      'STORE_OFFSET_OUT_OF_RANGE',
      `There is no record at ${place}: it was deleted, is not written yet, or was aborted.`,
      { details: { ...root } },
    );
  }
  const none = { parts: [], complete: true, nextCursor: null };
  const up = direction === 'descendants' ? none : await ancestors(broker, record, root, answer);
  const down = direction === 'ancestors' ? none : await descendants(broker, reading, root, answer);
  return (
    `{"record":${record.json},"ancestors":[${up.parts.join(',')}],"descendants":[${down.parts.join(',')}],` +
    `"nextCursor":${JSON.stringify(down.nextCursor)},"complete":${up.complete && down.complete}}`
  );
}

/** Nearest first. A cause that is not there is shown as its place. */
async function ancestors(broker: Broker, record: Shown, root: RecordPosition, answer: Answer): Promise<Ancestors> {
  const { depth: maxDepth = DEFAULT_DEPTH, limit = DEFAULT_LIMIT } = answer.query;
  const parts: string[] = [];
  const seen = new Set([formatRecordPosition(root)]);
  let level = record.parents;
  for (let depth = 1; depth <= maxDepth; depth++) {
    const above: RecordPosition[] = [];
    for (const position of level) {
      const key = formatRecordPosition(position);
      if (seen.has(key)) continue;
      if (parts.length === limit || answer.bytesLeft <= 0) return { parts, complete: false };
      seen.add(key);
      const found = await show(broker, position, answer, `"depth":${depth},`);
      parts.push(found?.json ?? missingJson(position, depth));
      above.push(...(found?.parents ?? []));
    }
    level = above;
  }
  return { parts, complete: level.every((position) => seen.has(formatRecordPosition(position))) };
}

async function descendants(
  broker: Broker,
  reading: Reading,
  root: RecordPosition,
  answer: Answer,
): Promise<Descendants> {
  const { depth: maxDepth = DEFAULT_DEPTH, limit = DEFAULT_LIMIT, wait = DEFAULT_WAIT_S, cursor } = answer.query;
  const isWhole = await broker.lineage.catchUp(wait * 1000, () => reading.ended !== undefined);
  const after = cursor === undefined ? -1 : Number(cursor);
  const page = broker.lineage.descendants(root, { maxDepth, limit, after });
  const parts: string[] = [];
  let last = after;
  for (const position of page.descendants) {
    if (answer.bytesLeft <= 0) break;
    const found = await show(broker, position, answer, `"depth":${position.depth},`);
    parts.push(found?.json ?? missingJson(position, position.depth));
    last = position.sequence;
  }
  const more = page.more || parts.length < page.descendants.length;
  return { parts, complete: isWhole && page.complete, nextCursor: more ? String(last) : null };
}

/** @returns undefined where it is not there, or cannot be opened. */
async function show(
  broker: Broker,
  { topic: name, partition: index, offset }: RecordPosition,
  answer: Answer,
  members: string,
): Promise<Shown | undefined> {
  const partition = broker.topics.find(name)?.partition(index);
  if (partition === undefined) return undefined;
  const format = answer.query.format ?? 'text';
  const render = (cursor: RecordCursor): Shown => ({
    json: recordJson(cursor, new RecordPlace(name, index, format), members),
    parents: parentsOf(cursor.headers),
  });
  const shown = await readRecord(broker.recordReader, partition, offset, render);
  answer.bytesLeft -= shown?.json.length ?? 0;
  return shown;
}

function missingJson({ topic, partition, offset }: RecordPosition, depth: number): string {
  return JSON.stringify({ depth, topic, partition, offset, missing: true });
}
