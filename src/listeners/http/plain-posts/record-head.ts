/** Heads of plain `POST /v1/topics/{name}/records`: JSON. */
import type { Degree } from '../../../journal/journal.ts';
import { tryFoldTopicName } from '../../../model/topic-name.ts';
import type { ValueFormat } from '../record-input.ts';
import { TOPICS_PATH } from '../topic-path.ts';
import { type PlainHead, type PlainLimits, parsePlainHead, type RequestHead, understood } from './plain-head.ts';

export interface RecordHead extends PlainHead {
  /** Canonical. */
  readonly topicName: string;
  readonly degree: Degree;
  readonly partition: number | undefined;
  readonly format: ValueFormat;
}

const PATH = new RegExp(`^${TOPICS_PATH}/([a-zA-Z0-9._/-]+)/records$`);
const PARAMETER = /^(ack|partition|format)=([a-z]+|\d{1,9})$/;
const JSON_TYPE = /^application\/json(?:; ?charset=utf-8)?$/i;
const UNDERSTOOD = understood();

const DEGREES: ReadonlyMap<string, Degree> = new Map(
  (['durable', 'written', 'admitted'] as const).map((degree) => [degree, degree]),
);
const FORMATS: ReadonlyMap<string, ValueFormat> = new Map(
  (['json', 'text'] as const).map((format) => [format, format]),
);

/** Of a POST. @returns undefined where it is not plain. */
export function parseRecordHead(request: RequestHead, limits: PlainLimits): RecordHead | undefined {
  const plain = parsePlainHead(request, limits, UNDERSTOOD);
  if (plain === undefined || !JSON_TYPE.test(plain.headers['content-type'] ?? '')) return undefined;
  const { path, query, bodyBytes, headers } = plain;
  const topicName = tryFoldTopicName(PATH.exec(path)?.[1] ?? '');
  const parameters = query === undefined ? {} : readQuery(query);
  if (topicName === undefined || parameters === undefined) return undefined;
  const { ack = 'durable', partition, format = 'json' } = parameters;
  const [degree, valueFormat] = [DEGREES.get(ack), FORMATS.get(format)];
  if (degree === undefined || valueFormat === undefined || !/^\d*$/.test(partition ?? '')) return undefined;
  return {
    path,
    query,
    bodyBytes,
    headers,
    topicName,
    degree,
    partition: partition === undefined ? undefined : Number(partition),
    format: valueFormat,
  };
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
