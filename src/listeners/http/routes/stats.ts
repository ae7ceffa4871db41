/** `GET /v1/stats`: the broker in a few numbers, for people; `/metrics` has all of them. */
import type { FastifyInstance } from 'fastify';
import type { HttpContext } from '../context.ts';
import type { StatsView } from '../schemas.ts';

export function statsRoutes(app: FastifyInstance, { broker, counters }: HttpContext, version: string): void {
  const startedAt = broker.clock.monotonic();
  app.get('/v1/stats', async (_request, reply) => {
    const { usableBytes, totalBytes } = await broker.space();
    const view: StatsView = {
      version,
      clusterId: broker.clusterId,
      brokerId: broker.brokerId,
      upSeconds: Math.floor((broker.clock.monotonic() - startedAt) / 1000),
      ready: broker.health().ready,
      topics: broker.topics.size,
      partitions: broker.topics.partitionCount,
      records: readableRecords(broker.topics.list()),
      groups: broker.groups.list().length,
      streams: broker.streams.size,
      subscriptions: broker.subscriptions.size,
      pushes: broker.pushes.size,
      producedRecords: broker.producePath.counters.records,
      producedBytes: broker.producePath.counters.bytes,
      httpConnections: counters.sockets.size,
      httpReaders: counters.readers,
      memoryBytes: process.memoryUsage.rss(),
      diskFreeBytes: usableBytes,
      diskTotalBytes: totalBytes,
    };
    return reply.send(view);
  });
}

/** Offsets between log starts and ends: markers and what compaction dropped count too. */
function readableRecords(
  topics: Iterable<{ readonly partitions: readonly { logStartOffset: number; highWatermark: number }[] }>,
): number {
  let count = 0;
  for (const { partitions } of topics) {
    for (const { logStartOffset, highWatermark } of partitions) count += highWatermark - logStartOffset;
  }
  return count;
}
