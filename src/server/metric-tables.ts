/**
 * Metrics, declared as data: name, kind, unit, what it counts, and where its value stands. The rooms only add to plain
 * numbers; everything is read when `/metrics` is asked for. docs/metrics.md is made from these tables.
 *
 * Names are API: append, never rename.
 */
import type { Broker } from '../broker/broker.ts';
import type { HttpCounters } from '../listeners/http/counters.ts';
import type { KafkaMetrics } from '../listeners/kafka/metrics.ts';
import { SERVED_APIS } from '../listeners/kafka/registry.ts';
import type { WebSocketCounters } from '../listeners/ws/counters.ts';
import type { DiskCounters } from './metered-disk.ts';
import type { MetricDefinition } from './metrics.ts';

export const BROKER_METRICS: readonly MetricDefinition<Broker>[] = [
  {
    name: 'millrace_ready',
    kind: 'gauge',
    unit: 'count',
    help: '1 while the broker takes and serves records, else 0.',
    read: (broker) => (broker.health().ready ? 1 : 0),
  },
  {
    name: 'millrace_topics',
    kind: 'gauge',
    unit: 'count',
    help: 'Topics that exist.',
    read: (broker) => broker.topics.size,
  },
  {
    name: 'millrace_partitions',
    kind: 'gauge',
    unit: 'count',
    help: 'Partitions of all topics.',
    read: (broker) => broker.topics.partitionCount,
  },
  {
    name: 'millrace_produce_requests_total',
    kind: 'counter',
    unit: 'requests',
    help: 'Write requests from every listener.',
    read: (broker) => broker.producePath.counters.requests,
  },
  {
    name: 'millrace_produce_batches_total',
    kind: 'counter',
    unit: 'count',
    help: 'Record batches appended.',
    read: (broker) => broker.producePath.counters.batches,
  },
  {
    name: 'millrace_produce_records_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records appended, as the batches declare them.',
    read: (broker) => broker.producePath.counters.records,
  },
  {
    name: 'millrace_produce_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of the batches appended, compressed as they came.',
    read: (broker) => broker.producePath.counters.bytes,
  },
  {
    name: 'millrace_produce_duplicates_total',
    kind: 'counter',
    unit: 'count',
    help: 'Batches of idempotent producers that had been appended before.',
    read: (broker) => broker.producePath.counters.duplicates,
  },
  {
    name: 'millrace_produce_refused_total',
    kind: 'counter',
    unit: 'count',
    help: 'Batches refused: damaged, too large, out of sequence, for no partition.',
    read: (broker) => broker.producePath.counters.refused,
  },
  {
    name: 'millrace_produce_recompressed_total',
    kind: 'counter',
    unit: 'count',
    help: 'Batches stored in another codec than they came in (compression.type).',
    read: (broker) => broker.producePath.counters.recompressed,
  },
  {
    name: 'millrace_quota_throttles_total',
    kind: 'counter',
    unit: 'count',
    help: 'Times that a Kafka client was made to wait for its quota.',
    read: (broker) => broker.quotas.counters.throttles,
  },
  {
    name: 'millrace_quota_throttle_seconds_total',
    kind: 'counter',
    unit: 'seconds',
    help: 'Sum of those waits.',
    read: (broker) => broker.quotas.counters.throttleMs / 1000,
  },
  {
    name: 'millrace_fetch_requests_total',
    kind: 'counter',
    unit: 'requests',
    help: 'Reads from every listener.',
    read: (broker) => broker.fetchPath.counters.requests,
  },
  {
    name: 'millrace_fetch_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes of the batches handed to listeners for reads.',
    read: (broker) => broker.fetchPath.counters.bytes,
  },
  {
    name: 'millrace_fetch_parked',
    kind: 'gauge',
    unit: 'count',
    help: 'Reads that wait for records now.',
    read: (broker) => broker.fetchPath.counters.parked,
  },
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
    name: 'millrace_decompressions_pending',
    kind: 'gauge',
    unit: 'count',
    help: 'Compressed batches that wait for a worker thread or are being opened by one.',
    read: (broker) => broker.decompressor.pendingCount,
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
    help: 'Size of the chunks.',
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
  {
    name: 'millrace_groups',
    kind: 'gauge',
    unit: 'count',
    help: 'Consumer groups, by the phase they are in.',
    read: (broker) => {
      const phases = { empty: 0, preparing: 0, completing: 0, assigning: 0, reconciling: 0, stable: 0, dead: 0 };
      for (const group of broker.groups.list()) phases[group.phase] += 1;
      return Object.entries(phases).map(([phase, value]) => ({ labels: { phase }, value }));
    },
  },
  {
    name: 'millrace_group_rebalances_total',
    kind: 'counter',
    unit: 'count',
    help: 'Generations that classic groups formed, and targets that groups of the new protocol got.',
    read: (broker) => broker.groups.counters.rebalances,
  },
  {
    name: 'millrace_group_expired_members_total',
    kind: 'counter',
    unit: 'count',
    help: 'Members removed because they went silent.',
    read: (broker) => broker.groups.counters.expiredMembers,
  },
  {
    name: 'millrace_group_committed_offsets_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets that groups stored, one for each partition.',
    read: (broker) => broker.groups.counters.committedOffsets,
  },
  {
    name: 'millrace_group_expired_offsets_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets forgotten because nobody asked for them in offsets.retention.minutes.',
    read: (broker) => broker.groups.counters.expiredOffsets,
  },
  {
    name: 'millrace_streams',
    kind: 'gauge',
    unit: 'count',
    help: 'Topics that are streams of the Durable Streams protocol.',
    read: (broker) => broker.streams.size,
  },
  {
    name: 'millrace_stream_subscriptions',
    kind: 'gauge',
    unit: 'count',
    help: 'Subscriptions to streams.',
    read: (broker) => broker.subscriptions.size,
  },
  {
    name: 'millrace_stream_wakes_total',
    kind: 'counter',
    unit: 'count',
    help: 'Wakes of subscriptions to streams.',
    read: (broker) => broker.subscriptions.counters.wakes,
  },
  {
    name: 'millrace_stream_acks_total',
    kind: 'counter',
    unit: 'count',
    help: 'Offsets that workers of subscriptions acknowledged.',
    read: (broker) => broker.subscriptions.counters.acks,
  },
  {
    name: 'millrace_stream_leases_expired_total',
    kind: 'counter',
    unit: 'count',
    help: 'Wakes that ended because their worker went silent.',
    read: (broker) => broker.subscriptions.counters.leasesExpired,
  },
  {
    name: 'millrace_webhook_calls_total',
    kind: 'counter',
    unit: 'count',
    help: 'Webhooks called.',
    read: (broker) => broker.subscriptions.counters.webhookCalls,
  },
  {
    name: 'millrace_webhook_failures_total',
    kind: 'counter',
    unit: 'count',
    help: 'Webhook calls that failed and are tried again.',
    read: (broker) => broker.subscriptions.counters.webhookFailures,
  },
];

