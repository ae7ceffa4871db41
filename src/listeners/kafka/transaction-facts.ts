/** What the handlers of transactions share: names and codes that Kafka's clients and tools expect. */
import type { ErrorCode } from '../../base/errors.ts';
import type { TransactionPhase } from '../../broker/transactions/api.ts';
import { kafkaError } from './error-codes.ts';

/** Names that Kafka's tools show. */
export const TRANSACTION_STATES = {
  empty: 'Empty',
  ongoing: 'Ongoing',
  committed: 'CompleteCommit',
  aborted: 'CompleteAbort',
} as const satisfies Record<TransactionPhase, string>;

/** Of Kafka, which no transaction is ever seen in here: its end is one step. */
export const UNSEEN_STATES: readonly string[] = ['PrepareCommit', 'PrepareAbort', 'PrepareEpochFence', 'Dead'];

/**
 * The number for the wire.
 * @param fencedSince first version whose clients know PRODUCER_FENCED (KIP-588); older ones know the old epoch only.
 */
export function transactionError(code: ErrorCode | undefined, version: number, fencedSince = 2): number {
  const isOld = code === 'BROKER_PRODUCER_FENCED' && version < fencedSince;
  return kafkaError(isOld ? 'BROKER_PRODUCER_EPOCH_OLD' : code);
}
