/** CORS (Fetch standard, "CORS protocol"): which browser pages may call. Off unless origins are configured. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { EXPOSED_STREAM_HEADERS } from './streams/headers.ts';

const METHODS = 'GET, HEAD, PUT, POST, PATCH, DELETE';
const EXPOSED = [
  'location',
  'retry-after',
  'millrace-request-id',
  'millrace-partition',
  'millrace-offset',
  'millrace-timestamp',
  'millrace-key',
  'millrace-key-base64',
  'millrace-null-value',
  'millrace-truncated',
  'millrace-next-offset',
  'millrace-next-offsets',
  'millrace-high-watermark',
  'millrace-log-start-offset',
  'idempotent-replayed',
  ...EXPOSED_STREAM_HEADERS,
].join(', ');
/** How long a browser may remember a preflight, seconds; browsers cap it themselves. */
const MAX_AGE = '600';

/** Adds what a browser needs to see. @returns true for a preflight, which is answered by the caller with 204. */
export function applyCors(origins: readonly string[], request: FastifyRequest, reply: FastifyReply): boolean {
  const { origin } = request.headers;
  if (origins.length === 0 || origin === undefined) return false;
  const any = origins.includes('*');
  // Caches must not give one origin's answer to another.
  if (!any) reply.header('vary', 'origin');
  if (!any && !origins.includes(origin)) return false;
  reply.header('access-control-allow-origin', any ? '*' : origin);
  reply.header('access-control-expose-headers', EXPOSED);
  const asked = request.headers['access-control-request-method'];
  if (request.method !== 'OPTIONS' || asked === undefined) return false;
  reply.header('access-control-allow-methods', METHODS);
  reply.header('access-control-allow-headers', request.headers['access-control-request-headers'] ?? '');
  reply.header('access-control-max-age', MAX_AGE);
  return true;
}
