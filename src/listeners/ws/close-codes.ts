/** Why the broker closes a connection. 4000 to 4999 are ours (RFC 6455, 7.4.2); documented in docs/protocol.md. */
export const CLOSE = {
  /** The broker stops: connect again later, or elsewhere. */
  goingAway: 1001,
  /** A message that cannot be told apart from garbage: what follows cannot be trusted. */
  protocolError: 1002,
  /** The subscriber's socket took nothing for too long. Its cursor says where to go on. */
  tooSlow: 4001,
} as const;
