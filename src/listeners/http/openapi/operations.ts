/**
 * What the document says of each route besides what its schemas say: words, bodies that are read by hand, answers.
 * `document.ts` puts the two together, and its test holds this table against the routes that are served.
 */
import { GroupList, GroupOffsets, GroupView, ResetAnswer } from '../group-schemas.ts';
import { PushList, PushView } from '../push/push-schemas.ts';
import { BATCH, LINES, NDJSON, SIZED } from '../record-media.ts';
import {
  ClientList,
  ConfigView,
  PartitionList,
  ProduceAnswer,
  QuotaList,
  QuotaView,
  STRING,
  StatsView,
  TopicList,
  TopicView,
} from '../schemas.ts';
import { TransactionList, TransactionView } from '../transaction-schemas.ts';
import {
  CommitAnswer,
  CommitBody,
  DeleteRecordsAnswer,
  LineageAnswer,
  ReadAnswer,
  RecordInput,
  RecordsInput,
  RecordView,
  SubscribeAnswer,
} from './record-schemas.ts';

/** By media type. */
export type Content = Readonly<Record<string, object>>;

export interface Operation {
  readonly tag: string;
  readonly summary: string;
  /** Request headers, with what they say. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where the schema of the route does not have it. */
  readonly body?: Content;
  /** By status. Without content: no body. */
  readonly answers: Readonly<Record<string, Content | undefined>>;
}

const JSON_TYPE = 'application/json';
const BYTES = { type: 'string', contentMediaType: 'application/octet-stream' } as const;
const TEXT = { type: 'string' } as const;
const OBJECT = { type: 'object' } as const;
const EVENTS = 'text/event-stream';

const json = (schema: object): Content => ({ [JSON_TYPE]: schema });
const ok = (schema: object): Operation['answers'] => ({ 200: json(schema) });
const PAGE: Operation['answers'] = { 200: { 'text/html': TEXT } };
const GONE: Operation['answers'] = { 204: undefined };

const ONCE = { 'Idempotency-Key': 'The request is written once, however often it is sent.' } as const;

const RECORD_BODIES: Content = {
  [JSON_TYPE]: RecordsInput,
  [NDJSON]: { ...RecordInput, description: 'One a line.' },
  'application/octet-stream': BYTES,
  'text/plain': TEXT,
  [LINES]: TEXT,
  [SIZED]: BYTES,
  [BATCH]: BYTES,
};
const RECORD_ANSWERS: Content = {
  [JSON_TYPE]: ReadAnswer,
  [NDJSON]: { ...RecordView, description: 'One a line.' },
  'application/octet-stream': BYTES,
  'text/plain': TEXT,
  [EVENTS]: TEXT,
  [LINES]: TEXT,
  [SIZED]: BYTES,
  [BATCH]: BYTES,
};

const STREAM_HEADERS = {
  'Stream-Seq': 'A sequence of the writer, compared byte by byte.',
  'Stream-Closed': '`true`: the stream ends with this.',
  'Producer-Id': 'With `Producer-Epoch` and `Producer-Seq`: exactly once.',
  'Producer-Epoch': 'Incarnation of the producer.',
  'Producer-Seq': 'Number of the append, from 0.',
} as const;
const CREATE_HEADERS = {
  'Stream-TTL': 'Idle seconds after which it is deleted.',
  'Stream-Expires-At': 'When it is deleted, RFC 3339.',
  'Stream-Closed': '`true`: it is closed from the beginning.',
  'Stream-Forked-From': 'Path of the stream that it is a fork of.',
  'Stream-Fork-Offset': 'Where it leaves its source.',
} as const;
const AUTHORIZED = { Authorization: '`Bearer` and the token of the wake or claim.' } as const;

