/** What the headers and the query of a stream request ask for. Everything from outside is checked here, once. */
import type { IncomingHttpHeaders } from 'node:http';
import { MillraceError } from '../../../base/errors.ts';
import type { ProducerStamp } from '../../../broker/streams/producer-rules.ts';
import { parseStreamOffset } from '../../../broker/streams/stream-offset.ts';
import { STREAM } from './headers.ts';
import { STREAM_ROOT } from './stream-path.ts';

const WHOLE_NUMBER = /^(?:0|[1-9]\d*)$/;
const DIGITS = /^\d+$/;
/** RFC 3339, with the `T` and the offset in capitals or not. */
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/i;
/** A media type and its parameters; more than any real one has. */
const MEDIA_TYPE = /^[\w!#$&^.+-]{1,127}\/[\w!#$&^.+-]{1,127}[ \t]*(?:;[\t\x20-\x7e]*)?$/;
const MAX_CONTENT_TYPE_LENGTH = 256;
/** Kept in every checkpoint, so no more than an id needs. */
const MAX_PRODUCER_ID_LENGTH = 256;
const MAX_WRITER_SEQ_LENGTH = 256;
/** Some 285 years; a date beyond it is no date any more. */
const MAX_TTL_SECONDS = 9_000_000_000;

/** Where a read begins. */
export type StartOffset =
  | { readonly at: 'beginning' }
  | { readonly at: 'end' }
  | { readonly at: 'record'; readonly offset: number };

export type LiveMode = 'long-poll' | 'sse';

export interface ReadQuery {
  /** Undefined: not given. */
  readonly start: StartOffset | undefined;
  readonly live: LiveMode | undefined;
  readonly cursor: string | undefined;
}

/** Only `true`, in any case, closes; everything else is as good as absent. */
export function closesStream(headers: IncomingHttpHeaders): boolean {
  return one(headers, STREAM.CLOSED)?.toLowerCase() === 'true';
}

/** @returns the content type, or undefined where it is none. */
export function contentTypeOf(headers: IncomingHttpHeaders): string | undefined {
  const given = headers['content-type']?.trim();
  if (given === undefined || given.length > MAX_CONTENT_TYPE_LENGTH) return undefined;
  return MEDIA_TYPE.test(given) ? given : undefined;
}

/** @throws HTTP_REQUEST_INVALID. */
export function expiryOf(headers: IncomingHttpHeaders): {
  ttlSeconds: number | undefined;
  expiresAt: string | undefined;
} {
  const ttl = one(headers, STREAM.TTL);
  const expiresAt = one(headers, STREAM.EXPIRES_AT);
  if (ttl !== undefined && expiresAt !== undefined) {
    throw refuse('Stream-TTL and Stream-Expires-At exclude each other. Give one of them.');
  }
  if (ttl !== undefined && !(WHOLE_NUMBER.test(ttl) && Number(ttl) <= MAX_TTL_SECONDS)) {
    throw refuse(`Stream-TTL must be a whole number of seconds up to ${MAX_TTL_SECONDS}, in plain digits.`);
  }
  if (expiresAt !== undefined && !(RFC_3339.test(expiresAt) && !Number.isNaN(Date.parse(expiresAt)))) {
    throw refuse('Stream-Expires-At must be a time like 2026-11-25T12:00:00Z (RFC 3339).');
  }
  return { ttlSeconds: ttl === undefined ? undefined : Number(ttl), expiresAt };
}

export interface ForkHeaders {
  /** Path below the root, encoded as it came. */
  readonly sourcePath: string;
  readonly offset: number | undefined;
  readonly subOffset: number;
}

/** @throws HTTP_REQUEST_INVALID. @returns undefined where nothing is forked. */
export function forkOf(headers: IncomingHttpHeaders): ForkHeaders | undefined {
  const source = one(headers, STREAM.FORKED_FROM);
  const offset = one(headers, STREAM.FORK_OFFSET);
  const subOffset = one(headers, STREAM.FORK_SUB_OFFSET);
  if (source === undefined) {
    if (offset === undefined && subOffset === undefined) return undefined;
    throw refuse('Stream-Fork-Offset and Stream-Fork-Sub-Offset go with Stream-Forked-From only.');
  }
  if (!source.startsWith(STREAM_ROOT)) {
    throw refuse(`Stream-Forked-From must be the path of a stream of this server: ${STREAM_ROOT}...`);
  }
  const parsed = offset === undefined ? undefined : parseStreamOffset(offset);
  if (offset !== undefined && parsed === undefined) throw refuse('Stream-Fork-Offset is no offset of this server.');
  if (subOffset !== undefined && !(WHOLE_NUMBER.test(subOffset) && Number.isSafeInteger(Number(subOffset)))) {
    throw refuse('Stream-Fork-Sub-Offset must be a whole number, in plain digits.');
  }
  const sub = Number(subOffset ?? 0);
  if (sub > 0 && parsed === undefined)
    throw refuse('Stream-Fork-Sub-Offset counts from Stream-Fork-Offset. Give both.');
  return { sourcePath: source.slice(STREAM_ROOT.length), offset: parsed, subOffset: sub };
}

/** @throws HTTP_REQUEST_INVALID. */
export function producerOf(headers: IncomingHttpHeaders): ProducerStamp | undefined {
  const id = one(headers, STREAM.PRODUCER_ID);
  const epoch = one(headers, STREAM.PRODUCER_EPOCH);
  const seq = one(headers, STREAM.PRODUCER_SEQ);
  if (id === undefined && epoch === undefined && seq === undefined) return undefined;
  if (id === undefined || epoch === undefined || seq === undefined) {
    throw refuse('Producer-Id, Producer-Epoch and Producer-Seq belong together. Give all three or none.');
  }
  if (id.length === 0 || id.length > MAX_PRODUCER_ID_LENGTH) {
    throw refuse(`Producer-Id must have 1 to ${MAX_PRODUCER_ID_LENGTH} characters.`);
  }
  return { id, epoch: producerNumber('Producer-Epoch', epoch), seq: producerNumber('Producer-Seq', seq) };
}

/** @throws HTTP_REQUEST_INVALID. */
export function writerSeqOf(headers: IncomingHttpHeaders): string | undefined {
  const given = one(headers, STREAM.SEQ);
  if (given === undefined || given.length <= MAX_WRITER_SEQ_LENGTH) return given;
  throw refuse(`Stream-Seq has ${given.length} characters; ${MAX_WRITER_SEQ_LENGTH} are allowed.`);
}

/** @throws HTTP_REQUEST_INVALID. */
export function readQueryOf(url: string): ReadQuery {
  const queryAt = url.indexOf('?');
  if (queryAt === -1) return { start: undefined, live: undefined, cursor: undefined };
  const query = new URLSearchParams(url.slice(queryAt + 1));
  const offsets = query.getAll('offset');
  if (offsets.length > 1) throw refuse('`offset` is given more than once.');
  const live = query.get('live');
  if (live !== null && live !== 'long-poll' && live !== 'sse' && live !== 'false') {
    throw refuse('`live` is long-poll or sse.');
  }
  const start = offsets[0] === undefined ? undefined : startOf(offsets[0]);
  const mode = live === null || live === 'false' ? undefined : live;
  if (mode !== undefined && start === undefined) throw refuse('`live` needs an `offset` to begin at.');
  return { start, live: mode, cursor: query.get('cursor') ?? undefined };
}

function startOf(text: string): StartOffset {
  if (text === '-1') return { at: 'beginning' };
  if (text === 'now') return { at: 'end' };
  const offset = parseStreamOffset(text);
  if (offset === undefined) throw refuse('`offset` is no offset of this server, nor -1 or now.');
  return { at: 'record', offset };
}

function producerNumber(name: string, text: string): number {
  const value = DIGITS.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw refuse(`${name} must be a whole number up to 2^53 - 1, in plain digits.`);
}

function one(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

function refuse(message: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', message);
}
