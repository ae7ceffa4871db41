/**
 * EndTxn 0-5: commits or aborts, durably and at once. Version 5 gives the producer its next epoch with every end, and is
 * sent where ApiVersions says `transaction.version` 2 (KIP-890).
 */
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { endTxn } from '../../../wire/messages/end-txn.ts';
import { handler } from '../handler.ts';
import { KNOWN_SINCE, transactionError } from '../transaction-facts.ts';

const BUMP_VERSION = 5;

export const handle = handler(endTxn, async (request, { broker, version }) => {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  const bumpsEpoch = version >= BUMP_VERSION;
  const answer = await broker.transactions.end({ transactionalId, producerId, producerEpoch, committed, bumpsEpoch });
  if (answer.error !== undefined) {
    return {
      errorCode: transactionError(answer.error, version, KNOWN_SINCE.endTxn),
      producerId: -1,
      producerEpoch: -1,
    };
  }
  return { errorCode: ERROR_CODES.NONE, producerId: answer.producerId, producerEpoch: answer.producerEpoch };
});
