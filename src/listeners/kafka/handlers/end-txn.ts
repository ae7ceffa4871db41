/** EndTxn 0-4: commits or aborts, durably and at once. Version 5 bumps the epoch with every end (KIP-890) and is not served. */
import { endTxn } from '../../../wire/index.ts';
import { handler } from '../handler.ts';
import { transactionError } from '../transaction-facts.ts';

export const handleEndTxn = handler(endTxn, [0, 4], async (request, { broker, version }) => {
  const { transactionalId, producerId, producerEpoch, committed } = request;
  const error = await broker.transactions.end({ transactionalId, producerId, producerEpoch, committed });
  return { errorCode: transactionError(error, version) };
});
