/** `/v1/stream/__ds/...`: subscriptions, their workers' reports, and the keys of webhooks (docs/protocol.md, "Subscriptions"). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asMillraceError, type ErrorCode, MillraceError } from '../../../base/errors.ts';
import type { HttpContext } from '../context.ts';
import { fromForeign, problemHeaders, problemOf } from '../problem.ts';
import { STREAM_ROOT } from './stream-path.ts';
import { parseAdded, parseClaim, parseReport, parseSubscription } from './subscription-body.ts';
import { claimJson, subscriptionJson } from './subscription-json.ts';

const ROOT = `${STREAM_ROOT}__ds`;
const PATH = `${ROOT}/subscriptions/:id`;
const MAX_ID_LENGTH = 256;

type SubscriptionRequest = FastifyRequest<{ Params: { id: string; '*'?: string }; Body: Buffer | undefined }>;

/** The protocol's own names for what went wrong; in the body beside ours. */
const PROTOCOL_CODES: Partial<Readonly<Record<ErrorCode, string>>> = {
  BROKER_SUBSCRIPTION_NOT_FOUND: 'SUBSCRIPTION_NOT_FOUND',
  BROKER_SUBSCRIPTION_EXISTS: 'SUBSCRIPTION_ALREADY_EXISTS',
  BROKER_SUBSCRIPTION_FENCED: 'FENCED',
  BROKER_SUBSCRIPTION_CLAIMED: 'ALREADY_CLAIMED',
  BROKER_SUBSCRIPTION_IDLE: 'NO_PENDING_WORK',
  BROKER_SUBSCRIPTION_OFFSET_INVALID: 'INVALID_OFFSET',
  HTTP_WEBHOOK_URL_REJECTED: 'WEBHOOK_URL_REJECTED',
  HTTP_TOKEN_INVALID: 'TOKEN_INVALID',
  HTTP_TOKEN_EXPIRED: 'TOKEN_EXPIRED',
};

export function subscriptionRoutes(app: FastifyInstance, { broker }: HttpContext): void {
  const { subscriptions } = broker;
  app.setErrorHandler((error, request, reply) => refuse(error, request, reply));

  app.put(PATH, async (request: SubscriptionRequest, reply) => {
    const baseUrl = `${request.protocol}://${request.host}`;
    const spec = parseSubscription(idOf(request), baseUrl, request.body);
    const { subscription, created } = await subscriptions.create(spec);
    const [key] = await subscriptions.keys();
    return reply.code(created ? 201 : 200).send(subscriptionJson(subscription, subscriptions.view(subscription), key));
  });

  app.get(PATH, async (request: SubscriptionRequest, reply) => {
    const subscription = subscriptions.get(idOf(request));
    const [key] = await subscriptions.keys();
    return reply
      .header('cache-control', 'no-store')
      .send(subscriptionJson(subscription, subscriptions.view(subscription), key));
  });

  app.delete(PATH, async (request: SubscriptionRequest, reply) => {
    await subscriptions.delete(idOf(request));
    return reply.code(204).send();
  });

  app.post(`${PATH}/streams`, async (request: SubscriptionRequest, reply) => {
    await subscriptions.addStreams(idOf(request), parseAdded(request.body));
    return reply.code(204).send();
  });

  app.delete(`${PATH}/streams/*`, async (request: SubscriptionRequest, reply) => {
    const [name = ''] = parseAdded(Buffer.from(JSON.stringify({ streams: [request.params['*'] ?? ''] })));
    await subscriptions.removeStream(idOf(request), name);
    return reply.code(204).send();
  });

  app.post(`${PATH}/claim`, async (request: SubscriptionRequest, reply) => {
    const claim = await subscriptions.claim(idOf(request), parseClaim(request.body));
    return reply.header('cache-control', 'no-store').send(claimJson(claim));
  });

  for (const [action, type] of [
    ['callback', 'webhook'],
    ['ack', 'pull-wake'],
  ] as const) {
    app.post(`${PATH}/${action}`, async (request: SubscriptionRequest, reply) => {
      const report = parseReport(bearerOf(request), request.body);
      const nextWake = await subscriptions.report(idOf(request), type, report);
      return reply.send({ ok: true, next_wake: nextWake });
    });
  }

  app.post(`${PATH}/release`, async (request: SubscriptionRequest, reply) => {
    const report = { ...parseReport(bearerOf(request), request.body), acks: [], done: true };
    await subscriptions.report(idOf(request), 'pull-wake', report);
    return reply.code(204).send();
  });

  app.get(`${ROOT}/jwks.json`, async (_request, reply) => {
    const keys = await subscriptions.keys();
    reply.header('content-type', 'application/jwk-set+json').header('cache-control', 'public, max-age=300');
    return reply.send(JSON.stringify({ keys }));
  });
}

function idOf({ params }: SubscriptionRequest): string {
  const { id } = params;
  if (id.length > 0 && id.length <= MAX_ID_LENGTH) return id;
  throw new MillraceError('HTTP_REQUEST_INVALID', `A subscription id has 1 to ${MAX_ID_LENGTH} characters.`);
}

/** @throws HTTP_TOKEN_INVALID. */
function bearerOf({ headers }: FastifyRequest): string {
  const match = /^Bearer ([\w.~+/=-]+)$/i.exec(headers.authorization ?? '');
  if (match?.[1] !== undefined) return match[1];
  throw new MillraceError('HTTP_TOKEN_INVALID', 'Send the token of the wake or claim: Authorization: Bearer ...');
}

/** A problem, and in it what clients of the protocol look for. */
function refuse(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const error = asMillraceError(fromForeign(thrown));
  const problem = problemOf(error, request.originalUrl.split('?')[0]);
  const code = PROTOCOL_CODES[error.code] ?? 'INVALID_REQUEST';
  const holder =
    error.code === 'BROKER_SUBSCRIPTION_CLAIMED'
      ? { current_holder: error.details['currentHolder'], generation: error.details['generation'] }
      : {};
  const body = { ...problem, error: { code, message: problem.detail, ...holder } };
  reply.code(problem.status).headers(problemHeaders(problem)).send(JSON.stringify(body));
}
