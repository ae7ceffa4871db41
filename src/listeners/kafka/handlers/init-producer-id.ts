/**
 * InitProducerId 0-5: a fresh id for every idempotent producer, epoch 0; for a transactional id its producer id and the
 * next epoch, which fences whoever had it before. A transaction left open is aborted, and the client asked to try again.
 */
import { asMillraceError, type ErrorCode } from '../../../base/errors.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { initProducerId } from '../../../wire/messages/init-producer-id.ts';
import { handler } from '../handler.ts';
import { KNOWN_SINCE, transactionError } from '../transaction-facts.ts';

export const handle = handler(initProducerId, async (request, { broker, version }) => {
  const { transactionalId, transactionTimeoutMs, producerId, producerEpoch } = request;
  const refused = (code: ErrorCode) => ({
    errorCode: transactionError(code, version, KNOWN_SINCE.initProducerId),
    producerId: -1,
    producerEpoch: -1,
  });
  if (transactionalId === null) {
    try {
      return { errorCode: ERROR_CODES.NONE, ...(await broker.producers.allocateProducerId()) };
    } catch (error) {
      return refused(asMillraceError(error).code);
    }
  }
  const answer = await broker.transactions.initProducerId({
    transactionalId,
    timeoutMs: transactionTimeoutMs,
    producerId,
    producerEpoch,
  });
  if (answer.error !== undefined) return refused(answer.error);
  return { errorCode: ERROR_CODES.NONE, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
});
