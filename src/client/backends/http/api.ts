/** Requests to the HTTP interface of Millrace (docs/protocol.md), with fetch alone. */
import type { Clock } from '../../../base/clock.ts';
import { ERROR_KINDS, type ErrorCode, type ErrorDetails, MillraceError } from '../../../base/errors.ts';
import { abortError, delay } from '../../abort.ts';
import { failureMessage } from '../../failure-message.ts';

export interface Api {
  readonly origin: string;
  readonly clock: Clock;
  readonly headers: Readonly<Record<string, string>>;
}

export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly body?: unknown;
  /** Beside those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

interface Problem {
  readonly code?: string;
  readonly detail?: string;
  readonly details?: ErrorDetails;
}

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2000;

/** @throws MillraceError with the broker's own code; CLIENT_NETWORK, CLIENT_ABORTED, CLIENT_REFUSED. */
export async function request<T>(api: Api, path: string, options: ApiRequest = {}): Promise<T> {
  const response = await send(api, path, options);
  const text = await readText(response, api, options.signal);
  if (response.ok) return (text === '' ? undefined : parse(text)) as T;
  throw refusal(response.status, parse(text));
}

/** As `request`, tried again while the broker is away or overloaded: for what may be done twice. */
export async function persist<T>(api: Api, path: string, options: ApiRequest): Promise<T> {
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 2, LAST_RETRY_MS)) {
    try {
      return await request<T>(api, path, options);
    } catch (error) {
      if (!(error instanceof MillraceError) || !isPassing(error)) throw error;
      await delay(api.clock, waitMs, options.signal);
    }
  }
}

export function topicPath(topic: string, rest = ''): string {
  return `/v1/topics/${encodeURIComponent(topic)}${rest}`;
}

/** Kinds that waiting helps: the broker is away, stopping, starting or overloaded. */
function isPassing({ code, kind }: MillraceError): boolean {
  return kind === 'retry' || code === 'HTTP_STOPPING' || code === 'BROKER_CLOSED' || code === 'JOURNAL_CLOSED';
}

async function send(api: Api, path: string, options: ApiRequest): Promise<Response> {
  const { method = 'GET', body, headers, signal } = options;
  try {
    return await fetch(`${api.origin}${path}`, {
      method,
      headers: {
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...api.headers,
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    throw networkError(api, error, signal);
  }
}

async function readText(response: Response, api: Api, signal: AbortSignal | undefined): Promise<string> {
  try {
    return await response.text();
  } catch (error) {
    throw networkError(api, error, signal);
  }
}

function networkError(api: Api, error: unknown, signal: AbortSignal | undefined): MillraceError {
  if (signal?.aborted === true) return abortError(signal);
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MillraceError('CLIENT_NETWORK', failureMessage(`No answer from ${api.origin}`, why), {
    details: { address: api.origin },
    cause: error,
  });
}

function refusal(status: number, problem: unknown): MillraceError {
  const { code, detail, details } = (typeof problem === 'object' && problem !== null ? problem : {}) as Problem;
  const known = code !== undefined && Object.hasOwn(ERROR_KINDS, code);
  if (known)
    return new MillraceError(
      code === 'BROKER_TOPIC_NOT_FOUND' ? 'CLIENT_TOPIC_NOT_FOUND' : (code as ErrorCode),
      detail ?? code,
      details === undefined ? {} : { details },
    );
  return new MillraceError('CLIENT_REFUSED', `HTTP ${status}${detail === undefined ? '' : `: ${detail}`}`, {
    details: { status },
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new MillraceError('CLIENT_REFUSED', 'The answer is no JSON: is this the HTTP address of a Millrace broker?');
  }
}
