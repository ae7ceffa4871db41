import type { MessageToProduce, Producer, SendOptions } from '@platformatic/kafka';
import { MillraceError } from '../../../base/errors.ts';
import { ERROR_CODES } from '../../../wire/error-codes.ts';
import type { Offsets, WriteBatch, Writer, WriterOptions } from '../../backend.ts';
import type { EncodedRecord } from '../../record.ts';
import { encodeUtf8 } from '../../utf8.ts';
import { fromKafka, named, partsOf } from './errors.ts';
import type { KafkaLibrary, KafkaSettings } from './library.ts';

export type Message = MessageToProduce;

const ACKS = { all: -1, leader: 1, none: 0 } as const;
const KAFKA_ERROR_NAMES = new Map<number, string>(Object.entries(ERROR_CODES).map(([name, code]) => [code, name]));

export class KafkaWriter implements Writer {
  readonly #producer: Producer;
  readonly #options: WriterOptions;

  constructor(kafka: KafkaLibrary, settings: KafkaSettings, options: WriterOptions) {
    const { idempotent } = options;
    // The retries of an idempotent producer are safe, so it waits out a broker that is away; others give up.
    this.#producer = new kafka.Producer({ ...settings.base, idempotent, ...(idempotent ? { retries: true } : {}) });
    this.#options = options;
  }

  async partitionCount(topic: string): Promise<number> {
    try {
      const metadata = await this.#producer.metadata({ topics: [topic] });
      return metadata.topics.get(topic)?.partitionsCount ?? 1;
    } catch (error) {
      throw fromKafka(error, `Looking up topic ${topic}`);
    }
  }

  async write(batches: readonly WriteBatch[]): Promise<readonly (Offsets | Error)[]> {
    try {
      const { offsets = [] } = await this.#producer.send(this.#request(batches));
      return batches.map(({ topic, partition }) => {
        // acks=none: the broker says nothing, so there is no offset.
        const base = offsets.find((entry) => entry.topic === topic && entry.partition === partition)?.offset ?? -1n;
        return base < 0n ? () => -1n : (index) => base + BigInt(index);
      });
    } catch (error) {
      return outcomes(error, batches);
    }
  }

  async close(): Promise<void> {
    await this.#producer.close(true);
  }

  #request(batches: readonly WriteBatch[]): SendOptions<Buffer, Buffer, Buffer, Buffer> {
    const messages: Message[] = [];
    for (const { topic, partition, records } of batches) {
      for (const record of records) messages.push(message(topic, partition, record));
    }
    const { acks, idempotent, compression } = this.#options;
    return { messages, compression, ...(idempotent ? {} : { acks: ACKS[acks] }) };
  }
}

export function message(topic: string, partition: number, record: EncodedRecord): Message {
  const { key, value, headers, timestamp } = record;
  const made = { topic, partition, timestamp: BigInt(timestamp) } as {
    -readonly [Name in keyof Message]: Message[Name];
  };
  if (key !== null) made.key = asBuffer(key);
  if (value !== null) made.value = asBuffer(value);
  if (headers.length > 0) {
    // Keyed by buffers, so names may repeat.
    const map = new Map<Buffer, Buffer>();
    for (const header of headers) map.set(asBuffer(encodeUtf8(header.key)), asBuffer(header.value) as Buffer);
    made.headers = map;
  }
  return made;
}

function asBuffer(bytes: Uint8Array): Buffer;
function asBuffer(bytes: Uint8Array | null): Buffer | null;
function asBuffer(bytes: Uint8Array | null): Buffer | null {
  if (bytes === null || Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

interface ProduceResponse {
  readonly responses: readonly {
    readonly name: string;
    readonly partitionResponses: readonly {
      readonly index: number;
      readonly errorCode: number;
      readonly baseOffset: bigint;
    }[];
  }[];
}

/** One refused partition must not make the others look refused: the answer says which it was. */
export function outcomes(error: unknown, batches: readonly WriteBatch[]): readonly (Offsets | Error)[] {
  const answered = new Map<string, { errorCode: number; baseOffset: bigint }>();
  for (const { response } of partsOf(error)) {
    if (!isProduceResponse(response)) continue;
    for (const { name, partitionResponses } of response.responses)
      for (const { index, errorCode, baseOffset } of partitionResponses)
        answered.set(`${name}/${index}`, { errorCode, baseOffset });
  }
  const failure = fromKafka(error, 'Writing records');
  return batches.map(({ topic, partition }) => {
    const answer = answered.get(`${topic}/${partition}`);
    if (answer === undefined) return unknownOutcome(failure);
    if (answer.errorCode === 0) return (index: number) => answer.baseOffset + BigInt(index);
    const name = KAFKA_ERROR_NAMES.get(answer.errorCode) ?? String(answer.errorCode);
    return named(name, `Writing to ${topic}/${partition}`, error);
  });
}

function unknownOutcome(failure: MillraceError): MillraceError {
  if (failure.code !== 'CLIENT_NETWORK' && failure.code !== 'CLIENT_TIMED_OUT') return failure;
  return new MillraceError(failure.code, `${failure.message} It is unknown whether the records were written.`, {
    details: failure.details,
    cause: failure.cause,
  });
}

function isProduceResponse(response: unknown): response is ProduceResponse {
  return (
    typeof response === 'object' &&
    response !== null &&
    Array.isArray((response as { responses?: unknown }).responses) &&
    (response as ProduceResponse).responses.every((topic) => Array.isArray(topic.partitionResponses))
  );
}
