/**
 * kafkajs 2.2.4. Offers gzip; snappy, lz4 and zstd through codecs that the application registers, which is done here with
 * the broker's own (their bytes are checked against other implementations in src/model).
 */
import kafkajs, { type Transaction } from 'kafkajs';
import { compress, decompress } from '../../src/model/compression.ts';
import { CODEC } from '../../src/model/record-batch.ts';
import { type ClientDriver, type ClientHeader, type ClientRecord, Inbox } from './driver.ts';

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, logLevel } = kafkajs;

const COMPRESSION = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
} as const;
const MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024;

for (const name of ['snappy', 'lz4', 'zstd'] as const) {
  const codec = CODEC[name];
  CompressionCodecs[codec] = () => ({
    compress: async (encoder: { buffer: Buffer }) => Buffer.from(compress(codec, encoder.buffer)),
    decompress: async (bytes: Buffer) => Buffer.from(decompress(codec, bytes, MAX_DECOMPRESSED_BYTES)),
  });
}

export const kafkajsDriver: ClientDriver = {
  name: 'kafkajs 2.2.4',
  key: 'kafkajs',
  codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  can: {
    binaryHeaders: true,
    repeatedHeaders: true,
    ownTimestamps: true,
    idempotent: true,
    outliveBroker: true,
    emptyValues: true,
    groupAdmin: true,
    staticMembers: false,
    cooperative: false,
    manyAborted: true,
  },

  async topics(broker) {
    const admin = connect(broker).admin();
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata();
    await admin.disconnect();
    return new Map(topics.map((topic) => [topic.name, topic.partitions.length]));
  },

  async producer(broker, { codec = 'none', acks = -1, idempotent = false } = {}) {
    const producer = connect(broker).producer({ idempotent, allowAutoTopicCreation: true, maxInFlightRequests: 1 });
    await producer.connect();
    return {
      async send(topic, records) {
        await producer.send({ topic, acks, compression: COMPRESSION[codec], messages: records.map(toMessage) });
      },
      [Symbol.asyncDispose]: () => producer.disconnect(),
    };
  },

  async transactions(broker, transactionalId) {
    const producer = connect(broker).producer({ transactionalId, idempotent: true, maxInFlightRequests: 1 });
    await producer.connect();
    // Its transactional id is announced with the first transaction; an empty one fences as others do when they start.
    await (await producer.transaction()).abort();
    let transaction: Transaction | undefined;
    return {
      async begin() {
        transaction = await producer.transaction();
      },
      async send(topic, records) {
        await transaction?.send({ topic, messages: records.map(toMessage) });
      },
      async sendOffset(consumer, topic, { partition, offset }) {
        const partitions = [{ partition, offset: String(offset + 1) }];
        const consumerGroupId = consumer.handle as string;
        await transaction?.sendOffsets({ consumerGroupId, topics: [{ topic, partitions }] });
      },
      async commit() {
        await transaction?.commit();
      },
      async abort() {
        await transaction?.abort();
      },
      [Symbol.asyncDispose]: () => producer.disconnect(),
    };
  },

  async consumer(broker, topic, { group, autoCommit = true, readCommitted = false, sessionTimeoutMs = 10_000 }) {
    const consumer = connect(broker).consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: 300,
      maxWaitTimeInMs: 300,
      readUncommitted: !readCommitted,
    });
    const inbox = new Inbox();
    consumer.on('consumer.crash', ({ payload }) => {
      if (!payload.restart) inbox.fail(payload.error);
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit,
      eachMessage: async ({ partition, message }) => {
        const { key, value, headers = {}, timestamp, offset } = message;
        inbox.put({
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          headers: fromHeaders(headers),
          timestamp: Number(timestamp),
          partition,
          offset: Number(offset),
        });
      },
    });
    return {
      take: (count) => inbox.take(count),
      get waiting() {
        return inbox.waiting;
      },
      handle: group,
      [Symbol.asyncDispose]: () => consumer.disconnect(),
    };
  },

  async offsetAt(broker, topic, timestamp) {
    const admin = connect(broker).admin();
    await admin.connect();
    const [first] = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
    await admin.disconnect();
    return Number(first?.offset);
  },

  async admin(broker) {
    const admin = connect(broker).admin();
    await admin.connect();
    return {
      async createTopic(topic, numPartitions, config) {
        const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
        const created = await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] });
        // The one error that kafkajs answers with instead of throwing it.
        if (!created) throw new Error(`${topic} exists`);
      },
      deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
      async addPartitions(topic, count) {
        await admin.createPartitions({ topicPartitions: [{ topic, count }] });
      },
      async describeConfig(topic, name) {
        const { resources } = await admin.describeConfigs({ resources: [configured(topic)], includeSynonyms: false });
        return resources[0]?.configEntries.find((entry) => entry.configName === name)?.configValue;
      },
      async alterConfig(topic, name, value) {
        const resources = [{ ...configured(topic), configEntries: [{ name, value }] }];
        await admin.alterConfigs({ validateOnly: false, resources });
      },
      deleteRecords: (topic, partition, beforeOffset) =>
        admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(beforeOffset) }] }),
      groups: {
        async list() {
          return (await admin.listGroups()).groups.map(({ groupId }) => groupId);
        },
        async describe(group) {
          const { groups } = await admin.describeGroups([group]);
          return { state: groups[0]?.state ?? '', memberCount: groups[0]?.members.length ?? 0 };
        },
        async delete(group) {
          await admin.deleteGroups([group]);
        },
        async committed(groupId, topic, partition) {
          const [found] = await admin.fetchOffsets({ groupId, topics: [topic] });
          return Number(found?.partitions.find((entry) => entry.partition === partition)?.offset);
        },
        commit: (groupId, topic, partition, offset) =>
          admin.setOffsets({ groupId, topic, partitions: [{ partition, offset: String(offset) }] }),
      },
      [Symbol.asyncDispose]: () => admin.disconnect(),
    };
  },
};

function connect(broker: string): InstanceType<typeof Kafka> {
  return new Kafka({
    clientId: 'millrace-test',
    brokers: [broker],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 40 },
  });
}

function toMessage({ key, value, headers, timestamp, partition }: ClientRecord) {
  const byKey: Record<string, Buffer[]> = {};
  for (const [name, bytes] of headers) (byKey[name] ??= []).push(bytes);
  return {
    key,
    value,
    headers: Object.fromEntries(
      Object.entries(byKey).map(([name, values]) => [name, values.length > 1 ? values : (values[0] as Buffer)]),
    ),
    ...(timestamp === undefined ? {} : { timestamp: String(timestamp) }),
    ...(partition === undefined ? {} : { partition }),
  };
}

function fromHeaders(headers: import('kafkajs').IHeaders): ClientHeader[] {
  return Object.entries(headers).flatMap(([name, values]) =>
    (Array.isArray(values) ? values : [values]).map((value): ClientHeader => [name, Buffer.from(value ?? '')]),
  );
}

function configured(name: string) {
  return { type: ConfigResourceTypes.TOPIC, name };
}
