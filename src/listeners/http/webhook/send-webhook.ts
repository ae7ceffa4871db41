/**
 * Calls an HTTP endpoint that a user named: one POST, to an address that was checked after it was resolved, without
 * redirects, within a time, and with an answer of bounded size. Never rejects.
 */
import { type LookupAddress, lookup as systemLookup } from 'node:dns';
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { LookupFunction } from 'node:net';
import type { Clock } from '../../../base/clock.ts';
import { http, https } from '../../../base/node-http.ts';
import { isAllowedAddress, parseWebhookUrl } from './webhook-url.ts';

export interface WebhookRequest {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For all of it: resolving, connecting, sending, the answer. */
  readonly timeoutMs: number;
}

export type WebhookAnswer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: string }
  /** For people and the log. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Resolves a name to all of its addresses. */
export type Resolve = (host: string, done: (error: Error | null, addresses: readonly LookupAddress[]) => void) => void;

export interface WebhookOptions {
  readonly clock: Clock;
  readonly resolve?: Resolve | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer says a word or two; what is longer is cut off unread. */
const MAX_ANSWER_BYTES = 64 * 1024;

const resolveBySystem: Resolve = (host, done) =>
  systemLookup(host, { all: true }, (error, addresses) => done(error, addresses ?? []));

export function sendWebhook(request: WebhookRequest, options: WebhookOptions): Promise<WebhookAnswer> {
  return new Promise((resolve) => {
    const call = start(request, options, (answer) => {
      timer.cancel();
      options.signal?.removeEventListener('abort', onAbort);
      resolve(answer);
    });
    const timer = options.clock.schedule(request.timeoutMs, () =>
      call.end({ kind: 'failed', reason: `no answer in ${request.timeoutMs} ms` }),
    );
    const onAbort = (): void => call.end({ kind: 'failed', reason: 'given up' });
    options.signal?.addEventListener('abort', onAbort);
    if (options.signal?.aborted === true) onAbort();
  });
}

interface Call {
  end(answer: WebhookAnswer): void;
}

function start(request: WebhookRequest, options: WebhookOptions, done: (answer: WebhookAnswer) => void): Call {
  let ended = false;
  let outgoing: ClientRequest | undefined;
  const end = (answer: WebhookAnswer): void => {
    if (ended) return;
    ended = true;
    outgoing?.destroy();
    // Later, so that the caller has what it needs for its clean-up.
    queueMicrotask(() => done(answer));
  };
  try {
    const { url, isLocal } = parseWebhookUrl(request.url);
    const module = url.protocol === 'https:' ? https : http;
    outgoing = module.request(url, {
      method: 'POST',
      headers: { ...request.headers, 'content-length': String(Buffer.byteLength(request.body)) },
      lookup: checkedLookup(options.resolve ?? resolveBySystem, isLocal),
      // A connection of its own: one kept open would outlive what its name resolves to.
      agent: false,
    });
    outgoing.on('error', (error) => end({ kind: 'failed', reason: error.message }));
    outgoing.on('response', (response) => collect(response, end));
    outgoing.end(request.body);
  } catch (error) {
    end({ kind: 'failed', reason: error instanceof Error ? error.message : String(error) });
  }
  return { end };
}

function collect(response: IncomingMessage, end: (answer: WebhookAnswer) => void): void {
  const pieces: Buffer[] = [];
  let sizeBytes = 0;
  const answered = (): void =>
    end({ kind: 'answered', status: response.statusCode ?? 0, body: Buffer.concat(pieces).toString('utf8') });
  response.on('data', (piece: Buffer) => {
    sizeBytes += piece.length;
    if (sizeBytes > MAX_ANSWER_BYTES)
      end({ kind: 'failed', reason: `an answer of more than ${MAX_ANSWER_BYTES} bytes` });
    else pieces.push(piece);
  });
  response.on('end', answered);
  response.on('error', (error) => end({ kind: 'failed', reason: error.message }));
  response.on('aborted', () => end({ kind: 'failed', reason: 'the answer broke off' }));
}

/** Every address that the name has is judged, so that none of them is reached by trying the next one. */
function checkedLookup(resolve: Resolve, isLocal: boolean): LookupFunction {
  return (host, lookupOptions, done) => {
    resolve(host, (error, addresses) => {
      const [first] = addresses;
      if (error !== null || first === undefined) {
        done(error ?? new Error(`${host} has no address`), '', 0);
        return;
      }
      const bad = addresses.find(({ address }) => !isAllowedAddress(address, isLocal));
      if (bad !== undefined) done(new Error(`${host} resolves to ${bad.address}, which may not be called`), '', 0);
      else if (lookupOptions.all === true) done(null, [...addresses]);
      else done(null, first.address, first.family);
    });
  };
}
