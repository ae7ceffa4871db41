/** Media types of records, and how to read their parameters. Styx's names mean the same, so its clients need no change. */
import { MillraceError } from '../../base/errors.ts';
import { mediaType } from './accept.ts';

export const NDJSON = 'application/x-ndjson';
/** Values one behind the other, each ended by a line ending. */
export const LINES = 'application/vnd.millrace.lines';
/** Values one behind the other, each behind its size: i32, big-endian; -1 for none. */
export const SIZED = 'application/vnd.millrace.sized';
/** RecordBatch v2 of Kafka, as it stands in the log. */
export const BATCH = 'application/vnd.millrace.record-batch';

/** What a media type carries. */
export type RecordMedia = 'json' | 'ndjson' | 'raw' | 'lines' | 'sized' | 'batch';

export const MEDIA: Readonly<Record<string, RecordMedia>> = {
  'application/json': 'json',
  [NDJSON]: 'ndjson',
  'application/jsonl': 'ndjson',
  'application/octet-stream': 'raw',
  'text/plain': 'raw',
  [LINES]: 'lines',
  'application/vnd.styx.line-delimited': 'lines',
  [SIZED]: 'sized',
  'application/vnd.styx.binary-records': 'sized',
  [BATCH]: 'batch',
};

export const RECORD_MEDIA_TYPES: readonly string[] = Object.keys(MEDIA);

export function mediaOf(contentType: string | undefined): RecordMedia | undefined {
  const type = mediaType(contentType);
  return Object.hasOwn(MEDIA, type) ? MEDIA[type] : undefined;
}

const LINE_ENDINGS: Readonly<Record<string, string>> = { lf: '\n', crlf: '\r\n', cr: '\r' };

/**
 * `...; line-ending=crlf` in a Content-Type, or behind a type in an Accept header.
 * @returns the characters; those of `lf` where nothing is said.
 * @throws HTTP_REQUEST_INVALID.
 */
export function lineEndingOf(header: string | undefined, name: string): string {
  const asked = /;\s*line-ending\s*=\s*"?([^",;\s]*)/i.exec(header ?? '')?.[1];
  if (asked === undefined) return '\n';
  const word = asked.toLowerCase();
  const ending = Object.hasOwn(LINE_ENDINGS, word) ? LINE_ENDINGS[word] : undefined;
  if (ending !== undefined) return ending;
  throw new MillraceError('HTTP_REQUEST_INVALID', `line-ending in header ${name} must be lf, crlf or cr.`, {
    details: { in: 'headers', name },
  });
}