/** By method and path, as the router has it. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /health/live': { tag: 'health', summary: 'Whether the process is alive.', answers: ok(OBJECT) },
  'GET /health/ready': { tag: 'health', summary: 'Whether it takes and serves records.', answers: ok(OBJECT) },
  'GET /metrics': { tag: 'health', summary: 'Metrics as Prometheus text.', answers: { 200: { 'text/plain': TEXT } } },
  'GET /v1/stats': { tag: 'health', summary: 'The broker in a few numbers.', answers: ok(StatsView) },
  'GET /v1/clients': { tag: 'health', summary: 'Who is connected, in pages.', answers: ok(ClientList) },
  'POST /v1/backup': {
    tag: 'health',
    summary: 'A backup of everything acknowledged so far, as frames; the body makes it incremental.',
    body: { [JSON_TYPE]: { ...OBJECT, description: 'clusterId and files of the manifest of an earlier backup.' } },
    answers: { 200: { 'application/vnd.millrace.backup': BYTES } },
  },
  'GET /v1/openapi.json': { tag: 'health', summary: 'This document.', answers: ok(OBJECT) },
  'GET /': { tag: 'health', summary: 'To the page on which all of this can be tried.', answers: { 302: undefined } },
  'GET /v1/api': { tag: 'health', summary: 'The page on which all of this can be tried.', answers: PAGE },
  'GET /v1/api/page.css': { tag: 'health', summary: 'Of the page.', answers: { 200: { 'text/css': TEXT } } },
  'GET /v1/api/page.js': { tag: 'health', summary: 'Of the page.', answers: { 200: { 'text/javascript': TEXT } } },

  'POST /v1/topics': { tag: 'topics', summary: 'Create a topic.', answers: { 201: json(TopicView) } },
  'GET /v1/topics': { tag: 'topics', summary: 'List topics, in pages.', answers: ok(TopicList) },
  'GET /v1/topics/:name': { tag: 'topics', summary: 'One topic.', answers: ok(TopicView) },
  'DELETE /v1/topics/:name': { tag: 'topics', summary: 'Delete a topic and its records.', answers: GONE },
  'GET /v1/topics/:name/partitions': { tag: 'topics', summary: 'Sizes and ages.', answers: ok(PartitionList) },
  'POST /v1/topics/:name/partitions': { tag: 'topics', summary: 'Add partitions.', answers: ok(TopicView) },
  'GET /v1/topics/:name/config': { tag: 'topics', summary: 'Settings of a topic.', answers: ok(ConfigView) },
  'PATCH /v1/topics/:name/config': { tag: 'topics', summary: 'Change settings.', answers: ok(ConfigView) },

  'POST /v1/topics/:name/records': {
    tag: 'records',
    summary: 'Write one or many records, in one commit.',
    headers: {
      ...ONCE,
      'If-Offset-Match': 'Write only if the log still ends at this offset, or at these: `0:17,2:5`.',
      'Millrace-Parent': 'Place of the record that caused these: `food.eggs/0/17`.',
    },
    body: RECORD_BODIES,
    answers: { 200: json(ProduceAnswer), 202: json(ProduceAnswer) },
  },
  'GET /v1/topics/:name/records': {
    tag: 'records',
    summary: 'Read, wait for, or follow records.',
    headers: { 'Last-Event-ID': 'Where a browser that comes back goes on.' },
    answers: { 200: RECORD_ANSWERS, 204: undefined },
  },
  'DELETE /v1/topics/:name/records': {
    tag: 'records',
    summary: 'Move the log start: older records are deleted.',
    answers: ok(DeleteRecordsAnswer),
  },
  'POST /v1/commit': {
    tag: 'records',
    summary: 'Write records to several topics in one commit.',
    headers: ONCE,
    body: json(CommitBody),
    answers: { 200: json(CommitAnswer), 202: json(CommitAnswer) },
  },
  'GET /v1/records/:topic/:partition/:offset/lineage': {
    tag: 'records',
    summary: 'What caused a record, and what it caused.',
    answers: ok(LineageAnswer),
  },
  'GET /v1/subscribe': {
    tag: 'records',
    summary: 'Read all topics that match globs, in the order of commits.',
    headers: { 'Last-Event-ID': 'The cursor where a browser that comes back goes on.' },
    answers: { 200: { [JSON_TYPE]: SubscribeAnswer, [NDJSON]: RecordView, [EVENTS]: TEXT } },
  },
  'GET /v1/ws': {
    tag: 'records',
    summary: 'A WebSocket: many produces and subscriptions over one connection.',
    answers: { 101: undefined },
  },

  'GET /v1/groups': { tag: 'groups', summary: 'List consumer groups, in pages.', answers: ok(GroupList) },
  'GET /v1/groups/:group': { tag: 'groups', summary: 'State and members of a group.', answers: ok(GroupView) },
  'DELETE /v1/groups/:group': { tag: 'groups', summary: 'Delete a group without members.', answers: GONE },
  'GET /v1/groups/:group/offsets': { tag: 'groups', summary: 'Offsets and lag.', answers: ok(GroupOffsets) },
  'POST /v1/groups/:group/offsets': { tag: 'groups', summary: 'Store offsets.', answers: ok(GroupOffsets) },
  'DELETE /v1/groups/:group/offsets': {
    tag: 'groups',
    summary: 'Forget offsets of a topic.',
    answers: ok({ type: 'object', properties: { group: STRING, deleted: { type: 'array' } } }),
  },
  'POST /v1/groups/:group/offsets/reset': { tag: 'groups', summary: 'Move offsets.', answers: ok(ResetAnswer) },

  'GET /v1/transactions': { tag: 'transactions', summary: 'List transactional ids.', answers: ok(TransactionList) },
  'GET /v1/transactions/:id': { tag: 'transactions', summary: 'One of them.', answers: ok(TransactionView) },
  'POST /v1/transactions/:id/abort': {
    tag: 'transactions',
    summary: 'Abort what is open, and fence its producer.',
    answers: ok(TransactionView),
  },

  'GET /v1/quotas': { tag: 'quotas', summary: 'Quotas of clients.', answers: ok(QuotaList) },
  'PUT /v1/quotas/default': { tag: 'quotas', summary: 'Of clients without their own.', answers: ok(QuotaView) },
  'DELETE /v1/quotas/default': { tag: 'quotas', summary: 'No limit for them.', answers: GONE },
  'PUT /v1/quotas/clients/:clientId': { tag: 'quotas', summary: 'Of one client.', answers: ok(QuotaView) },
  'DELETE /v1/quotas/clients/:clientId': { tag: 'quotas', summary: 'None of its own.', answers: GONE },

  'GET /v1/push': { tag: 'push', summary: 'List pushes, in pages.', answers: ok(PushList) },
  'PUT /v1/push/:id': {
    tag: 'push',
    summary: 'Deliver records of topics that match to an HTTP endpoint.',
    answers: { 200: json(PushView), 201: json(PushView) },
  },
  'GET /v1/push/:id': { tag: 'push', summary: 'Where a push stands.', answers: ok(PushView) },
  'DELETE /v1/push/:id': { tag: 'push', summary: 'End a push.', answers: GONE },
  'POST /v1/push/:id/pause': { tag: 'push', summary: 'Deliver nothing until it is resumed.', answers: ok(PushView) },
  'POST /v1/push/:id/resume': { tag: 'push', summary: 'Deliver again, at once.', answers: ok(PushView) },

  'PUT /v1/stream/*': {
    tag: 'streams',
    summary: 'Create a stream (Durable Streams protocol).',
    headers: CREATE_HEADERS,
    body: { '*/*': BYTES },
    answers: { 200: undefined, 201: undefined },
  },
  'POST /v1/stream/*': {
    tag: 'streams',
    summary: 'Append, close, or both.',
    headers: STREAM_HEADERS,
    body: { '*/*': BYTES },
    answers: { 200: undefined, 204: undefined },
  },
  'GET /v1/stream/*': {
    tag: 'streams',
    summary: 'Read: `offset`, and `live=long-poll` or `live=sse`.',
    answers: { 200: { '*/*': BYTES }, 204: undefined, 304: undefined },
  },
  'HEAD /v1/stream/*': { tag: 'streams', summary: 'Content type, tail, expiry.', answers: { 200: undefined } },
  'DELETE /v1/stream/*': { tag: 'streams', summary: 'Delete a stream.', answers: GONE },
  'OPTIONS /v1/stream/*': { tag: 'streams', summary: 'What may be asked.', answers: GONE },
  'GET /v1/stream/__ds/jwks.json': {
    tag: 'subscriptions',
    summary: 'Public keys of webhooks and pushes.',
    answers: { 200: { 'application/jwk-set+json': OBJECT } },
  },
  'PUT /v1/stream/__ds/subscriptions/:id': {
    tag: 'subscriptions',
    summary: 'Create a subscription by webhook or pull-wake.',
    body: json(OBJECT),
    answers: { 200: json(OBJECT), 201: json(OBJECT) },
  },
  'GET /v1/stream/__ds/subscriptions/:id': { tag: 'subscriptions', summary: 'One of them.', answers: ok(OBJECT) },
  'DELETE /v1/stream/__ds/subscriptions/:id': { tag: 'subscriptions', summary: 'Delete it.', answers: GONE },
  'POST /v1/stream/__ds/subscriptions/:id/streams': {
    tag: 'subscriptions',
    summary: 'Link streams by name.',
    body: json(OBJECT),
    answers: GONE,
  },
  'DELETE /v1/stream/__ds/subscriptions/:id/streams/*': {
    tag: 'subscriptions',
    summary: 'Remove the link to a stream.',
    answers: GONE,
  },
  'POST /v1/stream/__ds/subscriptions/:id/claim': {
    tag: 'subscriptions',
    summary: 'Take what is pending, for a lease.',
    body: json(OBJECT),
    answers: ok(OBJECT),
  },
  'POST /v1/stream/__ds/subscriptions/:id/callback': {
    tag: 'subscriptions',
    summary: 'Report of a webhook receiver.',
    headers: AUTHORIZED,
    body: json(OBJECT),
    answers: ok(OBJECT),
  },
  'POST /v1/stream/__ds/subscriptions/:id/ack': {
    tag: 'subscriptions',
    summary: 'Acknowledge what was claimed.',
    headers: AUTHORIZED,
    body: json(OBJECT),
    answers: ok(OBJECT),
  },
  'POST /v1/stream/__ds/subscriptions/:id/release': {
    tag: 'subscriptions',
    summary: 'Give a claim back.',
    headers: AUTHORIZED,
    body: json(OBJECT),
    answers: GONE,
  },
};
