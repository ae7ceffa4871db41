/**
 * InitProducerId 0-5: a fresh id for every idempotent producer, epoch 0. Transactions are not served yet, and a
 * transactional id is refused with a code that is fatal to clients.
 */
import { asMillraceError, type ErrorCode } from '../../../base/errors.ts';
import { ERROR_CODES, initProducerId } from '../../../wire/index.ts';
import { kafkaError } from '../error-codes.ts';
import { handler } from '../handler.ts';

export const handleInitProducerId = handler(initProducerId, [0, 5], async (request, { broker }) => {
  const { transactionalId } = request;
  if (transactionalId === '') return refused('BROKER_REQUEST_INVALID');
  if (transactionalId !== null) return refused('BROKER_TRANSACTIONS_UNSUPPORTED');
  try {
    return { errorCode: ERROR_CODES.NONE, ...(await broker.producers.allocateProducerId()) };
  } catch (error) {
    return refused(asMillraceError(error).code);
  }
});

function refused(code: ErrorCode) {
  return { errorCode: kafkaError(code), producerId: -1, producerEpoch: -1 };
}
