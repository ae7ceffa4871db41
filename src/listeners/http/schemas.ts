/**
 * What requests may say and answers do say: JSON Schema and TypeScript type in one. Semantics: docs/protocol.md.
 *
 * The schemas are plain literals and typebox gives their types, which costs nothing at run time: its builders would be a
 * fifth of the time to start (`validator.ts` loads the checker later, too).
 */
import type { XStatic } from 'typebox/schema';
import { OFFSET_FORM, OFFSETS_FORM, PARTITION_FORM } from './position.ts';
import type { HttpSettings } from './settings.ts';
import { TIMESTAMP_FORM } from './timestamp.ts';

/** Largest offset, timestamp and size: JSON numbers are doubles. */
export const MAX_INTEGER = Number.MAX_SAFE_INTEGER;
const MAX_COUNT = 0x7fff_ffff;

export const NULLABLE_STRING = { type: ['string', 'null'] } as const;
export const STRING = { type: 'string' } as const;
export const INTEGER = { type: 'integer' } as const;
export const BOOLEAN = { type: 'boolean' } as const;

/** An object with these members and no others; all but the `required` ones may be left out. */
export function object<const P extends Readonly<Record<string, object>>, const R extends readonly (keyof P & string)[]>(
  properties: P,
  required: R,
) {
  return { type: 'object', properties, required, additionalProperties: false } as const;
}

export function array<const T extends object>(items: T) {
  return { type: 'array', items } as const;
}

export function oneOf<const T extends readonly string[]>(...values: T) {
  return { enum: values, expected: values.join(' or ') } as const;
}

export function text<const T extends string>(pattern: string, expected: T) {
  return { type: 'string', pattern, expected } as const;
}

export function whole(minimum: number, maximum: number, expected = `a whole number from ${minimum} to ${maximum}`) {
  return { type: 'integer', minimum, maximum, expected } as const;
}

export const TopicParams = object({ name: STRING }, ['name']);
export type TopicParams = XStatic<typeof TopicParams>;

export const CreateTopicBody = object(
  {
    name: { type: 'string', expected: 'a string' },
    partitions: whole(1, MAX_COUNT, 'a whole number from 1'),
    config: {
      type: 'object',
      additionalProperties: { type: ['string', 'number', 'boolean'] },
      expected: 'a string, number or boolean; config is an object of settings',
    },
  },
  ['name'],
);
export type CreateTopicBody = XStatic<typeof CreateTopicBody>;

export const AddPartitionsBody = object({ partitions: whole(1, MAX_COUNT, 'the total from now on, from 1') }, [
  'partitions',
]);
export type AddPartitionsBody = XStatic<typeof AddPartitionsBody>;

/** Of the moment; a number for each thing that is. */
export const StatsView = object(
  {
    version: STRING,
    clusterId: STRING,
    brokerId: INTEGER,
    upSeconds: INTEGER,
    ready: BOOLEAN,
    topics: INTEGER,
    partitions: INTEGER,
    records: INTEGER,
    groups: INTEGER,
    streams: INTEGER,
    subscriptions: INTEGER,
    pushes: INTEGER,
    producedRecords: INTEGER,
    producedBytes: INTEGER,
    httpConnections: INTEGER,
    httpReaders: INTEGER,
    memoryBytes: INTEGER,
    diskFreeBytes: INTEGER,
    diskTotalBytes: INTEGER,
  },
  [
    'version',
    'clusterId',
    'brokerId',
    'upSeconds',
    'ready',
    'topics',
    'partitions',
    'records',
    'groups',
    'streams',
    'subscriptions',
    'pushes',
    'producedRecords',
    'producedBytes',
    'httpConnections',
    'httpReaders',
    'memoryBytes',
    'diskFreeBytes',
    'diskTotalBytes',
  ],
);
export type StatsView = XStatic<typeof StatsView>;

export const ListClientsQuery = object(
  {
    transport: oneOf('kafka', 'http', 'websocket'),
    limit: whole(1, 1000),
    cursor: text('^[A-Za-z0-9_-]+$', 'the nextCursor of the page before'),
  },
  [],
);
export type ListClientsQuery = XStatic<typeof ListClientsQuery>;

export const ClientView = object(
  {
    id: STRING,
    transport: STRING,
    clientId: NULLABLE_STRING,
    software: NULLABLE_STRING,
    host: STRING,
    port: INTEGER,
    connectedAt: INTEGER,
    requests: INTEGER,
    receivedBytes: INTEGER,
    sentBytes: INTEGER,
  },
  ['id', 'transport', 'clientId', 'software', 'host', 'port', 'connectedAt', 'requests', 'receivedBytes', 'sentBytes'],
);
export type ClientView = XStatic<typeof ClientView>;

