/** What requests may say and answers do say: JSON Schema and TypeScript type in one. Semantics: docs/protocol.md. */
import { type Static, Type } from 'typebox';
import type { HttpSettings } from './settings.ts';
import { TIMESTAMP_FORM } from './timestamp.ts';

const STRICT = { additionalProperties: false } as const;
/** Largest offset, timestamp and size: JSON numbers are doubles. */
const MAX_INTEGER = Number.MAX_SAFE_INTEGER;
const MAX_COUNT = 0x7fff_ffff;

function literals<const T extends readonly string[]>(...values: T) {
  return Type.Union(
    values.map((value) => Type.Literal(value as T[number])),
    { expected: values.join(' or ') },
  );
}

export const TopicParams = Type.Object({ name: Type.String() });
export type TopicParams = Static<typeof TopicParams>;

const Setting = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

export const CreateTopicBody = Type.Object(
  {
    name: Type.String({ expected: 'a string' }),
    partitions: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_COUNT, expected: 'a whole number from 1' })),
    config: Type.Optional(
      Type.Record(Type.String(), Setting, { expected: 'a string, number or boolean; config is an object of settings' }),
    ),
  },
  STRICT,
);
export type CreateTopicBody = Static<typeof CreateTopicBody>;

export const ConfigPatch = Type.Record(Type.String(), Type.Union([Setting, Type.Null()]));
export type ConfigPatch = Static<typeof ConfigPatch>;

export const ListTopicsQuery = Type.Object(
  {
    prefix: Type.Optional(Type.String()),
    limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, expected: 'a whole number from 1 to 1000' })),
    cursor: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9_-]+$', expected: 'the nextCursor of the page before' })),
  },
  STRICT,
);
export type ListTopicsQuery = Static<typeof ListTopicsQuery>;

export const TopicSummary = Type.Object({ name: Type.String(), id: Type.String(), partitionCount: Type.Integer() });
export const TopicList = Type.Object({
  topics: Type.Array(TopicSummary),
  nextCursor: Type.Union([Type.String(), Type.Null()]),
});
export type TopicList = Static<typeof TopicList>;

export const TopicView = Type.Object({
  name: Type.String(),
  id: Type.String(),
  partitionCount: Type.Integer(),
  partitions: Type.Array(
    Type.Object({ partition: Type.Integer(), logStartOffset: Type.Integer(), highWatermark: Type.Integer() }),
  ),
  config: Type.Record(Type.String(), Type.String()),
});
export type TopicView = Static<typeof TopicView>;

export const ConfigView = Type.Object({
  config: Type.Array(
    Type.Object({
      name: Type.String(),
      value: Type.String(),
      source: Type.String(),
      isDefault: Type.Boolean(),
      readOnly: Type.Boolean(),
      type: Type.String(),
      documentation: Type.String(),
    }),
  ),
});
export type ConfigView = Static<typeof ConfigView>;

const PartitionNumber = Type.Integer({ minimum: 0, maximum: MAX_COUNT, expected: 'a partition number from 0' });
const Timestamp = Type.String({ expected: TIMESTAMP_FORM });

export const ProduceQuery = Type.Object(
  {
    ack: Type.Optional(literals('durable', 'written', 'admitted')),
    partition: Type.Optional(PartitionNumber),
    format: Type.Optional(literals('json', 'text')),
    offsets: Type.Optional(literals('each')),
    key: Type.Optional(Type.String()),
    keyBase64: Type.Optional(Type.String()),
    timestamp: Type.Optional(Timestamp),
  },
  STRICT,
);
export type ProduceQuery = Static<typeof ProduceQuery>;

export const ProduceAnswer = Type.Object({
  topic: Type.String(),
  count: Type.Integer(),
  partitions: Type.Array(Type.Object({ partition: Type.Integer(), baseOffset: Type.Integer(), count: Type.Integer() })),
  records: Type.Optional(Type.Array(Type.Object({ partition: Type.Integer(), offset: Type.Integer() }))),
});
export type ProduceAnswer = Static<typeof ProduceAnswer>;

export const DeleteRecordsQuery = Type.Object(
  {
    before: Type.String({ pattern: '^(?:end|\\d{1,16})$', expected: 'an offset, or end for the high watermark' }),
    partition: Type.Optional(PartitionNumber),
  },
  STRICT,
);
export type DeleteRecordsQuery = Static<typeof DeleteRecordsQuery>;

function upTo(maximum: number) {
  return { maximum, expected: `a whole number from 1 to ${maximum}` };
}

export function readQuery(settings: HttpSettings) {
  return Type.Object(
    {
      partition: Type.Optional(Type.String({ pattern: '^(?:all|\\d{1,10})$', expected: 'a partition number or all' })),
      offset: Type.Optional(
        Type.String({ pattern: '^(?:earliest|latest|\\d{1,16})$', expected: 'an offset from 0, earliest or latest' }),
      ),
      timestamp: Type.Optional(Timestamp),
      first: Type.Optional(Type.Integer({ minimum: 1, ...upTo(settings.maxLimit) })),
      last: Type.Optional(Type.Integer({ minimum: 1, ...upTo(MAX_INTEGER) })),
      offsets: Type.Optional(
        Type.String({
          pattern: '^\\d{1,10}:\\d{1,16}(?:,\\d{1,10}:\\d{1,16})*$',
          expected: 'partition:offset pairs like 0:17,2:5',
        }),
      ),
      limit: Type.Optional(Type.Integer({ minimum: 1, ...upTo(settings.maxLimit) })),
      maxBytes: Type.Optional(Type.Integer({ minimum: 1, ...upTo(settings.maxAnswerBytes) })),
      wait: Type.Optional(
        Type.Number({
          minimum: 0,
          maximum: settings.maxWaitMs / 1000,
          expected: `a number of seconds from 0 to ${settings.maxWaitMs / 1000}`,
        }),
      ),
      follow: Type.Optional(Type.Boolean({ expected: 'true or false' })),
      format: Type.Optional(literals('text', 'json', 'base64')),
    },
    STRICT,
  );
}
export type ReadQuery = Static<ReturnType<typeof readQuery>>;
