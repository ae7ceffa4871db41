/** Bodies of the subscription routes: JSON from outside, checked member by member. */
import { MillraceError } from '../../../base/errors.ts';
import type { Ack, SubscriptionSpec, WakeReport } from '../../../broker/stream-subscriptions/api.ts';
import { parseStreamOffset } from '../../../broker/streams/stream-offset.ts';
import { JsonScan } from '../json-scan.ts';
import { bodyText } from '../record-input.ts';
import { parseWebhookUrl } from '../webhook/webhook-url.ts';
import { streamNameOfPath } from './stream-path.ts';

const MIN_LEASE_MS = 1_000;
const MAX_LEASE_MS = 600_000;
const DEFAULT_LEASE_MS = 30_000;
const MAX_TEXT_LENGTH = 1_024;
const MAX_WORKER_LENGTH = 256;
/** Streams in one request, and acks in one report. */
const MAX_ITEMS = 10_000;

type Members = Readonly<Record<string, unknown>>;

/** @throws HTTP_REQUEST_INVALID, HTTP_JSON_INVALID, HTTP_WEBHOOK_URL_REJECTED, MODEL_TOPIC_NAME_INVALID. */
export function parseSubscription(id: string, baseUrl: string, body: Buffer | undefined): SubscriptionSpec {
  const members = objectOf(body);
  const { type } = members;
  if (type !== 'webhook' && type !== 'pull-wake') throw refuse('`type` is "webhook" or "pull-wake"');
  const pattern = textOf(members, 'pattern')?.replace(/^\/+/, '');
  const streams = members['streams'] === undefined ? [] : namesOf(members['streams'], '`streams`');
  if (pattern === undefined && streams.length === 0) throw refuse('`pattern` or `streams` must say what it is for');
  const leaseTtlMs = members['lease_ttl_ms'] ?? DEFAULT_LEASE_MS;
  if (!isWithin(leaseTtlMs, MIN_LEASE_MS, MAX_LEASE_MS)) {
    throw refuse(`\`lease_ttl_ms\` is a whole number from ${MIN_LEASE_MS} to ${MAX_LEASE_MS}`);
  }
  const wakeStream = type === 'pull-wake' ? wakeStreamOf(members, streams) : undefined;
  const webhookUrl = type === 'webhook' ? webhookUrlOf(members) : undefined;
  const description = textOf(members, 'description');
  return { id, type, pattern, streams, webhookUrl, wakeStream, leaseTtlMs, description, baseUrl };
}

/** @returns canonical names. @throws as above. */
export function parseAdded(body: Buffer | undefined): string[] {
  return namesOf(objectOf(body)['streams'], '`streams`');
}

/** @returns the worker. */
export function parseClaim(body: Buffer | undefined): string {
  const { worker } = objectOf(body);
  if (typeof worker === 'string' && worker.length > 0 && worker.length <= MAX_WORKER_LENGTH) return worker;
  throw refuse(`\`worker\` is a name of 1 to ${MAX_WORKER_LENGTH} characters`);
}

/** @param token from the `Authorization` header. */
export function parseReport(token: string, body: Buffer | undefined): WakeReport {
  const { wake_id: wakeId, generation, acks, done } = objectOf(body);
  if (typeof wakeId !== 'string') throw refuse('`wake_id` is that of the wake or claim');
  if (!isWithin(generation, 0, Number.MAX_SAFE_INTEGER)) throw refuse('`generation` is that of the wake or claim');
  if (done !== undefined && typeof done !== 'boolean') throw refuse('`done` is true or false');
  if (acks !== undefined && !(Array.isArray(acks) && acks.length <= MAX_ITEMS)) {
    throw refuse(`\`acks\` is an array of ${MAX_ITEMS} at most`);
  }
  return { token, wakeId, generation, acks: ((acks ?? []) as unknown[]).map(ackOf), done: done === true };
}

function ackOf(value: unknown): Ack {
  const { stream, path, offset } = isObject(value) ? value : {};
  const name = stream ?? path;
  const parsed = typeof offset === 'string' ? parseStreamOffset(offset) : undefined;
  if (typeof name !== 'string') throw refuse('each of `acks` names its `stream`');
  if (parsed !== undefined) return { name: nameOf(name), offset: parsed };
  throw new MillraceError(
    'BROKER_SUBSCRIPTION_OFFSET_INVALID',
    'Each of `acks` has the `offset` up to which the stream was read, as this server gave it.',
  );
}

function wakeStreamOf(members: Members, streams: readonly string[]): string {
  const path = textOf(members, 'wake_stream');
  if (path === undefined) throw refuse('a pull-wake subscription has a `wake_stream`');
  const name = nameOf(path);
  // Its own wake events would wake it for ever.
  if (streams.includes(name)) throw refuse('`wake_stream` cannot be one of `streams`');
  return name;
}

function webhookUrlOf(members: Members): string {
  const { webhook } = members;
  const url = isObject(webhook) ? webhook['url'] : undefined;
  if (typeof url !== 'string') throw refuse('a webhook subscription has a `webhook.url`');
  parseWebhookUrl(url);
  return url;
}

function namesOf(value: unknown, what: string): string[] {
  if (!Array.isArray(value) || value.length > MAX_ITEMS)
    throw refuse(`${what} is an array of ${MAX_ITEMS} paths at most`);
  return value.map((path: unknown) => {
    if (typeof path !== 'string') throw refuse(`${what} is an array of paths`);
    return nameOf(path);
  });
}

function nameOf(path: string): string {
  return streamNameOfPath(path.replace(/^\/+/, '').replace(/\/+$/, ''));
}

function textOf(members: Members, name: string): string | undefined {
  const value = members[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string' && value.length > 0 && value.length <= MAX_TEXT_LENGTH) return value;
  throw refuse(`\`${name}\` is a text of 1 to ${MAX_TEXT_LENGTH} characters`);
}

function objectOf(body: Buffer | undefined): Members {
  const text = bodyText(body ?? Buffer.alloc(0));
  // The scan has the place of a mistake, and a limit of depth.
  const scan = new JsonScan(text);
  scan.value();
  scan.finish();
  const value = JSON.parse(text) as unknown;
  if (isObject(value)) return value;
  throw refuse('the body is a JSON object');
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWithin(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= min && value <= max;
}

function refuse(what: string): MillraceError {
  return new MillraceError('HTTP_REQUEST_INVALID', `The request is out of form: ${what}.`);
}
