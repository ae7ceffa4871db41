/**
 * The heads of requests that `PlainPosts` serves: POSTs with a body of known length, without anything special.
 *
 * A list of what is understood, not of what is not: whatever stands beside it (a header that is not named here or by its
 * kind, chunks, a coding, a condition, an origin, credentials) makes the request the route's. So nothing here has to be
 * refused, and there is one place for each rule. A header that gets a meaning for a route must not be in the list of its
 * kind, and so is not before it has.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

export type RequestHead = Pick<IncomingMessage, 'url' | 'httpVersion' | 'rawHeaders' | 'headers'>;

/** What all kinds of plain requests have. */
export interface PlainHead {
  /** Without the query, as the client wrote it. */
  readonly path: string;
  /** Undefined: there is no `?`. */
  readonly query: string | undefined;
  readonly bodyBytes: number;
  readonly headers: IncomingHttpHeaders;
}

export interface PlainLimits {
  readonly maxUrlBytes: number;
  readonly maxHeaderCount: number;
  /** Of one request. */
  readonly maxBodyBytes: number;
}

const LENGTH = /^[1-9]\d{0,8}$/;

/** Without a meaning for any route. What others may say of a connection, a page or a trace changes nothing here. */
const MEANINGLESS: readonly string[] = [
  'user-agent',
  'accept',
  'accept-encoding',
  'accept-language',
  'cache-control',
  'pragma',
  'priority',
  'sec-fetch-mode',
  'millrace-client-id',
  'traceparent',
  'tracestate',
  'x-request-id',
];

/** @param own headers that mean something to a kind of requests. */
export function understood(own: readonly string[] = []): ReadonlySet<string> {
  return new Set(['host', 'content-type', 'content-length', 'connection', ...MEANINGLESS, ...own]);
}

/** Of a POST. @param names what `understood` gave. @returns undefined where it is not plain. */
export function parsePlainHead(
  { url = '', httpVersion, rawHeaders, headers }: RequestHead,
  limits: PlainLimits,
  names: ReadonlySet<string>,
): PlainHead | undefined {
  if (httpVersion !== '1.1' || url.length > limits.maxUrlBytes) return undefined;
  if (rawHeaders.length > 2 * limits.maxHeaderCount || !areUnderstood(headers, rawHeaders, names)) return undefined;
  if (headers.host === undefined || !LENGTH.test(headers['content-length'] ?? '')) return undefined;
  if ((headers['connection'] ?? 'keep-alive').toLowerCase() !== 'keep-alive') return undefined;
  const bodyBytes = Number(headers['content-length']);
  if (bodyBytes > limits.maxBodyBytes) return undefined;
  const queryAt = url.indexOf('?');
  if (queryAt === -1) return { path: url, query: undefined, bodyBytes, headers };
  return { path: url.slice(0, queryAt), query: url.slice(queryAt + 1), bodyBytes, headers };
}

/** Whether each is, and there once: node leaves out or joins what comes twice. */
function areUnderstood(
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  names: ReadonlySet<string>,
): boolean {
  let count = 0;
  for (const name in headers) {
    if (!names.has(name)) return false;
    count += 1;
  }
  return 2 * count === rawHeaders.length;
}
