/** The broker's HTTP API (docs/protocol.md) as the commands use it: JSON in and out, NDJSON streams, one kind of error. */
import type { Agent, IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { MillraceError } from '../base/errors.ts';
import { http, https } from '../base/node-http.ts';
import { UsageError } from './failure.ts';
import { refusalError } from './problem.ts';

export const DEFAULT_HTTP = 'http://127.0.0.1:7123';

/** Larger answers than the listener gives to any request that is not a stream. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Long polls end after 60 s at the latest; silence beyond that means that the peer is gone. */
const SILENCE_TIMEOUT_MS = 90_000;

/** A list is the parameter several times. */
export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  /** Sent as JSON, unless `contentType` names something else; bytes and strings are sent as they are. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export class ApiClient {
  readonly url: URL;
  readonly #agent: Agent;
  readonly #module: typeof http | typeof https;

  /** @param address `http://HOST:PORT` or `HOST:PORT`. */
  constructor(address: string) {
    this.url = parseAddress(address);
    this.#module = this.url.protocol === 'https:' ? https : http;
    this.#agent = new this.#module.Agent({ keepAlive: true });
  }

  async json(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const { text } = await this.text(method, path, options);
    return text === '' ? undefined : parseJson(text, path);
  }

  async text(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await this.#send(method, path, options);
    return { headers: response.headers, text: await this.#readAll(response) };
  }

  /** The answer's body as it arrives; the caller reads it to the end or breaks off. */
  async stream(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    return await this.#send(method, path, options);
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Resolves with the head of a successful answer. @throws MillraceError with the broker's code, or CLIENT_NETWORK. */
  async #send(method: string, path: string, options: RequestOptions): Promise<IncomingMessage> {
    const body = encodeBody(options.body);
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = this.#module.request(this.#target(path, options.query), {
        method,
        agent: this.#agent,
        timeout: SILENCE_TIMEOUT_MS,
        headers: headersOf(options, body),
      });
      request.on('response', resolve);
      request.on('timeout', () => request.destroy(new Error(`no answer within ${SILENCE_TIMEOUT_MS / 1000} s`)));
      request.on('error', (error) => reject(this.#networkError(error)));
      request.end(body);
    });
    if ((response.statusCode ?? 500) < 300) return response;
    throw refusalError(response.statusCode ?? 0, await this.#readAll(response));
  }

  #target(path: string, query: Query = {}): URL {
    const target = new URL(`${this.url.pathname.replace(/\/$/, '')}${path}`, this.url);
    for (const [name, value] of Object.entries(query)) {
      if (value === undefined) continue;
      for (const each of typeof value === 'object' ? value : [value]) target.searchParams.append(name, String(each));
    }
    return target;
  }

  async #readAll(response: IncomingMessage): Promise<string> {
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    try {
      for await (const piece of response as AsyncIterable<Buffer>) {
        sizeBytes += piece.length;
        if (sizeBytes > MAX_ANSWER_BYTES) throw new Error(`the answer is larger than ${MAX_ANSWER_BYTES} bytes`);
        pieces.push(piece);
      }
    } catch (error) {
      throw this.#networkError(error as NodeJS.ErrnoException);
    }
    return Buffer.concat(pieces).toString('utf8');
  }

  #networkError(error: NodeJS.ErrnoException): MillraceError {
    const where = this.url.origin;
    const message =
      error.code === 'ECONNREFUSED'
        ? `No broker answers at ${where}: connection refused. Start one with \`millrace serve\`, or name another with --http HOST:PORT.`
        : error.code === 'ENOTFOUND' || error.code === 'EAI_AGAIN'
          ? `The host name in ${where} is not known. Check its spelling, or name another broker with --http HOST:PORT.`
          : `The connection to ${where} failed: ${error.message}. Check that the broker runs and that --http names its HTTP port.`;
    return new MillraceError('CLIENT_NETWORK', message, { details: { address: where }, cause: error });
  }
}

/** Path of a topic's resource; the name goes as one segment, so that no level of it is taken for a verb. */
export function topicPath(name: string, verb?: 'records' | 'config' | 'partitions'): string {
  if (name === '') throw new UsageError('The topic name is empty.');
  return `/v1/topics/${encodeURIComponent(name)}${verb === undefined ? '' : `/${verb}`}`;
}

function parseAddress(address: string): URL {
  const text = /^https?:\/\//.test(address) ? address : `http://${address}`;
  if (!URL.canParse(text) || address === '') {
    throw new UsageError(`\`${address}\` is no address of a broker: write HOST:PORT or http://HOST:PORT.`);
  }
  return new URL(text);
}

function encodeBody(body: unknown): string | Uint8Array | undefined {
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) return body;
  return JSON.stringify(body);
}

function headersOf(options: RequestOptions, body: string | Uint8Array | undefined): Record<string, string | number> {
  const headers: Record<string, string | number> = { accept: options.accept ?? 'application/json', ...options.headers };
  if (body !== undefined) {
    headers['content-type'] = options.contentType ?? 'application/json';
    headers['content-length'] = Buffer.byteLength(body);
  }
  return headers;
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new MillraceError(
      'CLIENT_REFUSED',
      `The answer to ${path} is not JSON: is this the HTTP port of a Millrace broker?`,
      {
        cause: error,
      },
    );
  }
}
