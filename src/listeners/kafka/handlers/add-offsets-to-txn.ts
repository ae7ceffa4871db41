/** AddOffsetsToTxn 0-4: a group whose offsets the transaction will commit. */
import { addOffsetsToTxn } from '../../../wire/messages/add-offsets-to-txn.ts';
import { handler } from '../handler.ts';
import { KNOWN_SINCE, transactionError } from '../transaction-facts.ts';

export const handle = handler(addOffsetsToTxn, async (request, { broker, version }) => {
  const { transactionalId, producerId, producerEpoch, groupId } = request;
  const error = await broker.transactions.addOffsets({ transactionalId, producerId, producerEpoch, groupId });
  return { errorCode: transactionError(error, version, KNOWN_SINCE.addOffsetsToTxn) };
});
