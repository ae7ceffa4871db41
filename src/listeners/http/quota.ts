/**
 * What holds clients back over HTTP, by what their route counts as (`config.quota`): quotas, and the pace of the governor.
 *
 * Quotas are the bytes a second of a client id that Kafka clients are held to, here by the header `Millrace-Client-Id`. Who
 * names none is measured by its address, against the default.
 *
 * A request that comes while its client owes time is refused with 429 and `Retry-After`, before its body is read. What has
 * no next request waits instead: follows between two pieces (follow.ts), WebSockets by not being read (../ws).
 * As with Kafka (KIP-219) a request is never cut: it is counted when it is over, and the next one waits for it.
 *
 * While the broker slows producers down (`../../broker/governor`) a write waits before its body is read: a client that waits
 * for its answer sends no more meanwhile.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { MillraceError } from '../../base/errors.ts';
import type { Broker } from '../../broker/broker.ts';
import type { QuotaKind, Quotas } from '../../broker/quotas/quotas.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What requests of this route count for: bytes of their body, or of their answer. */
    quota?: QuotaKind;
  }
}

export const CLIENT_ID_HEADER = 'millrace-client-id';
/** Before an address, so that nobody's client id can be one. */
const ADDRESS = '\0address ';

export function quotaClientOf({ headers, socket }: IncomingMessage): string {
  const named = headers[CLIENT_ID_HEADER];
  return typeof named === 'string' && named !== '' ? named : `${ADDRESS}${socket.remoteAddress ?? ''}`;
}

/** For all routes of the app that are registered later. */
export function holdBack(app: FastifyInstance, { quotas, governor, clock }: Broker): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { quota: kind } = request.routeOptions.config;
    if (kind !== undefined && quotas.active) refuseDebtor(quotas, kind, quotaClientOf(request.raw));
    const waitMs = kind === 'producer' ? governor.waitMs() : 0;
    if (waitMs === 0) done();
    else clock.schedule(waitMs, () => done());
  });
  app.addHook('preValidation', (request, _reply, done) => {
    if (countedAs(quotas, request) === 'producer') {
      quotas.use('producer', quotaClientOf(request.raw), request.held.heldBytes);
    }
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    if (reply.statusCode < 300 && countedAs(quotas, request) === 'consumer') {
      quotas.use('consumer', quotaClientOf(request.raw), sizeOf(payload));
    }
    done();
  });
}

function countedAs(quotas: Quotas, request: FastifyRequest): QuotaKind | undefined {
  return quotas.active ? request.routeOptions.config.quota : undefined;
}

/** @throws HTTP_QUOTA_EXCEEDED. */
function refuseDebtor(quotas: Quotas, kind: QuotaKind, clientId: string): void {
  const waitMs = quotas.waitOf(kind, clientId);
  if (waitMs === 0) return;
  const bytesPerSecond = quotas.limitOf(kind, clientId) ?? 0;
  const what = kind === 'producer' ? 'written' : 'read';
  throw new MillraceError(
    'HTTP_QUOTA_EXCEEDED',
    `This client has ${what} more than its ${bytesPerSecond} bytes a second. Come back in ${waitMs} ms.`,
    { details: { bytesPerSecond, waitMs } },
  );
}

function sizeOf(payload: unknown): number {
  if (typeof payload === 'string') return Buffer.byteLength(payload);
  return payload instanceof Uint8Array ? payload.length : 0;
}
