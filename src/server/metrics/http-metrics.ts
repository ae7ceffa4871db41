/** The HTTP listener. */
import type { HttpCounters } from '../../listeners/http/counters.ts';
import type { MetricDefinition } from './metrics.ts';

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
    name: 'millrace_http_plain_posts_total',
    kind: 'counter',
    unit: 'requests',
    help: 'POSTs of records and appends to streams that were served in the short way, before the routes.',
    read: (http) => http.plainPosts,
  },
  {
    name: 'millrace_http_records_read_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records rendered for HTTP readers.',
    read: (http) => http.recordsRead,
  },
  {
    name: 'millrace_http_records_rendered_total',
    kind: 'counter',
    unit: 'records',
    help: 'Records rendered for followers; those that follow at one place share what is rendered.',
    read: (http) => http.recordsRendered,
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
