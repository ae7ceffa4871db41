/** What the WebSocket listener counts, as plain numbers; the metrics room reads them on scrape. */
export class WebSocketCounters {
  /** Open now. */
  connections = 0;
  connectionsRefused = 0;
  messagesReceived = 0;
  messagesRefused = 0;
  produces = 0;
  /** Open now. */
  subscriptions = 0;
  /** Connections closed because a subscriber took nothing. */
  tooSlow = 0;
}
