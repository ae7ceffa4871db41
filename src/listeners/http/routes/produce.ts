/** `POST /v1/topics/{name}/records`: one request, one atomic commit. */
import type { FastifyInstance } from 'fastify';
import { type ErrorCode, MillraceError } from '../../../base/errors.ts';
import type { Broker } from '../../../broker/broker.ts';
import type { ProduceItem } from '../../../broker/produce.ts';
import type { Topic } from '../../../broker/topic.ts';
import type { Degree } from '../../../journal/journal.ts';
import { foldTopicName } from '../../../model/topic-name.ts';
import { mediaType } from '../accept.ts';
import type { HttpContext } from '../context.ts';
import { topicNotFound } from '../find-topic.ts';
import { readRawRecord } from '../raw-input.ts';
import { bodyText, type RecordSink, readJsonRecords, readNdjsonRecords } from '../record-input.ts';
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
  const targets = new Targets(context);
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
      const topic = targets.find(name) ?? (await targets.create(name, call));
      const answer = await produce(context, topic, call);
      counters.recordsProduced += answer.count;
      counters.produceLatency.addMs(broker.clock.monotonic() - startedAt);
      return reply.code(query.ack === 'admitted' ? 202 : 200).send(answer);
    },
  );
}

/** Topics to write to, created where they are missing and the broker allows it. */
class Targets {
  readonly #context: HttpContext;
  /** While a topic is being created, whoever comes later waits with those before: one connection's writes keep order. */
  readonly #creating = new Map<string, Promise<Topic>>();

  constructor(context: HttpContext) {
    this.#context = context;
  }

  /** @param name canonical. */
  find(name: string): Topic | undefined {
    return this.#creating.has(name) ? undefined : this.#context.broker.topics.find(name);
  }

  async create(name: string, call: ProduceCall): Promise<Topic> {
    const { broker } = this.#context;
    if (!broker.settings.autoCreateTopics) throw topicNotFound(name);
    // A request that is refused must not leave a topic behind, so its records are read before one is made for them.
    readRecords(call, () => {});
    let creation = this.#creating.get(name);
    if (creation === undefined) {
      creation = broker.topics.autoCreate(name).finally(() => this.#creating.delete(name));
      this.#creating.set(name, creation);
    }
    return await creation;
  }
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

function readRecords({ body, type, query, rawHeaders }: ProduceCall, sink: RecordSink): void {
  const format = query.format ?? 'json';
  if (type === 'raw') sink(readRawRecord(body, rawHeaders, query));
  else if (type === 'json') readJsonRecords(bodyText(body), format, sink);
  else readNdjsonRecords(bodyText(body), format, sink);
}

async function produce({ broker, settings }: HttpContext, topic: Topic, call: ProduceCall): Promise<ProduceAnswer> {
  const batches = new RequestBatches(topic, {
    partition: call.query.partition,
    now: broker.clock.now(),
    maxRecords: settings.maxRecordsPerRequest,
    remembersPartitions: call.query.offsets === 'each',
  });
  try {
    readRecords(call, (record) => batches.add(record));
  } catch (error) {
    batches.release();
    throw error;
  }
  const parts = batches.finish();
  const items = parts.flatMap((part) => part.items);
  if (items.length > 0) await append(broker, call.query.ack ?? 'durable', items);
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
  return call.query.offsets === 'each'
    ? { ...answer, records: placeOfEach(partitions, batches.recordPartitions) }
    : answer;
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
