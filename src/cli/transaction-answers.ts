/** Shapes of the answers about transactions, as docs/protocol.md gives them, and the paths they come from. */
import { UsageError } from './failure.ts';

export interface TransactionSummary {
  readonly transactionalId: string;
  readonly state: string;
  readonly producerId: number;
  /** Milliseconds; null where nothing is open. */
  readonly startedAt: number | null;
}

export interface TransactionPage {
  readonly transactions: readonly TransactionSummary[];
  /** Null on the last page. */
  readonly nextCursor: string | null;
}

export interface TransactionDetail extends TransactionSummary {
  readonly producerEpoch: number;
  readonly timeoutMs: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

/** @throws UsageError for an empty id. */
export function transactionPath(id: string, verb = ''): string {
  if (id === '') throw new UsageError('A transactional id cannot be empty.');
  return `/v1/transactions/${encodeURIComponent(id)}${verb === '' ? '' : `/${verb}`}`;
}

/** Time as people and scripts read it, or a dash. */
export function sinceText(startedAt: number | null): string {
  return startedAt === null ? '-' : new Date(startedAt).toISOString();
}
