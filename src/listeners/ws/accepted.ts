/** What is loaded with the first WebSocket: the library, and the connections. */
import { WebSocketServer } from 'ws';
import type { WebSocketSettings } from './settings.ts';

export { WebSocketConnection } from './connection.ts';

/** Takes upgrades that were judged already. */
export function openWebSockets(settings: WebSocketSettings): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    // What is compressed costs a core and memory of its own; records are compressed in their batches.
    perMessageDeflate: false,
    maxPayload: settings.maxMessageBytes,
  });
}
