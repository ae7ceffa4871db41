/** The WebSocket listener. */
import type { WebSocketCounters } from '../../listeners/ws/counters.ts';
import type { MetricDefinition } from './metrics.ts';

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
