/**
 * What an idempotent or transactional producer says to the broker, repeated until it is answered: every request here may
 * be sent again without harm, because the broker knows producer, epoch and sequence.
 *
 * Protocol: InitProducerId 4, Metadata 9, AddPartitionsToTxn 3, Produce 9, EndTxn 3 (KIP-98, KIP-360). One broker leads
 * and coordinates everything, so the address given is the one that is used.
 */
import { type ErrorCode, MillraceError } from '../../base/errors.ts';
import type { Api } from '../../wire/api.ts';
import { ERROR_CODES, errorName, isRetriable, type KafkaErrorName } from '../../wire/error-codes.ts';
import { addPartitionsToTxn } from '../../wire/messages/add-partitions-to-txn.ts';
import { endTxn } from '../../wire/messages/end-txn.ts';
import { initProducerId } from '../../wire/messages/init-producer-id.ts';
import { metadata } from '../../wire/messages/metadata.ts';
import { produce } from '../../wire/messages/produce.ts';
import type { Decoded, Encodable } from '../../wire/schema.ts';
import type { Address } from '../bench/raw-socket.ts';
import { KafkaConnection } from './kafka-connection.ts';

/** A broker that restarts is back by then. */
const DEFAULT_PATIENCE_MS = 60_000;
const RETRY_MS = 200;

export interface ProducerSessionOptions {
  readonly address: Address;
  readonly transactionalId: string | undefined;
  /** The broker aborts a transaction that is open for longer. */
  readonly transactionTimeoutMs: number;
  /** How long one request is repeated. */
  readonly patienceMs?: number;
}

export interface PlacedBatch {
  readonly partition: number;
  readonly batch: Uint8Array;
}

export class ProducerSession {
  readonly #options: ProducerSessionOptions;
  #connection: KafkaConnection | undefined;
  #producer = { producerId: -1, producerEpoch: -1 };

  constructor(options: ProducerSessionOptions) {
    this.#options = options;
  }

  get producer(): { readonly producerId: number; readonly producerEpoch: number } {
    return this.#producer;
  }

  /** Gets the producer id; with a transactional id whoever had it before is fenced, and what it left open is aborted. */
  async begin(): Promise<void> {
    const { transactionalId = null, transactionTimeoutMs } = this.#options;
    const body = { transactionalId, transactionTimeoutMs };
    this.#producer = await this.#ask(initProducerId, 4, body, ({ errorCode }) => errorCode);
  }

  /** @returns name as the broker spells it, and its partitions. The topic is created where the broker does that. */
  async topic(name: string): Promise<{ readonly name: string; readonly partitionCount: number }> {
    const body = { topics: [{ name }], allowAutoTopicCreation: true };
    const { topics } = await this.#ask(metadata, 9, body, (answer) => answer.topics[0]?.errorCode);
    return { name: topics[0]?.name ?? name, partitionCount: topics[0]?.partitions.length ?? 0 };
  }

  async addPartitions(topic: string, partitions: readonly number[]): Promise<void> {
    const topics = [{ name: topic, partitions: [...partitions] }];
    const body = { v3AndBelowTransactionalId: this.#id, v3AndBelowProducerId: this.#producer.producerId };
    await this.#ask(
      addPartitionsToTxn,
      3,
      { ...body, v3AndBelowProducerEpoch: this.#producer.producerEpoch, v3AndBelowTopics: topics },
      ({ resultsByTopicV3AndBelow: results }) =>
        results[0]?.resultsByPartition.find(({ partitionErrorCode }) => partitionErrorCode !== 0)?.partitionErrorCode ??
        0,
    );
  }

  /** @returns offset of each batch's first record, in order. */
  async produce(topic: string, batches: readonly PlacedBatch[]): Promise<number[]> {
    const { transactionalId = null } = this.#options;
    const partitionData = batches.map(({ partition, batch }) => ({ index: partition, records: batch }));
    const body = { transactionalId, acks: -1, timeoutMs: 30_000, topicData: [{ name: topic, partitionData }] };
    const { responses } = await this.#ask(
      produce,
      9,
      body,
      (answer) =>
        answer.responses[0]?.partitionResponses.find(({ errorCode }) => errorCode !== 0)?.errorCode ??
        (answer.responses[0] === undefined ? ERROR_CODES.UNKNOWN_SERVER_ERROR : 0),
    );
    const offsets = new Map(responses[0]?.partitionResponses.map(({ index, baseOffset }) => [index, baseOffset]));
    return batches.map(({ partition }) => offsets.get(partition) ?? -1);
  }

