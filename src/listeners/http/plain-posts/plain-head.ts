/**
 * The heads of requests that `PlainPosts` serves: `POST /v1/topics/{name}/records` with JSON, without anything special.
 *
 * A list of what is understood, not of what is not: whatever stands beside it (a header that is not named here, chunks, a
 * coding, a condition, an origin, credentials) makes the request the route's. So nothing here has to be refused, and there is
 * one place for each rule. A header that gets a meaning for this route must not be in the list, and so is not before it has.
 */
import type { IncomingMessage } from 'node:http';
import type { Degree } from '../../../journal/journal.ts';
import { tryFoldTopicName } from '../../../model/topic-name.ts';
import type { ValueFormat } from '../record-input.ts';
import { TOPICS_PATH } from '../topic-path.ts';

export type RequestHead = Pick<IncomingMessage, 'url' | 'httpVersion' | 'rawHeaders'>;

export interface PlainHead {
  /** Without the query, as the client wrote it. */
  readonly path: string;
  /** Canonical. */
  readonly topicName: string;
  readonly degree: Degree;
  readonly partition: number | undefined;
  readonly format: ValueFormat;
  readonly bodyBytes: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface PlainLimits {
  readonly maxUrlBytes: number;
  readonly maxHeaderCount: number;
  /** Of one request. */
  readonly maxBodyBytes: number;
}

const PATH = new RegExp(`^${TOPICS_PATH}/([a-zA-Z0-9._/-]+)/records$`);
const PARAMETER = /^(ack|partition|format)=([a-z]+|\d{1,9})$/;
const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;
const LENGTH = /^[1-9]\d{0,8}$/;

/** Without a meaning for this route. What others may say of a connection, a page or a trace changes nothing here. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  'host',
  'content-type',
  'content-length',
  'connection',
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
]);

const DEGREES: ReadonlyMap<string, Degree> = new Map(
  (['durable', 'written', 'admitted'] as const).map((degree) => [degree, degree]),
);
const FORMATS: ReadonlyMap<string, ValueFormat> = new Map(
  (['json', 'text'] as const).map((format) => [format, format]),
);

/** Of a POST. @returns undefined where it is not plain. */
export function parsePlainHead(request: RequestHead, limits: PlainLimits): PlainHead | undefined {
  const { url = '', httpVersion, rawHeaders } = request;
  if (httpVersion !== '1.1' || url.length > limits.maxUrlBytes) return undefined;
  if (rawHeaders.length > 2 * limits.maxHeaderCount) return undefined;
  const headers = readHeaders(rawHeaders);
  if (headers === undefined || headers['host'] === undefined) return undefined;
  if (!JSON_TYPE.test(headers['content-type'] ?? '') || !LENGTH.test(headers['content-length'] ?? '')) return undefined;
  if ((headers['connection'] ?? 'keep-alive').toLowerCase() !== 'keep-alive') return undefined;
  const bodyBytes = Number(headers['content-length']);
  const [path, query] = splitOnce(url, '?');
  const topicName = tryFoldTopicName(PATH.exec(path)?.[1] ?? '');
  const parameters = query === undefined ? {} : readQuery(query);
  if (topicName === undefined || parameters === undefined || bodyBytes > limits.maxBodyBytes) return undefined;
  const { ack = 'durable', partition, format = 'json' } = parameters;
  const [degree, valueFormat] = [DEGREES.get(ack), FORMATS.get(format)];
  if (degree === undefined || valueFormat === undefined || !/^\d*$/.test(partition ?? '')) return undefined;
  return {
    path,
    topicName,
    degree,
    partition: partition === undefined ? undefined : Number(partition),
    format: valueFormat,
    bodyBytes,
    headers,
  };
}

/** @returns undefined where one is not understood or is there twice. */
function readHeaders(rawHeaders: readonly string[]): Record<string, string> | undefined {
  const headers = Object.create(null) as Record<string, string>;
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (!UNDERSTOOD.has(name) || name in headers) return undefined;
    headers[name] = rawHeaders[i + 1] as string;
  }
  return headers;
}

interface Parameters {
  ack?: string;
  partition?: string;
  format?: string;
}

function readQuery(query: string): Parameters | undefined {
  const parameters: Parameters = {};
  for (const pair of query.split('&')) {
    const [, name, value] = PARAMETER.exec(pair) ?? [];
    if (name === undefined || value === undefined || name in parameters) return undefined;
    parameters[name as keyof Parameters] = value;
  }
  return parameters;
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
