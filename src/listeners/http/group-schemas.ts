/** What requests about consumer groups may say and answers do say. As in schemas.ts; semantics: docs/protocol.md. */
import type { XStatic } from 'typebox/schema';
import {
  array,
  BOOLEAN,
  INTEGER,
  MAX_INTEGER,
  object,
  oneOf,
  PartitionNumber,
  STRING,
  text,
  whole,
} from './schemas.ts';

const NULLABLE_STRING = { type: ['string', 'null'] } as const;
const NULLABLE_INTEGER = { type: ['integer', 'null'] } as const;
/** Topics and offsets named in one request. */
const MAX_PLACES = 100_000;

export const GroupParams = object({ group: STRING }, ['group']);
export type GroupParams = XStatic<typeof GroupParams>;

export const ListGroupsQuery = object(
  {
    prefix: STRING,
    limit: whole(1, 1000),
    cursor: text('^[A-Za-z0-9_-]+$', 'the nextCursor of the page before'),
  },
  [],
);
export type ListGroupsQuery = XStatic<typeof ListGroupsQuery>;

const GroupSummary = object({ group: STRING, type: STRING, state: STRING, protocolType: STRING }, [
  'group',
  'type',
  'state',
  'protocolType',
]);
export const GroupList = object({ groups: array(GroupSummary), nextCursor: NULLABLE_STRING }, ['groups', 'nextCursor']);
export type GroupList = XStatic<typeof GroupList>;

const TopicPartitions = object({ topic: STRING, partitions: array(INTEGER) }, ['topic', 'partitions']);
const MemberView = object(
  {
    memberId: STRING,
    instanceId: NULLABLE_STRING,
    clientId: STRING,
    clientHost: STRING,
    epoch: INTEGER,
    assignment: array(TopicPartitions),
  },
  ['memberId', 'instanceId', 'clientId', 'clientHost', 'epoch', 'assignment'],
);
export const GroupView = object(
  {
    group: STRING,
    type: STRING,
    state: STRING,
    protocolType: STRING,
    epoch: INTEGER,
    assignor: NULLABLE_STRING,
    leader: NULLABLE_STRING,
    members: array(MemberView),
  },
  ['group', 'type', 'state', 'protocolType', 'epoch', 'assignor', 'leader', 'members'],
);
export type GroupView = XStatic<typeof GroupView>;

const OffsetView = object(
  {
    topic: STRING,
    partition: INTEGER,
    offset: INTEGER,
    leaderEpoch: INTEGER,
    metadata: STRING,
    logStartOffset: NULLABLE_INTEGER,
    highWatermark: NULLABLE_INTEGER,
    lag: NULLABLE_INTEGER,
  },
  ['topic', 'partition', 'offset', 'leaderEpoch', 'metadata', 'logStartOffset', 'highWatermark', 'lag'],
);
export const GroupOffsets = object({ group: STRING, offsets: array(OffsetView) }, ['group', 'offsets']);
export type GroupOffsets = XStatic<typeof GroupOffsets>;

const Offset = whole(0, MAX_INTEGER, 'an offset from 0');
export const CommitOffsetsBody = object(
  {
    offsets: {
      type: 'array',
      maxItems: MAX_PLACES,
      items: object({ topic: STRING, partition: PartitionNumber, offset: Offset, metadata: STRING }, [
        'topic',
        'partition',
        'offset',
      ]),
      expected: 'a list of {"topic", "partition", "offset", "metadata"}',
    } as const,
  },
  ['offsets'],
);
export type CommitOffsetsBody = XStatic<typeof CommitOffsetsBody>;

export const DeleteOffsetsQuery = object({ topic: STRING, partition: PartitionNumber }, ['topic']);
export type DeleteOffsetsQuery = XStatic<typeof DeleteOffsetsQuery>;

export const ResetOffsetsBody = object(
  {
    to: oneOf('earliest', 'latest', 'offset', 'timestamp', 'duration', 'shift'),
    value: { type: ['string', 'integer'], expected: 'a whole number, or a time' } as const,
    topics: {
      type: 'array',
      maxItems: MAX_PLACES,
      items: object({ topic: STRING, partitions: array(PartitionNumber) }, ['topic']),
      expected: 'a list of {"topic", "partitions"}',
    } as const,
    dryRun: BOOLEAN,
  },
  ['to'],
);
export type ResetOffsetsBody = XStatic<typeof ResetOffsetsBody>;

const ResetOffsetView = object(
  { topic: STRING, partition: INTEGER, before: NULLABLE_INTEGER, after: INTEGER, clamped: BOOLEAN },
  ['topic', 'partition', 'before', 'after', 'clamped'],
);
export const ResetAnswer = object({ group: STRING, dryRun: BOOLEAN, offsets: array(ResetOffsetView) }, [
  'group',
  'dryRun',
  'offsets',
]);
export type ResetAnswer = XStatic<typeof ResetAnswer>;
