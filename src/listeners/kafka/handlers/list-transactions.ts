/** ListTransactions 0-1 (KIP-664, KIP-994). Version 2 takes regular expressions from the client and is not served. */
import { ERROR_CODES, listTransactions } from '../../../wire/index.ts';
import { handler } from '../handler.ts';
import { TRANSACTION_STATES, UNSEEN_STATES } from '../transaction-facts.ts';

const KNOWN_STATES: ReadonlySet<string> = new Set([...Object.values(TRANSACTION_STATES), ...UNSEEN_STATES]);

export const handleListTransactions = handler(listTransactions, [0, 1], (request, { broker }) => {
  const { stateFilters, producerIdFilters, durationFilter } = request;
  const states = new Set(stateFilters);
  const producers = new Set(producerIdFilters);
  const now = broker.clock.now();
  const listed = broker.transactions.list().filter(({ phase, producerId, startedAt }) => {
    if (states.size > 0 && !states.has(TRANSACTION_STATES[phase])) return false;
    if (producers.size > 0 && !producers.has(producerId)) return false;
    return durationFilter < 0 || (startedAt >= 0 && now - startedAt > durationFilter);
  });
  return {
    errorCode: ERROR_CODES.NONE,
    unknownStateFilters: stateFilters.filter((state) => !KNOWN_STATES.has(state)),
    transactionStates: listed.map(({ transactionalId, producerId, phase }) => ({
      transactionalId,
      producerId,
      transactionState: TRANSACTION_STATES[phase],
    })),
  };
});
