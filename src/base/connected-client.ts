/** A client that is connected now, whatever it speaks: for operators, not for deciding anything. */
export interface ConnectedClient {
  /** Unique while the broker runs, by transport: `kafka-17`. */
  readonly id: string;
  readonly transport: 'kafka' | 'http' | 'websocket';
  /** Where it connects from. */
  readonly host: string;
  readonly port: number;
  /** Milliseconds since 1970. */
  readonly connectedAt: number;
  /** What it calls itself; undefined until it did. */
  readonly clientId: string | undefined;
  /** What it is: `name/version` of a Kafka client, the User-Agent of an HTTP one. As it says itself. */
  readonly software: string | undefined;
  /** Requests, or messages, that came so far. */
  readonly requests: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}
