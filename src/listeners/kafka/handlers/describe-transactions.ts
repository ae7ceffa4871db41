/** DescribeTransactions 0 (KIP-664). */
import type { Broker } from '../../../broker/broker.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { describeTransactions } from '../../../wire/messages/describe-transactions.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';
import { TRANSACTION_STATES } from '../transaction-facts.ts';

export const handle = handler(describeTransactions, (request, { broker }) => ({
  transactionStates: request.transactionalIds.map((transactionalId) => describe(transactionalId, broker)),
}));

function describe(transactionalId: string, { transactions }: Broker) {
  const found = transactions.describe(transactionalId);
  if (found === undefined) {
    return {
      errorCode: kafkaError(transactionalId === '' ? 'BROKER_REQUEST_INVALID' : 'BROKER_TRANSACTION_NOT_FOUND'),
      transactionalId,
      transactionState: '',
      transactionTimeoutMs: -1,
      transactionStartTimeMs: -1,
      producerId: -1,
      producerEpoch: -1,
      topics: [],
    };
  }
  const { phase, timeoutMs, startedAt, producerId, producerEpoch, topics } = found;
  return {
    errorCode: ERROR_CODES.NONE,
    transactionalId,
    transactionState: TRANSACTION_STATES[phase],
    transactionTimeoutMs: timeoutMs,
    transactionStartTimeMs: startedAt,
    producerId,
    producerEpoch,
    topics,
  };
}
