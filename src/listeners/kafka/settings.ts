/** Limits of the Kafka listener, with the reason for each default. */
export interface KafkaListenerSettings {
  /** `socket.request.max.bytes`: largest frame, inclusive. Kafka's default. */
  readonly maxFrameBytes: number;
  /** Largest frame of any API but Produce: they are decoded into objects, some of them much larger than their bytes. */
  readonly maxControlFrameBytes: number;
  /** Sum of the buffers in which large frames arrive, over all connections; more than one largest frame, so that one slow sender blocks nobody. */
  readonly maxLandingBytes: number;
  /** `max.connections`: further ones are closed at once. */
  readonly maxConnections: number;
  /** A connection whose begun frame does not go on for so long is closed. */
  readonly halfFrameTimeoutMs: number;
  /** `connections.max.idle.ms`: Kafka's default. */
  readonly maxIdleMs: number;
  /** Answers that wait for a slow socket; beyond, its requests wait too. */
  readonly maxOutgoingBytes: number;
  /** Sum of fetched bytes that wait for sockets, over all connections; near it, fetches are answered with less. */
  readonly maxFetchedBytes: number;
  /** Produce requests of one connection whose answers are pending; beyond, reading it stops. */
  readonly maxPendingProduces: number;
  /** `max.incremental.fetch.session.cache.slots`: fetch sessions at once; Kafka's default. Clients without one send whole requests. */
  readonly maxFetchSessions: number;
  /** Memory of all fetch sessions together: some 130,000 partitions. */
  readonly maxFetchSessionBytes: number;
  /** How long `stop` lets requests in flight finish. */
  readonly stopDeadlineMs: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_KAFKA_SETTINGS: KafkaListenerSettings = {
  maxFrameBytes: 100 * MIB,
  maxControlFrameBytes: 16 * MIB,
  maxLandingBytes: 128 * MIB,
  maxConnections: 10_000,
  halfFrameTimeoutMs: 30_000,
  maxIdleMs: 600_000,
  maxOutgoingBytes: MIB,
  maxFetchedBytes: 96 * MIB,
  maxPendingProduces: 4_096,
  maxFetchSessions: 1_000,
  maxFetchSessionBytes: 64 * MIB,
  stopDeadlineMs: 5_000,
};
