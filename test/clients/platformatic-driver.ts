/** @platformatic/kafka: the 2.x line and, with the same calls, the 1.x line that Node 20 gets (flexible versions only). */
import * as platformatic2 from '@platformatic/kafka';
import { type ClientDriver, type ClientRecord, Inbox } from './driver.ts';

export type Platformatic = typeof platformatic2;

export const platformatic2Driver: ClientDriver = platformaticDriver('@platformatic/kafka 2.12.1', platformatic2);

export function platformaticDriver(name: string, library: Platformatic): ClientDriver {
  const { Admin, Consumer, Producer } = library;
  return {
    name,
    codecs: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    can: {
      binaryHeaders: true,
      repeatedHeaders: false,
      ownTimestamps: true,
      idempotent: true,
      outliveBroker: true,
      emptyValues: true,
    },

    async topics(broker) {
      const admin = new Admin(base(broker));
      const metadata = await admin.metadata({ topics: await admin.listTopics({ includeInternals: true }) });
      await admin.close();
      return new Map([...metadata.topics].map(([topic, { partitions }]) => [topic, partitions.length]));
    },

    async producer(broker, { codec = 'none', acks = -1, idempotent = false } = {}) {
      const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
        ...base(broker),
        idempotent,
        autocreateTopics: true,
      });
      return {
        async send(topic, records) {
          const messages = records.map((record) => ({ topic, ...toMessage(record) }));
          await producer.send({ messages, acks, compression: codec });
        },
        [Symbol.asyncDispose]: () => producer.close(),
      };
    },

    async consumer(broker, topic, { group }) {
      const consumer = new Consumer<Buffer, Buffer, Buffer, Buffer>({
        ...base(broker),
        groupId: group,
        autocommit: true,
        maxWaitTime: 500,
        sessionTimeout: 10_000,
        heartbeatInterval: 300,
      });
      const inbox = new Inbox();
      const stream = await consumer.consume({ topics: [topic], mode: 'committed', fallbackMode: 'earliest' });
      stream.on('error', (error: Error) => inbox.fail(error));
      stream.on('data', (message) => {
        const { key, value, headers, timestamp, partition, offset } = message;
        inbox.put({
          key: nullable(key),
          value: nullable(value),
          headers: [...headers].map(([header, bytes]) => [String(header), Buffer.from(bytes)]),
          timestamp: Number(timestamp),
          partition,
          offset: Number(offset),
        });
      });
      return {
        take: (count) => inbox.take(count),
        get waiting() {
          return inbox.waiting;
        },
        async [Symbol.asyncDispose]() {
          await stream.close();
          await consumer.close();
        },
      };
    },

    async offsetAt(broker, topic, timestamp) {
      const consumer = new Consumer({ ...base(broker), groupId: 'unused' });
      const offsets = await consumer.listOffsets({ topics: [topic], timestamp: BigInt(timestamp) });
      await consumer.close();
      return Number(offsets.get(topic)?.[0]);
    },

    async admin(broker) {
      const admin = new Admin(base(broker));
      const resourceType = library.ConfigResourceTypes.TOPIC;
      return {
        async createTopic(topic, partitions, config) {
          const configs = Object.entries(config).map(([key, value]) => ({ name: key, value }));
          await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs });
        },
        deleteTopic: (topic) => admin.deleteTopics({ topics: [topic] }),
        addPartitions: (topic, count) => admin.createPartitions({ topics: [{ name: topic, count }] }),
        async describeConfig(topic, key) {
          const [resource] = await admin.describeConfigs({ resources: [{ resourceType, resourceName: topic }] });
          return resource?.configs.find((config) => config.name === key)?.value ?? undefined;
        },
        async alterConfig(topic, key, value) {
          const configs = [{ name: key, configOperation: library.IncrementalAlterConfigOperationTypes.SET, value }];
          await admin.incrementalAlterConfigs({ resources: [{ resourceType, resourceName: topic, configs }] });
        },
        async deleteRecords(topic, partition, beforeOffset) {
          await admin.deleteRecords({
            topics: [{ name: topic, partitions: [{ partition, offset: BigInt(beforeOffset) }] }],
          });
        },
        [Symbol.asyncDispose]: () => admin.close(),
      };
    },
  };
}

function toMessage({ key, value, headers, timestamp, partition }: ClientRecord) {
  return {
    ...(key === null ? {} : { key }),
    ...(value === null ? {} : { value }),
    headers: new Map(headers.map(([name, bytes]) => [Buffer.from(name), bytes])),
    ...(timestamp === undefined ? {} : { timestamp: BigInt(timestamp) }),
    ...(partition === undefined ? {} : { partition }),
  };
}

function nullable(bytes: Buffer | null | undefined): Buffer | null {
  return bytes === null || bytes === undefined ? null : Buffer.from(bytes);
}

function base(broker: string) {
  return {
    clientId: 'millrace-test',
    bootstrapBrokers: [broker],
    retries: 40,
    retryDelay: 100,
    timeout: 10_000,
  };
}
