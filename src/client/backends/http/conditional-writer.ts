/** Appends on condition: `If-Offset-Match` says where the log must end, `Idempotency-Key` makes a repeat harmless. */
import { MillraceError } from '../../../base/errors.ts';
import type { AbortOptions } from '../../abort.ts';
import type { BackendContext, ConditionalOutcome, ConditionalWriter, WriteBatch } from '../../backend.ts';
import { type Api, persist, topicPath } from './api.ts';
import { recordJson, uniqueName, type WriteJson } from './writer.ts';

export class HttpConditionalWriter implements ConditionalWriter {
  readonly #api: Api;
  readonly #name: string;
  readonly #closed = new AbortController();
  #requests = 0;

  constructor(api: Api, random: BackendContext['random']) {
    this.#api = api;
    this.#name = uniqueName(random);
  }

  async append(batch: WriteBatch, endOffset: bigint, { signal }: AbortOptions): Promise<ConditionalOutcome> {
    const { topic, partition, records } = batch;
    const headers = {
      'if-offset-match': String(endOffset),
      'idempotency-key': `${this.#name}-${this.#requests++}`,
    };
    const closed = this.#closed.signal;
    const either = signal === undefined ? closed : AbortSignal.any([closed, signal]);
    const body = records.map(recordJson);
    const options = { method: 'POST', body, headers, signal: either } as const;
    try {
      const path = topicPath(topic, `/records?partition=${partition}&ack=durable`);
      const { partitions } = await persist<WriteJson>(this.#api, path, options);
      const baseOffset = BigInt(partitions[0]?.baseOffset ?? endOffset);
      return { outcome: 'written', offsets: (index) => baseOffset + BigInt(index) };
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'BROKER_OFFSET_CONFLICT') return { outcome: 'moved' };
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed.abort();
  }
}
