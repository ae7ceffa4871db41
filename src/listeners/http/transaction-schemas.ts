/** What requests about transactions may say and answers do say. As in schemas.ts; semantics: docs/protocol.md. */
import type { XStatic } from 'typebox/schema';
import { array, INTEGER, NULLABLE_STRING, object, oneOf, STRING, text, whole } from './schemas.ts';

const NULLABLE_INTEGER = { type: ['integer', 'null'] } as const;

export const TransactionParams = object({ id: STRING }, ['id']);
export type TransactionParams = XStatic<typeof TransactionParams>;

export const ListTransactionsQuery = object(
  {
    prefix: STRING,
    state: oneOf('empty', 'ongoing', 'committed', 'aborted'),
    limit: whole(1, 1000),
    cursor: text('^[A-Za-z0-9_-]+$', 'the nextCursor of the page before'),
  },
  [],
);
export type ListTransactionsQuery = XStatic<typeof ListTransactionsQuery>;

const SUMMARY = { transactionalId: STRING, state: STRING, producerId: INTEGER, startedAt: NULLABLE_INTEGER } as const;
const SUMMARY_MEMBERS = ['transactionalId', 'state', 'producerId', 'startedAt'] as const;

export const TransactionList = object(
  { transactions: array(object(SUMMARY, [...SUMMARY_MEMBERS])), nextCursor: NULLABLE_STRING },
  ['transactions', 'nextCursor'],
);
export type TransactionList = XStatic<typeof TransactionList>;

const TopicPartitions = object({ topic: STRING, partitions: array(INTEGER) }, ['topic', 'partitions']);
export const TransactionView = object(
  { ...SUMMARY, producerEpoch: INTEGER, timeoutMs: INTEGER, topics: array(TopicPartitions) },
  [...SUMMARY_MEMBERS, 'producerEpoch', 'timeoutMs', 'topics'],
);
export type TransactionView = XStatic<typeof TransactionView>;
