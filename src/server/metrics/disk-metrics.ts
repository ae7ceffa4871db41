/** What the event loop's thread does to the data directory; checkpoints are written by a thread of their own. */
import type { DiskCounters } from '../metered-disk.ts';
import type { MetricDefinition } from './metrics.ts';

export const DISK_METRICS: readonly MetricDefinition<DiskCounters>[] = [
  {
    name: 'millrace_disk_writes_total',
    kind: 'counter',
    unit: 'count',
    help: 'Writes to the journal.',
    read: (disk) => disk.writes,
  },
  {
    name: 'millrace_disk_written_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes written to the journal.',
    read: (disk) => disk.writtenBytes,
  },
  {
    name: 'millrace_disk_failures_total',
    kind: 'counter',
    unit: 'count',
    help: 'Writes and syncs that the operating system refused.',
    read: (disk) => disk.failures,
  },
  {
    name: 'millrace_disk_sync_duration_seconds',
    kind: 'histogram',
    unit: 'seconds',
    help: 'How long each sync of the journal took.',
    read: (disk) => disk.syncLatency,
  },
];
