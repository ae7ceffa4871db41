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

/** First versions of an API whose clients know a code; older ones are told the one that was there before. */
interface KnownSince {
  /** PRODUCER_FENCED (KIP-588); before: INVALID_PRODUCER_EPOCH. */
  readonly fenced: number;
  /** TRANSACTION_ABORTABLE (KIP-890); before: INVALID_TXN_STATE. */
  readonly abortable: number;
}

export const KNOWN_SINCE = {
  produce: { fenced: 0, abortable: 11 },
  initProducerId: { fenced: 4, abortable: 5 },
  addPartitionsToTxn: { fenced: 2, abortable: 5 },
  addOffsetsToTxn: { fenced: 2, abortable: 4 },
  endTxn: { fenced: 2, abortable: 4 },
  txnOffsetCommit: { fenced: 2, abortable: 4 },
} as const satisfies Record<string, KnownSince>;

/** The number for the wire. */
export function transactionError(code: ErrorCode | undefined, version: number, since: KnownSince): number {
  if (code === 'BROKER_PRODUCER_FENCED' && version < since.fenced) return kafkaError('BROKER_PRODUCER_EPOCH_OLD');
  const isAbortable = code === 'BROKER_TRANSACTION_ABORTABLE';
  if (isAbortable && version < since.abortable) return kafkaError('BROKER_TRANSACTION_STATE_INVALID');
  return kafkaError(code);
}