/** What the event loop's thread does to the data directory; checkpoints are written by a thread of their own. */
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

export const KAFKA_METRICS: readonly MetricDefinition<KafkaMetrics>[] = [
  {
    name: 'millrace_kafka_connections',
    kind: 'gauge',
    unit: 'count',
    help: 'Open Kafka connections.',
    read: (kafka) => kafka.connections,
  },
  {
    name: 'millrace_kafka_connections_accepted_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections accepted.',
    read: (kafka) => kafka.accepted,
  },
  {
    name: 'millrace_kafka_connections_refused_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections turned away at the limit.',
    read: (kafka) => kafka.refused,
  },
  {
    name: 'millrace_kafka_connections_rejected_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections closed for what they sent: malformed, too large or unknown requests.',
    read: (kafka) => kafka.rejected,
  },
  {
    name: 'millrace_kafka_connections_idle_closed_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections closed because nothing came for too long.',
    read: (kafka) => kafka.idleClosed,
  },
  {
    name: 'millrace_kafka_requests_total',
    kind: 'counter',
    unit: 'requests',
    help: 'Requests received, by API; those never used are left out.',
    read: (kafka) =>
      SERVED_APIS.map(({ api }) => ({ labels: { api: api.name }, value: kafka.requests[api.key] ?? 0 })).filter(
        ({ value }) => value > 0,
      ),
  },
  {
    name: 'millrace_kafka_fetch_sessions',
    kind: 'gauge',
    unit: 'count',
    help: 'Fetch sessions (KIP-227) now.',
    read: (kafka) => kafka.fetchSessions,
  },
  {
    name: 'millrace_kafka_fetch_session_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Memory of the fetch sessions, approximately.',
    read: (kafka) => kafka.fetchSessionBytes,
  },
  {
    name: 'millrace_kafka_fetch_sessions_created_total',
    kind: 'counter',
    unit: 'count',
    help: 'Fetch sessions opened.',
    read: (kafka) => kafka.fetchSessionsCreated,
  },
  {
    name: 'millrace_kafka_fetch_sessions_evicted_total',
    kind: 'counter',
    unit: 'count',
    help: 'Fetch sessions given up for others.',
    read: (kafka) => kafka.fetchSessionsEvicted,
  },
  {
    name: 'millrace_kafka_received_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes received.',
    read: (kafka) => kafka.bytesIn,
  },
  {
    name: 'millrace_kafka_sent_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes sent.',
    read: (kafka) => kafka.bytesOut,
  },
  {
    name: 'millrace_kafka_held_request_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Memory of requests that have arrived in part.',
    read: (kafka) => kafka.landingBytes,
  },
  {
    name: 'millrace_kafka_held_answer_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Fetched bytes that their sockets have not taken.',
    read: (kafka) => kafka.fetchedBytes,
  },
];

