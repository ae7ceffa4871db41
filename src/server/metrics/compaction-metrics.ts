/** Compaction of topics with `cleanup.policy` compact. */
import type { Broker } from '../../broker/broker.ts';
import type { MetricDefinition } from './metrics.ts';

export const COMPACTION_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_compaction_rounds_total',
    kind: 'counter',
    unit: 'count',
    help: 'Rounds of compaction that were begun.',
    read: (broker) => broker.compactor.counters.rounds,
  },
  {
    name: 'millrace_compaction_failed_rounds_total',
    kind: 'counter',
    unit: 'count',
    help: 'Rounds that came to nothing; the log says why.',
    read: (broker) => broker.compactor.counters.failedRounds,
  },
  {
    name: 'millrace_compaction_partitions_total',
    kind: 'counter',
    unit: 'count',
    help: 'Partitions that were compacted.',
    read: (broker) => broker.compactor.counters.partitions,
  },
  {
    name: 'millrace_compaction_moved_partitions_total',
    kind: 'counter',
    unit: 'count',
    help: 'Partitions whose batches were moved or deleted while they were compacted; they are taken again.',
    read: (broker) => broker.compactor.counters.refusedSwaps,
  },
  {
    name: 'millrace_compaction_kept_records_total',
    kind: 'counter',
    unit: 'count',
    help: 'Records that compaction kept.',
    read: (broker) => broker.compactor.counters.keptRecords,
  },
  {
    name: 'millrace_compaction_dropped_records_total',
    kind: 'counter',
    unit: 'count',
    help: 'Records that compaction dropped.',
    read: (broker) => broker.compactor.counters.droppedRecords,
  },
  {
    name: 'millrace_compaction_read_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes that compaction read.',
    read: (broker) => broker.compactor.counters.readBytes,
  },
  {
    name: 'millrace_compaction_written_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes that compaction wrote.',
    read: (broker) => broker.compactor.counters.writtenBytes,
  },
  {
    name: 'millrace_compaction_due_partitions',
    kind: 'gauge',
    unit: 'count',
    help: 'Partitions that were due at the last look.',
    read: (broker) => broker.compactor.last.duePartitions,
  },
  {
    name: 'millrace_compaction_max_dirty_ratio',
    kind: 'gauge',
    unit: 'ratio',
    help: 'Largest share of a partition that was not compacted yet, at the last look.',
    read: (broker) => broker.compactor.last.maxDirtyRatio,
  },
  {
    name: 'millrace_compaction_last_round_seconds',
    kind: 'gauge',
    unit: 'seconds',
    help: 'How long the last round took.',
    read: (broker) => broker.compactor.last.seconds,
  },
];
