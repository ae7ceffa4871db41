/**
 * Objects in a bucket of S3 or of a server that speaks its protocol. Requests are signed by aws4fetch; bodies go with their
 * MD5, so that the server refuses one that was damaged on the way.
 *
 * | answer | put | get, list, delete |
 * |---|---|---|
 * | 2xx | stored | |
 * | 412 | exists | |
 * | 404 | TIER_REFUSED (no such bucket) | get: there is none |
 * | 400, 401, 403, 3xx | TIER_REFUSED | TIER_REFUSED |
 * | 409, 429, 5xx, broken connection, no answer in time | TIER_OUTCOME_UNKNOWN | TIER_UNAVAILABLE |
 *
 * Sources: the S3 API reference; conditional writes (`If-None-Match: *`), which Ceph radosgw and Amazon have.
 */
import { createHash } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';
import { lengthOf } from '../../base/bytes.ts';
import { MillraceError } from '../../base/errors.ts';
import {
  type ByteRange,
  type ObjectBody,
  type ObjectInfo,
  type ObjectStore,
  piecesOf,
} from '../../store/object-store.ts';
import { tierError } from '../tier-errors.ts';
import type { CredentialChain } from './credentials.ts';
import { type HttpAnswer, HttpCalls } from './http-calls.ts';
import { parseListAnswer } from './list-answer.ts';
import type { S3Place } from './s3-url.ts';

/** Without the time that a body of its size takes on a slow line. */
const TIMEOUT_MS = 20_000;
const SLOW_BYTES_PER_MS = 500;
/** Of an error's body, for the message. */
const MAX_ERROR_CHARS = 300;

type Method = 'PUT' | 'GET' | 'DELETE';

interface Call {
  readonly method: Method;
  readonly key: string;
  readonly query?: string;
  readonly headers?: Record<string, string>;
  readonly body?: readonly Uint8Array[];
  /** Of the answer, as far as it is known. */
  readonly answerBytes?: number;
}

export class S3Store implements ObjectStore {
  readonly url: string;
  readonly #place: S3Place;
  readonly #credentials: CredentialChain;
  /** Signing keys, by day. */
  readonly #cache = new Map<string, ArrayBuffer>();
  readonly #calls = new HttpCalls();

  constructor(place: S3Place, credentials: CredentialChain) {
    this.#place = place;
    this.#credentials = credentials;
    this.url = place.url;
  }

  async put(key: string, whole: ObjectBody, options: { ifAbsent?: boolean } = {}): Promise<'stored' | 'exists'> {
    const body = piecesOf(whole);
    const md5 = createHash('md5');
    for (const piece of body) md5.update(piece);
    const headers: Record<string, string> = { 'content-md5': md5.digest('base64') };
    if (options.ifAbsent === true) headers['if-none-match'] = '*';
    const answer = await this.#call({ method: 'PUT', key, headers, body });
    const text = await this.#text(answer, key, 'TIER_OUTCOME_UNKNOWN');
    if (answer.ok) return 'stored';
    if (answer.status === 412 && options.ifAbsent === true) return 'exists';
    throw this.#refused(answer, text, key, 'TIER_OUTCOME_UNKNOWN');
  }

  async get(key: string, range?: ByteRange, into?: Uint8Array): Promise<Uint8Array | undefined> {
    const headers: Record<string, string> = {};
    if (range !== undefined) headers['range'] = `bytes=${range.position}-${range.position + range.sizeBytes - 1}`;
    const answer = await this.#call({ method: 'GET', key, headers, answerBytes: range?.sizeBytes ?? 0 });
    if (!answer.ok) {
      const text = await this.#text(answer, key, 'TIER_UNAVAILABLE');
      if (answer.status === 404 && !text.includes('NoSuchBucket')) return undefined;
      if (answer.status === 416) throw tierError('TIER_CORRUPT', this.url, key, 'it ends before what was asked for');
      throw this.#refused(answer, text, key, 'TIER_UNAVAILABLE');
    }
    if (range === undefined) return await this.#whole(answer, key);
    const { position, sizeBytes } = range;
    const bytes = into?.subarray(0, sizeBytes) ?? new Uint8Array(sizeBytes);
    // A server that does not know ranges gives the whole object, of which no more is taken than was asked for.
    const isWhole = answer.status === 200 && answer.contentBytes !== sizeBytes;
    const count = await this.#unbroken(key, () => answer.readInto(bytes, isWhole ? position : 0));
    if (count === sizeBytes || (isWhole && count > sizeBytes)) return bytes;
    throw wrongLength(this.url, key, count, sizeBytes);
  }

