/** Transactional ids, what is open of them, and how transactions ended. */
import type { Transactions } from '../../broker/transactions/api.ts';
import type { MetricDefinition } from './metrics.ts';

export const TRANSACTION_METRICS: readonly MetricDefinition<Transactions>[] = [
  {
    name: 'millrace_transactional_ids',
    kind: 'gauge',
    unit: 'count',
    help: 'Transactional ids known, whether a transaction of theirs is open or not.',
    read: (transactions) => transactions.status().ids,
  },
  {
    name: 'millrace_transactions_open',
    kind: 'gauge',
    unit: 'count',
    help: 'Transactions begun and not ended.',
    read: (transactions) => transactions.status().open,
  },
  {
    name: 'millrace_transaction_oldest_open_seconds',
    kind: 'gauge',
    unit: 'seconds',
    help: 'Age of the oldest open transaction; read-committed consumers may be held back so long. 0: none is open.',
    read: (transactions) => transactions.status().oldestOpenMs / 1000,
  },
  {
    name: 'millrace_transaction_state_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Memory of transactional ids with their partitions and pending offsets, approximately.',
    read: (transactions) => transactions.status().stateBytes,
  },
  {
    name: 'millrace_transactions_ended_total',
    kind: 'counter',
    unit: 'count',
    help:
      'Transactions ended, by outcome: committed or aborted by their producer; timed_out, fenced (a newer producer ' +
      'came) or forced (by an operator) when the broker aborted them.',
    read: ({ counters }) => [
      { labels: { outcome: 'committed' }, value: counters.committed },
      { labels: { outcome: 'aborted' }, value: counters.aborted },
      { labels: { outcome: 'timed_out' }, value: counters.timedOut },
      { labels: { outcome: 'fenced' }, value: counters.fenced },
      { labels: { outcome: 'forced' }, value: counters.forced },
    ],
  },
];
