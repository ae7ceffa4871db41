/** Backups of the running broker. */
import type { Broker } from '../../broker/broker.ts';
import type { MetricDefinition } from './metrics.ts';

export const BACKUP_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_backup_running',
    kind: 'gauge',
    unit: 'count',
    help: '1 while a backup is read and no file is removed for it, else 0.',
    read: (broker) => Number(broker.backups.running),
  },
  {
    name: 'millrace_backup_begun_total',
    kind: 'counter',
    unit: 'count',
    help: 'Backups that were begun.',
    read: (broker) => broker.backups.counters.begun,
  },
  {
    name: 'millrace_backup_finished_total',
    kind: 'counter',
    unit: 'count',
    help: 'Backups that were sent to their end; the others failed, or their readers left.',
    read: (broker) => broker.backups.counters.finished,
  },
  {
    name: 'millrace_backup_failed_total',
    kind: 'counter',
    unit: 'count',
    help: 'Backups that ended because a file could not be read.',
    read: (broker) => broker.backups.counters.failed,
  },
  {
    name: 'millrace_backup_sent_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of files that backups were sent.',
    read: (broker) => broker.backups.counters.sentBytes,
  },
  {
    name: 'millrace_backup_last_finished_timestamp_seconds',
    kind: 'gauge',
    unit: 'seconds',
    help: 'When the last backup since the start was finished, seconds since 1970; 0 before the first.',
    read: (broker) => broker.backups.counters.lastFinishedAt / 1000,
  },
];
