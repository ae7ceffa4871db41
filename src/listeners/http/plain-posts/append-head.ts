/** Heads of plain `POST /v1/stream/{path}`: what a request asks for is read as its route reads it. */
import { MillraceError } from '../../../base/errors.ts';
import { type AppendHead, appendHeadOf } from '../streams/append-stream.ts';
import { STREAM } from '../streams/headers.ts';
import { STREAM_ROOT } from '../streams/stream-path.ts';
import { type PlainHead, type PlainLimits, parsePlainHead, type RequestHead, understood } from './plain-head.ts';

export interface PlainAppendHead extends PlainHead {
  readonly append: AppendHead;
}

/** Nothing encoded, and no query. */
const PATH = new RegExp(`^${STREAM_ROOT}[a-zA-Z0-9._/-]+$`);
const UNDERSTOOD = understood([
  STREAM.SEQ,
  STREAM.CLOSED,
  STREAM.PRODUCER_ID,
  STREAM.PRODUCER_EPOCH,
  STREAM.PRODUCER_SEQ,
]);

/** Of a POST. @returns undefined where it is not plain. */
export function parseAppendHead(request: RequestHead, limits: PlainLimits): PlainAppendHead | undefined {
  const plain = parsePlainHead(request, limits, UNDERSTOOD);
  if (plain === undefined || plain.query !== undefined || !PATH.test(plain.path)) return undefined;
  const append = tryAppendHead(plain);
  if (append?.contentType === undefined) return undefined;
  const { path, query, bodyBytes, headers } = plain;
  return { path, query, bodyBytes, headers, append };
}

/** What is wrong with a head is said by the route. */
function tryAppendHead({ path, headers }: PlainHead): AppendHead | undefined {
  try {
    return appendHeadOf(path, headers);
  } catch (error) {
    if (error instanceof MillraceError) return undefined;
    throw error;
  }
}
