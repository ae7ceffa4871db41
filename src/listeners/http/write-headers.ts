/** What the headers of a write ask for: `Idempotency-Key`, `If-Offset-Match` (docs/protocol.md, "Writing"). */
import { createHash } from 'node:crypto';
import { MillraceError } from '../../base/errors.ts';
import type { ExpectedEnd, KeyedRequest } from '../../broker/idempotency/write-condition.ts';
import type { Topic } from '../../broker/topic.ts';
import { OFFSETS_FORM, onlyPartition, partitionOf } from './position.ts';

const IF_OFFSET_MATCH = 'if-offset-match';
const IDEMPOTENCY_KEY = 'idempotency-key';

const MAX_KEY_LENGTH = 255;
const FINGERPRINT_BYTES = 16;
/** As it is, or quoted as draft-ietf-httpapi-idempotency-key-header has it. */
const KEY_FORM = /^(?:"([!#-~ ]+)"|([!#-~]+))$/;
const ONE_OFFSET = /^\d{1,16}$/;
const OFFSETS = new RegExp(OFFSETS_FORM);
/** Headers that say something of the records: a repeat has the same ones. */
const RECORD_HEADER = /^(?:content-type|if-offset-match|millrace-.*)$/;

export interface WriteRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn, as node received them. */
  readonly rawHeaders: readonly string[];
  readonly body: Uint8Array;
}

/**
 * @param scope what the key is for: a topic, or the route.
 * @throws HTTP_REQUEST_INVALID.
 */
export function keyedRequest(scope: string, request: WriteRequest): KeyedRequest | undefined {
  const given = request.headers[IDEMPOTENCY_KEY];
  if (given === undefined) return undefined;
  const match = typeof given === 'string' && given.length <= MAX_KEY_LENGTH ? KEY_FORM.exec(given) : null;
  const key = match?.[1] ?? match?.[2];
  if (key === undefined) {
    throw refuse(`must be 1 to ${MAX_KEY_LENGTH} printable ASCII characters, like a UUID`, IDEMPOTENCY_KEY);
  }
  return { key: `${scope}\n${key}`, fingerprint: fingerprintOf(request) };
}

/** Where the topic's partitions must end: one offset, or `partition:offset` pairs. @throws HTTP_REQUEST_INVALID. */
export function expectedEnds(
  headers: WriteRequest['headers'],
  partition: number | undefined,
): ((topic: Topic) => readonly ExpectedEnd[]) | undefined {
  const given = headers[IF_OFFSET_MATCH];
  if (given === undefined) return undefined;
  const ends = typeof given === 'string' ? parseEnds(given) : undefined;
  if (ends === undefined) {
    throw refuse('must be an offset, or partition:offset pairs like 0:17,2:5', IF_OFFSET_MATCH);
  }
  return (topic) => endsOf(topic, ends, partition);
}

/** A number goes with the partition of the request; else the pairs name theirs. */
export type Ends = number | readonly (readonly [partition: number, endOffset: number])[];

/** Undefined where the text is neither. */
export function parseEnds(text: string): Ends | undefined {
  if (ONE_OFFSET.test(text)) return Number(text);
  if (!OFFSETS.test(text)) return undefined;
  return text.split(',').map((pair) => pair.split(':').map(Number) as [number, number]);
}

/** @throws HTTP_REQUEST_INVALID where it is not said which partition, BROKER_PARTITION_NOT_FOUND. */
export function endsOf(topic: Topic, ends: Ends, partition: number | undefined): ExpectedEnd[] {
  if (typeof ends !== 'number') {
    return ends.map(([index, endOffset]) => ({ topic, partition: partitionOf(topic, index), endOffset }));
  }
  const only =
    partition === undefined ? onlyPartition(topic, ', or If-Offset-Match: 0:17,2:5') : partitionOf(topic, partition);
  return [{ topic, partition: only, endOffset: ends }];
}

function fingerprintOf({ url, rawHeaders, body }: WriteRequest): Uint8Array {
  const hash = createHash('sha256');
  hash.update(`${queryOf(url)}\n`);
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (RECORD_HEADER.test(name)) hash.update(`${name}: ${rawHeaders[i + 1]}\n`);
  }
  return hash.update('\n').update(body).digest().subarray(0, FINGERPRINT_BYTES);
}

function refuse(what: string, name: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `Header ${name} ${what}.`, { details: { in: 'headers', name } });
}

function queryOf(url: string): string {
  const start = url.indexOf('?');
  return start === -1 ? '' : url.slice(start + 1);
}
