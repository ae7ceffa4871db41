/** node-rdkafka 3.6.1 (librdkafka 2.12.0). */
import type { CodecName } from '../../src/model/record-batch.ts';
import {
  type ClientAdmin,
  type ClientDriver,
  type ClientHeader,
  type ClientProducer,
  type ClientRecord,
  type ConsumerOptions,
  Inbox,
} from './driver.ts';
import {
  type Client,
  type Config,
  type Consumer,
  call,
  type Message,
  type Producer,
  type Rdkafka,
} from './rdkafka-library.ts';
import { readUntilStopped } from './rdkafka-reading.ts';

const FLUSH_MS = 50_000;

export function rdkafkaDriver(library: Rdkafka): ClientDriver {
  const { features } = library;
  const codecs: CodecName[] = ['none', 'gzip', 'snappy', 'lz4'];
  return {
    name: `node-rdkafka 3.6.1 (librdkafka ${library.librdkafkaVersion})`,
    key: 'rdkafka',
    codecs: features.includes('zstd') ? [...codecs, 'zstd'] : codecs,
    can: {
      // It sends header values as C strings, cut at the first zero byte.
      binaryHeaders: false,
      repeatedHeaders: true,
      ownTimestamps: true,
      idempotent: true,
      outliveBroker: true,
      emptyValues: true,
      groupAdmin: false,
      staticMembers: true,
      cooperative: true,
      manyAborted: true,
    },

    async topics(broker) {
      await using producer = await open(new library.Producer({ 'metadata.broker.list': broker }, {}));
      const metadata = await call<{ topics: { name: string; partitions: unknown[] }[] }>((done) =>
        producer.client.getMetadata({ allTopics: true, timeout: 10_000 }, done),
      );
      return new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
    },

    async producer(broker, { codec = 'none', acks = -1, idempotent = false } = {}) {
      const config = { ...producerConfig(broker), 'compression.codec': codec, 'enable.idempotence': idempotent };
      const { client, [Symbol.asyncDispose]: close } = await open(new library.Producer(config, { acks }));
      return { send: reportedSend(client), [Symbol.asyncDispose]: close };
    },

    async transactions(broker, transactionalId) {
      const config = { ...producerConfig(broker), 'transactional.id': transactionalId };
      const { client, [Symbol.asyncDispose]: close } = await open(new library.Producer(config, {}));
      const send = reportedSend(client);
      await call((done) => client.initTransactions(FLUSH_MS, done));
      return {
        async begin() {
          await call((done) => client.beginTransaction(done));
        },
        send,
        async sendOffset(consumer, topic, { partition, offset }) {
          const places = [{ topic, partition, offset: offset + 1 }];
          const of = consumer.handle as Consumer;
          await call((done) => client.sendOffsetsToTransaction(places, of, FLUSH_MS, done));
        },
        async commit() {
          await call((done) => client.commitTransaction(FLUSH_MS, done));
        },
        async abort() {
          await call((done) => client.abortTransaction(FLUSH_MS, done));
        },
        [Symbol.asyncDispose]: close,
      };
    },

    async consumer(broker, topic, options) {
      const consumer = new library.KafkaConsumer(consumerConfig(broker, options), { 'auto.offset.reset': 'earliest' });
      const { client, [Symbol.asyncDispose]: disconnect } = await open(consumer);
      client.setDefaultConsumeTimeout(50);
      client.subscribe([topic]);
      const inbox = new Inbox();
      const reading = readUntilStopped<Message>(client, (message) => inbox.put(toRecord(message)));
      return {
        take: (count) => inbox.take(count),
        get waiting() {
          return inbox.waiting;
        },
        handle: client,
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

function producerConfig(broker: string): Config {
  return {
    'metadata.broker.list': broker,
    'message.max.bytes': 10_000_000,
    'linger.ms': 20,
    'reconnect.backoff.max.ms': 500,
    dr_cb: true,
  };
}

function consumerConfig(broker: string, options: ConsumerOptions): Config {
  const { group, autoCommit = true, readCommitted = false, instance, cooperative = false } = options;
  return {
    'metadata.broker.list': broker,
    'group.id': group,
    'enable.auto.commit': autoCommit,
    'isolation.level': readCommitted ? 'read_committed' : 'read_uncommitted',
    'session.timeout.ms': options.sessionTimeoutMs ?? 10_000,
    'heartbeat.interval.ms': 300,
    'fetch.wait.max.ms': 100,
    'fetch.message.max.bytes': 20_000_000,
    'reconnect.backoff.max.ms': 500,
    ...(instance === undefined ? {} : { 'group.instance.id': instance }),
    ...(cooperative ? { 'partition.assignment.strategy': 'cooperative-sticky' } : {}),
  };
}

/** Sends and waits for the report of each record. */
function reportedSend(client: Producer): ClientProducer['send'] {
  client.setPollInterval(10);
  let [unreported, failure]: [number, Error | undefined] = [0, undefined];
  let settled = Promise.withResolvers<void>();
  client.on('delivery-report', (error: Error | null) => {
    failure ??= error ?? undefined;
    if (--unreported === 0) settled.resolve();
  });
  return async (topic, records) => {
    [unreported, failure, settled] = [records.length, undefined, Promise.withResolvers<void>()];
    for (const record of records) {
      const { key, value, headers, timestamp = null, partition = null } = record as Required<ClientRecord>;
      client.produce(topic, partition ?? null, value, key, timestamp ?? null, undefined, toHeaders(headers));
    }
    await call((done) => client.flush(FLUSH_MS, done));
    // The reports come after the flush, with the next poll.
    await settled.promise;
    if (failure !== undefined) throw failure;
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