export const ClientList = object({ clients: array(ClientView), nextCursor: NULLABLE_STRING }, [
  'clients',
  'nextCursor',
]);
export type ClientList = XStatic<typeof ClientList>;

export const ConfigPatch = {
  type: 'object',
  additionalProperties: { type: ['string', 'number', 'boolean', 'null'] },
} as const;
export type ConfigPatch = XStatic<typeof ConfigPatch>;

const ByteRate = {
  type: ['integer', 'null'],
  minimum: 1,
  maximum: MAX_INTEGER,
  expected: 'a whole number of bytes a second from 1, or null for no limit',
} as const;

export const ClientParams = object({ clientId: STRING }, ['clientId']);
export type ClientParams = XStatic<typeof ClientParams>;

export const QuotaBody = object({ producerByteRate: ByteRate, consumerByteRate: ByteRate }, []);
export type QuotaBody = XStatic<typeof QuotaBody>;

export const QuotaView = object(
  {
    clientId: NULLABLE_STRING,
    producerByteRate: { type: ['integer', 'null'] },
    consumerByteRate: { type: ['integer', 'null'] },
  },
  ['clientId', 'producerByteRate', 'consumerByteRate'],
);
export type QuotaView = XStatic<typeof QuotaView>;

export const QuotaList = object({ quotas: array(QuotaView) }, ['quotas']);
export type QuotaList = XStatic<typeof QuotaList>;

export const ListTopicsQuery = object(
  {
    prefix: STRING,
    match: STRING,
    limit: whole(1, 1000),
    cursor: text('^[A-Za-z0-9_-]+$', 'the nextCursor of the page before'),
  },
  [],
);
export type ListTopicsQuery = XStatic<typeof ListTopicsQuery>;

const TopicSummary = object({ name: STRING, id: STRING, partitionCount: INTEGER }, ['name', 'id', 'partitionCount']);
export const TopicList = object({ topics: array(TopicSummary), nextCursor: NULLABLE_STRING }, ['topics', 'nextCursor']);
export type TopicList = XStatic<typeof TopicList>;

/** How far a partition of a compacted topic is compacted. */
const CompactionView = object({ compactedThrough: INTEGER, dirtyBytes: INTEGER, dirtyRatio: { type: 'number' } }, [
  'compactedThrough',
  'dirtyBytes',
  'dirtyRatio',
]);

export const PartitionList = object(
  {
    partitions: array(
      object(
        {
          partition: INTEGER,
          logStartOffset: INTEGER,
          highWatermark: INTEGER,
          sizeBytes: INTEGER,
          oldestTimestamp: { type: ['string', 'null'] },
          expiresAt: { type: ['string', 'null'] },
          compaction: { anyOf: [CompactionView, { type: 'null' }] },
        },
        ['partition', 'logStartOffset', 'highWatermark', 'sizeBytes', 'oldestTimestamp', 'expiresAt', 'compaction'],
      ),
    ),
  },
  ['partitions'],
);
export type PartitionList = XStatic<typeof PartitionList>;

const PartitionView = object({ partition: INTEGER, logStartOffset: INTEGER, highWatermark: INTEGER }, [
  'partition',
  'logStartOffset',
  'highWatermark',
]);
export const TopicView = object(
  {
    name: STRING,
    id: STRING,
    partitionCount: INTEGER,
    partitions: array(PartitionView),
    config: { type: 'object', additionalProperties: STRING },
  },
  ['name', 'id', 'partitionCount', 'partitions', 'config'],
);
export type TopicView = XStatic<typeof TopicView>;

const ConfigEntryView = object(
  {
    name: STRING,
    value: STRING,
    source: STRING,
    isDefault: BOOLEAN,
    readOnly: BOOLEAN,
    type: STRING,
    documentation: STRING,
  },
  ['name', 'value', 'source', 'isDefault', 'readOnly', 'type', 'documentation'],
);
export const ConfigView = object({ config: array(ConfigEntryView) }, ['config']);
export type ConfigView = XStatic<typeof ConfigView>;

export const PartitionNumber = whole(0, MAX_COUNT, 'a partition number from 0');
const Timestamp = { type: 'string', expected: TIMESTAMP_FORM } as const;

export const ProduceQuery = object(
  {
    ack: oneOf('durable', 'written', 'admitted'),
    partition: PartitionNumber,
    format: oneOf('json', 'text'),
    offsets: oneOf('each'),
    key: STRING,
    keyBase64: STRING,
    timestamp: Timestamp,
  },
  [],
);
export type ProduceQuery = XStatic<typeof ProduceQuery>;