  async *list(prefix: string): AsyncIterable<ObjectInfo> {
    let token: string | undefined;
    do {
      const query = new URLSearchParams({ 'list-type': '2', 'encoding-type': 'url', prefix: this.#full(prefix) });
      if (token !== undefined) query.set('continuation-token', token);
      const answer = await this.#call({ method: 'GET', key: '', query: query.toString() });
      const text = await this.#text(answer, prefix, 'TIER_UNAVAILABLE');
      if (!answer.ok) throw this.#refused(answer, text, prefix, 'TIER_UNAVAILABLE');
      const page = parseListAnswer(text);
      if (page === undefined) throw tierError('TIER_UNAVAILABLE', this.url, prefix, 'its list cannot be read');
      const now = Date.parse(answer.headers.date ?? '');
      for (const { key, sizeBytes, modifiedAt } of page.objects) {
        // Without the store's time nothing is old.
        yield { key: this.#short(key), sizeBytes, ageMs: Number.isNaN(now) ? 0 : Math.max(0, now - modifiedAt) };
      }
      token = page.nextToken;
    } while (token !== undefined);
  }

  async delete(key: string): Promise<void> {
    const answer = await this.#call({ method: 'DELETE', key });
    const text = await this.#text(answer, key, 'TIER_UNAVAILABLE');
    if (answer.ok || (answer.status === 404 && !text.includes('NoSuchBucket'))) return;
    throw this.#refused(answer, text, key, 'TIER_UNAVAILABLE');
  }

  async #call({ method, key, query, headers = {}, body, answerBytes = 0 }: Call): Promise<HttpAnswer> {
    const { base, region } = this.#place;
    const { accessKeyId, secretAccessKey, sessionToken } = await this.#credentials.get();
    const path = key === '' ? '/' : `/${this.#full(key)}`;
    const signer = new AwsV4Signer({
      method,
      url: `${base}${path}${query === undefined ? '' : `?${query}`}`,
      headers: { ...headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      service: 's3',
      region,
      cache: this.#cache,
    });
    const signed = await signer.sign();
    const timeoutMs = TIMEOUT_MS + Math.ceil((lengthOf(body ?? []) + answerBytes) / SLOW_BYTES_PER_MS);
    try {
      return await this.#calls.call({
        method,
        url: signed.url,
        headers: Object.fromEntries(signed.headers),
        body,
        timeoutMs,
      });
    } catch (error) {
      const code = method === 'PUT' ? 'TIER_OUTCOME_UNKNOWN' : 'TIER_UNAVAILABLE';
      throw tierError(code, this.url, key, `no answer: ${reasonOf(error)}`, error);
    }
  }

  async #whole(answer: HttpAnswer, key: string): Promise<Uint8Array> {
    const bytes = await this.#unbroken(key, () => answer.bytes());
    const wanted = answer.contentBytes ?? bytes.length;
    if (bytes.length === wanted) return bytes;
    throw wrongLength(this.url, key, bytes.length, wanted);
  }

  async #unbroken<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw tierError('TIER_UNAVAILABLE', this.url, key, `the answer broke off: ${reasonOf(error)}`, error);
    }
  }

  async #text(answer: HttpAnswer, key: string, code: 'TIER_OUTCOME_UNKNOWN' | 'TIER_UNAVAILABLE'): Promise<string> {
    try {
      return await answer.text();
    } catch (error) {
      throw tierError(code, this.url, key, `the answer broke off: ${reasonOf(error)}`, error);
    }
  }

  #refused(answer: HttpAnswer, text: string, key: string, unclear: 'TIER_OUTCOME_UNKNOWN' | 'TIER_UNAVAILABLE'): Error {
    const { status } = answer;
    // Some stores leave the message empty, and a message alone cannot be looked up.
    const said = ['Code', 'Message'].map((name) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1]);
    const words = said.filter((part) => part !== undefined).join(': ');
    const problem = `the store answers ${status}${words === '' ? '' : `: ${words.slice(0, MAX_ERROR_CHARS)}`}`;
    const mayPass = status === 408 || status === 409 || status === 412 || status === 429 || status >= 500;
    return tierError(mayPass ? unclear : 'TIER_REFUSED', this.url, key, problem);
  }

  #full(key: string): string {
    return this.#place.prefix === '' ? key : `${this.#place.prefix}/${key}`;
  }

  #short(key: string): string {
    const { prefix } = this.#place;
    return prefix === '' ? key : key.slice(prefix.length + 1);
  }
}

function wrongLength(url: string, key: string, count: number, wanted: number): MillraceError {
  return tierError('TIER_CORRUPT', url, key, `${count} bytes came where ${wanted} were asked for`);
}

/** Why a time limit ended it stands in the cause. */
function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return String(cause ?? error);
}
