/**
 * Writes batches, one request each. With `idempotent` a request carries an `Idempotency-Key` and is repeated until the broker
 * answers: the broker writes it once, however often it comes. Without, a request that got no answer is not repeated.
 */
import { MillraceError } from '../../../base/errors.ts';
import type { BackendContext, Offsets, WriteBatch, Writer, WriterOptions } from '../../backend.ts';
import type { EncodedRecord } from '../../record.ts';
import { type Api, persist, request, topicPath } from './api.ts';
import { encodeBase64 } from './base64.ts';
import type { TopicJson } from './reader.ts';

const ACKS = { all: 'durable', leader: 'written', none: 'admitted' } as const;

export interface WriteJson {
  readonly partitions: readonly { readonly baseOffset?: number }[];
}

export class HttpWriter implements Writer {
  readonly #api: Api;
  readonly #ack: string;
  /** Begins the keys of this writer's requests; undefined where it repeats none. */
  readonly #name: string | undefined;
  readonly #closed = new AbortController();
  #requests = 0;

  constructor(api: Api, { acks, idempotent }: WriterOptions, random: BackendContext['random']) {
    this.#api = api;
    this.#ack = ACKS[acks];
    this.#name = idempotent ? uniqueName(random) : undefined;
  }

  /** A topic that is not there yet gets its number of partitions when it is made, by the first write. */
  async partitionCount(topic: string): Promise<number> {
    try {
      const { signal } = this.#closed;
      return (await persist<TopicJson>(this.#api, topicPath(topic), { signal })).partitions.length;
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'CLIENT_TOPIC_NOT_FOUND') return 1;
      throw error;
    }
  }

  async write(batches: readonly WriteBatch[]): Promise<(Offsets | Error)[]> {
    return await Promise.all(batches.map(async (batch) => await this.#write(batch)));
  }

  /** Gives up what is on the way. */
  async close(): Promise<void> {
    this.#closed.abort();
  }

  async #write({ topic, partition, records }: WriteBatch): Promise<Offsets | Error> {
    try {
      const path = topicPath(topic, `/records?partition=${partition}&ack=${this.#ack}`);
      const { baseOffset } = (await this.#post(path, records.map(recordJson))).partitions[0] ?? {};
      return (index) => (baseOffset === undefined ? -1n : BigInt(baseOffset + index));
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      return error.code === 'CLIENT_NETWORK' || error.code === 'CLIENT_ABORTED' ? unknownOutcome(error) : error;
    }
  }

  async #post(path: string, body: readonly object[]): Promise<WriteJson> {
    const { signal } = this.#closed;
    if (this.#name === undefined) return await request<WriteJson>(this.#api, path, { method: 'POST', body, signal });
    const headers = { 'idempotency-key': `${this.#name}-${this.#requests++}` };
    return await persist<WriteJson>(this.#api, path, { method: 'POST', body, headers, signal });
  }
}

/** A record as the HTTP interface takes it. */
export function recordJson({ key, value, headers, timestamp }: EncodedRecord): object {
  return {
    ...(key === null ? {} : { keyBase64: encodeBase64(key) }),
    ...(value === null ? { value: null } : { valueBase64: encodeBase64(value) }),
    ...(headers.length === 0
      ? {}
      : {
          headers: headers.map((header) =>
            header.value === null
              ? { name: header.key, value: null }
              : { name: header.key, valueBase64: encodeBase64(header.value) },
          ),
        }),
    timestamp,
  };
}

/** 128 bits of chance, as the beginning of idempotency keys. */
export function uniqueName(random: () => number): string {
  const part = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return `sdk-${part()}${part()}${part()}${part()}`;
}

function unknownOutcome(error: MillraceError): MillraceError {
  return new MillraceError(error.code, `${error.message} It is unknown whether the records were written.`, {
    details: error.details,
    cause: error,
  });
}
