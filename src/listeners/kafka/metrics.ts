/** Plain counters of the listener; the metrics room reads them when it is asked. */
export interface KafkaMetrics {
  /** Open now. */
  connections: number;
  /** Since the start. */
  accepted: number;
  /** Closed at once, because too many were open. */
  refused: number;
  /** Closed by us for what they sent: malformed, too large, unknown, half frames. */
  rejected: number;
  idleClosed: number;
  bytesIn: number;
  bytesOut: number;
  /** By API key. */
  readonly requests: number[];
  /** Fetched bytes that wait for sockets now. */
  fetchedBytes: number;
  /** Memory of frames that have arrived in part, now. */
  landingBytes: number;
  /** Fetch sessions now. */
  fetchSessions: number;
  /** Their memory now, approximately. */
  fetchSessionBytes: number;
  fetchSessionsCreated: number;
  /** Given up for others. */
  fetchSessionsEvicted: number;
}

/** @param apiKeys keys served; each has its number from the start. */
export function newMetrics(apiKeys: readonly number[]): KafkaMetrics {
  const requests: number[] = Array.from({ length: Math.max(...apiKeys) + 1 }, () => 0);
  return {
    connections: 0,
    accepted: 0,
    refused: 0,
    rejected: 0,
    idleClosed: 0,
    bytesIn: 0,
    bytesOut: 0,
    requests,
    fetchedBytes: 0,
    landingBytes: 0,
    fetchSessions: 0,
    fetchSessionBytes: 0,
    fetchSessionsCreated: 0,
    fetchSessionsEvicted: 0,
  };
}
