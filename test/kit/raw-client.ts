/**
 * A Kafka client with nothing between the test and the wire: one connection, requests as objects of `src/wire`, answers
 * in request order. It hides nothing and repeats nothing.
 */
import { once } from 'node:events';
import net from 'node:net';
import { encodeBatch, type ProducerFields } from '../../src/model/batch-builder.ts';
import type { RecordInput } from '../../src/model/record.ts';
import type { CodecName } from '../../src/model/record-batch.ts';
import {
  type Api,
  createTopics,
  decodeResponse,
  encodeRequest,
  errorName,
  fetch,
  initProducerId,
  listOffsets,
  metadata,
  produce,
} from '../../src/wire/index.ts';
import type { Decoded, Encodable } from '../../src/wire/schema.ts';

const PRODUCE_VERSION = 9;
/** The newest that names topics by name. */
const FETCH_VERSION = 12;

interface Waiting {
  resolve(message: Buffer): void;
  reject(error: Error): void;
}

export interface FetchedPartition {
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly logStartOffset: number;
  /** Whole batches; the first may start before the offset asked for. */
  readonly records: Uint8Array;
}

export class RawClient implements Disposable {
  readonly #socket: net.Socket;
  readonly #waiting = new Map<number, Waiting>();
  #correlationId = 0;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#received(chunk));
    socket.on('error', (error) => this.#failed(error));
    socket.on('close', () => this.#failed(new Error('connection closed')));
  }

  /** @param address HOST:PORT. @throws Error where nobody listens. */
  static async connect(address: string): Promise<RawClient> {
    const colon = address.lastIndexOf(':');
    const socket = net.connect(Number(address.slice(colon + 1)), address.slice(0, colon));
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** @throws Error when the connection ends before the answer: whether the request was carried out is unknown then. */
  async request<A extends Api>(
    api: A,
    version: number,
    body: Encodable<A['request']['fields']>,
  ): Promise<Decoded<A['response']['fields']>> {
    const correlationId = ++this.#correlationId;
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    this.#waiting.set(correlationId, { resolve, reject });
    this.send(encodeRequest(api, version, { correlationId, clientId: 'raw' }, body));
    return decodeResponse(api, version, await promise).body;
  }

  /** Sends bytes as they are. */
  send(frame: Uint8Array): void {
    if (this.#socket.destroyed) this.#failed(new Error('connection closed'));
    else this.#socket.write(frame);
  }

  /** Stops and resumes reading the socket: a consumer that stalls. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** @throws Error named by Kafka's code where the answer holds one. */
  async createTopic(
    name: string,
    partitions = 1,
    configs: readonly { name: string; value: string }[] = [],
  ): Promise<void> {
    const { topics } = await this.request(createTopics, 5, {
      topics: [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs: [...configs] }],
      timeoutMs: 10_000,
      validateOnly: false,
    });
    ok(topics[0]?.errorCode, `creating ${name}`);
  }

  /**
   * One batch to one partition.
   *
   * @returns offset of its first record.
   */
  async produce(
    topic: string,
    partition: number,
    records: readonly RecordInput[],
    options: { acks?: -1 | 1; codec?: CodecName; producer?: ProducerFields } = {},
  ): Promise<number> {
    const { acks = -1, ...encoding } = options;
    return await this.produceBatch(topic, partition, encodeBatch(records, encoding), acks);
  }

  async produceBatch(topic: string, partition: number, batch: Uint8Array, acks: -1 | 1 = -1): Promise<number> {
    const { responses } = await this.request(produce, PRODUCE_VERSION, {
      acks,
      timeoutMs: 30_000,
      topicData: [{ name: topic, partitionData: [{ index: partition, records: batch }] }],
    });
    const answer = responses[0]?.partitionResponses[0];
    ok(answer?.errorCode, `producing to ${topic}/${partition}`);
    return answer?.baseOffset ?? -1;
  }

  async fetch(
    topic: string,
    partition: number,
    fetchOffset: number,
    options: { maxWaitMs?: number; maxBytes?: number } = {},
  ): Promise<FetchedPartition> {
    const { maxWaitMs = 0, maxBytes = 1024 * 1024 } = options;
    const { responses } = await this.request(fetch, FETCH_VERSION, {
      maxWaitMs,
      minBytes: 1,
      maxBytes,
      topics: [{ topic, partitions: [{ partition, fetchOffset, partitionMaxBytes: maxBytes }] }],
    });
    const answer = responses[0]?.partitions[0];
    if (answer === undefined) throw new Error(`no answer for ${topic}/${partition}`);
    const { errorCode, highWatermark, logStartOffset, records } = answer;
    return { errorCode, highWatermark, logStartOffset, records: records ?? new Uint8Array(0) };
  }

  /** @param timestamp milliseconds, or -1 for the end, -2 for the start. */
  async offsetAt(topic: string, partition: number, timestamp: number): Promise<number> {
    const { topics } = await this.request(listOffsets, 7, {
      topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
    });
    const answer = topics[0]?.partitions[0];
    ok(answer?.errorCode, `offsets of ${topic}/${partition}`);
    return answer?.offset ?? -1;
  }

  async producerId(): Promise<{ producerId: number; producerEpoch: number }> {
    const answer = await this.request(initProducerId, 3, { transactionalId: null, transactionTimeoutMs: 60_000 });
    ok(answer.errorCode, 'asking for a producer id');
    return answer;
  }

  /** Topic to its number of partitions. */
  async topics(): Promise<Map<string, number>> {
    const answer = await this.request(metadata, 9, { topics: null });
    return new Map(answer.topics.map((topic) => [topic.name ?? '', topic.partitions.length]));
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #received(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    while (this.#chunkBytes >= 4) {
      const first = this.#chunks[0] as Buffer;
      const size = (first.length >= 4 ? first : this.#join()).readUInt32BE(0);
      if (this.#chunkBytes < size + 4) return;
      const bytes = this.#join();
      this.#chunks = [bytes.subarray(size + 4)];
      this.#chunkBytes -= size + 4;
      const message = bytes.subarray(4, size + 4);
      const correlationId = message.readInt32BE(0);
      const waiting = this.#waiting.get(correlationId);
      if (waiting === undefined) {
        this.#socket.destroy(new Error(`an answer to request ${correlationId}, which was never sent`));
        return;
      }
      this.#waiting.delete(correlationId);
      waiting.resolve(message);
    }
  }

  #join(): Buffer {
    const bytes = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    return bytes;
  }

  #failed(error: Error): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

function ok(errorCode: number | undefined, what: string): void {
  if (errorCode === 0) return;
  throw new Error(`${what}: ${errorCode === undefined ? 'no answer' : errorName(errorCode)}`);
}
