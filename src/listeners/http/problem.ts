/** Refusals as `application/problem+json` (RFC 9457), whoever makes them: a route, fastify, or node's parser. */
import type { Socket } from 'node:net';
import { asMillraceError, type ErrorCode, type ErrorDetails, MillraceError } from '../../base/errors.ts';
import type { Logger } from '../../base/logger.ts';
import { http } from '../../base/node-http.ts';
import { ERROR_STATUS, RETRY_AFTER_SECONDS } from './error-status.ts';

export const PROBLEM_TYPE = 'application/problem+json';

export interface Problem {
  readonly type: 'about:blank';
  readonly title: string;
  readonly status: number;
  /** Of docs/errors.md. */
  readonly code: ErrorCode;
  readonly kind: string;
  readonly detail: string;
  /** Path of the request, without its query. */
  readonly instance?: string;
  readonly details?: ErrorDetails;
}

/** What a program may branch on comes from our own errors only; a stranger's message stays in the log. */
export function problemOf(error: MillraceError, instance?: string): Problem {
  const status = ERROR_STATUS[error.code];
  return {
    type: 'about:blank',
    title: http.STATUS_CODES[status] ?? 'Error',
    status,
    code: error.code,
    kind: error.kind,
    detail:
      error.code === 'INTERNAL' ? 'A defect of the broker. Its log has more, under this request id.' : error.message,
    ...(instance === undefined ? {} : { instance }),
    ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }),
  };
}

/** What fastify and node refuse by themselves, in our codes. */
const FOREIGN_CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['HTTP_BODY_TOO_LARGE', 'The body is larger than this listener accepts. Split it.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['HTTP_MEDIA_TYPE_UNSUPPORTED', 'The Content-Type cannot be read.'],
  FST_ERR_CTP_EMPTY_TYPE: ['HTTP_MEDIA_TYPE_UNSUPPORTED', 'The request has a body but no Content-Type. Send one.'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['HTTP_REQUEST_INVALID', 'The body has another length than Content-Length says.'],
  FST_ERR_BAD_URL: [
    'HTTP_REQUEST_INVALID',
    'The path is not well-formed: a % must begin a percent-encoded UTF-8 character.',
  ],
  FST_ERR_ASYNC_CONSTRAINT: ['HTTP_REQUEST_INVALID', 'The request cannot be routed.'],
  FST_ERR_MAX_PARAM_LENGTH: ['HTTP_URL_TOO_LONG', 'The topic name in the path is too long.'],
  HPE_HEADER_OVERFLOW: ['HTTP_HEADERS_TOO_LARGE', 'Request line and headers are larger than this listener accepts.'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['HTTP_BODY_TOO_LARGE', 'The chunk extensions of the body are too long.'],
  ERR_HTTP_REQUEST_TIMEOUT: [
    'HTTP_TIMED_OUT',
    'The request did not arrive in time. Send it faster or in smaller pieces.',
  ],
};

export function fromForeign(error: unknown): MillraceError {
  if (error instanceof MillraceError) return error;
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? FOREIGN_CODES[code] : undefined;
  if (known !== undefined) return new MillraceError(known[0], known[1], { cause: error });
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new MillraceError('HTTP_REQUEST_INVALID', (error as Error).message, { cause: error });
  }
  return asMillraceError(error);
}

/** Of what is answered with a 500: what the client is not told, under the id that it is. */
export function logDefect(
  logger: Logger,
  error: MillraceError,
  { request, path }: { readonly request: string; readonly path: string },
): void {
  const cause = error.cause instanceof Error ? (error.cause.stack ?? error.cause.message) : error.stack;
  logger.error(error.message, { code: error.code, request, path, cause: cause ?? '' });
}

/** A 503 and a 429 tell when to come back, and a broker that stops asks for a new connection. */
export function problemHeaders(problem: Problem): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  if (problem.status === 503) headers['retry-after'] = String(RETRY_AFTER_SECONDS);
  const { waitMs } = problem.details ?? {};
  if (problem.status === 429 && typeof waitMs === 'number') headers['retry-after'] = String(Math.ceil(waitMs / 1000));
  if (problem.code === 'HTTP_STOPPING') headers['connection'] = 'close';
  return headers;
}

/** For bytes that node's parser could not make a request of: there is no reply object, only the socket. */
export function refuseSocket(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const known = error.code !== undefined && FOREIGN_CODES[error.code] !== undefined;
  const refusal = known
    ? fromForeign(error)
    : new MillraceError('HTTP_REQUEST_INVALID', `This is not HTTP/1.1 as node reads it: ${error.message}.`);
  const problem = problemOf(refusal);
  const body = JSON.stringify(problem);
  const headers = {
    ...problemHeaders(problem),
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('')}\r\n${body}`);
}