export const CommitQuery = object({ ack: oneOf('durable', 'written', 'admitted'), offsets: oneOf('each') }, []);
export type CommitQuery = XStatic<typeof CommitQuery>;

export const ProduceAnswer = object(
  {
    topic: STRING,
    count: INTEGER,
    partitions: array(
      object({ partition: INTEGER, baseOffset: INTEGER, count: INTEGER, repeats: INTEGER }, [
        'partition',
        'baseOffset',
        'count',
      ]),
    ),
    records: array(object({ partition: INTEGER, offset: INTEGER }, ['partition', 'offset'])),
  },
  ['topic', 'count', 'partitions'],
);
export type ProduceAnswer = XStatic<typeof ProduceAnswer>;

export const DeleteRecordsQuery = object(
  {
    before: text('^(?:end|\\d{1,16})$', 'an offset, or end for the high watermark'),
    timestamp: Timestamp,
    partition: text(PARTITION_FORM, 'a partition number or all'),
  },
  [],
);
export type DeleteRecordsQuery = XStatic<typeof DeleteRecordsQuery>;

export function readQuery(settings: HttpSettings) {
  const maxWait = settings.maxWaitMs / 1000;
  return object(
    {
      partition: text(PARTITION_FORM, 'a partition number or all'),
      offset: text(OFFSET_FORM, 'an offset from 0, earliest or latest'),
      timestamp: Timestamp,
      first: whole(1, settings.maxLimit),
      last: whole(1, MAX_INTEGER),
      group: { type: 'string', expected: 'a group id' },
      commit: { type: 'boolean', expected: 'true or false' },
      offsets: text(OFFSETS_FORM, 'partition:offset pairs like 0:17,2:5'),
      limit: whole(1, settings.maxLimit),
      maxBytes: whole(1, settings.maxAnswerBytes),
      wait: { type: 'number', minimum: 0, maximum: maxWait, expected: `a number of seconds from 0 to ${maxWait}` },
      follow: { type: 'boolean', expected: 'true or false' },
      format: oneOf('text', 'json', 'base64'),
    },
    [],
  );
}
export type ReadQuery = XStatic<ReturnType<typeof readQuery>>;

export const LineageParams = object(
  {
    topic: STRING,
    partition: text('^\\d{1,10}$', 'a partition number from 0'),
    offset: text('^\\d{1,16}$', 'an offset from 0'),
  },
  ['topic', 'partition', 'offset'],
);
export type LineageParams = XStatic<typeof LineageParams>;

/** Steps from a record to its farthest relative. */
const MAX_DEPTH = 100;

export function lineageQuery(settings: HttpSettings) {
  const maxWait = settings.maxWaitMs / 1000;
  return object(
    {
      direction: oneOf('both', 'ancestors', 'descendants'),
      depth: whole(1, MAX_DEPTH),
      limit: whole(1, 1_000),
      maxBytes: whole(1, settings.maxAnswerBytes),
      cursor: text('^\\d{1,15}$', 'the nextCursor of the page before'),
      wait: { type: 'number', minimum: 0, maximum: maxWait, expected: `a number of seconds from 0 to ${maxWait}` },
      format: oneOf('text', 'json', 'base64'),
    },
    [],
  );
}
export type LineageQuery = XStatic<ReturnType<typeof lineageQuery>>;

/** Globs of one subscription: each is matched against every topic, once. */
export const BackupQuery = object({ maxBytesPerSecond: whole(1, MAX_INTEGER) }, []);
export type BackupQuery = XStatic<typeof BackupQuery>;

const MAX_PATTERNS = 100;

export function subscribeQuery(settings: HttpSettings) {
  const maxWait = settings.maxWaitMs / 1000;
  return object(
    {
      match: {
        type: ['string', 'array'],
        items: STRING,
        minItems: 1,
        maxItems: MAX_PATTERNS,
        expected: `1 to ${MAX_PATTERNS} globs over topic names`,
      },
      cursor: { type: 'string', expected: 'a cursor, earliest or latest' },
      limit: whole(1, settings.maxLimit),
      maxBytes: whole(1, settings.maxAnswerBytes),
      wait: { type: 'number', minimum: 0, maximum: maxWait, expected: `a number of seconds from 0 to ${maxWait}` },
      follow: { type: 'boolean', expected: 'true or false' },
      format: oneOf('text', 'json', 'base64'),
    },
    ['match'],
  );
}
export type SubscribeQuery = XStatic<ReturnType<typeof subscribeQuery>>;
