/** A read that ends: the records that are there, or come while it waits, in the form that was asked for. */
import type { FastifyReply } from 'fastify';
import { MillraceError } from '../../base/errors.ts';
import type { RecordCursor } from '../../model/record-codec.ts';
import { negotiate } from './accept.ts';
import { collectAnswer } from './answer.ts';
import { collectBatches } from './batch-answer.ts';
import { Collector } from './collector.ts';
import { sendCoded } from './content-coding.ts';
import { type GroupTurns, storePositions } from './group-read.ts';
import { formatOffsets, type PartitionPosition } from './position.ts';
import { type RawRecord, rawRecord } from './raw-output.ts';
import { positionsOf, type ReadCall } from './read-request.ts';
import type { Reading } from './reading.ts';
import { BATCH, MEDIA, RECORD_MEDIA_TYPES, type RecordMedia } from './record-media.ts';
import type { PartitionWalk } from './record-walk.ts';
import { jsonLines, type Representation, SIZED_VALUES, valueLines } from './representation.ts';
import { awaitRecords } from './round.ts';
import { abandoned, holdUntilSent } from './sent-answer.ts';
import { TopicSource } from './topic-source.ts';

interface AnswerForm {
  /** As it was accepted. */
  readonly type: string;
  readonly media: RecordMedia;
}

/** An answer that waits to be sent. Its bytes are charged to the budget that all readers share. */
interface MadeAnswer {
  readonly body: string | Buffer | undefined;
  readonly contentType: string;
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly recordCount: number;
  readonly chargedBytes: number;
}

/** @param turns of reads that store where they came to. */
export async function answerRead(call: ReadCall, turns: GroupTurns): Promise<FastifyReply> {
  const { context, request, reply, query } = call;
  const form = answerForm(request.headers.accept);
  const startedAt = context.broker.clock.monotonic();
  const waitMs = (query.wait ?? 0) * 1000;
  // Before the first await: a client that leaves during it must be noticed.
  const reading = context.room.enter(reply.raw, waitMs > 0);
  const made =
    query.commit === true
      ? await makeCommitted(call, reading, form, waitMs, turns)
      : await make(call, reading, form, await positionsOf(call), waitMs);
  if (made === undefined) return abandoned(reply);
  if (waitMs === 0) context.counters.readLatency.addMs(context.broker.clock.monotonic() - startedAt);
  return await send(call, made);
}

async function send({ context, request, reply }: ReadCall, made: MadeAnswer): Promise<FastifyReply> {
  const { body, contentType, headers, recordCount, chargedBytes } = made;
  context.counters.recordsRead += recordCount;
  holdUntilSent(context, reply, chargedBytes, body?.length ?? 0);
  reply.headers(headers);
  if (body === undefined) return reply.code(204).send();
  return await sendCoded(request, reply.type(contentType), body);
}

/**
 * Reads what is next for the group, and stores that it was read before the answer goes out: what is lost on the way is
 * not given again.
 */
async function makeCommitted(
  call: ReadCall,
  reading: Reading,
  form: AnswerForm,
  waitMs: number,
  turns: GroupTurns,
): Promise<MadeAnswer | undefined> {
  const { context, query, topic } = call;
  const { broker, room } = context;
  const group = query.group as string;
  const deadline = broker.clock.monotonic() + waitMs;
  for (;;) {
    let positions: PartitionPosition[] = [];
    const made = await turns.run(group, topic.name, async () => {
      if (reading.ended === 'gone') return undefined;
      positions = await positionsOf(call);
      return await makeAndStore(call, reading, form, positions);
    });
    const leftMs = deadline - broker.clock.monotonic();
    if (made === undefined || made.recordCount > 0 || leftMs <= 0) return made;
    room.budget.give(made.chargedBytes);
    await awaitRecords(room, reading, positions, leftMs);
    if (reading.ended === 'gone') return undefined;
  }
}

async function makeAndStore(
  call: ReadCall,
  reading: Reading,
  form: AnswerForm,
  positions: PartitionPosition[],
): Promise<MadeAnswer | undefined> {
  const { broker, room } = call.context;
  const before = positions.map(({ nextOffset }) => nextOffset);
  const made = await make(call, reading, form, positions, 0);
  if (made === undefined) return undefined;
  try {
    const moved = positions.filter(({ nextOffset }, i) => nextOffset !== before[i]);
    if (reading.ended !== 'gone') {
      await storePositions(broker, call.query.group as string, moved);
      return made;
    }
  } catch (error) {
    room.budget.give(made.chargedBytes);
    throw error;
  }
  room.budget.give(made.chargedBytes);
  return undefined;
}

/** @returns undefined when the client is gone; nothing is held then. */
async function make(
  call: ReadCall,
  reading: Reading,
  form: AnswerForm,
  positions: PartitionPosition[],
  waitMs: number,
): Promise<MadeAnswer | undefined> {
  if (form.media === 'raw') return await makeRaw(call, reading, form, positions, waitMs);
  if (form.media === 'batch') return await makeBatches(call, reading, positions, waitMs);
  return await makeRecords(call, reading, form, positions, waitMs);
}

