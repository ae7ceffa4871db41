/** `/v1/push`: deliveries of records to HTTP endpoints. */
import type { FastifyInstance } from 'fastify';
import { MillraceError } from '../../../base/errors.ts';
import type { PushLinkView } from '../../../broker/push/api.ts';
import type { Push, PushConfig } from '../../../broker/push/push.ts';
import type { Pushes } from '../../../broker/push/pushes.ts';
import { foldTopicName } from '../../../model/topic-name.ts';
import { TopicPattern } from '../../../model/topic-pattern.ts';
import type { HttpContext } from '../context.ts';
import { cursorName, pageOf } from '../paging.ts';
import {
  ListPushesQuery,
  MAX_SHOWN_PARTITIONS,
  PUSH_DEFAULTS,
  PushBody,
  type PushList,
  PushParams,
  type PushView,
} from '../push/push-schemas.ts';
import { parseWebhookUrl } from '../webhook/webhook-url.ts';

const PATH = '/v1/push';
const ONE = `${PATH}/:id`;
const DEFAULT_PAGE = 100;

export function pushRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  const { pushes } = broker;
  const params = PushParams;

  app.get<{ Querystring: ListPushesQuery }>(PATH, { schema: { querystring: ListPushesQuery } }, (request, reply) =>
    reply.send(listPushes(pushes, request.query)),
  );

  app.put<{ Params: PushParams; Body: PushBody }>(
    ONE,
    { schema: { params, body: PushBody } },
    async (request, reply) => {
      const { push, created } = await pushes.put(configOf(request.params.id, request.body));
      if (created) reply.header('location', `${PATH}/${push.id}`);
      return reply.code(created ? 201 : 200).send(viewOf(pushes, push));
    },
  );

  app.get<{ Params: PushParams }>(ONE, { schema: { params } }, (request, reply) =>
    reply.send(viewOf(pushes, pushes.get(request.params.id))),
  );

  app.delete<{ Params: PushParams }>(ONE, { schema: { params } }, async (request, reply) => {
    await pushes.delete(request.params.id);
    return reply.code(204).send();
  });

  for (const [verb, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    app.post<{ Params: PushParams }>(`${ONE}/${verb}`, { schema: { params } }, async (request, reply) =>
      reply.send(viewOf(pushes, await pushes.pause(request.params.id, paused))),
    );
  }
}

/** @throws HTTP_WEBHOOK_URL_REJECTED, MODEL_TOPIC_PATTERN_INVALID, MODEL_TOPIC_NAME_INVALID, HTTP_REQUEST_INVALID. */
function configOf(id: string, body: PushBody): PushConfig {
  const match = typeof body.match === 'string' ? [body.match] : body.match;
  const patterns = match.map((glob) => new TopicPattern(glob));
  parseWebhookUrl(body.url);
  const { maxAttempts = PUSH_DEFAULTS.maxAttempts } = body;
  const deadLetterTopic = body.deadLetterTopic === undefined ? undefined : foldTopicName(body.deadLetterTopic);
  if (maxAttempts > 0 !== (deadLetterTopic !== undefined)) {
    throw new MillraceError(
      'HTTP_REQUEST_INVALID',
      'Members `maxAttempts` and `deadLetterTopic` go together: after how many failures, and where to.',
      { details: { in: 'body', name: 'deadLetterTopic' } },
    );
  }
  return { ...PUSH_DEFAULTS, ...body, id, match: patterns.map(({ text }) => text), maxAttempts, deadLetterTopic };
}

function listPushes(pushes: Pushes, query: ListPushesQuery): PushList {
  const { prefix = '', cursor, limit = DEFAULT_PAGE } = query;
  const after = cursor === undefined ? undefined : cursorName(cursor);
  const ids = [...pushes.list()]
    .map(({ id }) => id)
    .filter((id) => id.startsWith(prefix) && (after === undefined || id > after));
  const { names, nextCursor } = pageOf(ids, limit);
  return {
    pushes: names.map((id) => {
      const push = pushes.get(id);
      const { match, url } = push.config;
      return { id, match: [...match], url, paused: push.paused, lag: pushes.lag(push) };
    }),
    nextCursor,
  };
}

function viewOf(pushes: Pushes, push: Push): PushView {
  const links = [...pushes.links(push)];
  const { match, deadLetterTopic = null, ...config } = push.config;
  return {
    ...config,
    match: [...match],
    deadLetterTopic,
    createdAt: new Date(push.createdAt).toISOString(),
    paused: push.paused,
    lag: links.reduce((sum, { lag }) => sum + lag, 0),
    partitionCount: links.length,
    partitions: links.toSorted(byUrgency).slice(0, MAX_SHOWN_PARTITIONS).map(linkOf),
  };
}

function byUrgency(one: PushLinkView, other: PushLinkView): number {
  return other.failures - one.failures || other.lag - one.lag || (one.topic < other.topic ? -1 : 1);
}

function linkOf({ lastError, nextAttemptAt, ...view }: PushLinkView): PushView['partitions'][number] {
  return {
    ...view,
    lastError: lastError ?? null,
    nextAttemptAt: nextAttemptAt === undefined ? null : new Date(nextAttemptAt).toISOString(),
  };
}
