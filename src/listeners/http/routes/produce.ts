/** `POST /v1/topics/{name}/records`: one request, one atomic commit. */
import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { type ErrorCode, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { ProduceItem } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import type { Degree } from '../../../journal/journal.ts';
import { foldTopicName } from '../../../model/topic-name.ts';
import { mediaType } from '../accept.ts';
import { ConnectionOrder } from '../connection-order.ts';
import type { HttpContext } from '../context.ts';
import { topicNotFound } from '../find-topic.ts';
import { readRawRecord } from '../raw-input.ts';
import { bodyText, jsonRecords, ndjsonRecords, type ProducedRecord } from '../record-input.ts';
import { RequestBatches } from '../request-batches.ts';
import { type ProduceAnswer, ProduceQuery, TopicParams } from '../schemas.ts';
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
      const staged = await order.run(request.raw.socket, () => stage(context, name, call));
      const answer = await answerTo(staged, call);
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

/** Records encoded in one turn of the event loop: a millisecond or two. */
const RECORDS_PER_TURN = 2_000;

async function encode(call: ProduceCall, batches: RequestBatches): Promise<void> {
  let count = 0;
  for (const record of readRecords(call)) {
    batches.add(record);
    count += 1;
    if (count % RECORDS_PER_TURN === 0) await setImmediate();
  }
}

/** A request that has its place in the log, whenever it is acknowledged. */
interface Staged {
  readonly topic: Topic;
  readonly batches: RequestBatches;
  readonly parts: ReturnType<RequestBatches['finish']>;
  readonly items: readonly ProduceItem[];
  /** In an object, so that nobody waits for it by waiting for the stage. */
  readonly appended: Promise<void>;
}

async function stage(context: HttpContext, name: string, call: ProduceCall): Promise<Staged> {
  const { broker, settings } = context;
  const topic = broker.topics.find(name) ?? (await createTarget(broker, name, call));
  const batches = new RequestBatches(topic, {
    partition: call.query.partition,
    now: broker.clock.now(),
    maxRecords: settings.maxRecordsPerRequest,
    remembersPartitions: call.query.offsets === 'each',
  });
  try {
    await encode(call, batches);
  } catch (error) {
    batches.release();
    throw error;
  }
  const parts = batches.finish();
  const items = parts.flatMap((part) => part.items);
  checkSizes(topic, items);
  const appended = items.length === 0 ? Promise.resolve() : append(broker, call.query.ack ?? 'durable', items);
  return { topic, batches, parts, items, appended };
}

/** A request that is refused must not leave a topic behind, so its records are read before one is made for them. */
async function createTarget(broker: Broker, name: string, call: ProduceCall): Promise<Topic> {
  if (!broker.settings.autoCreateTopics) throw topicNotFound(name);
  for (const _ of readRecords(call));
  return await broker.topics.autoCreate(name);
}

/** The limit may have changed while records were encoded; then all are refused here, and not some by the broker. */
function checkSizes(topic: Topic, items: readonly ProduceItem[]): void {
  const { maxBatchBytes } = topic.limits;
  if (items.every((item) => item.batch.length <= maxBatchBytes)) return;
  throw new MillraceError('MODEL_BATCH_TOO_LARGE', `${topic.name} takes batches of ${maxBatchBytes} bytes at most.`, {
    details: { topic: topic.name, maxBytes: maxBatchBytes },
  });
}

async function answerTo(
  { topic, batches, parts, items, appended }: Staged,
  { query }: ProduceCall,
): Promise<ProduceAnswer> {
  await appended;
  const refused = items.find((item) => item.error !== undefined);
  if (refused !== undefined) throw itemError(topic, refused.error as ErrorCode);
  const partitions = parts
    .map(({ index, count, items: [first] }) => ({
      partition: index,
      baseOffset: (first as ProduceItem).baseOffset,
      count,
    }))
    .sort((one, other) => one.partition - other.partition);
  const answer = { topic: topic.name, count: batches.recordCount, partitions };
  if (query.offsets !== 'each') return answer;
  return { ...answer, records: placeOfEach(partitions, batches.recordPartitions) };
}

function append(broker: Broker, degree: Degree, items: readonly ProduceItem[]): Promise<void> {
  return new Promise((resolve, reject) => {
    broker.produce({
      degree,
      items,
      lease: undefined,
      settled: (error) => (error === undefined ? resolve() : reject(error)),
    });
  });
}

/** Records of one partition stand one behind the other, over all of its batches: they are one commit. */
function placeOfEach(
  partitions: readonly { readonly partition: number; readonly baseOffset: number }[],
  recordPartitions: readonly number[],
): { partition: number; offset: number }[] {
  const next = new Map(partitions.map(({ partition, baseOffset }) => [partition, baseOffset]));
  return recordPartitions.map((partition) => {
    const offset = next.get(partition) as number;
    next.set(partition, offset + 1);
    return { partition, offset };
  });
}

/** What was encoded here a moment ago is refused only when the topic went away meanwhile. */
function itemError(topic: Topic, code: ErrorCode): MillraceError {
  if (topic.deleted) return topicNotFound(topic.name);
  return new MillraceError(code, `Records for ${topic.name} were refused (${code}); nothing was written.`, {
    details: { topic: topic.name },
  });
}