  async end(committed: boolean): Promise<void> {
    const body = { transactionalId: this.#id, ...this.#producer, committed };
    await this.#ask(endTxn, 3, body, ({ errorCode }) => errorCode);
  }

  close(): void {
    this.#connection?.close();
  }

  get #id(): string {
    return this.#options.transactionalId ?? '';
  }

  async #ask<A extends Api>(
    api: A,
    version: number,
    body: Encodable<A['request']['fields']>,
    errorOf: (answer: Decoded<A['response']['fields']>) => number | undefined,
  ): Promise<Decoded<A['response']['fields']>> {
    const deadline = Date.now() + (this.#options.patienceMs ?? DEFAULT_PATIENCE_MS);
    for (;;) {
      const outcome = await this.#once(api, version, body, errorOf);
      if ('answer' in outcome) return outcome.answer;
      if (!outcome.again || Date.now() >= deadline) throw outcome.error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  async #once<A extends Api>(
    api: A,
    version: number,
    body: Encodable<A['request']['fields']>,
    errorOf: (answer: Decoded<A['response']['fields']>) => number | undefined,
  ): Promise<
    { readonly answer: Decoded<A['response']['fields']> } | { readonly error: unknown; readonly again: boolean }
  > {
    const isFirst = this.#connection === undefined && this.#producer.producerId < 0;
    try {
      this.#connection ??= await KafkaConnection.connect(this.#options.address);
      const answer = await this.#connection.request(api, version, body);
      const code = errorOf(answer) ?? ERROR_CODES.UNKNOWN_SERVER_ERROR;
      if (code === ERROR_CODES.NONE) return { answer };
      return { error: refused(api.name, code, this.#options.transactionalId), again: isPassing(code) };
    } catch (error) {
      this.#connection?.close();
      this.#connection = undefined;
      const isNetwork = error instanceof MillraceError && /^CLIENT_(NETWORK|TIMED_OUT)$/.test(error.code);
      // Nobody was there at all: a wrong address is told at once.
      return { error, again: isNetwork && !isFirst };
    }
  }
}

/** A transaction of an older producer that is being aborted is over in a moment. */
function isPassing(code: number): boolean {
  return isRetriable(code) || code === ERROR_CODES.CONCURRENT_TRANSACTIONS;
}

const CODES: Readonly<Partial<Record<KafkaErrorName, ErrorCode>>> = {
  PRODUCER_FENCED: 'BROKER_PRODUCER_FENCED',
  INVALID_PRODUCER_EPOCH: 'BROKER_PRODUCER_FENCED',
  INVALID_PRODUCER_ID_MAPPING: 'BROKER_PRODUCER_FENCED',
  INVALID_TRANSACTION_TIMEOUT: 'BROKER_TRANSACTION_TIMEOUT_INVALID',
  UNKNOWN_TOPIC_OR_PARTITION: 'BROKER_TOPIC_NOT_FOUND',
  INVALID_TOPIC_EXCEPTION: 'MODEL_TOPIC_NAME_INVALID',
  MESSAGE_TOO_LARGE: 'MODEL_BATCH_TOO_LARGE',
};

function refused(api: string, code: number, transactionalId: string | undefined): MillraceError {
  const name = errorName(code);
  const own = CODES[name as KafkaErrorName] ?? 'CLIENT_REFUSED';
  const why =
    own === 'BROKER_PRODUCER_FENCED'
      ? ` Another producer has taken over transactional id ${transactionalId}, or the transaction was open for too long.`
      : '';
  return new MillraceError(own, `The broker answered ${api} with ${name} (${code}).${why}`, {
    details: { api, error: name, errorCode: code },
  });
}
