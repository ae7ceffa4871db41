/**
 * ListTransactions 0-2 (KIP-664, KIP-994, KIP-1152). The pattern of version 2 must match the whole id, in the syntax of the
 * patterns of topics: no id takes longer than its length, whatever the client sends.
 */
import { RegexError } from '../../../broker/groups/consumer/regex-program.ts';
import { TopicRegex } from '../../../broker/groups/consumer/topic-regex.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import { listTransactions } from '../../../wire/messages/list-transactions.ts';
import { handler } from '../handler.ts';
import { TRANSACTION_STATES, UNSEEN_STATES } from '../transaction-facts.ts';

const KNOWN_STATES: ReadonlySet<string> = new Set([...Object.values(TRANSACTION_STATES), ...UNSEEN_STATES]);

export const handle = handler(listTransactions, (request, { broker }) => {
  const { stateFilters, producerIdFilters, durationFilter, transactionalIdPattern } = request;
  const pattern = parsePattern(transactionalIdPattern);
  if (pattern === 'invalid') {
    return { errorCode: ERROR_CODES.INVALID_REGULAR_EXPRESSION, unknownStateFilters: [], transactionStates: [] };
  }
  const states = new Set(stateFilters);
  const producers = new Set(producerIdFilters);
  const now = broker.clock.now();
  const listed = broker.transactions.list().filter(({ transactionalId, phase, producerId, startedAt }) => {
    if (states.size > 0 && !states.has(TRANSACTION_STATES[phase])) return false;
    if (producers.size > 0 && !producers.has(producerId)) return false;
    if (pattern?.test(transactionalId) === false) return false;
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

/** Undefined: every id. */
function parsePattern(text: string | null): TopicRegex | 'invalid' | undefined {
  if (text === null || text === '') return undefined;
  try {
    return TopicRegex.parse(text);
  } catch (error) {
    if (error instanceof RegexError) return 'invalid';
    throw error;
  }
}
