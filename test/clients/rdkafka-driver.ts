/** node-rdkafka 3.6.1 (librdkafka 2.12.0), compiled outside the tree: rdkafka-install.ts. Typed by what is used of it. */
import type { CodecName } from '../../src/model/record-batch.ts';
import { type ClientAdmin, type ClientDriver, type ClientHeader, type ClientRecord, Inbox } from './driver.ts';

type Callback<T = unknown> = (error: Error | null | undefined, result: T) => void;
type Config = Readonly<Record<string, string | number | boolean>>;

interface Message {
  readonly key: Buffer | string | null | undefined;
  readonly value: Buffer | null;
  readonly headers?: readonly Readonly<Record<string, Buffer | string>>[];
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

interface Client {
  connect(options: object, done: Callback): void;
  disconnect(done: Callback): void;
  getMetadata(options: object, done: Callback<{ topics: { name: string; partitions: unknown[] }[] }>): void;
  on(event: string, listener: (...args: never[]) => void): void;
}

interface Producer extends Client {
  setPollInterval(ms: number): void;
  flush(timeoutMs: number, done: Callback): void;
  produce(
    topic: string,
    partition: number | null,
    value: Buffer | null,
    key: Buffer | null,
    timestamp: number | null,
    opaque: unknown,
    headers: readonly Readonly<Record<string, Buffer>>[],
  ): void;
}

interface Consumer extends Client {
  subscribe(topics: readonly string[]): void;
  setDefaultConsumeTimeout(ms: number): void;
  consume(count: number, done: Callback<Message[]>): void;
  offsetsForTimes(places: readonly object[], timeoutMs: number, done: Callback<{ offset: number }[]>): void;
}

interface Admin {
  createTopic(topic: object, done: Callback): void;
  deleteTopic(topic: string, done: Callback): void;
  createPartitions(topic: string, total: number, done: Callback): void;
  disconnect(): void;
}

export interface Rdkafka {
  readonly features: readonly string[];
  readonly librdkafkaVersion: string;
  readonly Producer: new (config: Config, topicConfig: Config) => Producer;
  readonly KafkaConsumer: new (config: Config, topicConfig: Config) => Consumer;
  readonly AdminClient: { create(config: Config): Admin };
}

const FLUSH_MS = 50_000;
const READ_COUNT = 500;

export function rdkafkaDriver(library: Rdkafka): ClientDriver {
  const { features } = library;
  const codecs: CodecName[] = ['none', 'gzip', 'snappy', 'lz4'];
  return {
    name: `node-rdkafka 3.6.1 (librdkafka ${library.librdkafkaVersion})`,
    codecs: features.includes('zstd') ? [...codecs, 'zstd'] : codecs,
    can: {
      // It sends header values as C strings, cut at the first zero byte.
      binaryHeaders: false,
      repeatedHeaders: true,
      ownTimestamps: true,
      idempotent: true,
      outliveBroker: true,
      emptyValues: true,
    },

    async topics(broker) {
      await using producer = await open(new library.Producer({ 'metadata.broker.list': broker }, {}));
      const metadata = await call<{ topics: { name: string; partitions: unknown[] }[] }>((done) =>
        producer.client.getMetadata({ allTopics: true, timeout: 10_000 }, done),
      );
      return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
    },

    async producer(broker, { codec = 'none', acks = -1, idempotent = false } = {}) {
      const config = {
        'metadata.broker.list': broker,
        'compression.codec': codec,
        'enable.idempotence': idempotent,
        'message.max.bytes': 10_000_000,
        'linger.ms': 20,
        'reconnect.backoff.max.ms': 500,
        dr_cb: true,
      };
      const { client, [Symbol.asyncDispose]: close } = await open(new library.Producer(config, { acks }));
      client.setPollInterval(10);
      let [unreported, failure]: [number, Error | undefined] = [0, undefined];
      let settled = Promise.withResolvers<void>();
      client.on('delivery-report', (error: Error | null) => {
        failure ??= error ?? undefined;
        if (--unreported === 0) settled.resolve();
      });
      return {
        async send(topic, records) {
          [unreported, failure, settled] = [records.length, undefined, Promise.withResolvers<void>()];
          for (const record of records) {
            const { key, value, headers, timestamp = null, partition = null } = record as Required<ClientRecord>;
            client.produce(topic, partition ?? null, value, key, timestamp ?? null, undefined, toHeaders(headers));
          }
          await call((done) => client.flush(FLUSH_MS, done));
          // The reports come after the flush, with the next poll.
          await settled.promise;
          if (failure !== undefined) throw failure;
        },
        [Symbol.asyncDispose]: close,
      };
    },

    async consumer(broker, topic, { group }) {
      const config = {
        'metadata.broker.list': broker,
        'group.id': group,
        'session.timeout.ms': 10_000,
        'heartbeat.interval.ms': 300,
        'fetch.wait.max.ms': 100,
        'fetch.message.max.bytes': 20_000_000,
        'reconnect.backoff.max.ms': 500,
      };
      const consumer = new library.KafkaConsumer(config, { 'auto.offset.reset': 'earliest' });
      const { client, [Symbol.asyncDispose]: disconnect } = await open(consumer);
      client.setDefaultConsumeTimeout(50);
      client.subscribe([topic]);
      const inbox = new Inbox();
      const reading = readUntilStopped(client, inbox);
      return {
        take: (count) => inbox.take(count),
        get waiting() {
          return inbox.waiting;
        },
        async [Symbol.asyncDispose]() {
          await reading.stop();
          await disconnect();
        },
      };
    },

    async offsetAt(broker, topic, timestamp) {
      const consumer = new library.KafkaConsumer({ 'metadata.broker.list': broker, 'group.id': 'unused' }, {});
      await using opened = await open(consumer);
      const places = [{ topic, partition: 0, offset: timestamp }];
      const [found] = await call<{ offset: number }[]>((done) => opened.client.offsetsForTimes(places, 10_000, done));
      return found?.offset ?? Number.NaN;
    },

    admin(broker) {
      const admin = library.AdminClient.create({ 'metadata.broker.list': broker });
      return Promise.resolve<ClientAdmin>({
        async createTopic(topic, partitions, config) {
          const spec = { topic, num_partitions: partitions, replication_factor: 1, config };
          await call((done) => admin.createTopic(spec, done));
        },
        async deleteTopic(topic) {
          await call((done) => admin.deleteTopic(topic, done));
        },
        async addPartitions(topic, total) {
          await call((done) => admin.createPartitions(topic, total, done));
        },
        [Symbol.asyncDispose]: () => Promise.resolve(admin.disconnect()),
      });
    },
  };
}

/** Asks again and again: the flowing mode of node-rdkafka hangs or crashes when it is closed (docs/clients.md). */
function readUntilStopped(client: Consumer, inbox: Inbox): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      const messages = await call<Message[]>((done) => client.consume(READ_COUNT, done)).catch(() => []);
      for (const message of messages) inbox.put(toRecord(message));
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function open<C extends Client>(client: C): Promise<AsyncDisposable & { readonly client: C }> {
  await call((done) => client.connect({ timeout: 10_000 }, done));
  let closed: Promise<unknown> | undefined;
  return {
    client,
    async [Symbol.asyncDispose]() {
      await (closed ??= call((done) => client.disconnect(done)));
    },
  };
}

async function call<T = unknown>(start: (done: Callback<T>) => void): Promise<T> {
  return await new Promise((resolve, reject) => {
    start((error, result) => (error === null || error === undefined ? resolve(result) : reject(error)));
  });
}

function toHeaders(headers: readonly ClientHeader[]): Readonly<Record<string, Buffer>>[] {
  return headers.map(([name, value]) => ({ [name]: value }));
}

function toRecord({ key, value, headers = [], timestamp, partition, offset }: Message) {
  return {
    key: key === null || key === undefined ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers: headers.flatMap((header) =>
      Object.entries(header).map(([name, bytes]): ClientHeader => [name, Buffer.from(bytes)]),
    ),
    timestamp,
    partition,
    offset,
  };
}