async function makeRecords(
  call: ReadCall,
  reading: Reading,
  { type, media }: AnswerForm,
  positions: PartitionPosition[],
  waitMs: number,
): Promise<MadeAnswer | undefined> {
  const limits = limitsOf(call, positions.length, waitMs);
  const { render, isText, contentType } = representationOf(call, media);
  const isJson = media === 'json';
  const collector = new Collector(limits, isJson ? ',' : '');
  const source = new TopicSource(call.context.room, { positions, allPartitions: false, render });
  if (!(await collectAnswer(call.context.room, reading, source, limits, collector))) return undefined;
  const records = isText ? collector.takeText() : collector.takeBytes();
  return {
    body: isJson ? answerJson(call.topic.name, records.toString(), positions) : records,
    contentType: media === 'json' || media === 'ndjson' ? type : contentType,
    headers: isJson ? {} : positionHeaders(positions),
    recordCount: collector.count,
    chargedBytes: limits.bytes,
  };
}

function representationOf({ request, query, topic }: ReadCall, media: RecordMedia): Representation {
  if (media === 'lines') return valueLines(request.headers.accept);
  return media === 'sized' ? SIZED_VALUES : jsonLines(topic.name, query.format);
}

async function makeRaw(
  call: ReadCall,
  reading: Reading,
  { type }: AnswerForm,
  positions: PartitionPosition[],
  waitMs: number,
): Promise<MadeAnswer | undefined> {
  checkOnePartition(positions, 'A raw answer is one record of one partition');
  let found: RawRecord | undefined;
  const limits = { ...limitsOf(call, 1, waitMs), records: 1 };
  const render = ({ record, position }: PartitionWalk): void => {
    found = rawRecord(record as RecordCursor, position.partition.index);
  };
  const { room } = call.context;
  const source = new TopicSource(room, { positions, allPartitions: false, render });
  if (!(await collectAnswer(room, reading, source, limits, new Collector(limits)))) return undefined;
  return {
    body: found?.body,
    contentType: type,
    headers: { ...positionHeaders(positions), ...found?.headers },
    recordCount: found === undefined ? 0 : 1,
    chargedBytes: limits.bytes,
  };
}

async function makeBatches(
  call: ReadCall,
  reading: Reading,
  positions: PartitionPosition[],
  waitMs: number,
): Promise<MadeAnswer | undefined> {
  const { context, query } = call;
  checkOnePartition(positions, 'Record batches are of one partition');
  const counted = (['first', 'limit', 'format'] as const).find((name) => query[name] !== undefined);
  if (counted !== undefined) {
    throw new MillraceError(
      'HTTP_REQUEST_INVALID',
      `\`${counted}\` does not go with record batches, which come whole. Bound them with \`maxBytes\`.`,
      { details: { in: 'query', name: counted } },
    );
  }
  const { bytes: maxBytes } = limitsOf(call, 1, waitMs);
  const { room } = context;
  if (!(await room.take(reading, maxBytes))) {
    if (reading.ended === 'gone') return undefined;
    room.budget.force(maxBytes);
  }
  let keeps = false;
  try {
    const position = positions[0] as PartitionPosition;
    const answer = await collectBatches(room, reading, position, { maxBytes, waitMs });
    if (answer === undefined && reading.ended === 'gone') return undefined;
    keeps = true;
    const body = Buffer.concat(answer?.batches ?? []);
    return {
      body: body.length === 0 ? undefined : body,
      contentType: BATCH,
      headers: positionHeaders(positions),
      recordCount: answer?.recordCount ?? 0,
      chargedBytes: maxBytes,
    };
  } finally {
    if (!keeps) room.budget.give(maxBytes);
  }
}

function checkOnePartition(positions: readonly PartitionPosition[], what: string): void {
  if (positions.length === 1) return;
  throw new MillraceError('HTTP_REQUEST_INVALID', `${what}. Give its \`partition\`.`);
}

function answerForm(accept: string | undefined): AnswerForm {
  const type = negotiate(accept, RECORD_MEDIA_TYPES);
  const media = type === undefined ? undefined : MEDIA[type];
  if (type !== undefined && media !== undefined) return { type, media };
  const types = RECORD_MEDIA_TYPES.join(', ');
  throw new MillraceError('HTTP_NOT_ACCEPTABLE', `Records come as ${types}. Accept one of them.`);
}

function limitsOf({ context, query }: ReadCall, partitionCount: number, waitMs: number) {
  const { settings } = context;
  const { limit, first, last, maxBytes } = query;
  const wanted = last === undefined ? settings.defaultLimit : Math.min(settings.maxLimit, last * partitionCount);
  return { records: limit ?? first ?? wanted, bytes: maxBytes ?? settings.defaultAnswerBytes, waitMs };
}

function answerJson(topic: string, records: string, positions: readonly PartitionPosition[]): string {
  const [only] = positions;
  const top = positions.length === 1 && only !== undefined ? `${offsetsJson(only)},` : '';
  const each = positions.map((position) => `{"partition":${position.partition.index},${offsetsJson(position)}}`);
  return `{"topic":${JSON.stringify(topic)},"records":[${records}],${top}"partitions":[${each.join(',')}]}`;
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
