/** What requests about pushes may say and answers do say. As in schemas.ts; semantics: docs/protocol.md. */
import type { XStatic } from 'typebox/schema';
import { array, BOOLEAN, INTEGER, object, oneOf, STRING, text, whole } from '../schemas.ts';

const MAX_PATTERNS = 100;
const ID_FORM = '^[A-Za-z0-9._-]{1,100}$';
const KIB = 1024;

export const PushParams = object({ id: text(ID_FORM, '1 to 100 of A-Z a-z 0-9 . _ -') }, ['id']);
export type PushParams = XStatic<typeof PushParams>;

export const PushBody = object(
  {
    match: {
      type: ['string', 'array'],
      items: STRING,
      minItems: 1,
      maxItems: MAX_PATTERNS,
      expected: `1 to ${MAX_PATTERNS} globs over topic names`,
    },
    url: { type: 'string', expected: 'the URL of the application' },
    start: oneOf('earliest', 'latest'),
    format: oneOf('text', 'json', 'base64'),
    maxRecords: whole(1, 10_000),
    maxBytes: whole(1, KIB * KIB),
    concurrency: whole(1, 64),
    timeoutMs: whole(100, 120_000),
    maxAttempts: whole(0, 1_000),
    deadLetterTopic: { type: 'string', expected: 'the name of a topic' },
  },
  ['match', 'url'],
);
export type PushBody = XStatic<typeof PushBody>;

/** What is not said. */
export const PUSH_DEFAULTS = {
  start: 'earliest',
  format: 'text',
  maxRecords: 100,
  maxBytes: 256 * KIB,
  // As many as Pyramid's pusher has workers.
  concurrency: 5,
  timeoutMs: 30_000,
  maxAttempts: 0,
} as const;

export const ListPushesQuery = object(
  {
    prefix: STRING,
    limit: whole(1, 1000),
    cursor: text('^[A-Za-z0-9_-]+$', 'the nextCursor of the page before'),
  },
  [],
);
export type ListPushesQuery = XStatic<typeof ListPushesQuery>;

const PushSummary = object({ id: STRING, match: array(STRING), url: STRING, paused: BOOLEAN, lag: INTEGER }, [
  'id',
  'match',
  'url',
  'paused',
  'lag',
]);

export const PushList = object({ pushes: array(PushSummary), nextCursor: { type: ['string', 'null'] } }, [
  'pushes',
  'nextCursor',
]);
export type PushList = XStatic<typeof PushList>;

/** Partitions in a description: the failing ones first, then those that lag most. */
export const MAX_SHOWN_PARTITIONS = 1_000;

const PartitionView = object(
  {
    topic: STRING,
    partition: INTEGER,
    ackedOffset: INTEGER,
    endOffset: INTEGER,
    lag: INTEGER,
    state: oneOf('idle', 'ready', 'delivering', 'waiting'),
    failures: INTEGER,
    lastError: { type: ['string', 'null'] },
    nextAttemptAt: { type: ['string', 'null'] },
  },
  ['topic', 'partition', 'ackedOffset', 'endOffset', 'lag', 'state', 'failures', 'lastError', 'nextAttemptAt'],
);

export const PushView = object(
  {
    id: STRING,
    match: array(STRING),
    url: STRING,
    start: STRING,
    format: STRING,
    maxRecords: INTEGER,
    maxBytes: INTEGER,
    concurrency: INTEGER,
    timeoutMs: INTEGER,
    maxAttempts: INTEGER,
    deadLetterTopic: { type: ['string', 'null'] },
    createdAt: STRING,
    paused: BOOLEAN,
    lag: INTEGER,
    partitionCount: INTEGER,
    partitions: array(PartitionView),
  },
  [
    'id',
    'match',
    'url',
    'start',
    'format',
    'maxRecords',
    'maxBytes',
    'concurrency',
    'timeoutMs',
    'maxAttempts',
    'deadLetterTopic',
    'createdAt',
    'paused',
    'lag',
    'partitionCount',
    'partitions',
  ],
);
export type PushView = XStatic<typeof PushView>;
