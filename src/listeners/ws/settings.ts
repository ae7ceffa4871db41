/** Every limit of the WebSocket listener, with its default and the reason for it. */

export interface WebSocketSettings {
  /** Largest message, bytes. */
  readonly maxMessageBytes: number;
  readonly maxConnections: number;
  /** Subscriptions of one connection. */
  readonly maxSubscriptions: number;
  /** Produces of one connection that are not acknowledged yet: beyond either the socket is not read. */
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  /** Bytes of records sent in one message, and so what waits for a slow subscriber. */
  readonly pieceBytes: number;
  /** A subscriber whose socket takes nothing for so long is disconnected. */
  readonly stallTimeoutMs: number;
  /** How often a silent peer is asked whether it is still there; one that did not answer by the next time is cut. */
  readonly pingMs: number;
  /** Messages on their way to the socket; beyond it nothing is read from the peer, whatever it sends. */
  readonly maxUnsentBytes: number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

export const WEB_SOCKET_DEFAULTS: WebSocketSettings = {
  // As a request body over HTTP.
  maxMessageBytes: 8 * MIB,
  maxConnections: 10_000,
  maxSubscriptions: 100,
  maxInFlight: 1_000,
  maxInFlightBytes: 16 * MIB,
  pieceBytes: 64 * KIB,
  stallTimeoutMs: 60_000,
  pingMs: 30_000,
  maxUnsentBytes: 4 * MIB,
};
