/** Journal, chunks, checkpoints, retention, and the memory in front of them. */
import type { Broker } from '../../broker/broker.ts';
import type { MetricDefinition } from './metrics.ts';

export const STORAGE_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_tail_cache_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Newest journal bytes held in memory for readers.',
    read: (broker) => broker.tail.sizeBytes,
  },
  {
    name: 'millrace_tail_cache_hits_total',
    kind: 'counter',
    unit: 'count',
    help: 'Reads served from memory.',
    read: (broker) => broker.tail.hits,
  },
  {
    name: 'millrace_tail_cache_misses_total',
    kind: 'counter',
    unit: 'count',
    help: 'Reads that had to go to the disk.',
    read: (broker) => broker.tail.misses,
  },
  {
    name: 'millrace_log_read_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes read from journal files for readers.',
    read: (broker) => broker.handles.bytesRead,
  },
  {
    name: 'millrace_buffer_pool_free_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Large buffers kept for reuse.',
    read: (broker) => broker.pool.freeBytes,
  },
  {
    name: 'millrace_journal_commits_total',
    kind: 'counter',
    unit: 'count',
    help: 'Number of the last commit written: commits since the journal was made.',
    read: (broker) => broker.journal.status().writtenCommit,
  },
  {
    name: 'millrace_journal_unpublished_commits',
    kind: 'gauge',
    unit: 'count',
    help: 'Commits begun that readers cannot see yet.',
    read: (broker) => {
      const { headCommit, publishedCommit } = broker.journal.status();
      return headCommit - publishedCommit;
    },
  },
  {
    name: 'millrace_journal_staged_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Bytes that wait for the disk; near the limit, writes are refused.',
    read: (broker) => broker.journal.status().stagedBytes,
  },
  {
    name: 'millrace_checkpoint_waiting_files',
    kind: 'gauge',
    unit: 'count',
    help: 'Closed journal files that have no index yet.',
    read: (broker) => broker.checkpointer.waitingFiles,
  },
  {
    name: 'millrace_retention_passes_total',
    kind: 'counter',
    unit: 'count',
    help: 'Passes over all partitions that looked for records past their limits.',
    read: (broker) => broker.retention.counters.passes,
  },
  {
    name: 'millrace_retention_deleted_offsets_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets that retention deleted.',
    read: (broker) => broker.retention.counters.deletedOffsets,
  },
  {
    name: 'millrace_retention_deleted_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of extents that retention deleted; their space comes back with their files.',
    read: (broker) => broker.retention.counters.deletedBytes,
  },
  {
    name: 'millrace_reclaimed_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of files that were removed because nothing in them was readable.',
    read: (broker) => broker.files.reclaimedBytes,
  },
  {
    name: 'millrace_journal_files',
    kind: 'gauge',
    unit: 'count',
    help: 'Closed journal files on disk.',
    read: (broker) => broker.files.journals().count,
  },
  {
    name: 'millrace_journal_file_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Size of the closed journal files.',
    read: (broker) => broker.files.journals().bytes,
  },
  {
    name: 'millrace_chunk_files',
    kind: 'gauge',
    unit: 'count',
    help: 'Chunks on disk: batches of closed journal files, by partition.',
    read: (broker) => broker.files.chunks().count,
  },
  {
    name: 'millrace_chunk_file_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Size of the chunks as they stand on the disk: compressed, where storage.compression says so.',
    read: (broker) => broker.files.chunks().bytes,
  },
  {
    name: 'millrace_disk_free_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Free space on the disk of the data directory; -1 where it is not known.',
    read: (broker) => broker.diskGuard.freeBytes,
  },
  {
    name: 'millrace_disk_full',
    kind: 'gauge',
    unit: 'count',
    help: '1 while writes are refused because the disk is almost full, else 0.',
    read: (broker) => (broker.diskGuard.full ? 1 : 0),
  },
];
