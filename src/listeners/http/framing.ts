/** How a stream of records is written: as lines of NDJSON, or as Server-Sent Events. */
import { MillraceError } from '../../base/errors.ts';
import { negotiate } from './accept.ts';
import type { Problem } from './problem.ts';

/** What stands around a record, which is one JSON object without a line break. */
export interface RecordFrame {
  /** Stand before and behind the id, which says where to go on behind the record; undefined: the frame has none. */
  readonly id: { readonly before: string; readonly after: string } | undefined;
  /** Ends the record. */
  readonly end: string;
}

/** Where something else says what is one record. */
export const NO_FRAME: RecordFrame = { id: undefined, end: '' };

export interface Framing extends RecordFrame {
  readonly contentType: string;
  /** Tells a dead connection from a quiet one, and where to go on. Empty: there is no way to say so. */
  heartbeat(id: string | undefined): string;
  /** The last thing that is written. Undefined: nothing can be said, and the connection is cut instead. */
  failure(problem: Problem): string | undefined;
}

export const NDJSON_FRAMING: Framing = {
  contentType: 'application/x-ndjson',
  id: undefined,
  end: '\n',
  heartbeat: () => '\n',
  failure: (problem) => `{"error":${JSON.stringify(problem)}}\n`,
};

/** Source: the HTML standard, "Server-sent events". An event without data moves the browser's last event id alone. */
export const EVENT_FRAMING = {
  contentType: 'text/event-stream',
  id: { before: 'id: ', after: '\ndata: ' },
  end: '\n\n',
  heartbeat: (id: string | undefined) => (id === undefined ? ':\n\n' : `id: ${id}\n\n`),
  failure: (problem: Problem) => `event: error\ndata: ${JSON.stringify(problem)}\n\n`,
} as const satisfies Framing;

const FRAMINGS: Readonly<Record<string, Framing>> = {
  'application/x-ndjson': NDJSON_FRAMING,
  'application/jsonl': NDJSON_FRAMING,
  'text/event-stream': EVENT_FRAMING,
};
const STREAM_TYPES = Object.keys(FRAMINGS);

/** Whether an answer of this type has an end only when the client or the broker ends it. */
export function wantsEvents(accept: string | undefined): boolean {
  return /(?:^|[,\s])text\/event-stream\b/i.test(accept ?? '');
}

/** @throws HTTP_NOT_ACCEPTABLE. */
export function framingFor(accept: string | undefined): Framing {
  const type = negotiate(accept, STREAM_TYPES);
  const framing = type === undefined ? undefined : FRAMINGS[type];
  if (framing !== undefined) return framing;
  throw new MillraceError('HTTP_NOT_ACCEPTABLE', `A follow is ${STREAM_TYPES.join(', ')}. Accept one of them.`);
}
