/** `GET /v1/subscribe`: all topics that match globs, in one stream, in the order of commits. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import { parseCursor } from '../../../broker/subscriptions/cursor.ts';
import { TopicPattern } from '../../../model/topic-pattern.ts';
import { negotiate } from '../accept.ts';
import { collectAnswer } from '../answer.ts';
import { Collector } from '../collector.ts';
import type { HttpContext } from '../context.ts';
import { beginStream, follow } from '../follow.ts';
import { framingFor, NDJSON_FRAMING, type RecordFrame, wantsEvents } from '../framing.ts';
import { quotaClientOf } from '../quota.ts';
import { type SubscribeQuery, subscribeQuery } from '../schemas.ts';
import { abandoned, holdUntilSent } from '../sent-answer.ts';
import { SubscriptionSource } from '../subscription-source.ts';

const NDJSON = 'application/x-ndjson';
const ANSWER_TYPES = ['application/json', NDJSON, 'application/jsonl'] as const;

type SubscribeRequest = FastifyRequest<{ Querystring: SubscribeQuery }>;

export function subscribeRoutes(app: FastifyInstance, context: HttpContext): void {
  const { room, settings } = context;
  const schema = { querystring: subscribeQuery(settings) };
  const options = { schema, config: { quota: 'consumer' } } as const;
  app.get<{ Querystring: SubscribeQuery }>('/v1/subscribe', options, async (request, reply) => {
    const { query, headers } = request;
    const follows = query.follow === true || wantsEvents(headers.accept);
    const open = sourceOpener(context, request);
    if (!follows) return await answer(context, request, reply, open);
    if (query.wait !== undefined) throw refuse('`wait` and `follow` do not go together.');
    if (request.method === 'HEAD') throw refuse('HEAD does not go with a stream, which has no end.');
    const framing = framingFor(headers.accept);
    const reading = room.enter(reply.raw, true, quotaClientOf(request.raw));
    const source = open(framing);
    await source.begin();
    beginStream(reply, framing);
    // Not waited for: request and reply would be kept as long as it goes on.
    void follow(room, reading, reply.raw, { source, framing, limit: query.limit ?? Number.POSITIVE_INFINITY });
    return reply;
  });
}

async function answer(
  context: HttpContext,
  request: SubscribeRequest,
  reply: FastifyReply,
  open: (frame: RecordFrame) => SubscriptionSource,
): Promise<FastifyReply> {
  const { room, settings, counters } = context;
  const { query } = request;
  const type = negotiate(request.headers.accept, ANSWER_TYPES);
  if (type === undefined) {
    throw new MillraceError('HTTP_NOT_ACCEPTABLE', `Records come as ${ANSWER_TYPES.join(', ')} or text/event-stream.`);
  }
  const waitMs = (query.wait ?? 0) * 1000;
  const reading = room.enter(reply.raw, waitMs > 0);
  const source = open(NDJSON_FRAMING);
  const limits = {
    records: query.limit ?? settings.defaultLimit,
    bytes: query.maxBytes ?? settings.defaultAnswerBytes,
    waitMs,
  };
  const isLines = type !== 'application/json';
  const collector = new Collector(limits, isLines ? '' : ',');
  if (!(await collectAnswer(room, reading, source, limits, collector))) return abandoned(reply);
  counters.recordsRead += collector.count;
  const records = collector.takeText();
  const text = isLines ? records : `{"records":[${records}],"cursor":${JSON.stringify(source.cursor)}}`;
  holdUntilSent(context, reply, limits.bytes, text.length);
  if (source.cursor !== undefined) reply.header('millrace-cursor', source.cursor);
  return reply.type(isLines ? NDJSON : 'application/json').send(text);
}

/** Everything that can be wrong with the request is refused here, before a stream begins. */
function sourceOpener(context: HttpContext, { query, headers }: SubscribeRequest) {
  const { broker, room } = context;
  const patterns = (typeof query.match === 'string' ? [query.match] : query.match).map(
    (text) => new TopicPattern(text),
  );
  // A browser that comes back says where it was; what its URL says is where it began.
  const lastEventId = headers['last-event-id'];
  const text = typeof lastEventId === 'string' && lastEventId !== '' ? lastEventId : (query.cursor ?? 'earliest');
  const start = text === 'earliest' || text === 'latest' ? text : parseCursor(text);
  return (frame: RecordFrame): SubscriptionSource => {
    const subscription = broker.subscribe({ patterns, start, readCommitted: true });
    return new SubscriptionSource(room, subscription, query.format ?? 'text', frame);
  };
}

function refuse(message: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', message, { details: { in: 'query' } });
}