export const HTTP_METRICS: readonly MetricDefinition<HttpCounters>[] = [
  {
    name: 'millrace_http_connections',
    kind: 'gauge',
    unit: 'count',
    help: 'Open HTTP connections.',
    read: (http) => http.sockets.size,
  },
  {
    name: 'millrace_http_connections_refused_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections turned away at the limit.',
    read: (http) => http.connectionsRefused,
  },
  {
    name: 'millrace_http_requests_total',
    kind: 'counter',
    unit: 'requests',
    help: 'Requests answered, by method, route and status.',
    read: (http) =>
      [...http.requests].map(([key, value]) => {
        const [method = '', route = '', status = ''] = key.split(' ');
        return { labels: { method, route, status }, value };
      }),
  },
  {
    name: 'millrace_http_requests_in_flight',
    kind: 'gauge',
    unit: 'requests',
    help: 'Requests begun whose answer is not finished.',
    read: (http) => http.inFlight,
  },
  {
    name: 'millrace_http_readers',
    kind: 'gauge',
    unit: 'count',
    help: 'Long polls and follows open now.',
    read: (http) => http.readers,
  },
  {
    name: 'millrace_http_held_body_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Request bodies in memory: being received, or waiting for the journal.',
    read: (http) => http.bodies?.usedBytes ?? 0,
  },
  {
    name: 'millrace_http_held_answer_bytes',
    kind: 'gauge',
    unit: 'bytes',
    help: 'Answers to reads in memory that their sockets have not taken; at the limit, reading waits.',
    read: (http) => http.answers?.usedBytes ?? 0,
  },
  {
    name: 'millrace_http_received_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes received, headers included.',
    read: (http) => http.receivedBytes,
  },
  {
    name: 'millrace_http_sent_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    help: 'Bytes sent, headers included.',
    read: (http) => http.sentBytes,
  },
  {
    name: 'millrace_http_records_produced_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records written over HTTP and acknowledged.',
    read: (http) => http.recordsProduced,
  },
  {
    name: 'millrace_http_records_read_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records rendered for HTTP readers.',
    read: (http) => http.recordsRead,
  },
  {
    name: 'millrace_http_produce_duration_seconds',
    kind: 'histogram',
    unit: 'seconds',
    help: 'From the whole write request to its acknowledgement.',
    read: (http) => http.produceLatency,
  },
  {
    name: 'millrace_http_read_duration_seconds',
    kind: 'histogram',
    unit: 'seconds',
    help: 'How long reads took that did not ask to wait.',
    read: (http) => http.readLatency,
  },
];

export const WEB_SOCKET_METRICS: readonly MetricDefinition<WebSocketCounters>[] = [
  {
    name: 'millrace_websocket_connections',
    kind: 'gauge',
    unit: 'count',
    help: 'Open WebSockets.',
    read: (ws) => ws.connections,
  },
  {
    name: 'millrace_websocket_connections_refused_total',
    kind: 'counter',
    unit: 'count',
    help: 'Upgrades refused: path, origin, limit or stop.',
    read: (ws) => ws.connectionsRefused,
  },
  {
    name: 'millrace_websocket_messages_received_total',
    kind: 'counter',
    unit: 'count',
    help: 'Messages received.',
    read: (ws) => ws.messagesReceived,
  },
  {
    name: 'millrace_websocket_messages_refused_total',
    kind: 'counter',
    unit: 'count',
    help: 'Messages and produces answered with an error.',
    read: (ws) => ws.messagesRefused,
  },
  {
    name: 'millrace_websocket_produces_total',
    kind: 'counter',
    unit: 'count',
    help: 'Produce messages taken.',
    read: (ws) => ws.produces,
  },
  {
    name: 'millrace_websocket_subscriptions',
    kind: 'gauge',
    unit: 'count',
    help: 'Open subscriptions.',
    read: (ws) => ws.subscriptions,
  },
  {
    name: 'millrace_websocket_slow_consumers_total',
    kind: 'counter',
    unit: 'count',
    help: 'Connections closed because a subscriber took nothing.',
    read: (ws) => ws.tooSlow,
  },
];
